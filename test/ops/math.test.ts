// Rows of elementary functions, rounding, and tests for NaN and infinity.
import {
  ceil,
  cos,
  erf,
  exp,
  expm1,
  floor,
  isFinite as isFiniteOf,
  isNaN as isNaNOf,
  log,
  log1p,
  reciprocal,
  round,
  rsqrt,
  sin,
  sqrt,
  tan,
} from '../../lib/index.js'
import { checkRows, FLOATS, type Row } from '../check.js'
import { erf as erfOf } from '../reference.js'
import { AWAY_FROM_ZERO, type Interval, special, unary } from './pointwise.js'

const POSITIVE: readonly Interval[] = [[0.25, 3]]
const BETWEEN_INTEGERS: readonly Interval[] = [
  [-1.9, -1.6],
  [-1.4, -1.1],
  [0.1, 0.4],
  [1.6, 1.9],
]
const EDGES = [NaN, Infinity, -Infinity, 0, 1e30, -1e30, 1e-30]
const WIDE = ['float64', 'float32'] as const

function roundEven(x: number): number {
  const below = Math.floor(x)
  if (x - below !== 0.5) return Math.round(x)
  return below % 2 === 0 ? below : below + 1
}

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...unary('exp', exp, Math.exp),
  ...unary('expm1', expm1, Math.expm1),
  ...unary('log', log, Math.log, { domain: POSITIVE }),
  ...unary('log1p', log1p, Math.log1p, { domain: [[-0.5, 3]] }),
  ...unary('sqrt', sqrt, Math.sqrt, { domain: POSITIVE }),
  ...unary('rsqrt', rsqrt, (x) => 1 / Math.sqrt(x), { domain: POSITIVE }),
  ...unary('reciprocal', reciprocal, (x) => 1 / x, { domain: AWAY_FROM_ZERO }),
  ...unary('sin', sin, Math.sin, { domain: [[-7, 7]] }),
  ...unary('cos', cos, Math.cos, { domain: [[-7, 7]] }),
  ...unary('tan', tan, Math.tan, { domain: [[-1.3, 1.3]] }),
  ...unary('erf', erf, erfOf),
  ...unary('floor', floor, Math.floor, { domain: BETWEEN_INTEGERS, dtypes: [...FLOATS, 'int32'] }),
  ...unary('ceil', ceil, Math.ceil, { domain: BETWEEN_INTEGERS, dtypes: [...FLOATS, 'int32'] }),
  ...unary('round', round, roundEven, { domain: BETWEEN_INTEGERS, dtypes: [...FLOATS, 'int32'] }),
  ...unary('isNaN', isNaNOf, (x) => Number(Number.isNaN(x)), { results: ['bool'], derivatives: 0 }),
  ...unary('isFinite', isFiniteOf, (x) => Number(Number.isFinite(x)), { results: ['bool'], derivatives: 0 }),
  special(
    'isNaN',
    'edges',
    (x) => isNaNOf(x!),
    (x) => Number(Number.isNaN(x)),
    [EDGES],
    { dtypes: WIDE, results: ['bool'] },
  ),
  special(
    'isFinite',
    'edges',
    (x) => isFiniteOf(x!),
    (x) => Number(Number.isFinite(x)),
    [EDGES],
    { dtypes: WIDE, results: ['bool'] },
  ),
  special(
    'round',
    'halves to even',
    (x) => round(x!),
    (x) => roundEven(x!),
    [[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]],
  ),
  special(
    'exp',
    'edges',
    (x) => exp(x!),
    (x) => Math.exp(x!),
    [[NaN, Infinity, -Infinity, 0, 1000, -1000]],
  ),
  special(
    'exp',
    'small and large',
    (x) => exp(x!),
    (x) => Math.exp(x!),
    [[-80, -20, -1e-6, 1e-6, 5, 20, 80]],
    { dtypes: WIDE, roundings: 8 },
  ),
  special(
    'log',
    'edges',
    (x) => log(x!),
    (x) => Math.log(x!),
    [[NaN, Infinity, -1, 0, 1e-30, 1e30]],
    { dtypes: WIDE },
  ),
  special(
    'log1p',
    'near 0',
    (x) => log1p(x!),
    (x) => Math.log1p(x!),
    [[1e-7, -1e-7, 1e-4]],
    { dtypes: WIDE },
  ),
  special(
    'expm1',
    'near 0',
    (x) => expm1(x!),
    (x) => Math.expm1(x!),
    [[1e-7, -1e-7, 1e-4]],
    { dtypes: WIDE },
  ),
  special(
    'sqrt',
    'edges',
    (x) => sqrt(x!),
    (x) => Math.sqrt(x!),
    [[NaN, Infinity, -1, 0]],
  ),
  special(
    'reciprocal',
    'edges',
    (x) => reciprocal(x!),
    (x) => 1 / x!,
    [[NaN, Infinity, 0]],
  ),
  special(
    'erf',
    'tails',
    (x) => erf(x!),
    (x) => erfOf(x!),
    [[NaN, Infinity, -Infinity, 0, 3, -3, 5, 1e-5]],
  ),
])
