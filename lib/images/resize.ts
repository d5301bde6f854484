// images.resize: pictures of another size, by products with what each row and column of the result takes of the others.
import { WeftError } from '../core/error.js'
import { type OptionTable } from '../core/options.js'
import { isFloat, type Shape } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import { tensor } from '../core/create.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import { operand } from '../ops/operands.js'
import { checkSize } from './decode.js'

export type ResizeMethod = 'nearest' | 'bilinear' | 'bicubic'

export interface ResizeOptions {
  /** Default 'bilinear'. 'bicubic' is the cubic of Keys (1981) with a = -0.5, as in Keras and PIL. */
  method?: ResizeMethod
  /**
   * Smooths what becomes smaller, by kernels as wide as the steps (as PIL, and PyTorch's antialias). Default false, as
   * in Keras. 'nearest' takes single pixels whatever this says.
   */
  antialias?: boolean
}
const OPTIONS: OptionTable<ResizeOptions> = { method: ['nearest', 'bilinear', 'bicubic'], antialias: 'boolean' }

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x))
/** Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -0.5. */
function keys(x: number): number {
  const at = Math.abs(x)
  if (at < 1) return (1.5 * at - 2.5) * at * at + 1
  return at < 2 ? ((-0.5 * at + 2.5) * at - 4) * at + 2 : 0
}

/**
 * What each of `to` pixels takes of each of `from`: [to, from]. Pixels are squares, and their middles half a pixel from
 * their edges. What a kernel takes from outside is left out, and the rest scaled to add up to 1.
 */
export function sharesOf(from: number, to: number, method: 'bilinear' | 'bicubic', antialias: boolean): Float64Array {
  const [kernel, reach] = method === 'bilinear' ? ([triangle, 1] as const) : ([keys, 2] as const)
  const wide = antialias ? Math.max(1, from / to) : 1
  const shares = new Float64Array(to * from)
  for (let i = 0; i < to; i++) {
    const middle = ((i + 0.5) * from) / to - 0.5
    const first = Math.max(0, Math.ceil(middle - reach * wide))
    const last = Math.min(from - 1, Math.floor(middle + reach * wide))
    let sum = 0
    for (let j = first; j <= last; j++) sum += shares[i * from + j] = kernel((j - middle) / wide)
    for (let j = first; j <= last; j++) shares[i * from + j]! /= sum
  }
  return shares
}

/**
 * Pictures [height, width, channels] or [batch, height, width, channels] of another height and width, on the device
 * they are on; in a traced function too. The dtype stays: integers are rounded, and cut to their range (bicubic curves
 * overshoot). Bilinear and bicubic are products of matrices: a NaN or an infinite value makes its whole channel NaN.
 * @param size [height, width]
 */
export const resize: (x: TensorLike, size: readonly [number, number], options?: ResizeOptions) => Tensor = func(
  'images.resize(x, size, options)',
  OPTIONS,
  (x, size, { method = 'bilinear', antialias = false } = {}) => {
    const what = 'images.resize'
    checkSize(what, size)
    const source = operand(what, x)
    if (source.rank !== 3 && source.rank !== 4)
      throw new WeftError(
        'ERR_SHAPE',
        `${what}: pictures are [height, width, channels] or [batch, height, width, channels], got [${source.shape}]`,
        { op: what, shapes: [source.shape], ...(source.rank === 2 ? { hint: 'A grey picture needs its channel: expandDims(-1)' } : {}) },
      )
    if (!isFloat(source.dtype) && source.dtype !== 'uint8' && source.dtype !== 'int32' && method !== 'nearest')
      throw new WeftError('ERR_DTYPE', `${what}: pictures are uint8, int32 or floats, got ${source.dtype}`, {
        op: what,
        hint: "Only method 'nearest' takes other dtypes",
      })
    const single = source.rank === 3
    const batch = single ? ops.expandDims(source, 0) : source
    const resized = method === 'nearest' ? ops.resize(batch, size, { interpolation: 'nearest' }) : blended(batch, size, method, antialias)
    return single ? ops.squeeze(resized, 0) : resized
  },
)

function blended(x: Tensor, [rows, columns]: readonly [number, number], method: 'bilinear' | 'bicubic', antialias: boolean): Tensor {
  const [n, height, width, channels] = x.shape as Shape & [number, number, number, number]
  if (height === 0 || width === 0)
    throw new WeftError('ERR_SHAPE', `images.resize: pictures of shape [${x.shape}] have no pixels`, { shapes: [x.shape] })
  const values = isFloat(x.dtype) ? x : ops.cast(x, 'float32')
  const along = (from: number, to: number): Tensor =>
    tensor(sharesOf(from, to, method, antialias), { shape: [to, from], dtype: values.dtype, device: values.device })
  const high = rows === height ? values : ops.matMul(along(height, rows), ops.reshape(values, [n, height, width * channels]))
  const wide = columns === width ? high : ops.matMul(along(width, columns), ops.reshape(high, [n * rows, width, channels]))
  const made = ops.reshape(wide, [n, rows, columns, channels])
  if (isFloat(x.dtype)) return made
  const whole = ops.round(made)
  return ops.cast(x.dtype === 'uint8' ? ops.clip(whole, 0, 255) : whole, x.dtype)
}
