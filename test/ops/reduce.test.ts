// Rows of the reductions, and the slope of logSumExp over infinities.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  all,
  any,
  grad,
  logSumExp,
  max,
  mean,
  min,
  moments,
  norm,
  prod,
  standardDeviation,
  sum,
  type Tensor,
  tensor,
  variance,
} from '../../lib/index.js'
import { checkRows, FLOATS, isProgram, type Operand, type Row } from '../check.js'
import { average, largest, logSumExp as logSumExpOf, reduce, smallest, total } from '../reference.js'

type Reduction = (x: Tensor, axis?: number | readonly number[], options?: { keepDims?: boolean }) => Tensor
interface Options extends Partial<Pick<Row, 'dtypes' | 'results' | 'derivatives' | 'roundings'>> {
  domain?: NonNullable<Operand['domain']>
  distinct?: boolean
}

const CASES: readonly [readonly number[], readonly number[] | undefined, boolean][] = [
  [[7], undefined, false],
  [[], undefined, false],
  [[1], [0], true],
  [[3, 5], undefined, true],
  [[3, 5], [0], false],
  [[3, 5], [-1], true],
  [[2, 3, 4], [1], false],
  [[2, 3, 4], [0, 2], true],
  [[2, 3, 4], [0, 1], false],
  [[2, 1, 3, 1, 2], [1, 2, 4], false],
  [[4, 0], [0], false],
  [[0, 3], [1], true],
  [[2, 3], [], false],
  [[9, 257], [1], false],
  [[301, 5], [0], false],
  [[41, 43], undefined, false],
]
/** Over nothing. */
const EMPTY: typeof CASES = [
  [[0], undefined, false],
  [[3, 0], [1], true],
]

function reduction(op: string, run: Reduction, f: (list: number[]) => number, options: Options = {}, cases: typeof CASES = CASES): Row[] {
  const { domain, distinct, ...rest } = options
  return cases.map(([shape, axes, keepDims]) => ({
    op,
    name: `of [${shape}] over ${axes ? `[${axes}]` : 'all'}${keepDims ? ', axes kept' : ''}`,
    operands: [{ shape, ...(domain ? { domain } : {}), ...(distinct ? { distinct } : {}) }],
    run: (x) => run(x!, axes, { keepDims }),
    reference: (x) => reduce(f)(x!, axes, keepDims),
    ...rest,
  }))
}

/** Rows of small numbers but for one large number each time: the other rows must not notice. */
const UNEVEN: readonly [readonly number[], readonly number[], boolean][] = [
  [[5, 9], [1], false],
  [[9, 5], [0], false],
  [[3, 700], [1], false],
  [[700, 3], [0], false],
  [[4, 3, 6], [0, 2], false],
]
const uneven = (op: string, run: Reduction, f: (list: number[]) => number, size: (list: number[]) => number): Row[] =>
  [1e10, Number.POSITIVE_INFINITY].flatMap((large) =>
    UNEVEN.map(([shape, axes, keepDims]): Row => {
      const n = shape.reduce((a, b) => a * b, 1)
      return {
        op,
        name: `of [${shape}] over [${axes}], with ${large} among small numbers`,
        operands: [{ shape, values: Array.from({ length: n }, (_, i) => (i === Math.floor(n / 2) ? large : 0.9 + (i % 5) / 20)) }],
        run: (x) => run(x!, axes, { keepDims }),
        reference: (x) => reduce(f)(x!, axes, keepDims),
        sizes: (x) => reduce((list) => size(list.map(Math.abs)))(x!, axes, keepDims),
        derivatives: 0,
        roundings: 8 + Math.sqrt(n),
      }
    }),
  )
const multiplied = (list: number[]): number => list.reduce((a, b) => a * b, 1)

const deviations = (list: number[]): number => average(list.map((x) => (x - average(list)) ** 2))
const named = (name: string, list: readonly Row[]): Row[] => list.map((row) => ({ ...row, name: `${name} ${row.name}` }))
const small = CASES.filter(([shape]) => shape.reduce((a, b) => a * b, 1) < 50)

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...small.map(
    ([shape, axes, keepDims]): Row => ({
      op: 'mean',
      name: `moments of [${shape}] over ${axes ? `[${axes}]` : 'all'}${keepDims ? ', axes kept' : ''}`,
      operands: [{ shape }],
      run: (x) => {
        const { mean: average, variance: spread } = moments(x!, axes, { keepDims })
        return [average, spread]
      },
      reference: (x) => [reduce(average)(x!, axes, keepDims), reduce(deviations)(x!, axes, keepDims)],
      roundings: 16,
    }),
  ),
  ...reduction('sum', sum, total, { roundings: 8 }),
  ...reduction('sum', sum, total, {}, EMPTY),
  ...uneven('sum', sum, total, total),
  ...uneven('mean', mean, average, average),
  ...uneven('prod', prod, multiplied, multiplied),
  ...named('integers', reduction('sum', sum, total, { dtypes: ['int32', 'uint8', 'bool'], results: ['int32'] })),
  ...reduction('mean', mean, average, { roundings: 8 }),
  ...reduction('mean', mean, () => Number.NaN, { derivatives: 0 }, EMPTY),
  ...reduction(
    'prod',
    prod,
    multiplied,
    {
      domain: [
        [-1.5, -0.5],
        [0.5, 1.5],
      ],
      roundings: 16,
      dtypes: [...FLOATS, 'int32'],
    },
    [...small, ...EMPTY],
  ),
  ...reduction('max', max, largest, { distinct: true }),
  ...reduction('min', min, smallest, { distinct: true }),
  ...named('integers', reduction('prod', prod, multiplied, { dtypes: ['int32', 'uint8', 'bool'], results: ['int32'] })),
  ...named('integers', reduction('max', max, largest, { dtypes: ['int32', 'uint8'] })),
  ...named('integers', reduction('min', min, smallest, { dtypes: ['int32', 'uint8'] })),
  ...reduction('max', max, largest, { derivatives: 0 }, EMPTY),
  ...reduction('min', min, smallest, { derivatives: 0 }, EMPTY),
  ...named(
    'integers',
    reduction('max', max, () => -(2 ** 31), { dtypes: ['int32'] }, EMPTY),
  ),
  ...named(
    'integers',
    reduction('min', min, () => 255, { dtypes: ['uint8'] }, EMPTY),
  ),
  ...reduction(
    'any',
    any,
    (list) => Number(list.some((x) => x !== 0)),
    { dtypes: ['bool', 'int32', 'float32'], results: ['bool'], domain: [[-0.4, 0.4]] },
    [...CASES, ...EMPTY],
  ),
  ...reduction('all', all, (list) => Number(list.every((x) => x !== 0)), { dtypes: ['bool', 'int32', 'float32'], results: ['bool'] }, [
    ...CASES,
    ...EMPTY,
  ]),
  ...named('variance', reduction('mean', variance, deviations, { roundings: 16 }, small)),
  ...named(
    'standardDeviation',
    reduction(
      'mean',
      standardDeviation,
      (list) => Math.sqrt(deviations(list)),
      { roundings: 16, distinct: true },
      small.filter(([, axes]) => axes?.length !== 0).filter(([shape]) => shape.length > 1 || shape[0] === 7),
    ),
  ),
  ...named(
    'norm',
    reduction('sum', norm, (list) => Math.sqrt(total(list.map((x) => x * x))), { roundings: 16 }, small),
  ),
  ...named(
    'norm of order 3',
    reduction(
      'sum',
      (x, axis, options) => norm(x, axis, { ord: 3, ...options }),
      (list) => Math.cbrt(total(list.map((x) => Math.abs(x) ** 3))),
      {
        roundings: 24,
        domain: [
          [-2, -0.5],
          [0.5, 2],
        ],
      },
      small,
    ),
  ),
  ...named(
    'norm of order 1',
    reduction(
      'sum',
      (x, axis, options) => norm(x, axis, { ord: 1, ...options }),
      (list) => total(list.map(Math.abs)),
      {
        roundings: 16,
        domain: [
          [-2, -0.5],
          [0.5, 2],
        ],
      },
      small,
    ),
  ),
  ...named(
    'largest norm',
    reduction(
      'max',
      (x, axis, options) => norm(x, axis, { ord: Number.POSITIVE_INFINITY, ...options }),
      (list) => Math.max(0, ...list.map(Math.abs)),
      {
        domain: [
          [-2, -0.5],
          [0.5, 2],
        ],
      },
      small.filter(([shape]) => !shape.includes(0)),
    ),
  ),
  ...named('logSumExp', reduction('sum', logSumExp, logSumExpOf, { roundings: 16 }, small)),
  {
    op: 'sum',
    name: 'logSumExp of large and infinite values',
    operands: [{ shape: [4, 2], values: [1000, 1001, -1000, -1001, -Infinity, -Infinity, Infinity, 0] }],
    run: (x) => logSumExp(x!, -1),
    reference: (x) => reduce(logSumExpOf)(x!, [1]),
    dtypes: ['float64', 'float32'],
    derivatives: 0,
  },
  {
    op: 'prod',
    name: 'of zeros: each factor has the others as its slope',
    operands: [{ shape: [4, 5], values: [0, 1, 1.5, -1, 0.5, 1, 0, 2, 0, 1.5, 1, 2, 0.5, -1, 1, 0, 0, 0, 1, 2] }],
    run: (x) => prod(x!, 1),
    reference: (x) => reduce((list) => list.reduce((a, b) => a * b, 1))(x!, [1]),
  },
  ...(['max', 'min'] as const).map(
    (op): Row => ({
      op,
      name: 'NaN wins',
      operands: [{ shape: [2, 3], values: [1, NaN, 3, 4, 5, 6] }],
      run: (x) => (op === 'max' ? max : min)(x!, 1),
      reference: (x) => reduce(op === 'max' ? largest : smallest)(x!, [1]),
      derivatives: 0,
    }),
  ),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  const [low, high, none] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN]
  test('logSumExp over infinities: value and slope', async () => {
    const cases: readonly (readonly [x: number[], value: number, slope: number[]])[] = [
      [[low, 2], 2, [0, 1]],
      [[low, low], low, [0, 0]],
      [[high, 2], high, [none, 0]],
      [[high, low], high, [none, 0]],
      [[none, 2], none, [none, none]],
    ]
    for (const [x, value, slope] of cases) {
      assert.equal(await logSumExp(tensor([x]), -1).array(), [value], `${x}`)
      assert.equal(await grad((t: Tensor) => logSumExp(t, -1).sum())(tensor([x])).array(), [slope], `slope of ${x}`)
    }
    // rows do not touch each other
    const rows = cases.map(([x]) => x)
    assert.equal(
      await grad((t: Tensor) => logSumExp(t, -1).sum())(tensor(rows)).array(),
      cases.map(([, , slope]) => slope),
    )
  })
  test.run()
}
