// Checks that all trainers of subword vocabularies make.
import { WeftError } from '../core/error.js'
import { checkedTexts, describe } from './words.js'

export function checkTraining(what: string, vocabularySize: number, minFrequency: number, specialTokens: readonly string[]): void {
  if (!Number.isInteger(vocabularySize) || vocabularySize < 1 || vocabularySize > 2 ** 24) {
    throw new WeftError('ERR_ARGUMENT', `${what}: vocabularySize must be an integer from 1 to ${2 ** 24}, got ${describe(vocabularySize)}`)
  }
  if (!Number.isInteger(minFrequency) || minFrequency < 0) {
    throw new WeftError('ERR_ARGUMENT', `${what}: minFrequency must be an integer of at least 0, got ${describe(minFrequency)}`)
  }
  if (!Array.isArray(specialTokens) || specialTokens.some((token) => typeof token !== 'string' || token === '')) {
    throw new WeftError('ERR_ARGUMENT', `${what}: specialTokens must be a list of strings that are not empty`)
  }
  if (new Set(specialTokens).size < specialTokens.length) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: specialTokens has ${JSON.stringify(specialTokens.find((t, i) => specialTokens.indexOf(t) < i))} twice`,
    )
  }
}

/** The texts, checked one by one. */
export const textsToTrain = (what: string, texts: Iterable<string>): Generator<string, void> =>
  checkedTexts(what, texts, (text) => typeof text === 'string', 'a string')
