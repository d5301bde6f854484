// Images of another size, by products with what each place takes of each row and column.
import { isIntegers } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import type { Shape } from '../core/spec.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { gather } from './gather.js'
import { matMul } from './matmul.js'
import { checkRank, operand, single } from './operands.js'
import { reshape } from './reshape.js'

/**
 * 'nearest': the value of the place that is closest; 'bilinear': between the four closest, with pixels as squares (half
 * pixel centers, as Keras); 'bilinearAsymmetric': with pixels as their upper left corners (as TensorFlow.js, and
 * 'asymmetric' of ONNX).
 */
export type Interpolation = 'nearest' | 'bilinear' | 'bilinearAsymmetric'
export const INTERPOLATIONS: readonly Interpolation[] = ['nearest', 'bilinear', 'bilinearAsymmetric']

export interface ResizeOptions {
  /** Default 'bilinear'. */
  interpolation?: Interpolation
  /** The corners of both images are the same places; for 'bilinear'. Default false. */
  alignCorners?: boolean
}
const RESIZE_OPTIONS: OptionTable<ResizeOptions> = { interpolation: INTERPOLATIONS, alignCorners: 'boolean' }

/** The place that each of `to` places is closest to. */
const nearest = (from: number, to: number): number[] =>
  Array.from({ length: to }, (_, place) => Math.min(from - 1, Math.floor(((place + 0.5) * from) / to)))

/** What each of `to` places takes from each of `from`: [to, from]. */
function shares(from: number, to: number, interpolation: Interpolation, alignCorners: boolean): Float64Array {
  const matrix = new Float64Array(to * from)
  const half = interpolation === 'bilinear' ? 0.5 : 0
  for (let place = 0; place < to; place++) {
    const at = alignCorners ? (to === 1 ? 0 : (place * (from - 1)) / (to - 1)) : ((place + half) * from) / to - half
    const source = Math.min(from - 1, Math.max(0, at))
    const low = Math.floor(source)
    const high = Math.min(low + 1, from - 1)
    matrix[place * from + low]! += 1 - (source - low)
    matrix[place * from + high]! += source - low
  }
  return matrix
}

/**
 * Images [batch, height, width, channels] with other numbers of rows and columns. Images that become smaller are not
 * smoothed. 'nearest' moves values of any dtype; the others compute floats, and of integers give float32.
 * @param size [height, width] of the result
 */
export const resize: (x: TensorLike, size: readonly [number, number], options?: ResizeOptions) => Tensor = func(
  'resize(x, size, options)',
  RESIZE_OPTIONS,
  (x, size, { interpolation = 'bilinear', alignCorners = false } = {}) => {
    const source = interpolation === 'nearest' ? operand('resize', x) : single('resize', x, 'float')
    if (!isIntegers(size, 1) || size.length !== 2)
      throw new WeftError('ERR_ARGUMENT', `resize: a size is [height, width], two integers of at least 1, got ${show(size)}`, {
        op: 'resize',
      })
    if (alignCorners && interpolation !== 'bilinear')
      throw new WeftError('ERR_ARGUMENT', `resize: alignCorners goes with interpolation 'bilinear', not '${interpolation}'`, {
        op: 'resize',
      })
    checkRank('resize', 'x', source, 4, 'Images are [batch, height, width, channels]; a single one needs expandDims(0)')
    const [rows, columns] = size
    const [n, height, width, channels] = source.shape as Shape & [number, number, number, number]
    if (height === 0 || width === 0)
      throw new WeftError('ERR_SHAPE', `resize: images of shape [${source.shape}] have no pixels`, { op: 'resize', shapes: [source.shape] })
    if (interpolation === 'nearest') return gather(gather(source, nearest(height, rows), 1), nearest(width, columns), 2)
    const along = (from: number, to: number): Tensor =>
      tensor(shares(from, to, interpolation, alignCorners), { shape: [to, from], dtype: source.dtype, device: source.device })
    const high = matMul(along(height, rows), reshape(source, [n, height, width * channels]))
    const wide = matMul(along(width, columns), reshape(high, [n * rows, width, channels]))
    return reshape(wide, [n, rows, columns, channels])
  },
)

methods({ resize })

declare module '../core/tensor.js' {
  interface TensorMethods {
    resize: Method<typeof resize>
  }
}
