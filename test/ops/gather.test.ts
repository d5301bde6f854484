// Rows of selection by indices, and tests of indices out of range.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type DType,
  gather,
  gatherAlong,
  grad,
  scatterAdd,
  takeBatch,
  type Tensor,
  tensor,
  type WeftError,
  zeros,
} from '../../lib/index.js'
import { checkRows, FLOATS, isProgram, PRECISION, type Row } from '../check.js'
import { absolute, at, generate, type Values } from '../reference.js'

const ALL: readonly DType[] = [...FLOATS, 'int32', 'uint8', 'int8', 'int64', 'bool']
const shapeOf = (x: readonly number[], indices: readonly number[], axis: number): number[] => [
  ...x.slice(0, axis),
  ...indices,
  ...x.slice(axis + 1),
]

function gathered(x: Values, indices: Values, axis: number): Values {
  const rank = indices.shape.length
  return generate(shapeOf(x.shape, indices.shape, axis), (position) =>
    at(x, [...position.slice(0, axis), at(indices, position.slice(axis, axis + rank)), ...position.slice(axis + rank)]),
  )
}

function scattered(x: Values, indices: Values, updates: Values, axis: number): Values {
  const rank = indices.shape.length
  return generate(x.shape, (place) => {
    const total = generate(updates.shape, (position) => {
      const target = [...position.slice(0, axis), at(indices, position.slice(axis, axis + rank)), ...position.slice(axis + rank)]
      return target.every((p, i) => p === place[i]) ? at(updates, position) : 0
    })
    return at(x, place) + total.data.reduce((a, b) => a + b, 0)
  })
}

const picked = (x: readonly number[], indices: readonly number[], list: readonly number[], axis: number): Row => ({
  op: 'gather',
  name: `[${x}] at [${indices}] along ${axis}`,
  operands: [{ shape: x }, { shape: indices, values: list, dtype: 'int32' }],
  run: (t, i) => gather(t!, i!, axis),
  reference: (t, i) => gathered(t!, i!, axis < 0 ? axis + x.length : axis),
  dtypes: ALL,
})

const added = (x: readonly number[], indices: readonly number[], list: readonly number[], axis: number): Row => ({
  op: 'scatterAdd',
  name: `[${x}] at [${indices}] along ${axis}`,
  operands: [{ shape: x }, { shape: indices, values: list, dtype: 'int32' }, { shape: shapeOf(x, indices, axis) }],
  run: (t, i, u) => scatterAdd(t!, i!, u!, axis),
  reference: (t, i, u) => scattered(t!, i!, u!, axis),
  dtypes: [...FLOATS, 'int32'],
  roundings: 8,
})

/** One update is very large: places that it does not go to must not notice it. */
const unevenlyAdded = (x: readonly number[], indices: readonly number[], list: readonly number[], axis: number, large: number): Row => {
  const row = added(x, indices, list, axis)
  const [, , updates] = row.operands
  const n = updates!.shape.reduce((a, b) => a * b, 1)
  const values = Array.from({ length: n }, (_, i) => (i === Math.floor((n * 5) / 8) ? large : 1 + (i % 7) / 4))
  return {
    ...row,
    name: `${row.name} with ${large}`,
    operands: [{ shape: x, domain: [[0.5, 1.5]] }, row.operands[1]!, { ...updates!, values }],
    sizes: (t, i, u) => scattered(absolute(t!), i!, absolute(u!), axis),
    dtypes: FLOATS,
    derivatives: 0,
  }
}

const along = (x: readonly number[], indices: readonly number[], list: readonly number[], axis: number): Row => ({
  op: 'gatherAlong',
  name: `[${x}] at [${indices}] along ${axis}`,
  operands: [{ shape: x }, { shape: indices, values: list, dtype: 'int32' }],
  run: (t, i) => gatherAlong(t!, i!, axis),
  reference: (t, i) => {
    const own = axis < 0 ? axis + x.length : axis
    return generate(i!.shape, (position) =>
      at(
        t!,
        position.map((p, k) => (k === own ? at(i!, position) : p)),
      ),
    )
  },
  dtypes: ALL,
})

const batch = (x: readonly number[], permutation: readonly number[], cursor: number, size: number, result?: DType): Row => ({
  op: 'takeBatch',
  name: `${size} rows of [${x}] from ${cursor}${result ? ` as ${result}` : ''}`,
  operands: [
    { shape: x },
    { shape: [permutation.length], values: permutation, dtype: 'int32' },
    { shape: [1], values: [cursor], dtype: 'int32' },
  ],
  run: (t, p, c) => takeBatch(t!, p!, c!, size, result),
  reference: (t, p) => generate([size, ...x.slice(1)], ([i, ...rest]) => at(t!, [p!.data[cursor + i!]!, ...rest])),
  dtypes: result ? ['uint8', 'int32', 'float32', 'float64'] : ALL,
  ...(result ? { results: [result], derivatives: 0 as const } : {}),
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  picked([5, 3], [4], [4, 0, 2, 4], 0),
  picked([3, 5], [2, 2], [1, 1, 0, 4], 1),
  picked([2, 3, 4], [3], [2, 0, 1], -1),
  picked([4], [], [2], 0),
  picked([1, 1], [1], [0], 0),
  picked([3, 2], [0], [], 0),
  picked([3, 0], [2], [0, 2], 0),
  picked(
    [50, 33],
    [70],
    Array.from({ length: 70 }, (_, i) => (i * 13) % 50),
    0,
  ),
  added([5, 3], [4], [4, 0, 2, 4], 0),
  added([3, 5], [2, 2], [1, 1, 0, 4], 1),
  added([4], [], [2], 0),
  added([3, 2], [0], [], 0),
  added([2, 2, 3], [5], [2, 0, 0, 1, 2], 2),
  ...[1e10, Number.POSITIVE_INFINITY].flatMap((large) => [
    unevenlyAdded([5, 3], [4], [4, 0, 2, 4], 0, large),
    unevenlyAdded([3, 5], [2, 2], [1, 1, 0, 4], 1, large),
    unevenlyAdded(
      [3, 35],
      [20],
      Array.from({ length: 20 }, (_, i) => (i * 13) % 3),
      0,
      large,
    ),
    unevenlyAdded(
      [2, 20],
      [50],
      Array.from({ length: 50 }, (_, i) => (i * 13) % 20),
      1,
      large,
    ),
  ]),
  along([3, 5], [3, 2], [4, 0, 1, 1, 2, 3], -1),
  along([4, 2], [3, 2], [3, 0, 0, 1, 3, 1], 0),
  along([6], [4], [5, 5, 0, 1], 0),
  along([2, 3], [2, 0], [], 1),
  along([1, 1], [1, 1], [0], 1),
  batch([5, 2], [3, 0, 4, 1, 2], 1, 3),
  batch([4], [2, 1, 3, 0], 0, 4),
  batch([3, 2, 2], [2, 0, 1], 2, 1),
  batch([3, 2], [2, 0, 1], 1, 0),
  batch([5, 3], [3, 0, 4, 1, 2], 0, 2, 'float32'),
  batch(
    [40, 19],
    Array.from({ length: 40 }, (_, i) => (i * 7) % 40),
    5,
    33,
  ),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  for (const inner of [1, 3, 40]) {
    test(`a place with many updates gets their sum, rows of ${inner}`, async () => {
      const count = inner > 32 ? 50_000 : 200_000
      const uses = Int32Array.from({ length: count }, (_, i) => (i % 10 === 0 ? 1 + (i % 3) : 0))
      const table = zeros([4, inner])
      const slope = grad((t: Tensor) => t.gather(tensor(uses)).mul(0.1).sum())(table)
      const expected = [0, 0, 0, 0]
      for (const use of uses) expected[use]! += Math.fround(0.1)
      const sums = (await slope.data()) as Float32Array
      sums.forEach((sum, i) => {
        const right = expected[Math.floor(i / inner)]!
        assert.ok(Math.abs(sum / right - 1) < 2e-6, `${i}: ${sum}, should be ${right}`)
      })
    })
  }
  for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
    test(`small updates reach a place that has a large one, ${dtype}`, async () => {
      const count = 200_000
      const small = 2 ** -24 // half of what changes a float32 of 1
      const updates = Float32Array.from({ length: count }, (_, i) => (i === 0 ? 1 : small))
      const y = scatterAdd(zeros([3], { dtype }), tensor(new Int32Array(count).fill(1)), tensor(updates, { dtype }))
      const right = 1 + (count - 1) * small
      const [, sum] = (await y.cast('float32').data()) as Float32Array
      assert.ok(Math.abs(sum! - right) <= PRECISION[dtype]! * 0.75, `${sum}, should be ${right}`)
    })
  }
  test('a place along the last axis with many updates gets their sum', async () => {
    const count = 100_000
    const places = new Int32Array(2 * count).fill(1)
    const slope = grad((t: Tensor) =>
      t
        .gatherAlong(tensor(places, [2, count]))
        .mul(0.1)
        .sum(),
    )(zeros([2, 3]))
    const sums = (await slope.data()) as Float32Array
    for (const i of [1, 4]) assert.ok(Math.abs(sums[i]! / (count * Math.fround(0.1)) - 1) < 2e-6, `${sums[i]}`)
  })
  for (const [name, run] of [
    [
      'gather',
      () =>
        gather(
          [
            [1, 2],
            [3, 4],
          ],
          tensor([0, 2], { dtype: 'int32' }),
        ),
    ],
    [
      'gather',
      () =>
        gather(
          [
            [1, 2],
            [3, 4],
          ],
          tensor([0, -1], { dtype: 'int32' }),
        ),
    ],
    ['gather', () => gather([1, 2], tensor(new BigInt64Array([4294967297n])))],
    ['gather', () => gather([1, 2], tensor(new BigInt64Array([-4294967295n])))],
    ['scatterAdd', () => scatterAdd([1, 2], tensor([5], { dtype: 'int32' }), [1])],
  ] as const) {
    test(`${name}: an index out of range rejects the await, naming it`, async () => {
      const result = run()
      let error: WeftError | undefined
      await result.data().catch((e: WeftError) => (error = e))
      assert.is(error?.code, 'ERR_DATA')
      assert.match(error!.message, name)
    })
  }
  test.run()
}
