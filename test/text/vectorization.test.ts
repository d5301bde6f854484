// textVectorization: vocabularies, modes and padding as Keras 3 documents them, pipelines, and saving with a model.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, layers, loadModel, sequential, Tensor, tensor, text } from '../../lib/index.js'
import { layerFromJson, layerToJson } from '../../lib/layers/serialize.js'
import type { TextVectorization } from '../../lib/layers/text_vectorization.js'
import type { SubwordTokenizer } from '../../lib/text/index.js'
import { rejects, throws } from '../expect.js'

const TEXTS = ['The cat, the hat!', "A cat isn't a dog.", 'dog DOG zebra']
const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-text-'))
const values = (t: Tensor): unknown => t.arraySync()

test('ids: 0 pads, 1 is unknown, then by frequency; of equals the later in the alphabet first, as in Keras', async () => {
  const layer = layers.textVectorization()
  await layer.adapt(TEXTS)
  // dog 3; the, cat, a 2; zebra, isnt, hat 1
  assert.equal(layer.getVocabulary(), ['', '[UNK]', 'dog', 'the', 'cat', 'a', 'zebra', 'isnt', 'hat'])
  assert.equal(layer.getVocabulary({ includeSpecialTokens: false }).length, 7)
  assert.is(layer.vocabularySize, 9)
  const x = layer.apply(['the Dog?', 'nobody, zebra cat', ''])
  assert.is(x.dtype, 'int32')
  assert.equal(values(x), [
    [3, 2, 0],
    [1, 6, 4],
    [0, 0, 0],
  ])
  const known = layers.textVectorization({ vocabulary: ['a', 'b'] })
  assert.equal(known.getVocabulary(), ['', '[UNK]', 'a', 'b'])
  assert.equal(layers.textVectorization({ vocabulary: ['', '[UNK]', 'a', 'b'] }).getVocabulary(), known.getVocabulary())
  const emoji = layers.textVectorization()
  await emoji.adapt(['\uff21 👍 今 z a'])
  assert.equal(emoji.getVocabulary(), ['', '[UNK]', '👍', '\uff41', '今', 'z', 'a'])
})

test('length, maxTokens, split, standardize, n-grams', async () => {
  const fixed = layers.textVectorization({ outputSequenceLength: 3, maxTokens: 5 })
  await fixed.adapt(TEXTS)
  assert.equal(fixed.getVocabulary(), ['', '[UNK]', 'dog', 'the', 'cat'])
  assert.equal(values(fixed.apply(['dog the cat dog', 'a'])), [
    [2, 3, 4],
    [1, 0, 0],
  ])
  assert.equal(fixed.computeOutputShape(), [null, 3])
  const characters = layers.textVectorization({ split: 'character', standardize: 'lower', vocabulary: ['今', '天', '!'] })
  assert.equal(values(characters.apply(['今天!x'])), [[2, 3, 4, 1]])
  const own = layers.textVectorization({ split: (t: string) => t.split('|'), standardize: null, vocabulary: ['a', 'A!'] })
  assert.equal(values(own.apply(['A!|a'])), [[3, 2]])
  assert.equal(values(layers.textVectorization({ split: null, vocabulary: ['a b'] }).apply(['A b!'])), [[2]])
  const grams = layers.textVectorization({ ngrams: 2, vocabulary: ['a', 'b', 'a b', 'b a'] })
  assert.equal(values(grams.apply(['a b a'])), [[2, 3, 2, 4, 5]])
  const pairs = layers.textVectorization({ ngrams: [2], vocabulary: ['a b'] })
  assert.equal(values(pairs.apply(['a b a', 'a'])), [
    [2, 1],
    [0, 0],
  ])
})

test('multiHot, count, tfIdf: a column for each token, the first for unknown ones', async () => {
  const make = async (outputMode: 'multiHot' | 'count' | 'tfIdf', options = {}): Promise<TextVectorization> => {
    const layer = layers.textVectorization({ outputMode, ...options })
    await layer.adapt(['a a b', 'a c'])
    return layer
  }
  const hot = await make('multiHot')
  assert.equal(hot.getVocabulary(), ['[UNK]', 'a', 'c', 'b'])
  assert.equal(values(hot.apply(['a a x', ''])), [
    [1, 1, 0, 0],
    [0, 0, 0, 0],
  ])
  assert.is(hot.apply(['a']).dtype, 'float32')
  assert.equal(values((await make('count')).apply(['a a x'])), [[1, 2, 0, 0]])
  assert.equal(values((await make('count', { maxTokens: 3, padToMaxTokens: true })).apply(['a b c'])), [[1, 1, 1]])
  assert.equal(values((await make('count', { maxTokens: 6, padToMaxTokens: true })).apply(['a'])), [[0, 1, 0, 0, 0, 0]])
  // two texts; a in both, c and b in one; unknown tokens weigh the mean
  const [a, b] = [Math.log(1 + 2 / 3), Math.log(1 + 2 / 2)]
  assert.equal(values((await make('tfIdf')).apply(['a a c x'])), tensor([[(a + 2 * b) / 3, 2 * a, b, 0]]).arraySync())
})

test('batches and streams of texts; a data pipeline', async () => {
  const [whole, batches, stream] = [
    layers.textVectorization(),
    layers.textVectorization(),
    layers.textVectorization({ outputSequenceLength: 4 }),
  ]
  whole.adapt(TEXTS)
  await batches.adapt([TEXTS.slice(0, 2), TEXTS.slice(2)])
  await stream.adapt(
    (async function* () {
      yield* TEXTS
    })(),
  )
  assert.equal(batches.getVocabulary(), whole.getVocabulary())
  assert.equal(stream.getVocabulary(), whole.getVocabulary())
  const samples = TEXTS.map((line, i) => ({ line, label: i % 2 }))
  const batch = await data
    .generator(() => samples)
    .map(({ line, label }) => ({ x: stream.encode(line), y: label }))
    .batch(2)
    .toArray()
  assert.equal((batch[0]!.x as Tensor).shape, [2, 4])
  assert.equal(values(batch[0]!.x as Tensor), values(stream.apply(TEXTS.slice(0, 2))))
})

test('it is saved with its vocabulary', async () => {
  for (const outputMode of ['int', 'tfIdf'] as const) {
    const layer = layers.textVectorization({ outputMode, ngrams: 2 })
    await layer.adapt(TEXTS)
    const again = layerFromJson(JSON.parse(JSON.stringify(layerToJson(layer)))) as unknown as TextVectorization
    assert.equal(again.getVocabulary(), layer.getVocabulary())
    assert.equal(values(again.apply(TEXTS)), values(layer.apply(TEXTS)))
  }
  const fn = layers.textVectorization({ standardize: (t: string) => t, vocabulary: ['a'] })
  throws('ERR_ARGUMENT', /standardize is a function/, () => layerToJson(fn))
})

test('tokenizers and vectorizations are assets of saved models', async () => {
  const tokenizer = text.tokenizer({ numWords: 5, oovToken: '<oov>', segmenter: 'intl', locale: 'zh' })
  tokenizer.fitOnTexts(TEXTS)
  const subwords = text.bytePairEncoding.train(TEXTS, { vocabularySize: 262 })
  const words = text.wordPiece.train(TEXTS, { vocabularySize: 40 })
  const vectorize = layers.textVectorization()
  await vectorize.adapt(TEXTS)
  const net = sequential([layers.dense({ units: 1, inputShape: [2] })])
  const place = path.join(folder, 'model')
  await net.save(place, { assets: { tokenizer, lists: [subwords, { words, vectorize }], names: ['ham', 'spam'] } })
  let again = await loadModel(place)
  // saving what was loaded keeps them
  await again.save(place)
  again = await loadModel(place)
  const assets = again.assets as {
    tokenizer: text.Tokenizer
    lists: [SubwordTokenizer, { words: SubwordTokenizer; vectorize: TextVectorization }]
    names: string[]
  }
  assert.equal(assets.names, ['ham', 'spam'])
  assert.instance(assets.tokenizer, text.Tokenizer)
  assert.equal(assets.tokenizer.textsToSequences(TEXTS), tokenizer.textsToSequences(TEXTS))
  assert.equal(assets.tokenizer.wordCounts, tokenizer.wordCounts)
  assert.equal(assets.lists[0].encode(TEXTS[0]!), subwords.encode(TEXTS[0]!))
  assert.equal(assets.lists[1].words.encode(TEXTS[1]!), words.encode(TEXTS[1]!))
  assert.equal(values(assets.lists[1].vectorize.apply(TEXTS)), values(vectorize.apply(TEXTS)))
})

test('wrong use is an error', async () => {
  const layer = layers.textVectorization()
  throws('ERR_STATE', /adapt/, () => layer.apply(['a']))
  throws('ERR_ARGUMENT', /got string/, () => void layers.textVectorization({ vocabulary: ['a'] }).apply('a' as never))
  throws('ERR_ARGUMENT', /a Tensor.*before it/, () => layers.textVectorization({ vocabulary: ['a'] }).apply(tensor([1]) as never))
  throws('ERR_ARGUMENT', /got number/, () => layers.textVectorization({ vocabulary: ['a'] }).apply([3 as never]))
  throws('ERR_ARGUMENT', /'a' stands there twice/, () => layers.textVectorization({ vocabulary: ['a', 'a'] }))
  throws('ERR_ARGUMENT', /maxTokens is 3/, () => layers.textVectorization({ vocabulary: ['a', 'b'], maxTokens: 3 }))
  throws('ERR_ARGUMENT', /idfWeights/, () => layers.textVectorization({ vocabulary: ['a'], outputMode: 'tfIdf' }))
  throws('ERR_ARGUMENT', /1 idfWeights for 2/, () =>
    layers.textVectorization({ vocabulary: ['a', 'b'], idfWeights: [1], outputMode: 'tfIdf' }),
  )
  throws('ERR_ARGUMENT', /'tfidf'|"tfidf"/, () => layers.textVectorization({ outputMode: 'tfidf' as never }))
  throws('ERR_ARGUMENT', /'lowercase'/, () => layers.textVectorization({ standardize: 'lowercase' as never }))
  throws('ERR_ARGUMENT', /'words'/, () => layers.textVectorization({ split: 'words' as never }))
  throws('ERR_ARGUMENT', /outputSequenceLength/, () => layers.textVectorization({ outputMode: 'count', outputSequenceLength: 3 }))
  throws('ERR_ARGUMENT', /ngrams/, () => layers.textVectorization({ ngrams: 0 }))
  throws('ERR_ARGUMENT', /padToMaxTokens/, () => layers.textVectorization({ padToMaxTokens: true }))
  throws('ERR_ARGUMENT', /got 'words.txt'/, () => layers.textVectorization({ vocabulary: 'words.txt' as never }))
  await rejects('ERR_STATE', /given/, layers.textVectorization({ vocabulary: ['a'] }).adapt(['b']))
  await rejects('ERR_ARGUMENT', /no token/, layer.adapt(['', '!']))
  await rejects('ERR_ARGUMENT', /no texts/, layer.adapt([]))
  await rejects('ERR_ARGUMENT', /list of texts/, layer.adapt('a'))
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
