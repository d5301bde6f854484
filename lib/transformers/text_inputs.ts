// What models of text take: ids [batch, steps], and for encoders the kinds of text and the padding beside them.
import type { ErrorCode, WeftError } from '../core/error.js'
import type { Shape } from '../core/spec.js'
import { Tensor } from '../core/tensor.js'
import { isInferring } from '../layers/symbolic.js'

/** Ids [batch, steps] alone, or with the kind of text and what is no padding, both [batch, steps]. */
export type EncoderInputs = Tensor | { readonly tokenIds: Tensor; readonly segmentIds?: Tensor; readonly paddingMask?: Tensor }

const INPUTS: readonly string[] = ['tokenIds', 'segmentIds', 'paddingMask']

/** The error of the model that the inputs are given to. */
type Fail = (code: ErrorCode, message: string, shapes?: readonly Shape[], hint?: string) => WeftError

/** Throws ERR_SHAPE unless ids are [batch, steps] with at most `sequenceLength` steps. */
export function checkIds({ rank, shape }: Tensor, sequenceLength: number, fail: Fail): void {
  if (rank === 2 && (shape[1]! <= sequenceLength || isInferring())) return
  throw fail(
    'ERR_SHAPE',
    `expected ids of shape [batch, steps] with at most ${sequenceLength} steps, received [${shape}]`,
    [shape],
    rank === 1 ? 'The batch axis is missing: use expandDims(0)' : "Cut the text into pieces of the model's sequenceLength",
  )
}

/** The inputs of an encoder by name. ERR_ARGUMENT for unknown ones, ERR_SHAPE where shapes differ. */
export function encoderInputs(x: EncoderInputs, sequenceLength: number, fail: Fail): Exclude<EncoderInputs, Tensor> {
  const parts = x instanceof Tensor ? { tokenIds: x } : x
  const unknown = Object.keys(parts).find((name) => !INPUTS.includes(name))
  if (unknown !== undefined || !(parts.tokenIds instanceof Tensor)) {
    const why = unknown === undefined ? 'the inputs lack tokenIds' : `unknown input '${unknown}'`
    throw fail('ERR_ARGUMENT', why, [], `Inputs are ids, or { ${INPUTS.join(', ')} }`)
  }
  checkIds(parts.tokenIds, sequenceLength, fail)
  const { shape } = parts.tokenIds
  for (const [name, t] of Object.entries(parts)) {
    if (t.rank !== 2 || t.shape[0] !== shape[0] || t.shape[1] !== shape[1])
      throw fail('ERR_SHAPE', `${name} has shape [${t.shape}], tokenIds [${shape}]`, [t.shape, shape])
  }
  return parts
}
