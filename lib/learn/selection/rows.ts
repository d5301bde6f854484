// Rows: samples taken out of data of any form, in the form they came in.
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
