// gpt and bert as models: causality, padding, training in one native call per step, saving.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  bert,
  device,
  type GptOptions,
  gpt,
  gradCheck,
  gradients,
  input,
  jit,
  layers,
  loadModel,
  losses,
  model,
  optimizers,
  setDevice,
  setSeed,
  slice,
  sum,
  type Tensor,
  tensor,
} from '../../lib/index.js'
import { nativeCalls } from '../../lib/core/flights.js'
import { values } from '../layers/check.js'
import { refuses } from '../expect.js'

const SMALL: GptOptions = { vocabularySize: 11, sequenceLength: 16, numLayers: 2, numHeads: 2, hiddenDim: 8, dropout: 0 }
const crossentropy = losses.sparseCategoricalCrossentropy({ fromLogits: true })
const int = (values: readonly (readonly number[])[]): Tensor => tensor(values as number[][], { dtype: 'int32' })

/** Ids i + 3j mod 11 and the ids after them: each token follows from the one before. */
function pattern(rows: number, steps: number): { x: Tensor; y: Tensor } {
  const ids = (shift: number): Tensor =>
    tensor(
      Int32Array.from({ length: rows * steps }, (_, k) => (Math.floor(k / steps) + ((k % steps) + shift) * 3) % 11),
      [rows, steps],
    )
  return { x: ids(0), y: ids(1) }
}

for (const rotary of [false, true]) {
  test(`gradients of a step's logits to what comes later are exactly 0 (rotary: ${rotary})`, async () => {
    const net = gpt({ ...SMALL, rotary, tieWeights: false })
    const steps = 12
    const ids = Int32Array.from({ length: steps }, (_, i) => (i < 6 ? i : 10 - (i % 4))) // tokens 7 to 10 only from step 6 on
    const x = tensor(ids, [1, steps])
    const fn = jit((x: Tensor) => gradients(sum(slice(net.apply(x), [0, 0, 0], [1, 6, 11])), net.weights.slice(0, rotary ? 1 : 2)))
    const [tokens, positions] = (await Promise.all(fn(x).map((g) => g.array()))) as [number[][], number[][]?]
    for (let id = 0; id < 11; id++)
      assert.is(
        tokens[id]!.some((value) => value !== 0),
        id < 6,
        `token ${id}`,
      )
    positions?.forEach((row, i) =>
      assert.is(
        row.some((value) => value !== 0),
        i < 6,
        `position ${i}`,
      ),
    )
  })
}

test('logits of a step do not change, to the bit, with the tokens after it', async () => {
  const net = gpt({ ...SMALL, numKeyValueHeads: 1, normalization: 'rms' })
  const all = async (ids: readonly number[]): Promise<Float32Array> => (await net.apply(int([ids])).data()) as Float32Array
  const [one, other] = [await all([1, 2, 3, 4, 5, 6]), await all([1, 2, 3, 9, 8, 7])]
  assert.equal(one.subarray(0, 33), other.subarray(0, 33))
  assert.not.equal(one.subarray(33), other.subarray(33))
})

test('gradients of all weights agree with finite differences, of the tied table too', async () => {
  const before = device()
  // only the CPU computes in float64
  setDevice('cpu')
  try {
    for (const options of [{}, { rotary: true, normalization: 'rms', numKeyValueHeads: 1 }] as const) {
      setSeed(2)
      const net = gpt({
        ...SMALL,
        hiddenDim: 4,
        intermediateDim: 5,
        numLayers: 1,
        vocabularySize: 5,
        sequenceLength: 4,
        dtype: 'float64',
        ...options,
      })
      const [x, y] = [int([[1, 3, 1, 4]]), int([[3, 1, 4, 2]])]
      const weights = net.trainableWeights
      const start = weights.map((w, i) => values(w.shape, i, 'float64'))
      const loss = (...all: Tensor[]): Tensor => {
        weights.forEach((w, i) => w.assign(all[i]!))
        return crossentropy(y, net.apply(x))
      }
      const { ok, maxError } = await gradCheck(loss, start, { tolerance: 1e-5 })
      assert.ok(ok, `largest error ${maxError}`)
    }
  } finally {
    setDevice(before)
  }
})

test('one native call per training step', async () => {
  const net = gpt({ ...SMALL, dropout: 0.1 })
  net.compile({
    optimizer: optimizers.adamw({ learningRate: 1e-3, globalClipNorm: 1 }),
    loss: crossentropy,
    metrics: ['perplexity', 'accuracy'],
  })
  const { x, y } = pattern(40, 4)
  const calls = async (batchSize: number): Promise<number> => {
    const before = nativeCalls()
    await net.fit(x, y, { batchSize, verbose: 0 })
    return nativeCalls() - before
  }
  // the epoch's own calls are the same, however many steps it has, but for those that ask to be told of the end
  for (const batchSize of [20, 2]) await calls(batchSize)
  const [two, twenty] = [await calls(20), await calls(2)]
  assert.ok(Math.abs(twenty - two - 18) <= 3, `${twenty - two} calls for 18 more steps`)
})

test('learns, saves, loads and trains on as if it had not stopped', async () => {
  setSeed(3)
  const net = gpt({ ...SMALL, numLayers: 1, hiddenDim: 16, dropout: 0.1 })
  net.compile({ optimizer: optimizers.adam({ learningRate: 2e-2 }), loss: crossentropy, metrics: ['perplexity'] })
  const { x, y } = pattern(22, 8)
  const first = (await net.evaluate(x, y)).perplexity
  assert.ok(first > 9 && first < 13, `${first}`)
  await net.fit(x, y, { epochs: 10, batchSize: 11, verbose: 0 })
  const { loss, perplexity } = await net.evaluate(x, y)
  assert.ok(perplexity < 2, `perplexity ${perplexity}`)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
  await net.save(folder)
  const again = await loadModel(folder)
  assert.is((await again.evaluate(x, y)).loss, loss)
  for (const one of [net, again]) await one.fit(x, y, { epochs: 1, batchSize: 11, verbose: 0 })
  assert.equal(await Promise.all(again.getWeights().map((w) => w.data())), await Promise.all(net.getWeights().map((w) => w.data())))
  rmSync(folder, { recursive: true })
})

test('with a seed every part of every block draws numbers of its own, the same in every model', () => {
  const states = (seed: number): string[] =>
    gpt({ ...SMALL, dropout: 0.1, seed })
      .savedVariables()
      .filter(([name]) => name.endsWith('randomState'))
      .map(([, state]) => state.dataSync().join())
  assert.is(new Set(states(3)).size, 1 + 2 * 3)
  assert.equal(states(3), states(3))
  assert.not.equal(states(3), states(4))
})

test('parameters are those of GPT-2 with the sizes given', () => {
  const [v, n, d, f] = [11, 16, 8, 32]
  const block = 4 * (d * d + d) + 2 * d * f + f + d + 4 * d
  assert.is(gpt(SMALL).countParams(), v * d + n * d + 2 * block + 2 * d)
  const lines: string[] = []
  gpt({ ...SMALL, tieWeights: false, useBias: false }).summary({ print: (line) => lines.push(line) })
  assert.ok(
    lines.some((line) => line.includes('head (Dense)') && line.includes(String(v * d))),
    lines.join('\n'),
  )
})

test('sizes and inputs that do not fit are refused', () => {
  refuses(() => gpt({ ...SMALL, hiddenDim: 9 }), 'ERR_ARGUMENT', 'hiddenDim 9', '2 heads')
  refuses(() => gpt({ ...SMALL, numLayers: 0 }), 'ERR_ARGUMENT', 'numLayers')
  refuses(() => gpt({ ...SMALL, vocabSize: 3 } as never), 'ERR_ARGUMENT', 'vocabSize', 'vocabularySize')
  refuses(() => gpt({ ...SMALL, dropout: 1 }), 'ERR_ARGUMENT', 'rate')
  refuses(() => gpt({ ...SMALL, rotary: { wavelength: 3 } as never }), 'ERR_ARGUMENT', 'wavelength')
  const net = gpt(SMALL)
  refuses(() => net.apply(int([new Array<number>(17).fill(1)])), 'ERR_SHAPE', '16', '[1,17]')
  refuses(() => net.apply(tensor(Int32Array.of(1, 2))), 'ERR_SHAPE', 'expandDims(0)')
  refuses(() => bert({ ...SMALL, maskedLm: true } as never), 'ERR_ARGUMENT', 'maskedLm')
  refuses(() => bert(SMALL).apply({ ids: int([[1]]) } as never), 'ERR_ARGUMENT', 'tokenIds')
  refuses(() => bert(SMALL).apply({ tokenIds: int([[1, 2]]), paddingMask: int([[1]]) }), 'ERR_SHAPE', 'paddingMask')
})

test('an id outside the vocabulary fails the step, naming layer and id', async () => {
  const net = gpt(SMALL)
  try {
    await net.predict(int([[3, 12]]))
    assert.unreachable()
  } catch (error) {
    assert.is((error as { code: string }).code, 'ERR_DATA')
    assert.match((error as Error).message, /embedding.*12/)
  }
})

test('bert: padding changes nothing of the other tokens, given as ids 0 or as a mask', async () => {
  const net = bert({ ...SMALL, kernelInitializer: { className: 'RandomNormal', config: { stddev: 0.3 } } })
  type Outputs = { sequenceOutput: Tensor; pooledOutput: Tensor }
  const short = net.apply(int([[4, 5, 6]])) as Outputs
  const [sequence, pooled] = [await short.sequenceOutput.array(), await short.pooledOutput.data()]
  const padded = net.apply(int([[4, 5, 6, 0, 0]])) as Outputs
  const masked = net.apply({ tokenIds: int([[4, 5, 6, 9, 2]]), paddingMask: int([[1, 1, 1, 0, 0]]) }) as Outputs
  for (const { sequenceOutput, pooledOutput } of [padded, masked]) {
    const found = (await sequenceOutput.array()) as number[][][]
    assert.equal(await sequenceOutput.mask!.array(), [[true, true, true, false, false]])
    ;(sequence as number[][][])[0]!.forEach((row, i) => row.forEach((value, k) => assert.ok(Math.abs(found[0]![i]![k]! - value) < 1e-5)))
    ;((await pooledOutput.data()) as Float32Array).forEach((value, i) => assert.ok(Math.abs(value - Number(pooled[i])) < 1e-5))
  }
  const open = net.apply({ tokenIds: int([[4, 5, 6, 9, 2]]) }) as Outputs
  assert.ok(Math.abs(Number((await open.pooledOutput.data())[0]) - Number(pooled[0])) > 1e-4)
})

test('bert learns hidden tokens; the loss leaves out what ignoreClass and padding say', async () => {
  setSeed(5)
  const net = bert({ ...SMALL, numLayers: 1, hiddenDim: 16, maskedLanguageHead: true })
  net.compile({
    optimizer: optimizers.adam({ learningRate: 2e-2 }),
    loss: losses.sparseCategoricalCrossentropy({ fromLogits: true, ignoreClass: -1 }),
    metrics: [],
  })
  // id 10 hides the middle of (a, b, a): b is a + 1
  const rows = Array.from({ length: 64 }, (_, i) => ({ a: 1 + (i % 8), pad: i % 3 === 0 }))
  const x = int(rows.map(({ a, pad }) => [a, 10, a, ...(pad ? [0] : [9])]))
  const y = int(rows.map(({ a }) => [-1, a + 1, -1, -1]))
  const { history } = await net.fit(x, y, { epochs: 20, batchSize: 16, verbose: 0 })
  assert.ok(history['loss']!.at(-1)! < 0.5, `loss ${history['loss']!.at(-1)}`)
})

test('a classifier on bert: a functional model that trains, saves and loads', async () => {
  setSeed(6)
  const encoder = bert({ ...SMALL, numLayers: 1, name: 'encoder' })
  const [tokenIds, segmentIds] = [
    input({ shape: [4], dtype: 'int32', name: 'tokens' }),
    input({ shape: [4], dtype: 'int32', name: 'kinds' }),
  ]
  const { pooledOutput } = encoder.apply({ tokenIds, segmentIds })
  const net = model({ inputs: { tokens: tokenIds, kinds: segmentIds }, outputs: layers.dense({ units: 2 }).apply(pooledOutput) })
  net.compile({ optimizer: optimizers.adam({ learningRate: 1e-2 }), loss: crossentropy, metrics: ['accuracy'] })
  const x = {
    tokens: int(Array.from({ length: 32 }, (_, i) => [1, 2 + (i % 5), 3 + (i % 2), 0])),
    kinds: int(Array.from({ length: 32 }, () => [0, 0, 1, 1])),
  }
  const y = tensor(Int32Array.from({ length: 32 }, (_, i) => i % 2))
  await net.fit(x, y, { epochs: 15, verbose: 0 })
  const { accuracy, loss } = await net.evaluate(x, y)
  assert.is(accuracy, 1)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
  await net.save(folder)
  assert.is((await (await loadModel(folder)).evaluate(x, y)).loss, loss)
  rmSync(folder, { recursive: true })
})

test('texts of any length go through functional models', async () => {
  const ids = input({ shape: [null], dtype: 'int32' })
  const { sequenceOutput } = bert(SMALL).apply({ tokenIds: ids })
  const net = model({ inputs: ids, outputs: [sequenceOutput, gpt(SMALL).apply(ids)] })
  assert.equal(
    net.outputs.map(({ shape }) => shape as readonly (number | null)[]),
    [
      [null, null, 8],
      [null, null, 11],
    ],
  )
  for (const steps of [3, 7]) {
    const [sequence, logits] = net.apply(int([new Array<number>(steps).fill(4)])) as readonly Tensor[]
    assert.equal(
      [sequence!.shape, logits!.shape],
      [
        [1, steps, 8],
        [1, steps, 11],
      ],
    )
  }
  refuses(() => net.apply(int([new Array<number>(17).fill(4)])), 'ERR_SHAPE', '16 steps')
})

test.run()
