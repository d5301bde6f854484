// Checks: runs rows of cases. Values against a double-precision reference, gradients against finite differences, in
// every dtype a row names.
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cast, type DType, device, grad, gradCheck, gradients, mul, sum, Tensor, tensor } from '../lib/index.js'
import { isFloat } from '../lib/core/spec.js'
import { generator } from './expect.js'
import type { Values } from './reference.js'

/** Where an operand's values come from. */
export interface Operand {
  shape: readonly number[]
  /**
   * Intervals that random values are drawn from: away from kinks. Default [[-2, 2]]. Integers are three times what is
   * drawn, rounded; uint8 without sign. What wraps differs from the reference, so keep results within the dtype.
   */
  domain?: readonly (readonly [number, number])[]
  /** These values instead. */
  values?: readonly number[]
  /** All values different by at least 0.05: for maxima and sorting. */
  distinct?: boolean
  /** A dtype of its own; default: the dtype that the row is run in. */
  dtype?: DType
}

export interface Row {
  /** The op of docs/operations.md that this row is about. */
  op: string
  name: string
  operands: readonly Operand[]
  run: (...inputs: Tensor[]) => Tensor | readonly Tensor[]
  reference: (...inputs: Values[]) => Values | readonly Values[]
  /** dtypes for the operands that have none of their own. Default: all floats. */
  dtypes?: readonly DType[]
  /** dtype of each result, where it is not that of the operands. */
  results?: readonly DType[]
  /** Derivatives to check: 0 none, 1 gradients, 2 (default) also gradients of gradients. */
  derivatives?: 0 | 1 | 2
  /** Rounding errors that a result may collect, in units of its dtype's precision. Default 4. */
  roundings?: number
  /**
   * For each value of the results, the size of what was added up for it. Rounding errors are then measured by that.
   * Default: by a quarter of the largest value of the result, for all of its values, as where values mix. With values
   * of very different size that hides mistakes.
   */
  sizes?: (...inputs: Values[]) => Values | readonly Values[]
}

export const FLOATS: readonly DType[] = ['float64', 'float32', 'bfloat16', 'float16']
/** The one table of tolerances: distance of 1 to the next number. */
export const PRECISION: Readonly<Partial<Record<DType, number>>> = {
  float64: 2 ** -52,
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

function drawn(operand: Operand, seed: number, dtype: DType): number[] {
  const next = generator(seed)
  const n = sizeOf(operand.shape)
  if (operand.values) return [...operand.values]
  if (operand.distinct) {
    const ranks = Array.from({ length: n }, (_, i) => ({ i, key: next() })).sort((a, b) => a.key - b.key)
    const values = new Array<number>(n)
    ranks.forEach(({ i }, rank) => (values[i] = isFloat(dtype) ? (rank - n / 2) * 0.0625 : rank))
    return values
  }
  const domain = operand.domain ?? [[-2, 2]]
  return Array.from({ length: n }, () => {
    const [low, high] = domain[Math.floor(next() * domain.length)]!
    const value = low + next() * (high - low)
    if (isFloat(dtype)) return value
    if (dtype === 'bool') return value > (low + high) / 2 ? 1 : 0
    const integer = Math.round(value * 3)
    return dtype === 'uint8' ? Math.abs(integer) : integer
  })
}

/** The operands in a dtype, and the values they have after rounding to it. */
export async function operandsOf(row: Row, dtype: DType): Promise<{ tensors: Tensor[]; exact: Values[] }> {
  const tensors = row.operands.map((operand, i) => {
    const own = operand.dtype ?? dtype
    return tensor(Float64Array.from(drawn(operand, 17 * i + 3 + operand.shape.length, own)), { shape: operand.shape, dtype: own })
  })
  const exact = await Promise.all(
    tensors.map(async (t) => ({ shape: t.shape, data: Array.from((await t.data()) as Float32Array, Number) })),
  )
  return { tensors, exact }
}

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? (value as readonly T[]) : [value as T])

const largestOf = (values: ArrayLike<number>): number => {
  let largest = 0
  for (let i = 0; i < values.length; i++) if (Number.isFinite(values[i])) largest = Math.max(largest, Math.abs(values[i]!))
  return largest
}

/**
 * Fails unless the numbers agree within so many roundings of the dtype, and infinities agree. `scale`: the size of what
 * was added up, for all values or for each.
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  dtype: DType,
  roundings: number,
  what: string,
  scale: number | ArrayLike<number> = largestOf(expected),
): void {
  assert.is(actual.length, expected.length, `${what}: number of values`)
  const precision = PRECISION[dtype] ?? 0
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [Number(actual[i]), expected[i]!]
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) continue
    const size = typeof scale === 'number' ? scale : scale[i]!
    const allowed = roundings * precision * (Math.abs(b) + 0.25 * size + 2 ** -20)
    if (!Number.isFinite(b) || !(Math.abs(a - b) <= allowed))
      assert.unreachable(`${what}: value ${i} is ${a}, should be ${b} (off by ${Math.abs(a - b)}, allowed ${allowed})`)
  }
}

async function checkValue(row: Row, dtype: DType): Promise<void> {
  const { tensors, exact } = await operandsOf(row, dtype)
  const expected = list(row.reference(...exact))
  const actual = list(row.run(...tensors))
  const sizes = row.sizes ? list(row.sizes(...exact)) : undefined
  assert.is(actual.length, expected.length, 'number of results')
  for (const [i, t] of actual.entries()) {
    const wanted = row.results?.[i] ?? dtype
    assert.is(t.dtype, wanted, `dtype of result ${i}`)
    assert.equal([...t.shape], [...expected[i]!.shape], `shape of result ${i}`)
    assertClose((await t.data()) as Float32Array, expected[i]!.data, wanted, row.roundings ?? 4, `result ${i}`, sizes?.[i]?.data)
  }
}

/**
 * One number that depends on every float result: with weights, so that no symmetry hides a mistake, and squares, so
 * that second derivatives reach every gradient.
 */
export function scalarOf(results: Tensor | readonly Tensor[]): Tensor {
  let total: Tensor | undefined
  list(results).forEach((t, i) => {
    if (!isFloat(t.dtype)) return
    const weights = generator(101 + i)
    const weight = tensor(
      Float64Array.from({ length: t.size }, () => 0.5 + weights()),
      { shape: t.shape, dtype: t.dtype, device: t.device },
    )
    const part = sum(mul(t, weight.add(mul(t, 0.25))))
    total = total ? total.add(part) : part
  })
  if (!total) throw new Error('no float result')
  return total
}

const wrtOf = (row: Row): number[] =>
  row.operands.flatMap((operand, i) => (operand.dtype === undefined || isFloat(operand.dtype) ? [i] : []))

/** The row's scalar, and the scalar of its gradients. */
export const scalarRun =
  (row: Row): ((...inputs: Tensor[]) => Tensor) =>
  (...inputs) =>
    scalarOf(row.run(...inputs))
export const gradientRun =
  (row: Row): ((...inputs: Tensor[]) => Tensor) =>
  (...inputs) =>
    scalarOf(
      gradients(
        scalarOf(row.run(...inputs)),
        wrtOf(row).map((i) => inputs[i]!),
      ),
    )

async function checkGradient(row: Row, order: 1 | 2): Promise<void> {
  const { tensors } = await operandsOf(row, 'float64')
  const { maxError } = await gradCheck(order === 1 ? scalarRun(row) : gradientRun(row), tensors)
  assert.ok(maxError <= 2e-6, `gradient${order === 2 ? ' of the gradient' : ''} is off by ${maxError} of finite differences`)
}

/** The gradient in another dtype against that in float64 on the same operands. */
async function checkGradientDType(row: Row, dtype: DType): Promise<void> {
  const { tensors } = await operandsOf(row, dtype)
  const wrt = wrtOf(row)
  const run = grad(scalarRun(row), { wrt })
  const onHost = tensors.map((t) => t.to('cpu'))
  const wide = onHost.map((t) => (isFloat(t.dtype) ? cast(t, 'float64') : t))
  const [actual, wanted] = [run(...tensors), run(...wide)]
  const expected = await Promise.all(wanted.map((t) => t.data() as Promise<Float64Array>))
  const scale = Math.max(...expected.map(largestOf))
  for (const [i, t] of actual.entries()) {
    assert.is(t.dtype, tensors[wrt[i]!]!.dtype, `dtype of gradient ${i}`)
    assert.equal([...t.shape], [...tensors[wrt[i]!]!.shape], `shape of gradient ${i}`)
    assertClose((await t.data()) as Float32Array, expected[i]!, dtype, 6 * (row.roundings ?? 4), `gradient ${i}`, scale)
  }
}

/** Finite differences run the op twice per element. */
const MOST_ELEMENTS = 80

export const derivativesOf = (row: Row): 0 | 1 | 2 => {
  const elements = row.operands.reduce((n, operand) => n + sizeOf(operand.shape), 0)
  const none = elements > MOST_ELEMENTS || wrtOf(row).length === 0 || !(row.dtypes ?? FLOATS).includes('float64')
  return none ? 0 : (row.derivatives ?? 2)
}

/** Whether this file is the program that runs: rows are imported by other programs too. */
export const isProgram = (url: string): boolean => fileURLToPath(url) === process.argv[1]

/** Runs the rows as tests where their file is the program; elsewhere, as in the coverage test, only hands them on. */
export function checkRows(url: string, rows: readonly Row[]): readonly Row[] {
  if (!isProgram(url)) return rows
  const test = suite()
  for (const row of rows) {
    const name = `${row.op} ${row.name}`
    // other devices than the CPU do not compute in float64; their gradients are held against the CPU's, which are held
    // against differences
    const onCpu = device() === 'cpu'
    if (!onCpu && [...(row.results ?? []), ...row.operands.map(({ dtype }) => dtype)].includes('float64')) continue
    const dtypes = (row.dtypes ?? FLOATS).filter((dtype) => onCpu || dtype !== 'float64')
    for (const dtype of dtypes) test(`${name}: ${dtype}`, () => checkValue(row, dtype))
    const derivatives = derivativesOf(row)
    if (derivatives >= 1) {
      if (onCpu) test(`${name}: gradient`, () => checkGradient(row, 1))
      for (const dtype of dtypes)
        if (isFloat(dtype) && dtype !== 'float64') test(`${name}: gradient, ${dtype}`, () => checkGradientDType(row, dtype))
    }
    if (derivatives === 2 && onCpu) test(`${name}: second derivatives`, () => checkGradient(row, 2))
  }
  test.run()
  return rows
}
