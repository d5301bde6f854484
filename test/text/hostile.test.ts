// Hostile calls of text: tokenizers, what they are made from, and padding.
import { test } from 'uvu'
import * as weft from '../../lib/index.js'
import { type AnyFunction, hostileTests, optionTargets, type Target } from '../hostile.js'

const { text } = weft

const TEXTS = ['the cat sat', 'on the mat']
const fitted = (): weft.text.Tokenizer => {
  const made = text.tokenizer()
  made.fitOnTexts(TEXTS)
  return made
}
const merged = text.bytePairEncoding.train(TEXTS, { vocabularySize: 270 })
const pieces = text.wordPiece.train(TEXTS, { vocabularySize: 60 })
const ngrams = text.ngramModel({ order: 2 })
ngrams.fit(TEXTS)

/** Methods of a tokenizer, with arguments that are right. */
function methods(name: string, make: () => object, calls: Readonly<Record<string, Target['args']>>): Record<string, Target> {
  return Object.fromEntries(
    Object.entries(calls).map(([key, args]): [string, Target] => [
      `${name}.${key}`,
      { fn: (...given) => (make() as Record<string, AnyFunction>)[key]!(...given), args },
    ]),
  )
}

hostileTests({
  ...optionTargets('text.tokenizer', text.tokenizer as AnyFunction, {}, (made) => (made as weft.text.Tokenizer).fitOnTexts(TEXTS)),
  ...methods('tokenizer', fitted, {
    fitOnTexts: [() => TEXTS],
    fitOnSequences: [() => [[1, 2]]],
    textsToSequences: [() => TEXTS],
    sequencesToTexts: [() => [[1, 2]]],
    textsToMatrix: [() => TEXTS, () => 'binary'],
    sequencesToMatrix: [() => [[1, 2]], () => 'count'],
  }),
  'text.tokenizerFromJson': { fn: text.tokenizerFromJson as AnyFunction, args: [() => fitted().toJSON()] },
  'text.loadTokenizer': { fn: text.loadTokenizer as AnyFunction, args: [() => '/nowhere/tokenizer.json'] },
  padSequences: { fn: text.padSequences as AnyFunction, args: [() => [[1, 2], [3]], () => ({})] },
  ...Object.fromEntries(
    ['maxLen', 'padding', 'truncating', 'value', 'dtype'].map((key): [string, Target] => [
      `padSequences ${key}`,
      {
        fn: (value) => text.padSequences([[1, 2], [3]], { [key]: value }),
        args: [() => undefined],
      },
    ]),
  ),
  hashingTrick: { fn: text.hashingTrick as AnyFunction, args: [() => 'the cat', () => 10, () => ({})] },
  textToWordSequence: { fn: text.textToWordSequence as AnyFunction, args: [() => 'the cat', () => ({})] },
  'wordPiece.train': {
    fn: text.wordPiece.train as AnyFunction,
    args: [() => TEXTS, () => ({ vocabularySize: 60 })],
    skip: (value) => value === 2 ** 53,
  },
  'bytePairEncoding.loadRanks': { fn: text.bytePairEncoding.loadRanks as AnyFunction, args: [() => '/nowhere/x.tiktoken', () => ({})] },
  'bytePairEncoding.train': {
    fn: text.bytePairEncoding.train as AnyFunction,
    args: [() => TEXTS, () => ({ vocabularySize: 260 })],
    skip: (value) => value === 2 ** 53,
  },
  ...methods('bytePair', () => merged, {
    encode: [() => 'the', () => ({})],
    decode: [() => [1, 2], () => ({})],
    encodeBatch: [() => TEXTS, () => ({})],
    decodeBatch: [() => [[1, 2]], () => ({})],
    encodeBytes: [() => new Uint8Array(2)],
    decodeBytes: [() => [1]],
    tokenToId: [() => 'the'],
    idToToken: [() => 1],
    encodeWithTypes: [() => 'the', () => ({})],
  }),
  ...methods('wordPiece', () => pieces, { encode: [() => 'the', () => ({})], decode: [() => [1, 2], () => ({})] }),
  ...optionTargets('text.ngramModel', text.ngramModel as AnyFunction, { order: 2 }, (made) => (made as weft.text.NgramModel).fit(TEXTS)),
  ...methods('ngrams', () => ngrams, {
    fit: [() => TEXTS],
    probabilities: [() => 'the'],
    bitsPerToken: [() => TEXTS],
    sample: [() => ({ seed: 1 })],
    perplexity: [() => TEXTS],
  }),
})

test.run()
