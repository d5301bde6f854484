// Quantized values: floats kept as integers of 8 bits with a scale and a zero point. Products of such values, and
// weights of 4 and 8 bits in groups, stand in files of their own.
import { applyOne } from '../core/apply.js'
import { asTensor } from '../core/create.js'
import { unknownName, WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import type { DType, Spec } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { cast } from './cast.js'
import { axisOf, operands } from './operands.js'
import { scaleNumber, zeroPointNumber } from './quantized_checks.js'

type QuantizeAttrs = { readonly axis: number; readonly dtype: DType }

export const Quantize: Op<QuantizeAttrs> = registerOp<QuantizeAttrs>({
  name: 'quantize',
  noGradient: true,
  shape: ([x], { dtype }) => [{ shape: x!.shape, dtype }],
})

export const Dequantize: Op<{ readonly axis: number }> = registerOp<{ readonly axis: number }>({
  name: 'dequantize',
  noGradient: true,
  shape: ([q]) => [{ shape: q!.shape, dtype: 'float32' }],
})

export interface DequantizeOptions {
  /** How large a step of the integers is: a positive number, or one for each place along `axis`, float32 [c]. */
  scale: number | TensorLike
  /** The integer that stands for 0: a number, or one for each place along `axis`, integers [c]. */
  zeroPoint: number | TensorLike
  /** The axis that scales and zero points belong to where there are several of them. Default: the last one. */
  axis?: number
}
export interface QuantizeOptions extends DequantizeOptions {
  /** Default 'int8'. */
  dtype?: 'int8' | 'uint8'
}
const DEQUANTIZE: OptionTable<DequantizeOptions> = { scale: 'any', zeroPoint: 'any', axis: 'any' }
const QUANTIZE: OptionTable<QuantizeOptions> = { ...DEQUANTIZE, dtype: 'any' }

/** Scale and zero point as tensors [1] or [c], and the axis they belong to. */
function parameters(op: string, x: Tensor, dtype: DType, { scale, zeroPoint, axis = -1 }: DequantizeOptions): [Tensor, Tensor, number] {
  if (scale === undefined || zeroPoint === undefined)
    throw new WeftError('ERR_ARGUMENT', `${op}: ${scale === undefined ? 'scale' : 'zeroPoint'} is missing`, {
      op,
      hint: `Write ${op}(x, { scale: 0.05, zeroPoint: 0 })`,
    })
  const steps = typeof scale === 'number' ? asTensor([scaleNumber(op, 'scale', scale)]) : operands(op, [scale])[0]!
  if (typeof zeroPoint === 'number') {
    if (dtype === 'int8' || dtype === 'uint8') zeroPointNumber(op, 'zeroPoint', zeroPoint, dtype)
    else if (!Number.isInteger(zeroPoint))
      throw new WeftError('ERR_ARGUMENT', `${op}: zeroPoint must be an integer, got ${zeroPoint}`, { op })
  }
  const given = typeof zeroPoint === 'number' ? [zeroPoint] : zeroPoint
  let zeros = given instanceof Tensor ? given : asTensor(given, { shape: [1], dtype: 'int32' } as Spec)
  if (steps.dtype !== 'float32') throw new WeftError('ERR_DTYPE', `${op}: scale must be float32, got ${steps.dtype}`, { op })
  if (given instanceof Tensor && !['int8', 'uint8', 'int32'].includes(given.dtype))
    throw new WeftError('ERR_DTYPE', `${op}: zeroPoint must be integers, got ${given.dtype}`, { op, hint: "Use cast('int32')" })
  zeros = cast(zeros, 'int32')
  const along = x.rank === 0 ? 0 : axisOf(op, axis, x.rank)
  const count = x.rank === 0 ? 1 : x.shape[along]!
  for (const [name, t] of [
    ['scale', steps],
    ['zeroPoint', zeros],
  ] as const) {
    if (t.rank > 1 || (t.size !== 1 && t.size !== count))
      throw new WeftError(
        'ERR_SHAPE',
        `${op}: ${name} [${t.shape}] is neither one number nor one for each of the ${count} along axis ${along}`,
        {
          op,
          shapes: [x.shape, t.shape],
        },
      )
  }
  if (x.device !== steps.device || x.device !== zeros.device) operands(op, [x, steps, zeros])
  return [steps, zeros, along]
}

/**
 * clamp(roundHalfEven(x / scale) + zeroPoint) as int8 (default) or uint8: x float32 of any shape. Values beyond the
 * dtype's limits, infinities among them, become the limit, and NaN becomes the zero point. The quotient is a float32.
 * The formula is that of ONNX' QuantizeLinear. It has no gradient.
 * ERR_DTYPE unless x is float32; ERR_SHAPE for scales that do not fit the axis; ERR_ARGUMENT for a scale that is not
 * above 0 and a zero point that the dtype does not hold.
 */
export const quantize: (x: TensorLike, options: QuantizeOptions) => Tensor = func('quantize(x, options)', QUANTIZE, (x, options) => {
  const op = 'quantize'
  const dtype = options?.dtype ?? 'int8'
  if (dtype !== 'int8' && dtype !== 'uint8') throw unknownName(`dtype of ${op}`, dtype, ['int8', 'uint8'])
  const [values] = operands(op, [x]) as [Tensor]
  if (values.dtype !== 'float32')
    throw new WeftError('ERR_DTYPE', `${op}: x must be float32, got ${values.dtype}`, { op, hint: "Use cast('float32')" })
  const [scale, zeroPoint, axis] = parameters(op, values, dtype, options ?? {})
  return applyOne(Quantize, [values, scale, zeroPoint], { axis, dtype })
})

/**
 * (q - zeroPoint) · scale as float32: q int8, uint8 or int32 of any shape. The formula is that of ONNX'
 * DequantizeLinear. ERR_DTYPE for another dtype; ERR_SHAPE and ERR_ARGUMENT as `quantize`.
 */
export const dequantize: (q: TensorLike, options: DequantizeOptions) => Tensor = func(
  'dequantize(q, options)',
  DEQUANTIZE,
  (q, options) => {
    const op = 'dequantize'
    const [values] = operands(op, [q]) as [Tensor]
    if (!['int8', 'uint8', 'int32'].includes(values.dtype))
      throw new WeftError('ERR_DTYPE', `${op}: q must be int8, uint8 or int32, got ${values.dtype}`, { op })
    const [scale, zeroPoint, axis] = parameters(op, values, values.dtype, options ?? {})
    return applyOne(Dequantize, [values, scale, zeroPoint], { axis })
  },
)

export {
  int8Conv2d,
  type Int8Conv2dOptions,
  int8Dense,
  type Int8DenseOptions,
  packInt8,
  type QuantizedRange,
} from './quantized_products.js'
export { groupedDense, type GroupedDenseOptions, packInt4, unpackInt4, type UnpackInt4Options } from './quantized_groups.js'
