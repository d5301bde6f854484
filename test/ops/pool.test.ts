// Rows of pooling; the gradient kernels are reached through the derivatives.
import { averagePool1d, averagePool2d, maxPool1d, maxPool2d } from '../../lib/index.js'
import { applyOne } from '../../lib/core/apply.js'
import { MaxPool2dPick } from '../../lib/ops/pool.js'
import { checkRows, type Row } from '../check.js'
import { at, average, generate, reshape, type Values } from '../reference.js'
import * as reference from '../reference_images.js'

interface Case {
  x: readonly number[]
  poolSize: readonly [number, number]
  strides?: readonly [number, number]
  padding?: 'valid' | 'same' | readonly number[]
}

const CASES: readonly Case[] = [
  { x: [1, 4, 4, 2], poolSize: [2, 2] },
  { x: [2, 5, 3, 1], poolSize: [2, 2] },
  { x: [1, 5, 5, 2], poolSize: [3, 2], strides: [1, 1] },
  { x: [1, 5, 4, 1], poolSize: [3, 3], strides: [2, 2], padding: 'same' },
  { x: [1, 4, 4, 1], poolSize: [2, 3], strides: [1, 2], padding: [1, 0, 1, 2] },
  { x: [1, 1, 1, 1], poolSize: [1, 1] },
  { x: [0, 4, 4, 2], poolSize: [2, 2] },
  { x: [1, 4, 4, 0], poolSize: [2, 2] },
  { x: [2, 1, 9, 3], poolSize: [1, 9] },
  { x: [3, 12, 13, 35], poolSize: [2, 2] },
  { x: [2, 9, 9, 16], poolSize: [3, 3], strides: [2, 2], padding: 'same' },
  { x: [1, 20, 18, 3], poolSize: [17, 16], strides: [1, 2] },
]

const windowOf = ({
  x,
  poolSize,
  strides = poolSize,
  padding = 'valid',
}: Case): [readonly number[], readonly number[], readonly number[]] => [
  poolSize,
  strides,
  padding === 'valid' ? [0, 0, 0, 0] : padding === 'same' ? reference.same(x.slice(1, 3), poolSize, strides) : padding,
]
const titleOf = ({ x, ...rest }: Case): string => `[${x}]${Object.entries(rest).map(([name, value]) => ` ${name} ${value}`)}`
const line = (x: Values): Values => reshape(x, [x.shape[0]!, 1, x.shape[1]!, x.shape[2]!])
const unline = (x: Values): Values => reshape(x, [x.shape[0]!, x.shape[2]!, x.shape[3]!])

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...CASES.flatMap(({ x, ...options }): Row[] => [
    {
      op: 'maxPool2d',
      name: titleOf({ x, ...options }),
      operands: [{ shape: x, distinct: true }],
      run: (t) => maxPool2d(t!, options),
      reference: (t) => reference.pool2d(t!, ...windowOf({ x, ...options }), (list) => Math.max(...list)),
      ...(x.reduce((a, b) => a * b, 1) > 1000 ? { dtypes: ['float64', 'float32'] as const } : {}),
    },
    {
      op: 'averagePool2d',
      name: titleOf({ x, ...options }),
      operands: [{ shape: x }],
      run: (t) => averagePool2d(t!, options),
      reference: (t) => reference.pool2d(t!, ...windowOf({ x, ...options }), average),
      roundings: 8 + (options.poolSize[0] * options.poolSize[1]) / 8,
    },
  ]),
  {
    op: 'maxPool2d',
    name: 'of sequences',
    operands: [{ shape: [2, 7, 3], distinct: true }],
    run: (x) => maxPool1d(x!, { poolSize: 3, strides: 2, padding: 'same' }),
    reference: (x) => unline(reference.pool2d(line(x!), [1, 3], [1, 2], [0, 0, 1, 1], (list) => Math.max(...list))),
  },
  {
    op: 'averagePool2d',
    name: 'of sequences',
    operands: [{ shape: [2, 7, 3] }],
    run: (x) => averagePool1d(x!, { poolSize: 3 }),
    reference: (x) => unline(reference.pool2d(line(x!), [1, 3], [1, 3], [0, 0, 0, 0], average)),
  },
  ...[1, 0].map(
    (n): Row => ({
      op: 'maxPool2dPick',
      name: `${n} images`,
      operands: [{ shape: [n, 4, 5, 1] }, { shape: [n, 2, 2, 1], values: [3, 0, 1, 2].slice(0, 4 * n), dtype: 'uint8' }],
      run: (x, index) => applyOne(MaxPool2dPick, [x!, index!], { poolSize: [2, 2], strides: [2, 2], padding: [0, 0, 0, 0] }),
      reference: (x, index) =>
        generate([n, 2, 2, 1], ([image, i, j]) => {
          const place = at(index!, [image!, i!, j!, 0])
          return at(x!, [image!, 2 * i! + (place >> 1), 2 * j! + (place & 1), 0])
        }),
    }),
  ),
  {
    op: 'maxPool2d',
    name: 'of negative values beside padding',
    operands: [{ shape: [1, 2, 2, 1], values: [-1, -2, -3, -4] }],
    run: (x) => maxPool2d(x!, { poolSize: 2, strides: 1, padding: [1, 1, 1, 1] }),
    reference: (x) => reference.pool2d(x!, [2, 2], [1, 1], [1, 1, 1, 1], (list) => Math.max(...list)),
  },
])
