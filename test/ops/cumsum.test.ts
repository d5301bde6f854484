// Rows of running sums and products.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cumProd, cumSum, device, type Tensor, tensor } from '../../lib/index.js'
import { checkRows, FLOATS, isProgram, type Operand, type Row } from '../check.js'
import { absolute, type Values } from '../reference.js'

const CASES: readonly [readonly number[], number][] = [
  [[7], 0],
  [[1], 0],
  [[3, 5], 0],
  [[3, 5], 1],
  [[2, 3, 4], 1],
  [[0, 3], 0],
  [[2, 0], 1],
  [[5, 133], 1],
  [[133, 5], 0],
]

/** Products of long rows stay near 1. */
const NEAR_ONE: Operand['domain'] = [
  [-1.05, -0.95],
  [0.95, 1.05],
]
/** Rows with no zero, one, two and nothing else; columns with one and two. */
const ZEROS = [
  [2, -1, 3, 1, 2],
  [0, 2, 3, -1, 2],
  [2, 3, 0, 1, -2],
  [1, 0, 2, 0, 3],
  [0, 0, 0, 0, 0],
]

/**
 * Numbers of very different size, some with an infinity: sums that do not contain the large ones must not notice them.
 */
const uneven = (n: number, large: number): number[] =>
  Array.from({ length: n }, (_, i) => (i === Math.floor((n * 5) / 8) ? large : 1 + (i % 3)))
const UNEVEN: readonly [readonly number[], number][] = [
  [[8], 0],
  [[2, 45], 1],
  [[45, 2], 0],
  [[1, 700], 1],
  [[1, 5000], 1],
]

const PLUS = { op: 'cumSum', run: cumSum, start: 0, combine: (a: number, b: number): number => a + b }
const TIMES: typeof PLUS = { op: 'cumProd', run: cumProd, start: 1, combine: (a, b) => a * b }

const cumulative =
  ({ start, combine }: typeof PLUS, shape: readonly number[], axis: number, exclusive: boolean, reverse: boolean) =>
  (x: Values): Values => {
    const n = shape[axis]!
    const inner = shape.slice(axis + 1).reduce((p, q) => p * q, 1)
    const data = new Array<number>(x.data.length)
    for (let first = 0; first < data.length; first++) {
      if (Math.floor(first / inner) % n !== 0) continue
      let running = start
      for (let i = 0; i < n; i++) {
        const place = first + (reverse ? n - 1 - i : i) * inner
        const before = running
        running = combine(before, x.data[place]!)
        data[place] = exclusive ? before : running
      }
    }
    return { shape, data }
  }

const rowsOf = (
  kind: typeof PLUS,
  cases: typeof CASES,
  operand: (shape: readonly number[]) => Partial<Operand>,
  rest: Partial<Row>,
): Row[] =>
  cases.flatMap(([shape, axis]) =>
    [false, true].flatMap((exclusive) =>
      [false, true].map((reverse): Row => {
        const reference = cumulative(kind, shape, axis, exclusive, reverse)
        return {
          op: kind.op,
          name: `of [${shape}] along ${axis}${exclusive ? ', exclusive' : ''}${reverse ? ', from the end' : ''}`,
          operands: [{ shape, ...operand(shape) }],
          run: (x) => kind.run(x!, axis, { exclusive, reverse }),
          reference: (x) => reference(x!),
          sizes: (x) => reference(absolute(x!)),
          roundings: 4 + shape[axis]! / 4,
          ...rest,
        }
      }),
    ),
  )

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...rowsOf(PLUS, CASES, () => ({}), { dtypes: [...FLOATS, 'int32'] }),
  ...rowsOf(TIMES, CASES, () => ({ domain: NEAR_ONE }), {}),
  ...rowsOf(TIMES, CASES.slice(0, 7), () => ({}), { dtypes: [...FLOATS, 'int32'] }),
  // totals of bytes do not fit into bytes
  ...rowsOf(PLUS, CASES, () => ({}), { dtypes: ['uint8', 'bool'], results: ['int32'] }),
  ...rowsOf(TIMES, CASES.slice(0, 7), () => ({}), { dtypes: ['uint8', 'bool'], results: ['int32'] }),
  ...rowsOf(
    TIMES,
    [
      [[5, 5], 0],
      [[5, 5], 1],
    ],
    () => ({ values: ZEROS.flat() }),
    { dtypes: [...FLOATS, 'int32'] },
  ).map((row) => ({ ...row, name: `${row.name}, with zeros` })),
  ...[1e10, Number.POSITIVE_INFINITY].flatMap((large) =>
    rowsOf(
      PLUS,
      UNEVEN,
      (shape) => ({
        values: uneven(
          shape.reduce((a, b) => a * b, 1),
          large,
        ),
      }),
      { derivatives: 0 },
    ).map((row) => ({
      ...row,
      name: `${row.name}, with ${large} among small numbers`,
    })),
  ),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  const signs = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array, (v) => (Object.is(v, -0) ? -1 : 1))
  for (const dtype of FLOATS) {
    if (device() !== 'cpu' && dtype === 'float64') continue
    test(`-0 stays -0, except where there is nothing to sum: ${dtype}`, async () => {
      const zeros = tensor([-0, -0, 0], { dtype })
      assert.equal(await signs(zeros.cumSum()), [-1, -1, 1])
      assert.equal(await signs(zeros.cumSum(0, { exclusive: true })), [1, -1, -1])
      assert.equal(await signs(zeros.cumSum(0, { reverse: true })), [1, 1, 1])
      assert.equal(await signs(zeros.reshape([3, 1]).tile([1, 2]).cumSum()), [-1, -1, -1, -1, 1, 1])
      // rows and columns that several packs, tiles and chunks make up
      for (const [shape, axis] of [...CASES, ...UNEVEN]) {
        const n = shape[axis]!
        const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1)
        const minus = tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(-0), { shape, dtype })
        for (const reverse of [false, true]) {
          assert.ok(
            (await signs(minus.cumSum(axis, { reverse }))).every((sign) => sign === -1),
            `[${shape}] along ${axis}`,
          )
          const first = reverse ? n - 1 : 0
          const exclusive = await signs(minus.cumSum(axis, { reverse, exclusive: true }))
          exclusive.forEach((sign, k) => assert.is(sign, Math.floor(k / inner) % n === first ? 1 : -1, `[${shape}] along ${axis}, ${k}`))
        }
      }
    })
  }
  test.run()
}
