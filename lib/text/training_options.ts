// Checks that all trainers of subword vocabularies make.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { checkedTexts } from './words.js'

export function checkTraining(what: string, vocabularySize: number, minFrequency: number, specialTokens: readonly string[]): void {
  integer(what, 'vocabularySize', vocabularySize, 1, 2 ** 24)
  integer(what, 'minFrequency', minFrequency, 0)
  if (!Array.isArray(specialTokens) || specialTokens.some((token) => typeof token !== 'string' || token === '')) {
    throw new WeftError('ERR_ARGUMENT', `${what}: specialTokens must be a list of strings that are not empty`)
  }
  if (new Set(specialTokens).size < specialTokens.length) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: specialTokens has ${show(specialTokens.find((t, i) => specialTokens.indexOf(t) < i))} twice`,
    )
  }
}

/** The texts, checked one by one. */
export const textsToTrain = (what: string, texts: Iterable<string>): Generator<string, void> =>
  checkedTexts(what, texts, (text) => typeof text === 'string', 'a string')
