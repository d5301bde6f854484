// Rows of the arithmetic operations.
import {
  abs,
  add,
  atan2,
  clip,
  type DType,
  div,
  floorDiv,
  maximum,
  minimum,
  mod,
  mul,
  neg,
  pow,
  sign,
  square,
  squaredDifference,
  sub,
} from '../../lib/index.js'
import { checkRows, FLOATS, type Row } from '../check.js'
import { elementwise } from '../reference.js'
import { AWAY_FROM_ZERO as away, binary, special, unary } from './pointwise.js'

const NUMBERS: readonly DType[] = [...FLOATS, 'int32', 'uint8']
const floorMod = (a: number, b: number): number => (b === 0 ? Number.NaN : a - b * Math.floor(a / b))
const WHOLE = [
  [7, -7, 7, -7, 5, 0],
  [2, 2, -2, -2, 0, 0],
]

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...binary('add', add, (a, b) => a + b, { dtypes: NUMBERS }),
  ...binary('sub', sub, (a, b) => a - b, { dtypes: [...FLOATS, 'int32'] }),
  ...binary('mul', mul, (a, b) => a * b, { dtypes: NUMBERS }),
  ...binary('div', div, (a, b) => a / b, { b: away }),
  ...binary('pow', pow, (a, b) => a ** b, { a: [[0.5, 2]], roundings: 8 }),
  ...binary('minimum', minimum, Math.min, { dtypes: NUMBERS }),
  ...binary('maximum', maximum, Math.max, { dtypes: NUMBERS }),
  ...binary('squaredDifference', squaredDifference, (a, b) => (a - b) ** 2, { dtypes: NUMBERS }),
  ...binary('mod', mod, floorMod, {
    a: [
      [1.1, 1.4],
      [-1.4, -1.1],
    ],
    b: [
      [0.6, 0.9],
      [-0.9, -0.6],
    ],
    dtypes: ['float64', 'float32', 'int32'],
  }),
  ...binary('floorDiv', floorDiv, (a, b) => Math.floor(a / b), { b: away, dtypes: ['float64', 'float32'] }),
  ...binary('atan2', atan2, Math.atan2, { a: away, b: away }),
  ...unary('neg', neg, (x) => -x, { dtypes: [...FLOATS, 'int32'] }),
  ...unary('abs', abs, Math.abs, { domain: away, dtypes: NUMBERS }),
  ...unary('sign', sign, Math.sign, { dtypes: NUMBERS }),
  ...unary('square', square, (x) => x * x, { dtypes: NUMBERS }),
  ...unary(
    'clip',
    (x) => clip(x, -1, 1),
    (x) => Math.max(-1, Math.min(1, x)),
    {
      domain: [
        [-2, -1.1],
        [-0.9, 0.9],
        [1.1, 2],
      ],
      dtypes: [...FLOATS, 'int32'],
    },
  ),
  {
    op: 'pow',
    name: 'whole exponents of any base',
    operands: [{ shape: [5], values: [-2, -1, 0, 1.5, 3] }],
    run: (x) => pow(x!, 3),
    reference: elementwise((x) => x ** 3),
  },
  {
    op: 'pow',
    name: 'exponent 0, also at 0',
    operands: [{ shape: [3], values: [-1, 0, 2] }],
    run: (x) => pow(x!, 0),
    reference: elementwise(() => 1),
  },
  {
    op: 'add',
    name: 'a tensor and itself',
    operands: [{ shape: [5] }],
    run: (x) => add(x!, x!),
    reference: elementwise((x) => x * 2),
  },
  special(
    'floorDiv',
    'integers as Python, by 0 nothing',
    (a, b) => floorDiv(a!, b!),
    (a, b) => (b === 0 ? 0 : Math.floor(a! / b!)),
    WHOLE,
    { dtypes: ['int32'] },
  ),
  special(
    'mod',
    'integers as Python, by 0 nothing',
    (a, b) => mod(a!, b!),
    (a, b) => (b === 0 ? 0 : floorMod(a!, b!)),
    WHOLE,
    { dtypes: ['int32'] },
  ),
  special(
    'add',
    'infinities and NaN',
    (a, b) => add(a!, b!),
    (a, b) => a! + b!,
    [
      [Infinity, -Infinity, NaN, Infinity],
      [1, 2, 3, -Infinity],
    ],
  ),
  special('maximum', 'NaN in either', (a, b) => maximum(a!, b!), Math.max, [
    [NaN, 1, 2],
    [1, NaN, 3],
  ]),
  special('minimum', 'NaN in either', (a, b) => minimum(a!, b!), Math.min, [
    [NaN, 1, 2],
    [1, NaN, 3],
  ]),
  special(
    'clip',
    'open ends',
    (x) => clip(x!, 0, Infinity),
    (x) => Math.max(x!, 0),
    [[-1, 0, 3, Infinity]],
  ),
])
