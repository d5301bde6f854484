// Rows of argMax and argMin.
import { argMax, argMin } from '../../lib/index.js'
import { checkRows, FLOATS, type Row } from '../check.js'
import { reduce, reshape, type Values } from '../reference.js'

const place =
  (better: (a: number, b: number) => boolean) =>
  (list: number[]): number => {
    const nan = list.findIndex(Number.isNaN)
    if (nan >= 0) return nan
    return list.reduce((best, x, i) => (better(x, list[best]!) ? i : best), 0)
  }
const KINDS = [
  ['argMax', argMax, place((a, b) => a > b)],
  ['argMin', argMin, place((a, b) => a < b)],
] as const
const CASES: readonly [readonly number[], number | undefined, boolean][] = [
  [[7], 0, false],
  [[7], undefined, false],
  [[1], 0, true],
  [[3, 5], 0, false],
  [[3, 5], -1, true],
  [[2, 3, 4], 1, false],
  [[2, 3, 4], undefined, true],
  [[0, 3], 1, false],
  [[5, 133], 1, false],
  [[133, 5], 0, false],
  [[133, 5], 1, false],
  [[70, 32], 1, true],
]

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  KINDS.flatMap(([op, run, f]) => [
    ...CASES.map(
      ([shape, axis, keepDims]): Row => ({
        op,
        name: `of [${shape}] along ${axis ?? 'all'}${keepDims ? ', axis kept' : ''}`,
        operands: [{ shape }],
        run: (x) => run(x!, axis, { keepDims }),
        reference: (x) => along(x!, axis, keepDims, f),
        dtypes: [...FLOATS, 'int32', 'uint8'],
        results: ['int32'],
        derivatives: 0,
      }),
    ),
    ...[3, 12].map(
      (rows): Row => ({
        op,
        name: `ties and NaN, ${rows} rows`,
        operands: [{ shape: [rows, 4], values: Array.from({ length: rows / 3 }, () => [1, 2, 2, 1, 3, NaN, 4, NaN, 0, -0, 0, 0]).flat() }],
        run: (x) => run(x!, 1),
        reference: (x) => along(x!, 1, false, f),
        results: ['int32'],
        derivatives: 0,
      }),
    ),
  ]),
)

function along(x: Values, axis: number | undefined, keepDims: boolean, f: (list: number[]) => number): Values {
  if (axis !== undefined) return reduce(f)(x, [axis], keepDims)
  return reshape(reduce(f)(x), keepDims ? x.shape.map(() => 1) : [])
}
