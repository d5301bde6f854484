// Readers of what users pass to models: X as one dense matrix on the host, y as numbers or classes, weights of rows.
import { isTypedArray } from '../core/checks.js'
import { device } from '../core/device.js'
import { WeftError } from '../core/error.js'
import type { TypedArray } from '../core/host.js'
import { isDetached, show } from '../core/options.js'
import { isTensor } from '../core/tree.js'
import type { Tensor } from '../core/tensor.js'
import { checkShaped, describe, isShaped, type ShapedArray } from '../data/host.js'

/** Rows of features: nested arrays, a Tensor [rows, columns], or { data, shape: [rows, columns] }. */
export type MatrixLike = Tensor | ShapedArray | readonly (readonly number[] | TypedArray)[]
/** A number for each row: an array, a typed array, or a Tensor [rows] or [rows, 1]. */
export type TargetsLike = Tensor | TypedArray | readonly number[] | readonly (readonly number[])[]
/** The name of a class. */
export type Label = number | string | boolean
/** A class for each row: an array of numbers, strings or booleans, a typed array, or a Tensor [rows] or [rows, 1]. */
export type LabelsLike = TargetsLike | readonly Label[]

/** A dense matrix of float64, row-major. */
export interface Matrix {
  readonly data: Float64Array
  readonly rows: number
  readonly columns: number
}

/** The classes in ascending order, and the class of each row as a place among them. */
export interface Labels {
  readonly classes: Label[]
  readonly index: Int32Array
}

export interface ReadOptions {
  /** The number of columns that X must have. Default: any. */
  columns?: number | undefined
  /** Whether NaN may stand for missing values. Default false. */
  missing?: boolean
  /** The largest absolute value. Default: one whose square a model can add up; any where values may be missing. */
  most?: number
}

/** Sums of squares of values up to these are numbers, in float64 and in float32. */
const LARGEST = { float64: 1e150, float32: 1e18 }
/** Of so many values models may compute products in float32 on a CPU too. */
const SINGLE = 4e6

const largestFor = (values: number): number => (device() !== 'cpu' || values > SINGLE ? LARGEST.float32 : LARGEST.float64)

/**
 * X as a matrix. ERR_SHAPE for what has not two axes, or another number of columns than the model knows; ERR_ARGUMENT
 * for what is no matrix or is empty; ERR_DATA for NaN and infinite values, and for those whose squares are infinite.
 * @param what the call as users see it ('ridge.fit'), for errors
 */
export async function readMatrix(what: string, x: unknown, options: ReadOptions = {}): Promise<Matrix> {
  const matrix = isTensor(x) ? await ofTensor(what, x) : isShaped(x) ? ofShaped(what, x) : ofRows(what, x)
  const { rows, columns, data } = matrix
  if (rows === 0 || columns === 0)
    throw new WeftError('ERR_ARGUMENT', `${what}: X is empty, it has ${rows} rows and ${columns} columns`, {
      hint: 'Give at least one row with one feature',
    })
  if (options.columns !== undefined && columns !== options.columns)
    throw new WeftError('ERR_SHAPE', `${what}: X has ${columns} features, the model was fitted on ${options.columns}`, {
      hint: 'Give the same columns in the same order as to fit()',
    })
  const missing = options.missing === true
  const most = options.most ?? (missing ? Number.MAX_VALUE : largestFor(data.length))
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    if (Math.abs(value) <= most || (missing && Number.isNaN(value))) continue
    if (Number.isFinite(value)) throw tooLarge(what, 'X', value, `row ${Math.floor(i / columns)}, column ${i % columns}`, most)
    throw new WeftError('ERR_DATA', `${what}: X has ${value} in row ${Math.floor(i / columns)}, column ${i % columns}`, {
      hint: Number.isNaN(value)
        ? 'Fill in missing values with imputer(), or drop those rows'
        : 'Replace infinite values, or drop those rows',
    })
  }
  return matrix
}

const tooLarge = (what: string, name: string, value: number, where: string, most: number): WeftError =>
  new WeftError('ERR_DATA', `${what}: ${name} has ${value} in ${where}, and models compute with values up to ${most}`, {
    hint: name === 'X' ? 'Scale the features with standardScaler()' : 'Scale y: divide it by its largest value',
  })

const oneAxis = (what: string, found: string, tensor: boolean): WeftError =>
  new WeftError('ERR_SHAPE', `${what}: X has one axis (${found}), it needs two: [rows, features]`, {
    hint: tensor
      ? 'One feature: X.reshape([-1, 1]). One row: X.reshape([1, -1])'
      : 'One feature: X.map((value) => [value]). One row: [X]. Flat values: { data, shape: [rows, features] }',
  })

const axes = (what: string, shape: readonly number[]): WeftError =>
  new WeftError('ERR_SHAPE', `${what}: X has shape [${shape}], it needs two axes: [rows, features]`, {
    hint: shape.length > 2 ? `Write X.reshape([${shape[0]}, -1]) to make every value of a row a feature` : 'Give rows of features',
  })

async function ofTensor(what: string, x: Tensor): Promise<Matrix> {
  const { shape } = x
  if (shape.length === 1) throw oneAxis(what, `shape [${shape}]`, true)
  if (shape.length !== 2) throw axes(what, shape)
  const values = await x.data()
  return { data: float64(values as TypedArray), rows: shape[0]!, columns: shape[1]! }
}

function ofShaped(what: string, x: ShapedArray): Matrix {
  if (x.shape.length === 1) throw oneAxis(what, `shape [${x.shape}]`, false)
  if (x.shape.length !== 2) throw axes(what, x.shape)
  checkShaped(x, what)
  return { data: isTypedArray(x.data) ? float64(x.data) : numbers(what, x.data), rows: x.shape[0]!, columns: x.shape[1]! }
}

/** A copy as float64. */
const float64 = (values: TypedArray): Float64Array =>
  values instanceof BigInt64Array ? Float64Array.from(values, Number) : new Float64Array(values as ArrayLike<number>)

function numbers(what: string, values: readonly unknown[]): Float64Array {
  const data = new Float64Array(values.length)
  for (let i = 0; i < values.length; i++) data[i] = toNumber(what, values[i], () => `value ${i}`)
  return data
}

function toNumber(what: string, value: unknown, where: () => string): number {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'bigint') return Number(value)
  throw new WeftError('ERR_ARGUMENT', `${what}: X has ${show(value)} as ${where()}, a number is expected`, {
    hint: typeof value === 'string' ? 'Encode text with oneHotEncoder() or ordinalEncoder() first' : 'Give numbers',
  })
}

function ofRows(what: string, x: unknown): Matrix {
  if (isTypedArray(x)) throw oneAxis(what, `${x.constructor.name} of ${x.length}`, false)
  if (!Array.isArray(x))
    throw new WeftError('ERR_ARGUMENT', `${what}: X is ${describe(x)}`, {
      hint: 'Give rows of features: nested arrays, a Tensor [rows, features], or { data, shape: [rows, features] }',
    })
  const rows = x.length
  if (rows === 0) return { data: new Float64Array(0), rows: 0, columns: 0 }
  const isRow = (row: unknown): row is ArrayLike<unknown> => Array.isArray(row) || (isTypedArray(row) && !isDetached(row))
  if (!isRow(x[0])) {
    if (typeof x[0] === 'number') throw oneAxis(what, `an array of ${rows} numbers`, false)
    throw new WeftError('ERR_ARGUMENT', `${what}: row 0 of X is ${describe(x[0])}`, { hint: 'Every row is an array of numbers' })
  }
  const columns = x[0].length
  const data = new Float64Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const values: unknown = x[row]
    if (!isRow(values))
      throw new WeftError('ERR_ARGUMENT', `${what}: row ${row} of X is ${describe(values)}`, { hint: 'Every row is an array of numbers' })
    if (values.length !== columns)
      throw new WeftError('ERR_SHAPE', `${what}: row ${row} of X has ${values.length} values, row 0 has ${columns}`, {
        hint: 'All rows need the same features',
      })
    for (let column = 0; column < columns; column++) {
      const value = values[column]
      if (Array.isArray(value)) throw axes(what, [rows, columns, value.length])
      data[row * columns + column] = typeof value === 'number' ? value : toNumber(what, value, () => `row ${row}, column ${column}`)
    }
  }
  return { data, rows, columns }
}

/** The values of y in one list. */
async function listOf(what: string, y: unknown, rows: number): Promise<ArrayLike<unknown>> {
  const fail = (found: string): WeftError =>
    new WeftError('ERR_SHAPE', `${what}: y has shape [${found}], one value for each row is expected: [${rows}]`, {
      hint: 'Fit one model for each column of y',
    })
  if (y === undefined || y === null)
    throw new WeftError('ERR_ARGUMENT', `${what}: y is missing`, { hint: `Write ${what.replace(/^.*\./, 'await model.')}(X, y)` })
  let list: ArrayLike<unknown>
  if (isTensor(y)) {
    if (y.rank !== 1 && !(y.rank === 2 && y.shape[1] === 1)) throw fail(String(y.shape))
    list = (await y.data()) as unknown as ArrayLike<number>
    if (y.dtype === 'bool') list = Array.from(list, Boolean)
  } else if (isTypedArray(y) || Array.isArray(y)) {
    if (isTypedArray(y) && isDetached(y)) throw new WeftError('ERR_ARGUMENT', `${what}: the buffer of y was transferred away`)
    list = y as ArrayLike<unknown>
  } else throw new WeftError('ERR_ARGUMENT', `${what}: y is ${describe(y)}`, { hint: 'Give an array, a typed array or a Tensor' })
  if (list.length !== rows)
    throw new WeftError('ERR_SHAPE', `${what}: X has ${rows} rows, y has ${list.length} values`, {
      hint: 'Give one value of y for each row of X',
    })
  const first = list[0]
  if (!Array.isArray(first)) return list
  if (first.length !== 1) throw fail(`${list.length},${first.length}`)
  return Array.from(list, (item, row) => {
    if (!Array.isArray(item) || item.length !== 1)
      throw new WeftError('ERR_SHAPE', `${what}: row ${row} of y is ${describe(item)}, row 0 is an array of 1`)
    return item[0] as unknown
  })
}

/**
 * y as numbers. ERR_DATA for NaN and infinite ones, and those whose squares are infinite; ERR_SHAPE unless there is one
 * for each row.
 */
export async function readTargets(what: string, y: unknown, rows: number): Promise<Float64Array> {
  const list = await listOf(what, y, rows)
  const targets = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    const value = list[row]
    if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'bigint')
      throw new WeftError('ERR_ARGUMENT', `${what}: y has ${show(value)} in row ${row}, a number is expected`, {
        hint: typeof value === 'string' ? 'Classes are learned by a classifier, such as logisticRegression()' : 'Give numbers',
      })
    targets[row] = Number(value)
    if (!Number.isFinite(targets[row])) throw notFinite(what, 'y', value, row)
    if (Math.abs(targets[row]!) > LARGEST.float64) throw tooLarge(what, 'y', targets[row]!, `row ${row}`, LARGEST.float64)
  }
  return targets
}

const notFinite = (what: string, name: string, value: unknown, row: number): WeftError =>
  new WeftError('ERR_DATA', `${what}: ${name} has ${show(value)} in row ${row}`, { hint: 'Drop such rows' })

/** The labels of y as they are: numbers, strings or booleans. */
export async function readLabelList(what: string, y: unknown, rows: number): Promise<Label[]> {
  const list = await listOf(what, y, rows)
  const labels = new Array<Label>(rows)
  for (let row = 0; row < rows; row++) {
    const value = list[row]
    if (typeof value === 'bigint') labels[row] = Number(value)
    else if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') labels[row] = value
    else
      throw new WeftError('ERR_ARGUMENT', `${what}: y has ${show(value)} in row ${row}`, {
        hint: 'Classes are numbers, strings or booleans',
      })
    if (typeof value === 'number' && !Number.isFinite(value)) throw notFinite(what, 'y', value, row)
    if (typeof labels[row] !== typeof labels[0])
      throw new WeftError('ERR_ARGUMENT', `${what}: y has ${show(labels[row])} in row ${row} and ${show(labels[0])} in row 0`, {
        hint: 'Classes are all numbers, all strings or all booleans: write y.map(String)',
      })
  }
  return labels
}

/** Numbers by size, strings by code units, false before true. */
export const compareLabels = (a: Label, b: Label): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * y as classes, in ascending order. ERR_ARGUMENT for labels of different types, for numbers that are no integers, and
 * where there are fewer classes than `least`.
 */
export async function readLabels(what: string, y: unknown, rows: number, least = 2): Promise<Labels> {
  const labels = await readLabelList(what, y, rows)
  const fraction = labels.findIndex((label) => typeof label === 'number' && !Number.isInteger(label))
  if (fraction >= 0)
    throw new WeftError('ERR_ARGUMENT', `${what}: y has ${labels[fraction]} in row ${fraction}, which is no class`, {
      hint: 'Numbers are learned by a regressor, such as linearRegression(); for classes write y.map(Math.round)',
    })
  const classes = [...new Set(labels)].sort(compareLabels)
  if (classes.length < least)
    throw new WeftError('ERR_DATA', `${what}: y has one class, ${show(classes[0])}; at least ${least} are needed`, {
      hint: 'Split the data so that every part has all classes: trainTestSplit(X, y, { stratify: y })',
    })
  const places = new Map(classes.map((label, place) => [label, place]))
  return { classes, index: Int32Array.from(labels, (label) => places.get(label)!) }
}

/** The weights of the rows; undefined where none are given. ERR_DATA for negative weights, or where all are 0. */
export async function readWeights(what: string, weights: unknown, rows: number): Promise<Float64Array | undefined> {
  if (weights === undefined) return undefined
  const list = await listOf(`${what} (sampleWeight)`, weights, rows)
  const read = Float64Array.from({ length: rows }, (_, row) => Number(list[row]))
  let sum = 0
  for (let row = 0; row < rows; row++) {
    const value = read[row]!
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
      throw new WeftError('ERR_DATA', `${what}: sampleWeight has ${show(list[row])} in row ${row}`, {
        hint: 'Weights are numbers of at least 0',
      })
    sum += value
  }
  if (sum === 0) throw new WeftError('ERR_DATA', `${what}: all of sampleWeight is 0`, { hint: 'Give a positive weight to some rows' })
  return read
}
