// Rows of the activation functions; their gradient kernels are reached through the derivatives.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { applyOne } from '../../lib/core/apply.js'
import type { Op } from '../../lib/core/op.js'
import {
  elu,
  gelu,
  grad,
  hardShrink,
  hardSigmoid,
  hardSilu,
  jit,
  leakyRelu,
  mish,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softplus,
  softsign,
  type Tensor,
  tanh,
  tensor,
  type WeftError,
} from '../../lib/index.js'
import { checkRows, FLOATS, isProgram, type Row } from '../check.js'
import { erf } from '../reference.js'
import { AWAY_FROM_ZERO as away, type Interval, special, unary } from './pointwise.js'

const logistic = (x: number): number => 1 / (1 + Math.exp(-x))
const soft = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
const HARD: readonly Interval[] = [
  [-4, -3.2],
  [-2.8, 2.8],
  [3.2, 4],
]
const EDGES = [[NaN, Infinity, -Infinity, 0, 200, -200]]

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...unary('relu', relu, (x) => Math.max(x, 0), { domain: away, dtypes: [...FLOATS, 'int32', 'uint8'] }),
  ...unary('sigmoid', sigmoid, logistic),
  ...unary('tanh', tanh, Math.tanh),
  ...unary('softplus', softplus, soft),
  ...unary('softsign', softsign, (x) => x / (1 + Math.abs(x)), { domain: away }),
  ...unary('gelu', gelu, (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))),
  ...unary(
    'geluTanh',
    (x) => gelu(x, { approximate: true }),
    (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ),
  ...unary('silu', silu, (x) => x * logistic(x)),
  ...unary('selu', selu, (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)), { domain: away }),
  ...unary('mish', mish, (x) => x * Math.tanh(soft(x)), { roundings: 6 }),
  ...unary('hardSigmoid', hardSigmoid, (x) => Math.min(Math.max(x / 6 + 0.5, 0), 1), { domain: HARD }),
  ...unary(
    'elu',
    (x) => elu(x, 0.7),
    (x) => (x > 0 ? x : 0.7 * Math.expm1(x)),
    { domain: away },
  ),
  ...unary(
    'leakyRelu',
    (x) => leakyRelu(x, 0.3),
    (x) => (x > 0 ? x : 0.3 * x),
    { domain: away },
  ),
  ...unary(
    'hardShrink',
    (x) => hardShrink(x, 0.7),
    (x) => (Math.abs(x) <= 0.7 ? 0 : x),
    {
      domain: [
        [-2, -0.8],
        [-0.6, 0.6],
        [0.8, 2],
      ],
    },
  ),
  ...unary('relu', relu6, (x) => Math.min(Math.max(x, 0), 6), {
    domain: [
      [-2, -0.5],
      [0.5, 5],
      [7, 8],
    ],
  }).map((row) => ({ ...row, name: `and minimum, relu6 ${row.name}` })),
  ...unary('hardSigmoid', hardSilu, (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1), { domain: HARD, roundings: 6 }).map((row) => ({
    ...row,
    name: `times x, hardSilu ${row.name}`,
  })),
  special(
    'relu',
    'edges',
    (x) => relu(x!),
    (x) => Math.max(x!, 0),
    EDGES,
  ),
  special(
    'hardShrink',
    'edges, with the default',
    (x) => hardShrink(x!),
    (x) => (Math.abs(x!) <= 0.5 ? 0 : x!),
    [[...EDGES[0]!, 0.5, -0.5, 0.75, -0.25]],
  ),
  special(
    'sigmoid',
    'edges',
    (x) => sigmoid(x!),
    (x) => logistic(x!),
    EDGES,
  ),
  special(
    'tanh',
    'edges',
    (x) => tanh(x!),
    (x) => Math.tanh(x!),
    EDGES,
  ),
  special(
    'tanh',
    'near 0',
    (x) => tanh(x!),
    (x) => Math.tanh(x!),
    [[1e-6, -1e-4, 1e-3]],
    { dtypes: ['float64', 'float32'] },
  ),
  special(
    'gelu',
    'edges',
    (x) => gelu(x!),
    (x) => (x === -Infinity ? 0 : 0.5 * x! * (1 + erf(x! / Math.SQRT2))),
    EDGES,
  ),
  special(
    'gelu',
    'edges, the slope',
    (x) => grad((t: Tensor) => gelu(t).sum())(x!),
    (x) => (1 + Math.sign(x!)) / 2,
    EDGES,
  ),
  special(
    'softplus',
    'edges',
    (x) => softplus(x!),
    (x) => soft(x!),
    EDGES,
  ),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  test('an attribute that no kernel knows is refused, in a chain of calls too', async () => {
    const strange: Op = { name: 'relu', noGradient: true, shape: ([spec]) => [{ shape: spec!.shape, dtype: spec!.dtype }] }
    const run = jit((t: Tensor) => applyOne(strange, [t.add(1)], { strange: 2 }).mul(3))
    let error: WeftError | undefined
    try {
      await run(tensor([1, 2])).data()
    } catch (thrown) {
      error = thrown as WeftError
    }
    assert.is(error?.code, 'ERR_ARGUMENT')
    assert.match(error!.message, /relu: the .*kernel knows no attribute 'strange'/)
  })
  test.run()
}
