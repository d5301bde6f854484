// Kernels: similarities k(a, b) of rows. Products of rows go through matMul on the current device.
import { tensor } from '../../core/create.js'
import { device } from '../../core/device.js'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { exp, matMul, minimum } from '../../ops/index.js'
import { columnMeans } from '../linalg/centered.js'
import type { Matrix } from '../matrix.js'

/** A similarity of two rows, symmetric and positive semidefinite. */
export type KernelFunction = (a: Float64Array, b: Float64Array) => number
export type KernelName = 'linear' | 'rbf' | 'poly' | 'sigmoid' | 'precomputed'

export interface KernelOptions {
  /**
   * 'linear' a·b; 'rbf' exp(-gamma·|a - b|²); 'poly' (gamma·a·b + coef0)^degree; 'sigmoid' tanh(gamma·a·b + coef0);
   * 'precomputed': X is the matrix of similarities itself, [rows, rows of fit()]; or a function of two rows. Default
   * 'rbf'.
   */
  kernel?: KernelName | KernelFunction
  /** A number above 0, 'scale': 1 / (features · variance of X), or 'auto': 1 / features. Default 'scale'. */
  gamma?: number | 'scale' | 'auto'
  /** Degree of 'poly', at least 0. Default 3. */
  degree?: number
  /** Constant of 'poly' and 'sigmoid'. Default 0. */
  coef0?: number
}

const NAMES: readonly unknown[] = ['linear', 'rbf', 'poly', 'sigmoid', 'precomputed']

/** Throws ERR_ARGUMENT for values out of range. */
export function checkKernel(what: string, { kernel, gamma, degree }: Required<KernelOptions>): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `${what}: ${text}`, { hint })
  if (typeof kernel !== 'function' && !NAMES.includes(kernel))
    throw wrong(`kernel is ${show(kernel)}`, "Use 'linear', 'rbf', 'poly', 'sigmoid', 'precomputed' or a function (a, b) => number")
  if (gamma !== 'scale' && gamma !== 'auto' && !(typeof gamma === 'number' && gamma > 0 && Number.isFinite(gamma)))
    throw wrong(`gamma is ${show(gamma)}`, "Use a number above 0, 'scale' or 'auto'")
  if (!(degree >= 0)) throw wrong(`degree must be at least 0, got ${show(degree)}`, 'Write degree: 3')
}

/** A kernel with all its numbers. */
export interface Kernel {
  readonly name: KernelName | 'function'
  readonly gamma: number
  readonly degree: number
  readonly coef0: number
  readonly own: KernelFunction | undefined
}

/** The kernel for data: gamma follows from it. */
export function kernelFor({ kernel, gamma, degree, coef0 }: Required<KernelOptions>, x: Matrix): Kernel {
  const own = typeof kernel === 'function' ? kernel : undefined
  const value = typeof gamma === 'number' ? gamma : gamma === 'auto' ? 1 / x.columns : scaleOf(x)
  return { name: own === undefined ? (kernel as KernelName) : 'function', gamma: value, degree, coef0, own }
}

/** 1 / (features · variance of all values); 1 where nothing varies. */
function scaleOf({ data, columns }: Matrix): number {
  const mean = columnMeans({ data, rows: data.length, columns: 1 })[0]!
  let sum = 0
  for (const value of data) sum += (value - mean) ** 2
  const variance = sum / data.length
  return variance > 0 ? 1 / (columns * variance) : 1
}

const BLOCK_VALUES = 1 << 23
type Values = Float64Array | Float32Array

/**
 * k(a, b) for all rows of both: [rows of a][rows of b]. float64 on the CPU unless `single`, otherwise float32.
 * 'precomputed': the similarities are `a` itself.
 */
export async function gram(kernel: Kernel, a: Matrix, b: Matrix, single = false): Promise<Values> {
  if (kernel.name === 'precomputed') return a.data
  if (kernel.own !== undefined) return ownGram(kernel.own, a, b)
  const dtype = single || device() !== 'cpu' ? 'float32' : 'float64'
  const all: Values = single ? new Float32Array(a.rows * b.rows) : new Float64Array(a.rows * b.rows)
  const [left, right] = kernel.name === 'rbf' ? lifted(kernel.gamma, a, b) : [a, b]
  const known = tensor(right.data, { shape: [right.rows, right.columns], dtype })
  const step = Math.max(1, Math.floor(BLOCK_VALUES / b.rows))
  try {
    for (let from = 0; from < a.rows; from += step) {
      const rows = Math.min(step, a.rows - from)
      const part = tensor(left.data.subarray(from * left.columns, (from + rows) * left.columns), { shape: [rows, left.columns], dtype })
      const values = [part, matMul(part, known, { transposeB: true })]
      // no distance is below 0, whatever rounding says
      if (kernel.name === 'rbf') values.push(minimum(values[1]!, 0), exp(minimum(values[1]!, 0)))
      const block = (await values.at(-1)!.data()) as Values
      for (const t of values) t.dispose()
      finish(kernel, block)
      all.set(block, from * b.rows)
    }
  } finally {
    known.dispose()
  }
  return all
}

/**
 * Rows whose inner product is -gamma·|a - b|². Both are moved to the mean of b first: distances stay, rounding does not
 * grow.
 */
function lifted(gamma: number, a: Matrix, b: Matrix): [Matrix, Matrix] {
  const means = columnMeans(b)
  const lift = ({ data, rows, columns }: Matrix, first: boolean): Matrix => {
    const width = columns + 2
    const moved = new Float64Array(rows * width)
    for (let row = 0; row < rows; row++) {
      let square = 0
      for (let column = 0; column < columns; column++) {
        const value = data[row * columns + column]! - means[column]!
        square += value * value
        moved[row * width + column] = first ? 2 * gamma * value : value
      }
      moved[row * width + columns + (first ? 0 : 1)] = -gamma * square
      moved[row * width + columns + (first ? 1 : 0)] = 1
    }
    return { data: moved, rows, columns: width }
  }
  return [lift(a, true), lift(b, false)]
}

/** Makes similarities of inner products, in place. */
function finish({ name, gamma, degree, coef0 }: Kernel, values: Values): void {
  if (name === 'sigmoid') for (let i = 0; i < values.length; i++) values[i] = Math.tanh(gamma * values[i]! + coef0)
  if (name !== 'poly') return
  const whole = Number.isInteger(degree)
  for (let i = 0; i < values.length; i++) {
    const base = gamma * values[i]! + coef0
    values[i] = whole ? power(base, degree) : base ** degree
  }
}

function power(base: number, exponent: number): number {
  let result = 1
  for (let left = exponent, factor = base; left > 0; left = Math.floor(left / 2), factor *= factor) if (left % 2 === 1) result *= factor
  return result
}

function ownGram(own: KernelFunction, a: Matrix, b: Matrix): Float64Array {
  const rowsOf = ({ data, rows, columns }: Matrix): Float64Array[] =>
    Array.from({ length: rows }, (_, row) => data.subarray(row * columns, (row + 1) * columns))
  const [left, right] = [rowsOf(a), rowsOf(b)]
  const values = new Float64Array(a.rows * b.rows)
  for (const [i, x] of left.entries())
    for (const [j, y] of right.entries()) {
      const value: unknown = own(x, y)
      if (typeof value !== 'number' || !Number.isFinite(value))
        throw new WeftError('ERR_DATA', `the kernel function returned ${show(value)} for rows ${i} and ${j}, a finite number is expected`)
      values[i * b.rows + j] = value
    }
  return values
}

/** Rows of a matrix of similarities, kept whole or computed when they are asked for. */
export interface GramRows {
  readonly size: number
  row(i: number): Values
}

/** The similarities of all rows of X with each other; as much is kept as fits into `megabytes`. */
export async function gramRows(kernel: Kernel, x: Matrix, megabytes: number): Promise<GramRows> {
  const size = x.rows
  const single = size > 3000
  if (kernel.name === 'precomputed' || size * size * (single ? 4 : 8) <= megabytes * 2 ** 20) {
    const all = await gram(kernel, x, x, single)
    return { size, row: (i) => all.subarray(i * size, (i + 1) * size) }
  }
  const [left, right] = kernel.name === 'rbf' ? lifted(kernel.gamma, x, x) : [x, x]
  const kept = new Map<number, Float32Array>()
  const most = Math.max(2, Math.floor((megabytes * 2 ** 20) / (4 * size)))
  const compute = (i: number): Float32Array => {
    const own = left.data.subarray(i * left.columns, (i + 1) * left.columns)
    if (kernel.own !== undefined) return Float32Array.from(ownGram(kernel.own, { data: own, rows: 1, columns: own.length }, x))
    const values = new Float64Array(size)
    for (let j = 0, at = 0; j < size; j++) {
      let sum = 0
      for (let column = 0; column < own.length; column++) sum += own[column]! * right.data[at++]!
      values[j] = kernel.name === 'rbf' ? Math.exp(Math.min(0, sum)) : sum
    }
    finish(kernel, values)
    return Float32Array.from(values)
  }
  return {
    size,
    row: (i) => {
      const found = kept.get(i) ?? compute(i)
      // the row used longest ago is the first of the map
      kept.delete(i)
      kept.set(i, found)
      if (kept.size > most) kept.delete(kept.keys().next().value!)
      return found
    },
  }
}
