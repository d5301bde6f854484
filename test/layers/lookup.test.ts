// Layers of categories: stringLookup, integerLookup, hashing, discretization; values as Keras 3 documents them, saving.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, jit, layers, sequential, type Tensor, tensor } from '../../lib/index.js'
import { hashOf } from '../../lib/layers/host_values.js'
import type { AnyLayer } from '../../lib/layers/layer.js'
import { layerFromJson, type LayerJson, layerToJson } from '../../lib/layers/serialize.js'
import { close, codeOfAsync, rejects, throws } from '../expect.js'

/** The layer as it comes back from a saved model. */
const again = <T extends AnyLayer>(layer: T): T => layerFromJson(JSON.parse(JSON.stringify(layerToJson(layer))) as LayerJson, {}) as T

test('stringLookup: ids by frequency, unknown ones, a mask, and back', async () => {
  const lookup = layers.stringLookup()
  const done = lookup.adapt(['a', 'b', 'b', 'c', 'c', 'c'])
  assert.equal(lookup.getVocabulary(), ['[UNK]', 'c', 'b', 'a'], 'learned when the call returns')
  await done
  for (const layer of [lookup, again(lookup)]) {
    assert.equal(
      layer
        .apply([
          ['c', 'a'],
          ['x', 'b'],
        ])
        .arraySync(),
      [
        [1, 3],
        [0, 2],
      ],
    )
    assert.equal(
      layer.decode([
        [1, 0],
        [2, 3],
      ]),
      [
        ['c', '[UNK]'],
        ['b', 'a'],
      ],
    )
    assert.equal(layer.decode(layer.apply(['b'])), ['b'])
  }
  const masked = layers.stringLookup({ vocabulary: ['a', 'b'], maskToken: '', numOovIndices: 2 })
  assert.equal(masked.getVocabulary(), ['', '[UNK]', '[UNK]', 'a', 'b'])
  assert.equal(masked.apply(['a', '', 'b']).arraySync(), [3, 0, 4])
  for (const id of masked.apply(['x', 'y', 'z', 'w']).arraySync() as number[]) assert.ok(id === 1 || id === 2)
  assert.equal(layers.stringLookup({ vocabulary: ['[UNK]', 'a'] }).getVocabulary(), ['[UNK]', 'a'])
  const strict = layers.stringLookup({ vocabulary: ['a', 'b'], numOovIndices: 0 })
  assert.equal(strict.apply(['a', 'b']).arraySync(), [0, 1])
  throws('ERR_DATA', /'x' is not in the vocabulary/, () => strict.apply(['x']))
})

test('stringLookup: vectors of 0 and 1, counts and weighted counts', async () => {
  const of = (outputMode: layers.LookupMode, more: object = {}): unknown =>
    layers
      .stringLookup({ vocabulary: ['a', 'b', 'c'], outputMode, ...more })
      .apply([
        ['a', 'c', 'c'],
        ['x', 'x', 'b'],
      ])
      .arraySync()
  assert.equal(of('multiHot'), [
    [0, 1, 0, 1],
    [1, 0, 1, 0],
  ])
  assert.equal(of('count'), [
    [0, 1, 0, 2],
    [2, 0, 1, 0],
  ])
  assert.equal(of('count', { padToMaxTokens: true, maxTokens: 6 }), [
    [0, 1, 0, 2, 0, 0],
    [2, 0, 1, 0, 0, 0],
  ])
  assert.equal(of('count', { maskToken: 'x' }), [
    [0, 1, 0, 2],
    [0, 0, 1, 0],
  ])
  assert.equal(of('tfIdf', { idfWeights: [0.25, 0.5, 0.75] }), [
    [0, 0.25, 0, 1.5],
    [1, 0, 0.5, 0],
  ])
  assert.equal(
    layers
      .stringLookup({ vocabulary: ['a', 'b'], outputMode: 'oneHot' })
      .apply(['b', 'z'])
      .arraySync(),
    [
      [0, 0, 1],
      [1, 0, 0],
    ],
  )
  const learned = layers.stringLookup({ outputMode: 'tfIdf' })
  await learned.adapt([
    ['a', 'a'],
    ['a', 'b'],
  ])
  const expected = [Math.log(1 + 2 / 3) * 2, 0]
  for (const layer of [learned, again(learned)]) close((layer.apply([['a', 'a']]).arraySync() as number[][])[0]!.slice(1), expected, 1e-6)
})

test('stringLookup: from a pipeline, a limit, and what is no string', async () => {
  const dataset = data.generator(() => [{ x: 'a' }, { x: 'b' }, { x: 'b' }, { x: 'c' }])
  const lookup = layers.stringLookup({ maxTokens: 3 })
  await lookup.adapt(dataset as never)
  assert.equal(lookup.getVocabulary(), ['[UNK]', 'b', 'c'])
  throws('ERR_ARGUMENT', /expected a string, got 3/, () => lookup.apply([3] as never))
  throws('ERR_SHAPE', /lists of one level must have one length/, () => lookup.apply([['a'], ['b', 'c']]))
  throws('ERR_ARGUMENT', /takes strings, got a Tensor/, () => lookup.apply(tensor([1]) as never))
  throws('ERR_STATE', /no vocabulary yet/, () => layers.stringLookup().apply(['a']))
  throws('ERR_ARGUMENT', /'a' stands there twice/, () => layers.stringLookup({ vocabulary: ['a', 'a'] }))
  throws('ERR_ARGUMENT', /needs idfWeights/, () => layers.stringLookup({ vocabulary: ['a'], outputMode: 'tfIdf' }))
  throws('ERR_ARGUMENT', /maxTokens must be an integer of at least 2/, () => layers.stringLookup({ maxTokens: 1 }))
  throws('ERR_DATA', /ids are integers from 0 to 2, got 3/, () => lookup.decode([3]))
  await rejects('ERR_STATE', /given as an option/, layers.stringLookup({ vocabulary: ['a'] }).adapt(['b']))
  await rejects('ERR_ARGUMENT', /no token is left/, layers.stringLookup().adapt([]))
})

test('integerLookup: by halving, inside a model, saved, and at every place of the vocabulary', async () => {
  const lookup = layers.integerLookup()
  await lookup.adapt([
    [12, 1138],
    [42, 42],
  ])
  assert.equal(lookup.getVocabulary(), [-1, 42, 1138, 12])
  const x = tensor(
    [
      [12, 1138, 42],
      [42, 1000, 36],
    ],
    { dtype: 'int32' },
  )
  for (const layer of [lookup, again(lookup)]) {
    assert.equal(layer.apply(x).arraySync(), [
      [3, 2, 1],
      [1, 0, 0],
    ])
    assert.equal(jit((t: Tensor) => layer.apply(t))(x).arraySync(), [
      [3, 2, 1],
      [1, 0, 0],
    ])
  }
  for (const size of [1, 2, 3, 7, 8, 9, 33]) {
    const vocabulary = Array.from({ length: size }, (_, i) => ((i * 7919) % 101) * 3 - 100)
    const layer = layers.integerLookup({ vocabulary })
    const asked = Array.from({ length: 400 }, (_, i) => i - 150)
    assert.equal(
      layer.apply(tensor(asked, { dtype: 'int32' })).arraySync(),
      asked.map((value) => vocabulary.indexOf(value) + 1),
      `${size} tokens`,
    )
  }
  const masked = layers.integerLookup({ vocabulary: [10, 20], maskToken: 0, numOovIndices: 2 })
  assert.equal(masked.apply(tensor([0, 10, 20, 5, 6], { dtype: 'int32' })).arraySync(), [0, 3, 4, 2, 1])
  const counts = layers.integerLookup({ vocabulary: [10, 20], maskToken: 0, outputMode: 'count' })
  assert.equal(
    counts
      .apply(
        tensor(
          [
            [0, 10, 10],
            [20, 7, 0],
          ],
          { dtype: 'int32' },
        ),
      )
      .arraySync(),
    [
      [0, 2, 0],
      [1, 0, 1],
    ],
  )
  const net = sequential([layers.integerLookup({ vocabulary: [10, 20], outputMode: 'oneHot', inputShape: [1] })])
  assert.equal((await net.predict(tensor([[20], [3]]))).arraySync(), [
    [0, 0, 1],
    [1, 0, 0],
  ])
  const strict = layers.integerLookup({ vocabulary: [10, 20], numOovIndices: 0 })
  assert.equal(strict.apply(tensor([20, 10], { dtype: 'int32' })).arraySync(), [1, 0])
  assert.is(await codeOfAsync(strict.apply(tensor([11], { dtype: 'int32' })).data()), 'ERR_DATA')
})

test('MurmurHash3 as its author publishes it', () => {
  for (const [text, seed, hash] of [
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['test', 0, 0xba6bd213],
    ['Hello, world!', 0, 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
  ] as const)
    assert.is(hashOf(text, seed), hash, `'${text}'`)
})

test('hashing: bins, a mask, a salt, vectors, and tensors of integers', () => {
  const hash = layers.hashing({ numBins: 7 })
  const bins = hash
    .apply([
      ['a', 'b'],
      ['c', 'a'],
    ])
    .arraySync() as number[][]
  assert.equal(
    bins,
    [
      ['a', 'b'],
      ['c', 'a'],
    ].map((row) => row.map((text) => hashOf(text) % 7)),
  )
  assert.equal(
    again(hash)
      .apply([
        ['a', 'b'],
        ['c', 'a'],
      ])
      .arraySync(),
    bins,
  )
  assert.equal(hash.apply(tensor([5, -3], { dtype: 'int32' })).arraySync(), [hashOf('5') % 7, hashOf('-3') % 7])
  const masked = layers.hashing({ numBins: 3, maskValue: '', salt: 5 })
  assert.equal(masked.apply(['', 'a', 'b']).arraySync(), [0, 1 + (hashOf('a', 5) % 2), 1 + (hashOf('b', 5) % 2)])
  assert.equal(
    layers
      .hashing({ numBins: 2, outputMode: 'count' })
      .apply([['a', 'a']])
      .arraySync(),
    [hashOf('a') % 2 ? [0, 2] : [2, 0]],
  )
  throws('ERR_ARGUMENT', /expected a string or an integer, got 0.5/, () => hash.apply([0.5]))
  throws('ERR_ARGUMENT', /numBins must be an integer of at least 2/, () => layers.hashing({ numBins: 1, maskValue: 0 }))
  throws('ERR_ARGUMENT', /numBins must be at most 2147483648, got 4294967296/, () => layers.hashing({ numBins: 2 ** 32 }))
})

test('discretization: boundaries given and learned, vectors, and inside a model', async () => {
  const given = layers.discretization({ binBoundaries: [0, 1, 2] })
  const x = tensor([
    [-1.5, 1, 3.4, 0.5],
    [0, 3, 1.3, 0],
  ])
  for (const layer of [given, again(given)])
    assert.equal(layer.apply(x).arraySync(), [
      [0, 2, 3, 1],
      [1, 3, 2, 1],
    ])
  const learned = layers.discretization({ numBins: 4 })
  const done = learned.adapt(tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
  close(learned.binBoundaries, [2.25, 4.5, 6.75], 1e-6)
  await done
  assert.equal(
    again(learned)
      .apply(tensor([[0, 4, 5, 9]]))
      .arraySync(),
    [[0, 1, 2, 3]],
  )
  const same = layers.discretization({ numBins: 4, outputMode: 'oneHot' })
  await same.adapt(data.generator(() => [{ x: 1 }, { x: 1 }, { x: 1 }, { x: 1 }, { x: 5 }]) as never)
  assert.equal(same.binBoundaries, [1])
  assert.equal(same.apply(tensor([[0], [1]])).arraySync(), [
    [1, 0],
    [0, 1],
  ])
  const net = sequential([layers.discretization({ binBoundaries: [0], outputMode: 'multiHot', inputShape: [2] })])
  assert.equal(
    (
      await net.predict(
        tensor([
          [-1, 2],
          [3, 4],
        ]),
      )
    ).arraySync(),
    [
      [1, 1],
      [0, 1],
    ],
  )
  throws('ERR_ARGUMENT', /rising numbers/, () => layers.discretization({ binBoundaries: [1, 0] }))
  throws('ERR_ARGUMENT', /either binBoundaries or numBins, got both/, () => layers.discretization({ binBoundaries: [1], numBins: 2 }))
  throws('ERR_ARGUMENT', /got none/, () => layers.discretization())
  throws('ERR_STATE', /no boundaries yet/, () => learnedLater.apply(x))
  await rejects('ERR_STATE', /given as an option/, given.adapt([1]))
  await rejects('ERR_ARGUMENT', /expected numbers, got NaN/, learnedLater.adapt([Number.NaN]))
})
const learnedLater = layers.discretization({ numBins: 2 })

test.run()
