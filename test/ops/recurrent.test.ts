// Rows of the recurrent ops, and what they share: independence of the batch, of the number of results read, errors.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { apply } from '../../lib/core/apply.js'
import { type ErrorCode, grad, gru, jit, lstm, type RecurrentActivation, simpleRnn, type Tensor, tensor } from '../../lib/index.js'
import { Gru } from '../../lib/ops/gru.js'
import { Lstm } from '../../lib/ops/lstm.js'
import { checkRows, isProgram, type Operand, type Row } from '../check.js'
import { generator } from '../expect.js'
import { reshape, slice, type Values } from '../reference.js'
import * as reference from '../reference_recurrent.js'

type Kind = 'lstm' | 'gru' | 'simpleRnn'
type Size = readonly [b: number, t: number, d: number, u: number]
interface Case {
  activation?: RecurrentActivation
  recurrentActivation?: RecurrentActivation
  resetAfter?: boolean
  reverse?: boolean
  mask?: readonly (readonly boolean[])[]
  scale?: boolean
  initial?: boolean
  bias?: boolean
  /** Which results the row reads. */
  results?: readonly number[]
}

const GATES = { lstm: 4, gru: 3, simpleRnn: 1 } as const

/** Factors of recurrent dropout: exact in every dtype. */
const factors = (b: number, u: number): number[][] =>
  Array.from({ length: b }, (_, i) => Array.from({ length: u }, (_, j) => [0, 1.25, 0.75][(i + j) % 3]!))

/** Rows of a mask: with a hole, padded before, padded behind, nothing. */
const masks = (b: number, t: number): boolean[][] =>
  Array.from({ length: b }, (_, i) => Array.from({ length: t }, (_, step) => [step !== 1, step > 0, step < t - 1, false][i % 4]!))

function row(kind: Kind, name: string, [b, t, d, u]: Size, options: Case = {}): Row {
  const {
    activation = 'tanh',
    recurrentActivation = 'sigmoid',
    resetAfter = true,
    reverse = false,
    mask,
    initial = false,
    bias = true,
  } = options
  const n = GATES[kind] * u
  const twoBiases = kind === 'gru' && resetAfter
  const weights = { domain: [[-0.8, 0.8]] } as const
  const state: Operand = { shape: [b, u], domain: [[-1, 1]] }
  const operands: Operand[] = [
    { shape: [b, t, d], domain: [[-1, 1]] },
    { shape: [d, n], ...weights },
    { shape: [u, n], domain: [[-1.4 / Math.sqrt(u), 1.4 / Math.sqrt(u)]] },
    ...(bias ? [{ shape: twoBiases ? [2, n] : [n], ...weights }] : []),
    ...(initial ? (kind === 'lstm' ? [state, state] : [state]) : []),
  ]
  const chosen = <R>(results: readonly R[]): R[] => (options.results ? options.results.map((i) => results[i]!) : [...results])
  const steps: reference.Steps = {
    activation,
    recurrentActivation,
    resetAfter,
    reverse,
    ...(mask ? { mask } : {}),
    ...(options.scale ? { scale: factors(b, u) } : {}),
  }
  return {
    op: kind,
    name: `${name} [${b}, ${t}, ${d}] → ${u}`,
    operands,
    run: (x, kernel, recurrent, ...rest) => {
      const offset = bias ? rest.shift() : undefined
      const given = {
        activation,
        reverse,
        ...(mask ? { mask: tensor(mask.flat(), { shape: [b, t], dtype: 'bool', device: x!.device }) } : {}),
        ...(options.scale ? { recurrentScale: factors(b, u) } : {}),
        ...(rest.length > 0 ? { initialState: kind === 'lstm' ? rest : rest[0]! } : {}),
      }
      if (kind === 'lstm') {
        const { sequence, state, cell } = lstm(x!, kernel!, recurrent!, offset, { ...given, recurrentActivation })
        return chosen([sequence, state, cell])
      }
      const { sequence, state } =
        kind === 'gru'
          ? gru(x!, kernel!, recurrent!, offset, { ...given, recurrentActivation, resetAfter })
          : simpleRnn(x!, kernel!, recurrent!, offset, given)
      return chosen([sequence, state])
    },
    reference: (x, kernel, recurrent, ...rest) => {
      const both = bias ? rest.shift()! : undefined
      const [offset, inner] = both && twoBiases ? [0, 1].map((i) => reshape(slice(both, [i, 0], [1, n]), [n])) : [both]
      const projected = reference.project(x!, kernel!, offset)
      const none: Values = { shape: [b, u], data: new Array<number>(b * u).fill(0) }
      const [h0 = none, c0 = none] = rest
      if (kind === 'lstm') {
        const { h, last, cell } = reference.lstm(projected, recurrent!, h0, c0, steps)
        return chosen([h!, last!, cell!])
      }
      const { h, last } =
        kind === 'gru' ? reference.gru(projected, recurrent!, inner, h0, steps) : reference.simpleRnn(projected, recurrent!, h0, steps)
      return chosen([h!, last!])
    },
    // rounded once per step, and each step's error reaches the later ones
    roundings: 12 + 4 * t,
  }
}

/** What the ops keep for their gradients are results too. */
function inside(kind: 'lstm' | 'gru', [b, t, , u]: Size, { resetAfter = true, mask }: Case = {}): Row {
  const attrs = { masked: mask !== undefined, scaled: false, reverse: false, activation: 'tanh', recurrentActivation: 'sigmoid' } as const
  const n = GATES[kind] * u
  const state: Operand = { shape: [b, u], domain: [[-1, 1]] }
  const steps: reference.Steps = { ...attrs, resetAfter, ...(mask ? { mask } : {}) }
  return {
    op: kind,
    name: `gates [${b}, ${t}] → ${u}${resetAfter ? '' : ', reset before'}${mask ? ', masked' : ''}`,
    operands: [{ shape: [b, t, n] }, { shape: [u, n], domain: [[-0.8, 0.8]] }, ...(kind === 'lstm' ? [state] : [{ shape: [n] }]), state],
    run: (...inputs) => {
      const given = mask ? [...inputs, tensor(mask.flat(), { shape: [b, t], dtype: 'bool', device: inputs[0]!.device })] : inputs
      return kind === 'lstm' ? apply(Lstm, given, attrs) : apply(Gru, given, { ...attrs, resetAfter })
    },
    reference: (projected, recurrent, third, fourth) => {
      if (kind === 'lstm') {
        const { h, last, cell, gates, cells } = reference.lstm(projected!, recurrent!, third!, fourth!, steps)
        return [h!, last!, cell!, gates!, cells!]
      }
      const { h, last, gates, inner } = reference.gru(projected!, recurrent!, third!, fourth!, steps)
      return [h!, last!, gates!, inner!]
    },
    roundings: 12 + 4 * t,
  }
}

const KINDS: readonly Kind[] = ['lstm', 'gru', 'simpleRnn']
const SMALL: Size = [2, 3, 1, 2]
const HOLES = [
  [true, false, true],
  [false, true, false],
]
const NOTHING = [
  [false, false, false],
  [true, true, false],
]
const SIZES: readonly Size[] = [
  [1, 1, 1, 1],
  [3, 7, 2, 5],
  [1, 7, 3, 16],
  [3, 1, 4, 17],
  [9, 7, 5, 33],
  [17, 3, 8, 64],
  [2, 5, 3, 70],
]

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...KINDS.flatMap((kind) => [
    row(kind, 'plain', SMALL),
    row(kind, 'from a state', [1, 2, 1, 2], { initial: true }),
    row(kind, 'reversed', SMALL, { reverse: true, initial: true, bias: false }),
    row(kind, 'masked', SMALL, { mask: HOLES }),
    row(kind, 'masked, reversed', SMALL, { mask: HOLES, reverse: true, bias: false, initial: true }),
    row(kind, 'with a row of nothing', SMALL, { mask: NOTHING, initial: true, bias: false }),
    row(kind, 'with factors', SMALL, { scale: true, bias: false, initial: true }),
    row(kind, 'with factors, masked', SMALL, { scale: true, bias: false, mask: HOLES }),
    row(kind, 'the sequence alone', SMALL, { results: [0] }),
    row(kind, 'the last state alone', SMALL, { results: [1], mask: HOLES }),
    ...(['linear', 'relu', 'sigmoid', 'hardSigmoid'] as const).map((activation) =>
      row(kind, activation, SMALL, { activation, recurrentActivation: activation === 'sigmoid' ? 'tanh' : 'hardSigmoid', bias: false }),
    ),
    row(kind, 'gates without bounds', SMALL, { activation: 'tanh', recurrentActivation: 'linear' }),
    row(kind, 'gates with relu', SMALL, { activation: 'sigmoid', recurrentActivation: 'relu' }),
    row(kind, 'no steps', [2, 0, 1, 2], { initial: true }),
    row(kind, 'no rows', [0, 3, 2, 2]),
    row(kind, 'no features', [2, 2, 0, 2]),
    ...SIZES.map((size) => row(kind, 'size', size, { initial: size[0] % 2 === 1 })),
    row(kind, 'size, masked', [6, 9, 3, 21], { mask: masks(6, 9), initial: true }),
    row(kind, 'size, reversed with factors', [13, 4, 3, 19], { mask: masks(13, 4), reverse: true, scale: true }),
  ]),
  row('lstm', 'the cell alone', SMALL, { results: [2] }),
  row('gru', 'reset before', SMALL, { resetAfter: false, initial: true, bias: false }),
  row('gru', 'reset before, with bias', [1, 3, 1, 2], { resetAfter: false }),
  row('gru', 'reset before, masked, with factors', SMALL, { resetAfter: false, mask: HOLES, scale: true, bias: false }),
  row('gru', 'reset before, reversed, masked', SMALL, { resetAfter: false, mask: HOLES, reverse: true, bias: false }),
  row('gru', 'reset before, no steps', [2, 0, 1, 2], { resetAfter: false }),
  ...SIZES.map((size) => row('gru', 'size, reset before', size, { resetAfter: false, mask: masks(size[0], size[1]), scale: true })),
  inside('lstm', [1, 3, 1, 2]),
  inside('lstm', [2, 3, 1, 1], { mask: HOLES }),
  inside('lstm', [3, 4, 1, 18], { mask: masks(3, 4) }),
  inside('gru', [1, 3, 1, 2]),
  inside('gru', [2, 3, 1, 1], { mask: HOLES }),
  inside('gru', [1, 3, 1, 2], { resetAfter: false }),
  inside('gru', [3, 4, 1, 18], { mask: masks(3, 4), resetAfter: false }),
  inside('gru', [3, 4, 1, 18], { mask: masks(3, 4) }),
])

if (isProgram(import.meta.url)) {
  const drawn = (shape: readonly number[], seed: number): Tensor => {
    const next = generator(seed)
    return tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.5),
      { shape },
    )
  }
  const operands = (kind: Kind, [b, t, d, u]: Size): [Tensor, Tensor, Tensor, Tensor] => {
    const n = GATES[kind] * u
    return [drawn([b, t, d], 1), drawn([d, n], 2), drawn([u, n], 3), drawn(kind === 'gru' ? [2, n] : [n], 4)]
  }
  const functions = { lstm, gru, simpleRnn }

  for (const kind of KINDS) {
    test(`${kind}: a row does not depend on the rest of the batch`, async () => {
      const [x, ...weights] = operands(kind, [23, 6, 5, 37])
      const all = await functions[kind](x, ...weights).sequence.data()
      for (const i of [0, 7, 22]) {
        const one = (await functions[kind](x.slice([i], [1]), ...weights).sequence.data()) as Float32Array
        assert.equal(one, all.slice(i * one.length, (i + 1) * one.length))
      }
    })

    test(`${kind}: results that nobody else reads are the same`, async () => {
      const [x, ...weights] = operands(kind, [5, 6, 3, 20])
      const { sequence, state } = functions[kind](x, ...weights)
      const only = jit((input: Tensor) => functions[kind](input, ...weights).state)
      assert.equal(await only(x).data(), await state.data())
      assert.equal(await only(x).data(), await sequence.slice([0, 5], [5, 1]).squeeze(1).data())
    })

    test(`${kind}: padding behind changes nothing`, async () => {
      const [x, ...weights] = operands(kind, [4, 8, 3, 20])
      const mask = Array.from({ length: 4 }, () => Array.from({ length: 8 }, (_, step) => step < 5))
      const run = (input: Tensor, given = {}): Tensor => functions[kind](input, ...weights, given).state
      const short = x.slice([0, 0], [-1, 5])
      assert.equal(await run(x, { mask }).data(), await run(short).data())
      const slopeOf = (input: Tensor, given = {}): Tensor => grad((v: Tensor) => run(v, given).square().sum())(input)
      const long = slopeOf(x, { mask })
      assert.equal(await long.slice([0, 0], [-1, 5]).data(), await slopeOf(short).data())
      assert.ok(((await long.slice([0, 5]).data()) as Float32Array).every((v) => v === 0))
    })

    test(`${kind}: a gradient of the last state makes no zeros for the sequence`, () => {
      const [x, ...weights] = operands(kind, [2, 4, 3, 5])
      const graph = jit((v: Tensor) => grad((input: Tensor) => functions[kind](input, ...weights).state.sum())(v)).graph(x)
      assert.ok(graph.includes(`${kind}Grad(`), graph)
      assert.not.ok(/fill\([^)]*\[2, ?4, ?5\]/.test(graph), graph)
    })
  }

  test('NaN stays NaN, whatever its bits are', async () => {
    const u = 16
    for (const bits of [0x7fc00000, 0xffc00000, 0x7fffffff, 0xffffffff, 0x7fc00001, 0x7fc001ff, 0x7fc12380]) {
      const odd = new Float32Array(Uint32Array.from({ length: u }, () => bits).buffer)
      for (const kind of ['lstm', 'gru'] as const) {
        const [x, kernel, recurrent] = operands(kind, [2, 3, 4, u])
        const bias = new Float32Array(kind === 'gru' ? 6 * u : 4 * u)
        bias.set(odd, kind === 'gru' ? 0 : 3 * u) // of a gate that no other value goes through
        const { sequence } = functions[kind](x, kernel, recurrent, tensor(bias, kind === 'gru' ? [2, 3 * u] : [4 * u]))
        const values = (await sequence.data()) as Float32Array
        assert.ok(values.every(Number.isNaN), `${kind}: ${bits.toString(16)} gives ${values[0]}`)
      }
    }
  })

  test('mistakes are named', () => {
    const [x, kernel, recurrent, bias] = operands('lstm', [2, 3, 4, 5])
    const fails = (run: () => unknown, code: ErrorCode, ...words: string[]): void => {
      assert.throws(run, (error: { code: string; message: string }) => {
        assert.is(error.code, code)
        for (const word of words) assert.ok(error.message.includes(word), error.message)
        return true
      })
    }
    fails(() => lstm(x.reshape([6, 4]), kernel, recurrent, bias), 'ERR_SHAPE', '[6,4]', '[b, t, d]')
    fails(() => lstm(x, kernel.slice(0, 3), recurrent, bias), 'ERR_SHAPE', '[3,20]')
    fails(() => lstm(x, kernel, recurrent.slice(0, 4), bias), 'ERR_SHAPE', '[4,20]')
    fails(() => lstm(x, kernel, recurrent, bias.slice(0, 5)), 'ERR_SHAPE', 'bias [5]')
    fails(() => lstm(x, kernel, recurrent, bias, { initialState: drawn([2, 5], 1) }), 'ERR_ARGUMENT', '[h, c]')
    fails(() => lstm(x, kernel, recurrent, bias, { initialState: [drawn([2, 5], 1), drawn([3, 5], 1)] }), 'ERR_SHAPE', '[3,5]')
    fails(() => lstm(x, kernel, recurrent, bias, { mask: drawn([2, 3], 1) }), 'ERR_DTYPE', 'bool')
    fails(() => lstm(x, kernel, recurrent, bias, { mask: [[true, true, true]] }), 'ERR_SHAPE', 'mask [1,3]')
    fails(() => lstm(x, kernel, recurrent, bias, { recurrentScale: drawn([2, 4], 1) }), 'ERR_SHAPE', 'recurrentScale [2,4]')
    fails(() => lstm(x, kernel, recurrent, bias, { activation: 'softmax' as never }), 'ERR_ARGUMENT', 'softmax')
    fails(() => lstm(x, kernel, recurrent, bias, { reverse: 1 as never }), 'ERR_ARGUMENT', 'reverse')
    fails(() => lstm(x, kernel, recurrent, bias, { resetAfter: true } as never), 'ERR_ARGUMENT', 'resetAfter')
    fails(() => lstm(x.cast('int32'), kernel.cast('int32'), recurrent.cast('int32')), 'ERR_DTYPE', 'int32')
    const [y, k, r, both] = operands('gru', [2, 3, 4, 5])
    fails(() => gru(y, k, r, both, { resetAfter: false }), 'ERR_SHAPE', 'bias [2,15]')
    fails(() => gru(y, k, r, both.slice(0, 1).reshape([15])), 'ERR_SHAPE', '[2, 3u]')
  })

  test.run()
}
