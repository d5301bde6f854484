// Recurrent layers: states given and returned, kept from call to call; dropout; what is refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, jit, ones, setDevice, setSeed, type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { sequential } from '../../lib/model/sequential.js'
import { near, refuses, values as list } from '../expect.js'
import type { Kind } from './recurrent_reference.js'
import { layerOf, matrix, sequences, tensorOf, weightsOf } from './recurrent_values.js'

setDevice('cpu')
const KINDS: readonly Kind[] = ['lstm', 'gru', 'simpleRnn']

test('returnState: the output, then the states', async () => {
  const x = ones([2, 4, 3])
  const shapes = (result: readonly Tensor[]): unknown => result.map((t) => t.shape)
  assert.equal(shapes(layers.lstm({ units: 5, returnState: true }).apply(x)), [
    [2, 5],
    [2, 5],
    [2, 5],
  ])
  assert.equal(shapes(layers.lstm({ units: 5, returnState: true, returnSequences: true }).apply(x)), [
    [2, 4, 5],
    [2, 5],
    [2, 5],
  ])
  assert.equal(shapes(layers.gru({ units: 5, returnState: true }).apply(x)), [
    [2, 5],
    [2, 5],
  ])
  assert.equal(shapes(layers.simpleRnn({ units: 5, returnState: true }).apply(x)), [
    [2, 5],
    [2, 5],
  ])
  const masked = layers.gru({ units: 5, returnState: true, returnSequences: true, goBackwards: true })
  const [sequence] = masked.apply(x, {
    mask: tensor([
      [true, true, true, false],
      [true, false, false, false],
    ]),
  })
  // outputs are in the order they were computed in, and so is their mask
  assert.equal(await sequence!.mask!.array(), [
    [false, true, true, true],
    [false, false, false, true],
  ])
})

test('stateful: two batches of half the steps equal one of all', async () => {
  for (const kind of KINDS) {
    const weights = weightsOf(kind, 2, 3)
    const x = tensorOf(sequences(2, 6, 2), 2)
    const parts = [x.slice([0, 0], [2, 4]), x.slice([0, 4], [2, 2])]
    const whole = layerOf(kind, weights, { returnSequences: true }).apply(x)
    const layer = layerOf(kind, weights, { returnSequences: true, stateful: true })
    await near(
      concat(
        parts.map((part) => layer.apply(part)),
        1,
      ),
      await list(whole),
      1e-12,
    )
    // from zeros again, and inside a traced function, where the states move on at each call
    layer.resetStates()
    const step = jit((part: Tensor) => layer.apply(part))
    const again = [parts[0]!, parts[1]!].map((part) => step(part))
    await near(concat(again, 1), await list(whole), 1e-12)
    const given = kind === 'lstm' ? [matrix(2, 3, 1), matrix(2, 3, 2)] : matrix(2, 3, 1)
    layer.resetStates(given)
    const from = {
      initialState: kind === 'lstm' ? given.map((state) => tensor(state, { dtype: 'float64' })) : tensor(given, { dtype: 'float64' }),
    }
    await near(layer.apply(x), await list(layerOf(kind, weights, { returnSequences: true }).apply(x, from as never)), 1e-12)
  }
})

test('stateful: the first call fixes the batch size; models reset all their layers', async () => {
  const net = sequential([
    layers.lstm({ units: 3, stateful: true, returnSequences: true, inputShape: [2, 1] }),
    layers.bidirectional({ layer: layers.gru({ units: 2, stateful: true }) }),
    layers.dense({ units: 1 }),
  ])
  const x = ones([4, 2, 1])
  const first = await list(net.apply(x))
  assert.not.equal(await list(net.apply(x)), first)
  net.resetStates()
  assert.equal(await list(net.apply(x)), first)
  refuses(() => net.apply(ones([3, 2, 1])), 'ERR_SHAPE', 'stateful', '4', 'received 3')
  net.compile({ loss: 'mse', optimizer: 'sgd' })
  try {
    await net.fit(ones([6, 2, 1]), ones([6, 1]), { batchSize: 4, verbose: 0, shuffle: false })
    assert.unreachable()
  } catch (error) {
    assert.is((error as { code?: string }).code, 'ERR_SHAPE')
  }
  refuses(() => layers.lstm({ units: 1 }).resetStates(), 'ERR_STATE', 'stateful: true')
  const layer = layers.lstm({ units: 1, stateful: true })
  refuses(() => layer.resetStates([ones([1, 1]), ones([1, 1])]), 'ERR_STATE', 'before the first call')
  layer.apply(ones([1, 2, 1]))
  refuses(() => layer.resetStates([ones([1, 1])]), 'ERR_ARGUMENT', '2 states')
  refuses(() => layer.resetStates([ones([1, 1]), ones([2, 1])]), 'ERR_SHAPE', '[2,1]')
})

test('stateful: a call with initial states goes on from them, and later calls from it', async () => {
  const weights = weightsOf('gru', 2, 3)
  const x = tensorOf(sequences(2, 6, 2), 2)
  const initialState = tensor(matrix(2, 3, 5), { dtype: 'float64' })
  const layer = layerOf('gru', weights, { returnSequences: true, stateful: true })
  const parts = [layer.apply(x.slice([0, 0], [2, 4]), { initialState }), layer.apply(x.slice([0, 4], [2, 2]))]
  await near(concat(parts, 1), await list(layerOf('gru', weights, { returnSequences: true }).apply(x, { initialState })), 1e-12)
})

test('states are kept when a step fails, and with the model on its way to another form', async () => {
  const layer = layers.simpleRnn({
    units: 1,
    stateful: true,
    activation: 'linear',
    kernelInitializer: 'ones',
    recurrentInitializer: 'ones',
  })
  const step = jit((x: Tensor, fail: boolean) => {
    const y = layer.apply(x)
    if (fail) throw new Error('stop')
    return y
  })
  assert.equal(await list(step(ones([1, 2, 1]), false)), [2])
  assert.throws(() => step(ones([1, 2, 1]), true), 'stop')
  assert.equal(await list(step(ones([1, 2, 1]), false)), [4])
})

test('dropout: of the input the same features at every step, of the state the same units; none outside training', async () => {
  setSeed(3)
  const [batch, time, features] = [64, 5, 20]
  // the output is the sum of the inputs that stay
  const layer = layers.simpleRnn({
    units: 1,
    dropout: 0.25,
    activation: 'linear',
    kernelInitializer: 'ones',
    recurrentInitializer: 'zeros',
    returnSequences: true,
  })
  const x = ones([batch, time, features])
  const y = (await layer.apply(x, { training: true }).array()) as number[][][]
  for (const row of y) for (const [step] of row) assert.ok(Math.abs(step! - row[0]![0]!) < 1e-5, 'the same at every step')
  const kept = y.map((row) => (row[0]![0]! * 0.75) / features)
  const mean = kept.reduce((a, b) => a + b) / batch
  // 1,280 draws: four standard deviations of their mean
  assert.ok(Math.abs(mean - 0.75) < 4 * Math.sqrt((0.75 * 0.25) / (batch * features)), String(mean))
  assert.ok(new Set(kept).size > 3)
  assert.equal(await list(layer.apply(x)), new Array(batch * time).fill(features))

  // h counts the steps where its unit stays: otherwise it is 1 at every step
  const counts = layers.simpleRnn({
    units: 20,
    recurrentDropout: 0.5,
    activation: 'linear',
    kernelInitializer: 'ones',
    recurrentInitializer: 'identity',
  })
  const h = await list(counts.apply(ones([batch, 3, 1]), { training: true }))
  // 1 + 2 + 4 where the factor is 2, else 1
  assert.equal([...new Set(h)].sort(), [1, 7])
  const share = h.filter((value) => value === 7).length / h.length
  assert.ok(Math.abs(share - 0.5) < 4 * Math.sqrt(0.25 / h.length), String(share))
})

test('dropout draws anew at each call, equally after the same seed, also step by step', async () => {
  const x = ones([2, 3, 4])
  for (const activation of ['tanh', 'softsign'] as const) {
    // weights and random numbers are those of the seed when the layer is built
    const draws = async (seed: number, times: number): Promise<number[][]> => {
      setSeed(seed)
      const layer = layers.gru({ units: 6, dropout: 0.5, recurrentDropout: 0.5, activation })
      layer.build([2, 3, 4])
      const results: number[][] = []
      for (let i = 0; i < times; i++) results.push(await list(layer.apply(x, { training: true })))
      return results
    }
    const [first, second] = await draws(5, 2)
    assert.not.equal(second, first)
    assert.equal(await draws(5, 2), [first, second])
    assert.not.equal(await draws(6, 1), [first])
  }
  const fixed = (seed: number): Tensor => {
    const options = { kernelInitializer: 'ones', recurrentInitializer: 'zeros' } as const
    return layers.simpleRnn({ units: 3, dropout: 0.5, seed, ...options }).apply(ones([8, 3, 4]), { training: true })
  }
  assert.equal(await list(fixed(1)), await list(fixed(1)))
  assert.not.equal(await list(fixed(1)), await list(fixed(2)))
})

test('what does not fit is refused with the shapes and what to do', () => {
  refuses(() => layers.lstm({} as never), 'ERR_ARGUMENT', 'units')
  refuses(() => layers.lstm({ units: 2, dropout: 1 }), 'ERR_ARGUMENT', 'dropout', '[0, 1)')
  refuses(() => layers.lstm({ units: 2, returnSequence: true } as never), 'ERR_ARGUMENT', 'returnSequences')
  refuses(() => layers.gru({ units: 2, activation: 'tan' as never }), 'ERR_ARGUMENT', 'tanh')
  refuses(
    () => sequential([layers.lstm({ units: 2, inputShape: [4, 3] }), layers.lstm({ units: 2 })]),
    'ERR_SHAPE',
    'returnSequences: true',
    '[null, 2]',
  )
  refuses(() => layers.lstm({ units: 2 }).apply(ones([4, 3])), 'ERR_SHAPE', 'expandDims(-1)')
  const layer = layers.lstm({ units: 2 })
  layer.apply(ones([1, 4, 3]))
  refuses(() => layer.apply(ones([1, 4, 2])), 'ERR_SHAPE', '[batch, time, 3]', '[1, 4, 2]')
  refuses(() => layer.apply(ones([1, 4, 3]), { initialState: ones([1, 2]) }), 'ERR_SHAPE', '[1,2], [1,2]')
  refuses(() => layer.apply([ones([2, 4, 3]), ones([1, 2]), ones([1, 2])]), 'ERR_SHAPE', 'expected initial states')
  refuses(() => layers.timeDistributed({} as never), 'ERR_ARGUMENT', 'layer')
  refuses(() => layers.masking({ maskValue: Number.NaN }), 'ERR_ARGUMENT', 'maskValue')
  refuses(() => layers.stackedRnnCells({ cells: [] }), 'ERR_ARGUMENT', 'cells')
})

test.run()
