// The calculations doctor checks: on the current device against the same formulas in plain JavaScript, and on CUDA
// devices against the CPU.
import { tensor } from '../core/create.js'
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { grad } from '../core/grad.js'
import { concat, conv2d } from '../ops/index.js'
import { sizeOf } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'

/** Name and calculation; resolves with what was found, rejects when it is wrong. */
export const selfTests: readonly (readonly [string, () => Promise<string>])[] = [
  ['matMul', matMul],
  ['conv2d', convolution],
  ['softmax', softmax],
  ['gradient', gradient],
]

/**
 * Name and calculation on the device `id`, at sizes that reach the tiled kernels, against the same calculation on the
 * CPU.
 */
export const deviceTests: readonly (readonly [string, (id: string) => Promise<string>])[] = [
  ['matMul', (id) => agree(id, () => fractions(160, 384).matMul(fractions(384, 136)))],
  ['conv2d', (id) => agree(id, () => conv2d(fractions(2, 13, 15, 16), fractions(3, 3, 16, 32), { padding: 'same' }))],
  ['reduce', (id) => agree(id, () => sums(fractions(70, 1100)))],
]

/**
 * Default precision is that of float32: results of two devices differ by the order of their sums, some 1e-6 of the
 * largest value. Operands rounded to tf32 would show as 3e-4.
 */
const AGREEMENT = 1e-5

async function agree(id: string, calculate: () => Tensor): Promise<string> {
  // withDevice holds for the synchronous part alone: reading a result needs no current device
  const on = (where: string): Promise<unknown> => withDevice(where, () => calculate().data())
  const expected = Float64Array.from((await on('cpu')) as Float32Array)
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return judge((await on(id)) as Float32Array, expected, AGREEMENT * largest)
}

const sums = (x: Tensor): Tensor => concat([x.sum(0), x.sum(1), x.square().mean().reshape([1])], 0)

/** Numbers in [-1, 1) with all the bits of a float32. */
function fractions(...shape: number[]): Tensor {
  const value = (_: unknown, i: number): number => Math.imul(Math.imul(i + 1, 0x9e3779b1) ^ shape[0]!, 0x85ebca6b) / 2 ** 31
  return tensor(Float32Array.from({ length: sizeOf(shape) }, value), shape)
}

/** n numbers in [-1.125, 1.125] that float32 holds exactly. */
const numbers = (n: number, step: number): Float32Array => Float32Array.from({ length: n }, (_, i) => (((i * step) % 19) - 9) / 8)

const compare = async (result: Tensor, expected: Float64Array, tolerance: number): Promise<string> =>
  judge((await result.data()) as Float32Array, expected, tolerance)

function judge(values: ArrayLike<number>, expected: Float64Array, tolerance: number): string {
  let worst = values.length === expected.length ? 0 : Number.POSITIVE_INFINITY
  for (const [i, value] of expected.entries()) {
    const error = Math.abs(values[i]! - value)
    if (!(error <= worst)) worst = error // a NaN stays
  }
  const detail = `largest error ${worst.toExponential(1)}`
  if (worst <= tolerance) return detail
  throw new WeftError('ERR_STATE', `${detail}, allowed ${tolerance.toExponential(1)}`, {
    hint: 'The kernels of this build give wrong results on this machine; please report it',
  })
}

async function matMul(): Promise<string> {
  const [m, k, n] = [37, 53, 41]
  const a = numbers(m * k, 37)
  const b = numbers(k * n, 11)
  return compare(tensor(a, [m, k]).matMul(tensor(b, [k, n])), product(a, b, m, k, n), 1e-4)
}

/** [m, k] times [k, n]. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, m: number, k: number, n: number): Float64Array {
  const result = new Float64Array(m * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let inner = 0; inner < k; inner++) result[i * n + j]! += a[i * k + inner]! * b[inner * n + j]!
    }
  }
  return result
}

async function convolution(): Promise<string> {
  const [height, width, channels, filters, side] = [9, 11, 3, 5, 3]
  const x = numbers(height * width * channels, 7)
  const kernel = numbers(side * side * channels * filters, 13)
  const [rows, columns] = [height - side + 1, width - side + 1]
  const expected = new Float64Array(rows * columns * filters)
  for (let at = 0; at < expected.length; at++) {
    const filter = at % filters
    const column = Math.floor(at / filters) % columns
    const row = Math.floor(at / filters / columns)
    for (let tap = 0; tap < side * side * channels; tap++) {
      const channel = tap % channels
      const [dy, dx] = [Math.floor(tap / channels / side), Math.floor(tap / channels) % side]
      expected[at]! += x[((row + dy) * width + column + dx) * channels + channel]! * kernel[tap * filters + filter]!
    }
  }
  return compare(conv2d(tensor(x, [1, height, width, channels]), tensor(kernel, [side, side, channels, filters])), expected, 1e-4)
}

async function softmax(): Promise<string> {
  const [rows, columns] = [5, 23]
  const x = numbers(rows * columns, 5)
  const expected = Float64Array.from(x, Math.exp)
  for (let row = 0; row < rows; row++) {
    const values = expected.subarray(row * columns, (row + 1) * columns)
    const sum = values.reduce((total, value) => total + value, 0)
    for (const [i, value] of values.entries()) values[i] = value / sum
  }
  return compare(tensor(x, [rows, columns]).softmax(), expected, 1e-6)
}

/** Of mean(tanh(x·w)²) by w [k, n]: (2 / size) xᵀ·(y·(1 - y²)). */
async function gradient(): Promise<string> {
  const [m, k, n] = [13, 7, 5]
  const x = numbers(m * k, 3)
  const w = numbers(k * n, 17)
  const slope = product(x, w, m, k, n).map((value) => {
    const y = Math.tanh(value)
    return (2 / (m * n)) * y * (1 - y * y)
  })
  const transposed = Float64Array.from({ length: k * m }, (_, i) => x[(i % m) * k + Math.floor(i / m)]!)
  const inputs = tensor(x, [m, k])
  const loss = (weights: Tensor): Tensor => inputs.matMul(weights).tanh().square().mean()
  return compare(grad(loss)(tensor(w, [k, n])) as Tensor, product(transposed, slope, k, m, n), 1e-5)
}
