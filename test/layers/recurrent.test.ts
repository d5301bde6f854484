// lstm, gru and simpleRnn against step-by-step references in double precision: masks, directions, lengths, activations,
// initial states.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setDevice, type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { near, refuses } from '../expect.js'
import { type Kind, type Matrix, reference, type ReferenceOptions } from './recurrent_reference.js'
import { layerOf, listOf, matrix, type Options, sequences, tensorOf, weightsOf } from './recurrent_values.js'

// float64 is the CPU's alone
setDevice('cpu')
const KINDS: readonly Kind[] = ['lstm', 'gru', 'simpleRnn']
const [FEATURES, UNITS] = [2, 3]
const TOLERANCE = 1e-12

const masks: Record<string, boolean[][] | undefined> = {
  none: undefined,
  pre: [
    [false, false, true, true, true],
    [true, true, true, true, true],
  ],
  post: [
    [true, true, true, false, false],
    [true, false, false, false, false],
  ],
  holes: [
    [true, false, true, false, true],
    [false, true, false, false, true],
  ],
  nothing: [
    [false, false, false, false, false],
    [true, true, true, true, true],
  ],
}

/** The layer's results beside those of the reference. */
async function compare(kind: Kind, x: Matrix[], options: Options, mask?: boolean[][], states?: Matrix[]): Promise<void> {
  const resetAfter = options.resetAfter ?? true
  const weights = weightsOf(kind, FEATURES, UNITS, resetAfter)
  const backwards = options.goBackwards ?? false
  const known = {
    mask,
    reverse: backwards,
    states,
    resetAfter,
    activation: options.activation,
    recurrentActivation: options.recurrentActivation,
  }
  const expected = reference(
    kind,
    weights,
    x,
    Object.fromEntries(Object.entries(known).filter(([, v]) => v !== undefined)) as ReferenceOptions,
  )
  const layer = layerOf(kind, weights, { ...options, returnSequences: true, returnState: true })
  const given = states ? { initialState: states.map((state) => tensor(state, { dtype: 'float64' })) } : {}
  const [sequence, ...last] = layer.apply(tensorOf(x, FEATURES), { mask: mask && tensor(mask), ...given }) as unknown as Tensor[]
  const order = expected.sequence.map((rows) => (backwards ? [...rows].reverse() : rows))
  await near(sequence!, order.flat(2), TOLERANCE)
  assert.is(last.length, expected.states.length)
  for (const [i, state] of last.entries()) await near(state, expected.states[i]!.flat(), TOLERANCE)
  const only = layerOf(kind, weights, options)
  await near(only.apply(tensorOf(x, FEATURES), { mask: mask && tensor(mask), ...given }) as Tensor, expected.states[0]!.flat(), TOLERANCE)
}

for (const kind of KINDS) {
  for (const [name, mask] of Object.entries(masks)) {
    for (const goBackwards of [false, true]) {
      test(`${kind}: mask ${name}${goBackwards ? ', backwards' : ''}`, async () => {
        await compare(kind, sequences(2, 5, FEATURES), { goBackwards }, mask)
        await compare(
          kind,
          sequences(2, 5, FEATURES),
          { goBackwards },
          mask,
          kind === 'lstm' ? [matrix(2, UNITS, 3), matrix(2, UNITS, 4)] : [matrix(2, UNITS, 3)],
        )
      })
    }
  }
  test(`${kind}: length 1, length 0, batch 1`, async () => {
    const states = kind === 'lstm' ? [matrix(2, UNITS, 3), matrix(2, UNITS, 4)] : [matrix(2, UNITS, 3)]
    await compare(kind, sequences(2, 1, FEATURES), {})
    await compare(kind, sequences(2, 0, FEATURES), {}, undefined, states)
    await compare(kind, sequences(2, 0, FEATURES), {})
    await compare(kind, sequences(1, 7, FEATURES), {})
    await compare(kind, sequences(1, 1, FEATURES), { goBackwards: true })
  })
  for (const activation of ['linear', 'relu', 'tanh', 'sigmoid', 'hardSigmoid', 'softsign'] as const) {
    test(`${kind}: activation ${activation}, in one operation or step by step`, async () => {
      await compare(
        kind,
        sequences(2, 4, FEATURES),
        { activation },
        masks['holes']!.map((row) => row.slice(0, 4)),
      )
      if (kind !== 'simpleRnn') await compare(kind, sequences(2, 4, FEATURES), { recurrentActivation: activation })
    })
  }
}

test('gru with the reset gate before the product', async () => {
  for (const goBackwards of [false, true])
    await compare('gru', sequences(2, 5, FEATURES), { resetAfter: false, goBackwards }, masks['holes'])
  await compare('gru', sequences(2, 5, FEATURES), { resetAfter: false, activation: 'softsign' }, masks['post'])
})

test('a row does not depend on the rows beside it, nor on what padding holds', async () => {
  for (const kind of KINDS) {
    const weights = weightsOf(kind, FEATURES, UNITS)
    const layer = layerOf(kind, weights)
    const x = sequences(3, 4, FEATURES)
    const together = (await layer.apply(tensorOf(x, FEATURES)).array()) as Matrix
    assert.equal(await layer.apply(tensorOf([x[1]!], FEATURES)).array(), [together[1]])
    const padded = tensorOf([[...x[1]!, [99, -99]]], FEATURES)
    assert.equal(await layer.apply(padded, { mask: tensor([[true, true, true, true, false]]) }).array(), [together[1]])
  }
})

test('rnn(cell) gives what the layer of the same weights gives', async () => {
  const x = tensorOf(sequences(2, 5, FEATURES), FEATURES)
  const mask = tensor(masks['holes']!)
  for (const kind of KINDS) {
    const weights = weightsOf(kind, FEATURES, UNITS)
    const cell = { lstm: layers.lstmCell, gru: layers.gruCell, simpleRnn: layers.simpleRnnCell }[kind]({ units: UNITS, dtype: 'float64' })
    const by = layers.rnn({ cell, returnSequences: true, goBackwards: true, dtype: 'float64' })
    by.build([1, 1, FEATURES])
    by.setWeights(listOf(weights))
    const layer = layerOf(kind, weights, { returnSequences: true, goBackwards: true })
    await near(by.apply(x, { mask }), Array.from((await layer.apply(x, { mask }).data()) as Float64Array), TOLERANCE)
  }
})

test('stacked cells are layers on top of each other', async () => {
  const cell = layers.stackedRnnCells({ cells: [layers.gruCell({ units: 3 }), layers.lstmCell({ units: 2 })] })
  const stacked = layers.rnn({ cell, returnState: true })
  const x = tensor([
    [
      [1, 2],
      [0.5, -1],
      [0, 1],
    ],
  ])
  const [output, ...states] = stacked.apply(x)
  assert.equal(
    [output!.shape, ...states.map((t) => t.shape)],
    [
      [1, 2],
      [1, 3],
      [1, 2],
      [1, 2],
    ],
  )
  const [low, high] = [layers.gru({ units: 3, returnSequences: true }), layers.lstm({ units: 2 })]
  low.build([1, 3, 2])
  high.build([1, 3, 3])
  low.setWeights(stacked.getWeights().slice(0, 3))
  high.setWeights(stacked.getWeights().slice(3))
  await near(output!, Array.from((await high.apply(low.apply(x)).data()) as Float32Array))
  const [y, next] = cell.apply(tensor([[1, 2]]))
  assert.equal([y.shape, next.length], [[1, 2], 3])
})

test('a cell of the user: any layer with stateSize and call(x, states)', async () => {
  class Sum extends layers.RecurrentCell {
    readonly stateSize = [1]
    readonly outputSize = 2
    call(x: Tensor, [total]: readonly [Tensor]): layers.Step {
      const next = total.add(x.sum(-1, { keepDims: true }))
      return [next.tile([1, 2]), [next]]
    }
  }
  const layer = layers.rnn({ cell: new Sum(), returnSequences: true, returnState: true })
  const x = tensor([
    [
      [1, 2],
      [3, 4],
      [5, 6],
    ],
  ])
  const [y, last] = layer.apply(x, { mask: tensor([[false, true, true]]) })
  // before the first step that counts the output is zeros
  assert.equal(await y!.array(), [
    [
      [0, 0],
      [7, 7],
      [18, 18],
    ],
  ])
  assert.equal(await last!.array(), [[18]])
  class Wrong extends layers.RecurrentCell {
    readonly stateSize = 1
    call(x: Tensor): layers.Step {
      return x as unknown as layers.Step
    }
  }
  refuses(() => layers.rnn({ cell: new Wrong() }).apply(x), 'ERR_ARGUMENT', 'wrong', 'must return [output')
  refuses(() => layers.rnn({ cell: layers.dense({ units: 1 }) as never }), 'ERR_ARGUMENT', 'stateSize')
})

test('bidirectional: both directions merged in each way', async () => {
  const weights = weightsOf('lstm', FEATURES, UNITS)
  const x = sequences(2, 5, FEATURES)
  const mask = masks['pre']!
  const [a, b] = [false, true].map((reverse) => reference('lstm', weights, x, { mask, reverse }).sequence.flat(2)) as [number[], number[]]
  const each = (fn: (p: number, q: number) => number): number[] => a.map((value, i) => fn(value, b[i]!))
  const expected = { sum: each((p, q) => p + q), mul: each((p, q) => p * q), ave: each((p, q) => (p + q) / 2) }
  const values = listOf(weights)
  const make = (mergeMode: 'concat' | 'sum' | 'mul' | 'ave' | null, options: Options = { returnSequences: true }) => {
    const layer = layers.bidirectional({ layer: layerOf('lstm', weights, options), mergeMode, dtype: 'float64' })
    layer.build([2, 5, FEATURES])
    layer.setWeights([...values, ...values])
    return layer
  }
  const apply = (mergeMode: Parameters<typeof make>[0]): Tensor =>
    make(mergeMode).apply(tensorOf(x, FEATURES), { mask: tensor(mask) }) as Tensor
  for (const mode of ['sum', 'mul', 'ave'] as const) await near(apply(mode), expected[mode], TOLERANCE)
  const sides = apply('concat')
  assert.equal(sides.shape, [2, 5, 2 * UNITS])
  await near(sides.slice([0, 0, 0], [2, 5, UNITS]), a, TOLERANCE)
  await near(sides.slice([0, 0, UNITS], [2, 5, UNITS]), b, TOLERANCE)
  const both = apply(null) as unknown as Tensor[]
  await near(both[1]!, b, TOLERANCE)
  // with states: the output, h and c forwards, h and c backwards
  const withStates = make('concat', { returnState: true }).apply(tensorOf(x, FEATURES)) as unknown as Tensor[]
  assert.equal(
    withStates.map((t) => t.shape),
    [
      [2, 6],
      [2, 3],
      [2, 3],
      [2, 3],
      [2, 3],
    ],
  )
  refuses(() => layers.bidirectional({ layer: layers.dense({ units: 1 }) as never }), 'ERR_ARGUMENT', 'recurrent layer')
  refuses(
    () => layers.bidirectional({ layer: layers.gru({ units: 1 }), backwardLayer: layers.gru({ units: 1 }) }),
    'ERR_ARGUMENT',
    'differ in goBackwards',
  )
  refuses(() => layers.bidirectional({ layer: layers.gru({ units: 1 }), mergeMode: 'max' as never }), 'ERR_ARGUMENT', "'concat'")
})

test('defaults are those of Keras', async () => {
  const layer = layers.lstm({ units: 2 })
  layer.build([null as never, 5, 3])
  assert.equal(
    layer.weights.map((w) => w.shape),
    [[3, 8], [2, 8], [8]],
  )
  assert.equal(await layer.bias!.array(), [0, 0, 1, 1, 0, 0, 0, 0])
  const plain = layers.lstm({ units: 2, unitForgetBias: false })
  plain.build([null as never, 5, 3])
  assert.equal(await plain.bias!.array(), new Array(8).fill(0))
  // the recurrent kernel is orthogonal
  await near(layer.recurrentKernel.matMul(layer.recurrentKernel.transpose()), [1, 0, 0, 1])
  const shapes = (resetAfter: boolean): unknown => {
    const made = layers.gru({ units: 2, resetAfter })
    made.build([null as never, 5, 3])
    return made.weights.map((w) => w.shape)
  }
  assert.equal(shapes(true), [
    [3, 6],
    [2, 6],
    [2, 6],
  ])
  assert.equal(shapes(false), [[3, 6], [2, 6], [6]])
  assert.is(layer.countParams(), 48)
})

test.run()
