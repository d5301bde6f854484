// Products large enough for packing and blocks on the CPU: against exact integer sums, and rows that must not depend on
// how many there are.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dense, matMul, profile, synchronize, type Tensor, tensor, withDevice } from '../../lib/index.js'

/** Integers in [-4, 4] with no period that divides a tile: their sums are exact in float32 in any order. */
const integers = (length: number, seed: number): number[] => Array.from({ length }, (_, i) => ((((i + seed) * 7919) % 1009) % 9) - 4)

/**
 * [m, n, k]: partial tiles and panels; two blocks of k; rows of a transposed a that are pages apart; few columns chunks
 * of a long sum; few columns, whose sums run through the lanes, with few rows and with many.
 */
const SHAPES = [
  [45, 70, 65],
  [1, 70, 65],
  [60, 130, 600],
  [600, 70, 130],
  [300, 33, 64],
  [97, 520, 2790],
  [520, 530, 20],
  [1, 10, 521],
  [3, 12, 530],
  [4, 9, 600],
  [7, 1, 777],
  [37, 10, 1290],
  [20, 7, 515],
] as const

const check = async (run: (a: Tensor, b: Tensor) => Tensor, [m, n, k]: readonly [number, number, number], ta: boolean, tb: boolean) => {
  const [a, b] = [integers(m * k, 1), integers(k * n, 5)]
  const result = await withDevice('cpu', () => run(tensor(a, ta ? [k, m] : [m, k]), tensor(b, tb ? [n, k] : [k, n]))).data()
  const step = Math.max(1, Math.floor((m * n) / 997)) // about 1000 elements, in all rows and columns
  for (let at = 0; at < m * n; at += step) {
    const [i, j] = [Math.floor(at / n), at % n]
    let sum = 0
    for (let p = 0; p < k; p++) sum += a[ta ? p * m + i : i * k + p]! * b[tb ? j * k + p : p * n + j]!
    assert.is(result[at], sum === 0 ? 0 : sum, `[${m}, ${n}, ${k}]${ta ? ', a transposed' : ''}${tb ? ', b transposed' : ''}: (${i}, ${j})`)
  }
}

test('products in blocks', async () => {
  for (const shape of SHAPES)
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) await check((a, b) => matMul(a, b, { transposeA, transposeB }), shape, transposeA, transposeB)
  for (const shape of SHAPES) await check((a, b) => matMul(a.cast('float64'), b.cast('float64'), { transposeA: true }), shape, true, false)
})

const noise = (length: number, seed: number): number[] => Array.from({ length }, (_, i) => Math.sin(seed + i * i))
const WAYS: readonly ((x: Tensor, w: Tensor, bias: Tensor) => Tensor)[] = [
  (x, w) => matMul(x, w),
  (x, w) => matMul(x, w.transpose(), { transposeB: true }),
  (x, w, bias) => dense(x, w, bias, { activation: 'relu' }),
]

test('a row of a product does not depend on the number of rows', async () => {
  for (const [n, k] of [
    [70, 600],
    [512, 128],
    [40, 20],
    [10, 520],
  ] as const) {
    const x = noise(530 * k, 1)
    for (const way of WAYS) {
      const first = (rows: number) =>
        withDevice('cpu', () =>
          way(tensor(x.slice(0, rows * k), [rows, k]), tensor(noise(k * n, 2), [k, n]), tensor(noise(n, 3), [n])),
        ).data()
      const all = await first(530)
      for (const rows of [1, 3, 4, 14, 50, 300])
        assert.equal(await first(rows), all.slice(0, rows * n), `${rows} rows of [530, ${n}, ${k}]`)
    }
  }
})

test('profiles count the operations of products', async () => {
  const product = () => matMul(tensor(integers(60, 1), [5, 12]), tensor(integers(36, 2), [12, 3]))
  const { kernels } = await profile(async () => {
    withDevice('cpu', product)
    await synchronize()
  })
  assert.is(kernels.find(({ name }) => name === 'matMul')?.flops, 2 * 5 * 3 * 12)
})

test.run()
