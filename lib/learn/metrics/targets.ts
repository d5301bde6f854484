// Targets: true and predicted values, read on the host and checked against each other.
import { isTypedArray } from '../../core/checks.js'
import type { TypedArray } from '../../core/host.js'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { Tensor } from '../../core/tensor.js'
import { isShaped, type ShapedArray } from '../../data/host.js'
import type { Label } from '../matrix.js'

export type { Label }

/** Values of samples: [samples] or [samples, 1]. */
export type Targets = Tensor | TypedArray | readonly unknown[] | ShapedArray

/** Numbers of samples, row-major. */
export interface Rows {
  readonly data: Float64Array
  readonly rows: number
  readonly columns: number
}

const isNumber = (value: unknown): value is number | bigint | boolean =>
  typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'

const wrong = (what: string, name: string, found: string, hint: string): WeftError =>
  new WeftError('ERR_ARGUMENT', `${what}: ${name} ${found}`, { hint })

/** The values with their shape; a Tensor's are waited for. */
function hostOf(what: string, name: string, values: unknown): { flat: ArrayLike<unknown>; shape: readonly number[] } {
  if (values instanceof Promise) throw wrong(what, name, 'is a promise', `Write ${what}(yTrue, await model.predict(x))`)
  if (values instanceof Tensor) return { flat: values.dataSync(), shape: values.shape }
  if (isTypedArray(values)) return { flat: values as unknown as ArrayLike<unknown>, shape: [values.length] }
  if (isShaped(values)) return { flat: values.data as ArrayLike<unknown>, shape: values.shape }
  if (!Array.isArray(values)) throw wrong(what, name, `is ${show(values)}`, 'Pass a list of values or a Tensor')
  const list: readonly unknown[] = values
  const first = list[0]
  if (!Array.isArray(first) && !isTypedArray(first)) return { flat: list, shape: [list.length] }
  const columns = (first as ArrayLike<unknown>).length
  const flat: unknown[] = []
  list.forEach((row, i) => {
    if ((!Array.isArray(row) && !isTypedArray(row)) || row.length !== columns)
      throw new WeftError('ERR_SHAPE', `${what}: row ${i} of ${name} has not ${columns} values, as the first one has: ${show(row)}`)
    for (const value of row as Iterable<unknown>) flat.push(value)
  })
  return { flat, shape: [list.length, columns] }
}

/** Finite numbers [samples] or [samples, columns]. ERR_DATA names the first that is none. */
export function numbersOf(what: string, name: string, values: unknown): Rows {
  const { flat, shape } = hostOf(what, name, values)
  if (shape.length === 0 || shape.length > 2)
    throw new WeftError('ERR_SHAPE', `${what}: ${name} has shape [${shape}], expected [samples] or [samples, columns]`)
  const columns = shape[1] ?? 1
  const data = new Float64Array(flat.length)
  for (let i = 0; i < data.length; i++) {
    const value = flat[i]
    const number = isNumber(value) ? Number(value) : Number.NaN
    if (!Number.isFinite(number))
      throw new WeftError('ERR_DATA', `${what}: value ${i} of ${name} is ${show(value)}, expected a finite number`)
    data[i] = number
  }
  if (data.length === 0) throw new WeftError('ERR_SHAPE', `${what}: ${name} has no values`)
  return { data, rows: shape[0]!, columns }
}

/** One finite number for each sample. */
export function columnOf(what: string, name: string, values: unknown): Float64Array {
  const { data, rows, columns } = numbersOf(what, name, values)
  if (columns === 1) return data
  throw new WeftError('ERR_SHAPE', `${what}: ${name} has shape [${rows}, ${columns}], expected one value for each sample`, {
    hint: columns === 2 ? 'For probabilities of two classes pass the second column: p.map((row) => row[1])' : 'Pass one column at a time',
  })
}

/** The class as metrics compare it: false and true are 0 and 1. */
export const plain = (label: Label): number | string => (typeof label === 'boolean' ? Number(label) : label)

/** The class of each sample: numbers or texts, not both; booleans are 0 and 1. */
export function labelsOf(what: string, name: string, values: unknown): (number | string)[] {
  const { flat, shape } = hostOf(what, name, values)
  if (shape.length === 0 || shape.length > 2 || (shape[1] ?? 1) !== 1)
    throw new WeftError('ERR_SHAPE', `${what}: ${name} has shape [${shape}], expected one class for each sample`, {
      hint: 'For probabilities take the most probable class: p.argMax(-1) of a Tensor',
    })
  const labels = Array.from(flat, (value, i): number | string => {
    if (typeof value === 'string') return value
    const number = isNumber(value) ? Number(value) : Number.NaN
    if (Number.isInteger(number)) return number + 0
    const hint = Number.isFinite(number) ? 'Predictions are probabilities? Take classes: p.map((v) => (v > 0.5 ? 1 : 0))' : undefined
    throw new WeftError('ERR_DATA', `${what}: value ${i} of ${name} is ${show(value)}, expected a class: an integer or a text`, {
      ...(hint === undefined ? {} : { hint }),
    })
  })
  if (labels.length === 0) throw new WeftError('ERR_SHAPE', `${what}: ${name} has no values`)
  return labels
}

/** Texts by their code units, numbers by size. */
export const inOrder = (a: Label, b: Label): number => (a < b ? -1 : a > b ? 1 : 0)

/** The classes of several lists, sorted. ERR_DATA where some are numbers and some texts. */
export function classesOf(what: string, ...lists: readonly (readonly Label[])[]): (number | string)[] {
  const known = new Set<number | string>()
  for (const list of lists) for (const label of list) known.add(plain(label))
  const classes = [...known]
  const number = classes.find((label) => typeof label === 'number')
  const text = classes.find((label) => typeof label === 'string')
  if (number !== undefined && text !== undefined)
    throw new WeftError('ERR_DATA', `${what}: classes are all numbers or all texts, got ${show(number)} and ${show(text)}`, {
      hint: 'Convert one side: y.map(String)',
    })
  return classes.sort(inOrder)
}

export function sameLength(what: string, a: { readonly length: number }, b: { readonly length: number }): void {
  if (a.length !== b.length) throw new WeftError('ERR_SHAPE', `${what}: yTrue has ${a.length} samples, the predictions have ${b.length}`)
}

/** A weight for each sample; undefined where none were given. */
export function weightsOf(what: string, values: unknown, samples: number): Float64Array | undefined {
  if (values === undefined) return undefined
  const weights = columnOf(what, 'sampleWeight', values)
  if (weights.length !== samples)
    throw new WeftError('ERR_SHAPE', `${what}: sampleWeight has ${weights.length} values for ${samples} samples`)
  const bad = weights.findIndex((weight) => weight < 0)
  if (bad >= 0) throw new WeftError('ERR_DATA', `${what}: weight ${bad} is ${weights[bad]}, weights are not negative`)
  if (!(weights.reduce((sum, weight) => sum + weight, 0) > 0)) throw new WeftError('ERR_DATA', `${what}: all weights are 0`)
  return weights
}

export interface WeightOption {
  /** A weight for each sample. Default: all count alike. */
  sampleWeight?: Targets
}
