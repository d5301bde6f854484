// Sizes of a transformer, as gpt and bert take them, and whether they fit together.
import { WeftError } from '../core/error.js'
import { integerOption, rateOption } from '../layers/options.js'

export interface TransformerSizes {
  /** Token ids are 0 to vocabularySize - 1. */
  vocabularySize: number
  /** The most tokens the model sees at once: its context. */
  sequenceLength: number
  /** Number of blocks. */
  numLayers: number
  /** Heads of attention in each block, a divisor of hiddenDim. */
  numHeads: number
  /** Features of each position. */
  hiddenDim: number
  /** Features inside the feed-forward networks. Default 4·hiddenDim. */
  intermediateDim?: number
}

/** @internal Throws ERR_ARGUMENT unless the sizes of a transformer are integers that fit together. */
export function checkSizes(what: string, config: TransformerSizes & { dropout?: number }): void {
  for (const name of ['vocabularySize', 'sequenceLength', 'numLayers', 'numHeads', 'hiddenDim'] as const)
    integerOption(what, name, config[name])
  const { hiddenDim, numHeads } = config
  if (hiddenDim % numHeads !== 0)
    throw new WeftError('ERR_ARGUMENT', `${what}: hiddenDim ${hiddenDim} cannot be cut into ${numHeads} heads`, {
      hint: 'Choose numHeads so that it divides hiddenDim',
    })
  rateOption(what, config.dropout ?? 0)
}
