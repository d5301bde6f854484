// Rows: samples taken out of data of any form, in the form they came in.
import { createHash } from 'node:crypto'
import { isTypedArray } from '../../core/checks.js'
import type { TypedArray } from '../../core/host.js'
import { tensor } from '../../core/create.js'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { Tensor } from '../../core/tensor.js'
import { isShaped, type ShapedArray } from '../../data/host.js'
import { gather } from '../../ops/index.js'

/** Data with samples along the first axis: a list, a typed array, a Tensor, or { data, shape }. */
export type Rowed = readonly unknown[] | TypedArray | Tensor | ShapedArray

/** How many samples there are. */
export function rowCount(what: string, values: Rowed): number {
  if (values instanceof Promise) throw new WeftError('ERR_ARGUMENT', `${what}: the data are a promise`, { hint: 'Await them first' })
  if (values instanceof Tensor || isShaped(values)) {
    if (values.shape.length > 0) return values.shape[0]!
    throw new WeftError('ERR_SHAPE', `${what}: a scalar has no rows`)
  }
  if (Array.isArray(values) || isTypedArray(values)) return values.length
  throw new WeftError('ERR_ARGUMENT', `${what}: expected a list, a typed array, a Tensor or { data, shape }, got ${show(values)}`)
}

/** The samples with these numbers, in this order, in the form of the whole. */
export function takeRows<T extends Rowed>(values: T, rows: ArrayLike<number>): T {
  if (values instanceof Tensor) return gather(values, tensor(Int32Array.from(rows), { device: values.device }), 0) as unknown as T
  const each = Array.from(rows)
  if (Array.isArray(values)) return each.map((row) => (values as readonly unknown[])[row]) as unknown as T
  const make = (source: TypedArray, length: number): TypedArray => new (source.constructor as new (n: number) => TypedArray)(length)
  if (isTypedArray(values)) {
    const taken = make(values, each.length)
    each.forEach((row, i) => (taken[i] = values[row]!))
    return taken as unknown as T
  }
  const { data, shape, ...rest } = values as ShapedArray
  const size = shape.slice(1).reduce((a, b) => a * b, 1)
  const length = each.length * size
  const taken = isTypedArray(data) ? make(data, length) : new Array<number>(length)
  each.forEach((row, i) => {
    for (let k = 0; k < size; k++) taken[i * size + k] = data[row * size + k]! as never
  })
  return { ...rest, data: taken, shape: [each.length, ...shape.slice(1)] } as unknown as T
}

/** So many rows tell one set of data from another: what differs by its source or its order differs in most of them. */
const COMPARED_ROWS = 32

/** A hash of some rows, the first and the last among them: equal for equal data. */
export function hashOfRows(what: string, values: Rowed): string {
  const count = rowCount(what, values)
  const taken = Math.min(count, COMPARED_ROWS)
  const places = Array.from({ length: taken }, (_, i) => (taken === 1 ? 0 : Math.floor((i * (count - 1)) / (taken - 1))))
  const rows: Rowed = takeRows(values, places)
  const text = JSON.stringify(rows instanceof Tensor ? rows.dataSync() : rows, (_, own: unknown) => {
    if (own instanceof Tensor) return own.shape
    return typeof own === 'bigint' || (typeof own === 'number' && !Number.isFinite(own)) ? String(own) : own
  })
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
