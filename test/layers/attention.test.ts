// Attention layers, positions and transformer blocks against float64 references; masks, causality, weights, errors.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add, gradients, input, jit, model, mul, slice, square, sum, type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { layerFromJson, layerToJson } from '../../lib/layers/serialize.js'
import { values } from './check.js'
import { near, refuses } from '../expect.js'
import { blockReference, type Matrix, multiHeadReference } from './attention_reference.js'

type Batch = Matrix[]
const arrays = async (ts: readonly Tensor[]): Promise<unknown[]> => await Promise.all(ts.map((t) => t.array()))
const flat = (x: unknown): number[] => (x as Batch).flat(2)
const bools = (rows: number[][]): Tensor => tensor(rows.map((row) => row.map((value) => value !== 0)))

for (const [name, options, masked] of [
  ['several heads', { numHeads: 2, keyDim: 3 }, false],
  ['causal', { numHeads: 2, keyDim: 3, useCausalMask: true }, false],
  ['grouped queries, other values', { numHeads: 4, keyDim: 2, valueDim: 3, numKeyValueHeads: 2 }, false],
  ['padding and causal', { numHeads: 2, keyDim: 2, useCausalMask: true }, true],
  ['rotary', { numHeads: 2, keyDim: 4, rotary: true }, true],
] as const) {
  test(`multiHeadAttention is what its formula says: ${name}`, async () => {
    const layer = layers.multiHeadAttention(options)
    const x = values([2, 5, 4], 1)
    layer.build(x.shape)
    layer.setWeights(layer.weights.map((w, i) => values(w.shape, 10 + i)))
    const padding = [
      [1, 1, 1, 1, 1],
      [1, 1, 1, 0, 0],
    ]
    if (masked) x.mask = bools(padding)
    const [xs, ...weights] = await arrays([x, ...layer.weights])
    const expected = (xs as Batch).map((sample, n) =>
      multiHeadReference(sample, sample, weights, {
        causal: 'useCausalMask' in options,
        rotary: 'rotary' in options,
        ...(masked ? { keys: padding[n]! } : {}),
      }),
    )
    await near(layer.apply(x), flat(expected), 2e-5)
  })
}

test('weights have the order and shapes of Keras', () => {
  const shapes = (layer: { weights: readonly Tensor[] }): string[] => layer.weights.map((w) => w.shape.join())
  const full = layers.multiHeadAttention({ numHeads: 3, keyDim: 4, valueDim: 5, outputShape: [2, 7] })
  full.build([
    [null, 6, 8],
    [null, 9, 10],
    [null, 9, 11],
  ] as never)
  assert.equal(shapes(full), ['8,3,4', '3,4', '11,3,4', '3,4', '10,3,5', '3,5', '3,5,2,7', '2,7'])
  const grouped = layers.groupedQueryAttention({ headDim: 4, numQueryHeads: 6, numKeyValueHeads: 2, useBias: false })
  grouped.build([null, 6, 8] as never)
  assert.equal(shapes(grouped), ['8,6,4', '8,2,4', '8,2,4', '6,4,8'])
})

test('query, value and key may differ; value is the key where none is given', async () => {
  const layer = layers.multiHeadAttention({ numHeads: 2, keyDim: 3 })
  const [query, value] = [values([2, 3, 4], 1), values([2, 5, 6], 2)]
  const two = await layer.apply([query, value]).array()
  assert.equal(await layer.apply([query, value, value]).array(), two)
  assert.equal(await layer.apply({ query, value }).array(), two)
  assert.equal(layer.apply([query, value]).shape, [2, 3, 4])
  const [q, v, ...weights] = await arrays([query, value, ...layer.weights])
  await near(
    layer.apply([query, value]),
    flat((q as Batch).map((sample, n) => multiHeadReference(sample, (v as Batch)[n]!, weights, {}))),
    2e-5,
  )
})

test('attentionMask: of pairs, with batch, with heads; a query that may look at nothing gets the output bias', async () => {
  const layer = layers.multiHeadAttention({ numHeads: 2, keyDim: 3 })
  const x = values([2, 3, 4], 1)
  layer.apply(x)
  const bias = [0.5, -1, 2, 0.25]
  layer.setWeights([...layer.getWeights().slice(0, -1), bias])
  const pairs = [
    [1, 0, 0],
    [1, 1, 0],
    [0, 0, 0],
  ]
  const two = bools(pairs)
  const three = tensor([pairs, pairs].map((rows) => rows.map((row) => row.map(Boolean))))
  const expected = (await layer.apply(x, { attentionMask: two }).array()) as Batch
  assert.equal(await layer.apply(x, { attentionMask: three }).array(), expected)
  assert.equal(await layer.apply(x, { attentionMask: three.reshape([2, 1, 3, 3]) }).array(), expected)
  assert.equal(await layer.apply(x, { attentionMask: two.cast('float32') }).array(), expected)
  for (const sample of expected) assert.equal(sample[2], bias)
  // the first two rows are those of causal attention, whose third row sees everything
  const causal = (await layer.apply(x, { useCausalMask: true }).array()) as Batch
  causal.forEach((sample, n) => assert.equal(sample.slice(0, 2), expected[n]!.slice(0, 2)))
  assert.equal(await layer.apply({ query: x, value: x, attentionMask: two }).array(), expected)
})

test('padded steps do not change the others, whatever they hold; their gradient is exactly 0', async () => {
  for (const layer of [
    layers.multiHeadAttention({ numHeads: 2, keyDim: 4, rotary: true }),
    layers.transformerEncoder({ intermediateDim: 6, numHeads: 2 }),
    layers.transformerDecoder({ intermediateDim: 6, numHeads: 2, normalizeFirst: true, useCausalMask: false }),
  ]) {
    const x = values([1, 5, 4], 3)
    const other = add(
      x,
      tensor([
        [
          [0, 0, 0, 0],
          [0, 0, 0, 0],
          [0, 0, 0, 0],
          [7, -3, 1, 2],
          [1, 1, 5, 5],
        ],
      ]),
    )
    const mask = bools([[1, 1, 1, 0, 0]])
    const head = (t: Tensor): Tensor => slice(t, [0, 0, 0], [1, 3, 4])
    const run = async (t: Tensor): Promise<unknown> => head(layer.apply(t as never, { mask }) as Tensor).array()
    assert.equal(await run(x), await run(other))
    const slope = jit((t: Tensor) => gradients(sum(square(head(layer.apply(t as never, { mask }) as Tensor))), [t])[0]!)
    const [rows] = (await slope(x).array()) as Batch
    rows!.forEach((row, i) =>
      assert.is(
        row.every((value) => value === 0),
        i >= 3,
        `step ${i}`,
      ),
    )
  }
})

test('cross-attention leaves out what the encoder calls padding', async () => {
  const layer = layers.transformerDecoder({ intermediateDim: 6, numHeads: 2 })
  const [x, encoded] = [values([1, 3, 4], 1), values([1, 4, 6], 2)]
  encoded.mask = bools([[1, 1, 0, 0]])
  const changed = mul(encoded, tensor([[[1], [1], [5], [-2]]]))
  changed.mask = encoded.mask
  const found = await layer.apply([x, encoded]).array()
  assert.equal(await layer.apply([x, changed]).array(), found)
  encoded.mask = undefined
  assert.not.equal(await layer.apply([x, encoded]).array(), found)
})

for (const normalizeFirst of [true, false]) {
  test(`transformer blocks are what their parts say (normalizeFirst: ${normalizeFirst})`, async () => {
    for (const causal of [false, true]) {
      const make = causal ? layers.transformerDecoder : layers.transformerEncoder
      const layer = make({ intermediateDim: 6, numHeads: 2, normalizeFirst, layerNormEpsilon: 1e-3 })
      const x = values([2, 3, 4], 1)
      layer.build(x.shape)
      layer.setWeights(layer.weights.map((w, i) => values(w.shape, 30 + i)))
      const [xs, ...weights] = await arrays([x, ...layer.weights])
      const expected = (xs as Batch).map((sample) => blockReference(sample, weights, { causal, normalizeFirst, epsilon: 1e-3 }))
      await near(layer.apply(x) as Tensor, flat(expected), 5e-5)
    }
  })
}

test('attention of Keras: unscaled dot products, a learned scale', async () => {
  const [query, value] = [values([1, 2, 3], 1), values([1, 4, 3], 2)]
  const layer = layers.attention({ useScale: true })
  layer.build([query.shape, value.shape])
  layer.setWeights([tensor(0.7).reshape([])])
  const [q, v] = (await arrays([query, value])) as [Batch, Batch]
  const expected = q[0]!.map((row) => {
    const scores = v[0]!.map((key) => Math.exp(0.7 * key.reduce((a, k, i) => a + k * row[i]!, 0)))
    const total = scores.reduce((a, b) => a + b)
    return [0, 1, 2].map((c) => v[0]!.reduce((a, key, i) => a + (scores[i]! / total) * key[c]!, 0))
  })
  await near(layer.apply([query, value]), expected.flat())
})

test('positions: sines, learned vectors, and rotations that depend on distances alone', async () => {
  const x = values([2, 3, 4], 1)
  const angle = (p: number, c: number): number => p / 10_000 ** ((2 * Math.floor(c / 2)) / 4)
  const sines = [0, 1, 2].map((p) => [0, 1, 2, 3].map((c) => (c % 2 === 0 ? Math.sin(angle(p, c)) : Math.cos(angle(p, c)))))
  await near(layers.sinePositionEncoding().apply(x), [...sines.flat(), ...sines.flat()])

  const learned = layers.positionEmbedding({ sequenceLength: 6 })
  const y = (await learned.apply(x).array()) as Batch
  const [table] = await arrays(learned.weights)
  assert.equal(y[1], (table as Matrix).slice(0, 3))
  const both = layers.tokenAndPositionEmbedding({ vocabularySize: 5, sequenceLength: 6, embeddingDim: 2, maskZero: true })
  const embedded = both.apply(tensor([[4, 0, 1]]))
  const [tokens, positions] = (await arrays(both.weights)) as [Matrix, Matrix]
  assert.equal(await embedded.mask!.array(), [[true, false, true]])
  await near(
    embedded,
    [4, 0, 1].flatMap((id, p) => tokens[id]!.map((value, c) => value + positions[p]![c]!)),
  )

  // the same pair of vectors at every step: products depend on the difference of positions
  for (const interleaved of [false, true]) {
    const turn = layers.rotaryEmbedding({ interleaved })
    const repeat = (row: number[]): Tensor => tensor([Array.from({ length: 6 }, () => row)])
    const [[a], [b]] = (await arrays([turn.apply(repeat([1, 2, -1, 0.5])), turn.apply(repeat([0.3, -1, 2, 1]))])) as [Batch, Batch]
    const dot = (i: number, j: number): number => a![i]!.reduce((total, value, c) => total + value * b![j]![c]!, 0)
    for (const shift of [0, 1, 3]) assert.ok(Math.abs(dot(shift, 0) - dot(shift + 2, 2)) < 1e-5)
    assert.ok(Math.abs(dot(0, 0) - dot(3, 0)) > 0.1)
  }
})

test('normalization by root mean square and by groups', async () => {
  const x = values([2, 3, 4], 1)
  const [xs] = (await arrays([x])) as [Batch]
  const rms = layers.rmsNormalization()
  rms.build(x.shape)
  rms.setWeights([[1, 2, 3, 4]])
  const scaled = xs!.map((sample) =>
    sample.map((row) => row.map((v, c) => ((c + 1) * v) / Math.sqrt(row.reduce((a, b) => a + b * b, 0) / 4 + 1e-6))),
  )
  await near(rms.apply(x), flat(scaled))

  const grouped = layers.groupNormalization({ groups: 2 })
  const expected = xs!.map((sample) => {
    const stats = [0, 2].map((c) => {
      const all = sample.flatMap((row) => row.slice(c, c + 2))
      const mean = all.reduce((a, b) => a + b) / 6
      return [mean, Math.sqrt(all.reduce((a, b) => a + (b - mean) ** 2, 0) / 6 + 1e-3)] as const
    })
    return sample.map((row) => row.map((v, c) => (v - stats[c >> 1]![0]) / stats[c >> 1]![1]))
  })
  await near(grouped.apply(x), flat(expected))
})

test('in a functional model with masks of pairs, and through JSON', async () => {
  const [a, allowed] = [input({ shape: [3, 4] }), input({ shape: [3, 3], dtype: 'bool' })]
  const h = layers.multiHeadAttention({ numHeads: 2, keyDim: 2 }).apply(a, { attentionMask: allowed })
  const net = model({ inputs: [a, allowed], outputs: layers.transformerDecoder({ intermediateDim: 5, numHeads: 2 }).apply([h, a]) })
  const inputs = [
    values([2, 3, 4], 1),
    tensor(
      Array.from({ length: 2 }, () => [
        [true, false, false],
        [true, true, false],
        [false, true, true],
      ]),
    ),
  ] as const
  const y = await (net.apply(inputs) as Tensor).data()
  const again = layerFromJson(JSON.parse(JSON.stringify(layerToJson(net)))) as typeof net
  again.setWeights(net.getWeights())
  assert.equal(await (again.apply(inputs) as Tensor).data(), y)
})

test('what does not fit is refused', () => {
  refuses(() => layers.multiHeadAttention({ numHeads: 2 } as never), 'ERR_ARGUMENT', 'keyDim')
  refuses(() => layers.multiHeadAttention({ numHeads: 4, keyDim: 2, numKeyValueHeads: 3 }), 'ERR_ARGUMENT', '3', '4')
  refuses(() => layers.multiHeadAttention({ numHeads: 2, keyDim: 3, rotary: true }), 'ERR_ARGUMENT', '3 features')
  refuses(() => layers.multiHeadAttention({ numHeads: 2, keyDim: 3, dropOut: 1 } as never), 'ERR_ARGUMENT', 'dropOut')
  refuses(() => layers.groupedQueryAttention({ headDim: 2, numQueryHeads: 3, numKeyValueHeads: 2 }), 'ERR_ARGUMENT')
  const layer = layers.multiHeadAttention({ numHeads: 2, keyDim: 2 })
  refuses(() => layer.apply(values([3, 4], 1)), 'ERR_SHAPE', '[batch, steps, features]')
  refuses(() => layer.apply([]), 'ERR_ARGUMENT')
  layer.apply(values([1, 3, 4], 1))
  refuses(() => layer.apply(values([1, 3, 5], 1)), 'ERR_SHAPE', '[batch, steps, 4]', '[1,3,5]')
  refuses(() => layer.apply({ queries: values([1, 2, 2], 1) } as never), 'ERR_ARGUMENT', 'queries')
  refuses(() => layer.apply(values([1, 3, 4], 1), { attentionMask: bools([[1, 0]]) }), 'ERR_SHAPE')
  const causal = layers.multiHeadAttention({ numHeads: 1, keyDim: 2 })
  refuses(() => causal.apply(input({ shape: [3, 2] }), { useCausalMask: true }), 'ERR_ARGUMENT', 'useCausalMask: true')
  refuses(() => layers.transformerEncoder({ intermediateDim: 3, numHeads: 3 }).apply(values([1, 2, 4], 1)), 'ERR_SHAPE', '3 heads')
  refuses(() => layers.transformerEncoder({ numHeads: 3 } as never), 'ERR_ARGUMENT', 'intermediateDim')
  const decoder = layers.transformerDecoder({ intermediateDim: 3, numHeads: 2 })
  decoder.apply(values([1, 2, 4], 1))
  refuses(() => decoder.apply([values([1, 2, 4], 1), values([1, 2, 4], 1)]), 'ERR_ARGUMENT', 'without an encoder')
  const positions = layers.positionEmbedding({ sequenceLength: 2 })
  refuses(() => positions.apply(values([1, 3, 4], 1)), 'ERR_SHAPE', 'sequenceLength 2')
  for (const name of ['f', 'shape inference'])
    refuses(() => jit((x: Tensor) => positions.apply(x), { name })(values([1, 3, 4], 1)), 'ERR_SHAPE', 'sequenceLength 2')
  refuses(() => layers.rotaryEmbedding().apply(values([1, 3, 3], 1)), 'ERR_SHAPE', 'even')
  refuses(() => layers.groupNormalization({ groups: 3 }).apply(values([1, 3, 4], 1)), 'ERR_SHAPE', '3 groups')
  refuses(() => layers.rmsNormalization({ epsilon: 0 }), 'ERR_ARGUMENT', 'epsilon')
  refuses(() => layers.attention().apply([values([1, 3, 3], 1), values([1, 3, 4], 1)]), 'ERR_SHAPE')
})

test.run()
