// The tokenizer without its oracle: the documented example, segmenters, padding of all kinds, matrices as Tensors,
// wrong use.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tensor, text } from '../../lib/index.js'
import { throws } from '../expect.js'

const TEXTS = ['The cat sat on the mat.', 'The dog ate the cat!', "It's a dog's life"]

test('the example of the documentation', () => {
  const tokenizer = text.tokenizer({ numWords: 20_000, oovToken: '<oov>' })
  tokenizer.fitOnTexts(TEXTS)
  const ids = tokenizer.textsToSequences(TEXTS)
  const x = text.padSequences(ids, { maxLen: 7 })
  assert.equal(ids[0], [2, 3, 4, 5, 2, 6])
  assert.equal(x.shape, [3, 7])
  assert.is(x.dtype, 'int32')
  assert.equal((x.arraySync() as number[][])[0], [0, 2, 3, 4, 5, 2, 6])
  assert.is(tokenizer.vocabularySize, 13)
  assert.is(tokenizer.wordIndex['the'], 2)
  assert.is(tokenizer.indexWord[2], 'the')
  assert.equal(tokenizer.textsToSequences(['the zebra']), [[2, 1]])
  assert.equal(tokenizer.sequencesToTexts(ids.slice(0, 1)), ['the cat sat on the mat'])
  assert.is(text.tokenizer({ numWords: 5 }).vocabularySize, 1)
})

test('numWords keeps ids below it, vocabularySize follows', () => {
  const tokenizer = text.tokenizer({ numWords: 4 })
  tokenizer.fitOnTexts(TEXTS)
  assert.is(tokenizer.vocabularySize, 4)
  assert.ok(
    tokenizer
      .textsToSequences(TEXTS)
      .flat()
      .every((id) => id < 4),
  )
  assert.equal(tokenizer.textsToMatrix(TEXTS, 'count').shape, [3, 4])
})

test('the JSON keeps the order of words that look like numbers', () => {
  const first = text.tokenizer()
  first.fitOnTexts(['b 2020 a 7 "x" \\ 今'])
  const again = text.Tokenizer.fromJSON(JSON.stringify(first))
  assert.equal(JSON.parse(JSON.stringify(again)), JSON.parse(JSON.stringify(first)))
  first.fitOnTexts(['z'])
  again.fitOnTexts(['z'])
  assert.equal(again.wordIndex, first.wordIndex)
  assert.is(again.wordIndex['2020'], 2)
})

test('Chinese: one word without a segmenter, words with intl, characters with character', () => {
  const sentence = '今天天气很好，我们去公园。OK 👍 2024年'
  assert.equal(text.textToWordSequence('今天天气很好'), ['今天天气很好'])
  const words = text.textToWordSequence(sentence, { segmenter: 'intl', locale: 'zh' })
  assert.is(words.join(''), '今天天气很好我们去公园ok👍2024年')
  assert.ok(words.includes('今天') && words.includes('公园') && words.length < 13, words.join('|'))
  assert.equal(text.textToWordSequence(sentence, { segmenter: 'character' }), [...'今天天气很好我们去公园', 'ok', '👍', '2024', '年'])
  assert.equal(text.textToWordSequence('naïve Café, e\u0301te\u0301', { segmenter: 'character' }), ['naïve', 'café', 'e\u0301te\u0301'])
  assert.equal(text.textToWordSequence("don't stop 3.14", { segmenter: 'intl', locale: 'en' }), ["don't", 'stop', '3', '14'])
  const tokenizer = text.tokenizer({ segmenter: 'character' })
  tokenizer.fitOnTexts(['今天天气'])
  assert.equal(tokenizer.wordIndex, { 天: 1, 今: 2, 气: 3 })
  const again = text.Tokenizer.fromJSON(JSON.stringify(tokenizer))
  assert.equal(again.textsToSequences(['天今']), [[1, 2]])
})

test('padding: sides, values, dtypes, steps of several values, typed arrays, nothing at all', () => {
  const pad = text.padSequences
  assert.equal(pad([[1, 2, 3], [4]], { maxLen: 2 }).arraySync(), [
    [2, 3],
    [0, 4],
  ])
  assert.equal(pad([Int32Array.of(1, 2, 3), [4]], { maxLen: 2, padding: 'post', truncating: 'post', value: 9 }).arraySync(), [
    [1, 2],
    [4, 9],
  ])
  assert.equal(pad([[1.75, -1.75], [0.5]]).arraySync(), [
    [1, -1],
    [0, 0],
  ])
  assert.equal(pad([[1.75, -1.75], [0.5]], { dtype: 'float32', value: -1 }).arraySync(), [
    [1.75, -1.75],
    [-1, 0.5],
  ])
  for (const dtype of ['float64', 'float16', 'bfloat16', 'int64', 'uint8', 'bool'] as const) {
    const padded = pad([[1], [1, 1]], { dtype })
    assert.is(padded.dtype, dtype)
    assert.equal([...padded.dataSync()].map(Number), [0, 1, 1, 1])
  }
  const steps = pad(
    [
      [[1, 2]],
      [],
      [
        [3, 4],
        [5, 6],
      ],
    ],
    { padding: 'post' },
  )
  assert.equal(steps.arraySync(), [
    [
      [1, 2],
      [0, 0],
    ],
    [
      [0, 0],
      [0, 0],
    ],
    [
      [3, 4],
      [5, 6],
    ],
  ]) // prettier-ignore
  assert.equal(pad([[], []]).shape, [2, 0])
  assert.equal(pad([], { maxLen: 3 }).shape, [0, 3])
})

test('matrices are Tensors', () => {
  const tokenizer = text.tokenizer()
  tokenizer.fitOnTexts(TEXTS)
  const counts = tokenizer.textsToMatrix(TEXTS, 'count')
  assert.equal(counts.shape, [3, 12])
  assert.is(counts.dtype, 'float32')
  assert.is((counts.arraySync() as number[][])[0]![1], 2)
  const fitted = text.tokenizer({ numWords: 4 })
  fitted.fitOnSequences([[1, 2], [1]])
  const weights = fitted.sequencesToMatrix([[1, 1, 2, 7]], 'tfidf').arraySync() as number[][]
  assert.equal(weights, tensor([[0, (1 + Math.log(2)) * Math.log(1 + 2 / 3), Math.log(2), 0]]).arraySync())
})

test('hashes are spread over 1 ... n - 1, by md5 or a function', () => {
  assert.equal(text.hashingTrick('the cat sat', 100), text.hashingTrick('THE, cat sat!', 100))
  assert.equal(text.hashingTrick('a b', 5, { hashFunction: (word) => word.charCodeAt(0) - 100 }), [2, 3])
  throws('ERR_ARGUMENT', /got 1/, () => text.hashingTrick('a', 1))
})

test('wrong use is an error', () => {
  const empty = text.tokenizer()
  throws('ERR_ARGUMENT', /'numwords'.*numWords/, () => text.tokenizer({ numwords: 3 } as never))
  throws('ERR_ARGUMENT', /got 0/, () => text.tokenizer({ numWords: 0 }))
  throws('ERR_ARGUMENT', /charLevel/, () => text.tokenizer({ split: '' }))
  throws('ERR_ARGUMENT', /'jieba'/, () => text.tokenizer({ segmenter: 'jieba' as never }))
  throws('ERR_ARGUMENT', /locale/, () => text.tokenizer({ segmenter: 'intl', locale: 'not a locale' }))
  throws('ERR_STATE', /fitOnTexts/, () => empty.textsToSequences(['a']))
  throws('ERR_STATE', /numWords/, () => empty.sequencesToMatrix([[1]]))
  throws('ERR_ARGUMENT', /one text/, () => empty.fitOnTexts('a text'))
  throws('ERR_ARGUMENT', /text 1 .* got 3/, () => empty.fitOnTexts(['a', 3 as never]))
  empty.fitOnTexts(['a'])
  throws('ERR_ARGUMENT', /'tf-idf'/, () => empty.textsToMatrix(['a'], 'tf-idf' as never))
  throws('ERR_ARGUMENT', /-1/, () => empty.sequencesToMatrix([[-1]]))
  throws('ERR_ARGUMENT', /no sequence/, () => text.padSequences([]))
  throws('ERR_ARGUMENT', /sequence 0 .* got 1/, () => text.padSequences([1, 2] as never))
  throws('ERR_ARGUMENT', /maxLen .* got 0/, () => text.padSequences([[1]], { maxLen: 0 }))
  throws('ERR_ARGUMENT', /'left'/, () => text.padSequences([[1]], { padding: 'left' as never }))
  throws('ERR_SHAPE', /sequence 1/, () => text.padSequences([[[1, 2]], [[1]]]))
  throws('ERR_SHAPE', /sequence 1/, () => text.padSequences([[1], [[1]]]))
  throws('ERR_FORMAT', /Tokenizer/, () => text.Tokenizer.fromJSON('{}'))
  const many = text.tokenizer({ numWords: 5 }).toJSON() as { config: Record<string, unknown> }
  many.config['num_words'] = 1e9
  throws('ERR_FORMAT', /num_words is 1000000000/, () => text.Tokenizer.fromJSON(many))
  throws('ERR_FORMAT', /word_counts/, () => text.Tokenizer.fromJSON({ class_name: 'Tokenizer', config: {} }))
})

test.run()
