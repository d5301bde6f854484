// Series: values in time order, as windows and scalers take them.
import { tensor } from '../core/create.js'
import type { TypedArray } from '../core/host.js'
import { isFloat } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import { cast, expandDims } from '../ops/index.js'
import { Tensor } from '../core/tensor.js'
import { isTypedArray } from '../core/checks.js'
import { show } from '../core/options.js'

/** One value at each time [t], or several [t, features]. */
export type Series = Tensor | TypedArray | readonly number[] | readonly (readonly number[])[]

/** The series as float Tensor [t, features]. */
export function columnsOf(what: string, series: unknown): Tensor {
  if (!(series instanceof Tensor) && !Array.isArray(series) && !isTypedArray(series)) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: a series is an array, a typed array or a Tensor, got ${show(series)}`,
      Symbol.asyncIterator in Object(series)
        ? { hint: 'Collect it first: const rows = []; for await (const row of source) rows.push(row)' }
        : {},
    )
  }
  const values = series instanceof Tensor ? series : tensor(series as TypedArray)
  if (values.rank !== 1 && values.rank !== 2) {
    throw new WeftError('ERR_SHAPE', `${what}: a series has shape [t] or [t, features], got [${values.shape}]`, { shapes: [values.shape] })
  }
  const floats = isFloat(values.dtype) ? values : cast(values, 'float32')
  return floats.rank === 1 ? expandDims(floats, -1) : floats
}
