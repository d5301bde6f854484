// The tokenizer and padSequences against keras_preprocessing on 1,000 random corpora: ids, matrices, padded arrays and
// JSON.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { text } from '../../lib/index.js'
import type { MatrixMode, Text, TokenizerOptions } from '../../lib/text/tokenizer.js'
import { generator } from '../expect.js'
import { hasKerasPreprocessing, SYSTEM_PYTHON, testWith } from '../skip.js'
import { integer, pick, randomText, randomTokens } from './corpus.js'

const CORPORA = 1000
const script = path.join(import.meta.dirname, '..', '..', '..', 'test', 'text', 'keras_oracle.py')

interface Case {
  options: TokenizerOptions
  fits: Text[][]
  texts: Text[]
  plain: string[]
  sequences: number[][]
  pad: { maxLen?: number; padding: 'pre' | 'post'; truncating: 'pre' | 'post'; value: number }
}

interface Expected {
  counts: [string, number][]
  docs: Record<string, number>
  index: [string, number][]
  sequences: number[][]
  back: string[]
  matrices: Partial<Record<MatrixMode, number[][]>>
  json: { config: Record<string, unknown> }
  theirs: number[][]
  padded: number[][]
  indexDocs: [number, number][]
  words?: string[][]
  hashed?: number[][]
}

function randomCase(seed: number): Case {
  const next = generator(seed)
  const chance = (p: number): boolean => next() < p
  const some = (most: number): Text[] =>
    Array.from({ length: integer(next, 0, most) }, () => (chance(0.2) ? randomTokens(next, 6) : randomText(next, 10)))
  const fits = Array.from({ length: chance(0.2) ? 2 : 1 }, () => [randomText(next, 12), ...some(6)])
  return {
    options: {
      ...(chance(0.5) && { numWords: integer(next, 1, 30) }),
      ...(chance(0.4) && { filters: pick(next, ['', '!.,', 'aΣ今👍', '\u00a0 \t', "'", '\u0085\u3000']) }),
      lower: chance(0.7),
      split: pick(next, [' ', ' ', ' ', ' ', '\t', ', ', 'a', '👍', '\u00a0', '今']),
      charLevel: chance(0.2),
      ...(chance(0.5) && { oovToken: pick(next, ['<oov>', 'oov', 'the', '', '今', '👍']) }),
    },
    fits,
    texts: [...some(5), ...fits[0]!.slice(0, 2)],
    plain: [randomText(next, 8), randomText(next, 3)],
    sequences: Array.from({ length: 3 }, () => Array.from({ length: integer(next, 0, 6) }, () => integer(next, 0, 40))),
    pad: {
      ...(chance(0.7) && { maxLen: integer(next, 1, 8) }),
      padding: chance(0.5) ? 'pre' : 'post',
      truncating: chance(0.5) ? 'pre' : 'post',
      value: pick(next, [0, -1, 7]),
    },
  }
}

/** The case's options in Keras' words. */
const kerasOptions = ({ numWords, charLevel, oovToken, ...rest }: TokenizerOptions): object => ({
  num_words: numWords ?? null,
  char_level: charLevel,
  oov_token: oovToken ?? null,
  filters: '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n',
  ...rest,
})

testWith(hasKerasPreprocessing, "Debian's python3-keras-preprocessing", `${CORPORA} corpora as in keras_preprocessing`, () => {
  const cases = Array.from({ length: CORPORA }, (_, i) => randomCase(i + 1))
  const tokenizers = cases.map(({ options, fits }) => {
    const made = text.tokenizer(options)
    for (const texts of fits) made.fitOnTexts(texts)
    return made
  })
  const input = cases.map(({ pad: { maxLen, ...pad }, options, ...rest }, i) => ({
    ...rest,
    options: kerasOptions(options),
    pad: { ...pad, maxlen: maxLen ?? null },
    json: tokenizers[i],
  }))
  const { stdout, stderr, status } = spawnSync(SYSTEM_PYTHON, [script], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  })
  assert.is(status, 0, stderr)
  const expected = JSON.parse(stdout) as Expected[]
  assert.is(expected.length, CORPORA)
  let tokens = 0
  for (const [i, keras] of expected.entries()) {
    const { options, texts, plain, sequences, pad } = cases[i]!
    const ours = tokenizers[i]!
    const where = `corpus ${i + 1}: ${JSON.stringify(options)}`
    const config = ours.toJSON().config
    assert.equal(ours.wordCounts, Object.fromEntries(keras.counts), where)
    assert.equal(ours.wordDocs, keras.docs, where)
    assert.equal(ours.wordIndex, Object.fromEntries(keras.index), where)
    assert.equal(ours.indexWord, Object.fromEntries(keras.index.map(([word, id]) => [id, word])), where)
    const ids = ours.textsToSequences(texts)
    assert.equal(ids, keras.sequences, where)
    assert.equal(keras.theirs, keras.sequences, `${where}: Keras with our JSON`)
    tokens += ids.flat().length
    assert.equal(ours.sequencesToTexts(sequences), keras.back, where)
    for (const mode of ['binary', 'count', 'freq', 'tfidf'] as const) {
      const matrix = keras.matrices[mode]
      if (matrix) compareMatrix(ours.sequencesToMatrix(ids, mode).arraySync() as number[][], matrix, mode, where)
    }
    for (const name of ['word_counts', 'word_index', 'index_word']) {
      // the same dictionary in the same order; Python writes non-ASCII characters as escapes
      assert.is(entriesOf(config[name] as string), entriesOf(keras.json.config[name] as string), `${where}: ${name}`)
    }
    const again = text.Tokenizer.fromJSON(JSON.stringify(keras.json))
    assert.equal(again.textsToSequences(texts), ids, `${where}: Keras' JSON`)
    again.fitOnTexts(texts)
    const padded = text.padSequences(ids, pad)
    assert.is(padded.dtype, 'int32')
    assert.equal(padded.arraySync(), keras.padded, `${where} ${JSON.stringify(pad)}`)
    ours.fitOnSequences(sequences)
    assert.equal(ours.indexDocs, Object.fromEntries(keras.indexDocs), where)
    ours.fitOnTexts(texts)
    assert.equal(again.wordIndex, ours.wordIndex, `${where}: order of words after Keras' JSON`)
    const { filters, lower, split } = options
    const wordOptions = { ...(filters !== undefined && { filters }), lower: lower!, split: split! }
    if (keras.words)
      assert.equal(
        plain.map((t) => text.textToWordSequence(t, wordOptions)),
        keras.words,
        where,
      )
    if (keras.hashed)
      assert.equal(
        plain.map((t) => text.hashingTrick(t, 97, wordOptions)),
        keras.hashed,
        where,
      )
  }
  assert.ok(tokens > 20 * CORPORA, `only ${tokens} tokens were compared`)
})

/** The dictionary's entries as text, in the order of the JSON. */
const entriesOf = (json: string): string => json.replace(/\\u([0-9a-f]{4})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))

function compareMatrix(ours: number[][], keras: number[][], mode: MatrixMode, where: string): void {
  // logarithms of the two libraries may differ in the last bit of a float64, and so after rounding by one of a float32
  const tolerance = mode === 'tfidf' ? 2 ** -23 : 0
  assert.is(ours.length, keras.length)
  for (const [i, row] of keras.entries()) {
    assert.is(ours[i]!.length, row.length, where)
    for (const [j, value] of row.entries()) {
      const expected = Math.fround(value)
      if (Math.abs(ours[i]![j]! - expected) > tolerance * expected) assert.is(ours[i]![j], expected, `${where}: ${mode}[${i}][${j}]`)
    }
  }
}

test.run()
