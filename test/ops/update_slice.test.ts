// Rows of slices whose start is data; starts out of range; a cache updated in place.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dynamicSlice, jit, type Tensor, tensor, updateSlice, variable, zeros } from '../../lib/index.js'
import { checkRows, isProgram, type Row } from '../check.js'
import { at, generate, type Values } from '../reference.js'

const updated = (x: Values, update: Values, start: number, axis: number): Values =>
  generate(x.shape, (position) => {
    const inside = position.map((i, own) => (own === axis ? i - start : i))
    const covered = inside[axis]! >= 0 && inside[axis]! < update.shape[axis]!
    return covered ? at(update, inside) : at(x, position)
  })
const read = (x: Values, start: number, axis: number, size: number): Values =>
  generate(
    x.shape.map((extent, own) => (own === axis ? size : extent)),
    (position) =>
      at(
        x,
        position.map((i, own) => (own === axis ? i + start : i)),
      ),
  )

interface Case {
  shape: readonly number[]
  size: number
  start: number
  axis: number
}
const CASES: readonly Case[] = [
  { shape: [5], size: 2, start: 3, axis: 0 },
  { shape: [1], size: 1, start: 0, axis: 0 },
  { shape: [2, 4, 3], size: 1, start: 2, axis: 1 },
  { shape: [2, 4, 3], size: 4, start: 0, axis: 1 },
  { shape: [3, 2, 5], size: 2, start: 1, axis: 2 },
  { shape: [2, 4], size: 0, start: 4, axis: 1 },
  { shape: [0, 4], size: 2, start: 1, axis: 1 },
  { shape: [3, 70, 40], size: 17, start: 11, axis: 1 },
]
const DTYPES = ['float64', 'float32', 'bfloat16', 'float16', 'int32', 'uint8', 'bool'] as const

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  CASES.flatMap(({ shape, size, start, axis }): Row[] => [
    {
      op: 'updateSlice',
      name: `[${shape}], ${size} from ${start} along ${axis}`,
      operands: [
        { shape },
        { shape: shape.map((extent, own) => (own === axis ? size : extent)) },
        { shape: [1], values: [start], dtype: 'int32' },
      ],
      run: (x, update, first) => updateSlice(x!, update!, first!, { axis }),
      reference: (x, update) => updated(x!, update!, start, axis),
      dtypes: DTYPES,
    },
    {
      op: 'dynamicSlice',
      name: `[${shape}], ${size} from ${start} along ${axis}`,
      operands: [{ shape }, { shape: [1], values: [start], dtype: 'int32' }],
      run: (x, first) => dynamicSlice(x!, first!, { axis, size }),
      reference: (x) => read(x!, start, axis, size),
      dtypes: DTYPES,
    },
  ]),
)

if (isProgram(import.meta.url)) {
  const codeOf = async (run: () => unknown): Promise<string | undefined> => {
    try {
      await run()
    } catch (error) {
      return (error as { code?: string }).code
    }
    return undefined
  }
  const int32 = (value: number): Tensor => tensor(new Int32Array([value]))

  test('a start out of range fails the step', async () => {
    const x = zeros([4, 3])
    for (const start of [-1, 3, 1000]) {
      assert.is(await codeOf(() => updateSlice(x, zeros([2, 3]), int32(start)).data()), 'ERR_DATA')
      assert.is(await codeOf(() => dynamicSlice(x, int32(start), { size: 2 }).data()), 'ERR_DATA')
    }
  })

  test('mistakes are named', async () => {
    const x = zeros([4, 3])
    assert.is(await codeOf(() => updateSlice(x, zeros([2, 2]), 0)), 'ERR_SHAPE')
    assert.is(await codeOf(() => updateSlice(x, zeros([2, 3]), 3)), 'ERR_SHAPE')
    assert.is(await codeOf(() => updateSlice(x, zeros([2, 3], { dtype: 'int32' }), 0)), 'ERR_DTYPE')
    assert.is(await codeOf(() => updateSlice(x, zeros([2, 3]), 0, { axis: 2 })), 'ERR_SHAPE')
    assert.is(await codeOf(() => updateSlice(x, zeros([2, 3]), -1)), 'ERR_ARGUMENT')
    assert.is(await codeOf(() => dynamicSlice(x, 0, { size: 5 })), 'ERR_SHAPE')
    assert.is(await codeOf(() => dynamicSlice(x, 0.5, { size: 2 })), 'ERR_ARGUMENT')
  })

  test('a cache is filled step by step', async () => {
    const cache = variable(zeros([2, 5, 3]))
    const step = jit((x: Tensor, start: Tensor) => {
      const next = updateSlice(cache, x, start, { axis: 1 })
      cache.assign(next)
      return next.sum()
    })
    const sums: number[] = []
    for (let i = 0; i < 5; i++) {
      const x = tensor(new Float32Array(6).fill(i + 1), { shape: [2, 1, 3] })
      sums.push(Number(((await step(x, int32(i)).data()) as Float32Array)[0]))
    }
    assert.equal(sums, [6, 18, 36, 60, 90])
    assert.equal([...((await cache.data()) as Float32Array)].slice(0, 15), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5])
  })

  test.run()
}
