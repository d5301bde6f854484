// Products of 8-bit integers, summed exactly in int32: dense and convolution. Weights have no zero point.
// Tested in test/ops/quantized.test.ts.
import { applyOne } from '../core/apply.js'
import { unknownName, WeftError } from '../core/error.js'
import { type Attrs, type Op, registerOp } from '../core/op.js'
import { checkOptions, type OptionTable, show } from '../core/options.js'
import { type Spec, sizeOf } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { FUSED_ACTIVATIONS, type FusedActivation } from './dense.js'
import { checkRank, integerOf, operands } from './operands.js'
import { pad } from './pad.js'
import { scaleNumber, zeroPointNumber } from './quantized_checks.js'
import { reshape } from './reshape.js'
import { transpose } from './transpose.js'
import { type Padding, type Pair, paddingOf, pairOf, span, windowCounts } from './window.js'

/** How uint8 values stand for floats: (q - zeroPoint) · scale. */
export interface QuantizedRange {
  /** A positive float32. */
  scale: number
  /** An integer from 0 to 255. */
  zeroPoint: number
}
const RANGE: OptionTable<QuantizedRange> = { scale: 'any', zeroPoint: 'any' }

/** A scale of 0 stands for none: a dynamic input, a float output. */
type ProductAttrs = Attrs & {
  readonly inputScale: number
  readonly inputZeroPoint: number
  readonly outputScale: number
  readonly outputZeroPoint: number
  readonly activation: FusedActivation
}
type DenseAttrs = ProductAttrs & { readonly units: number }
type ConvAttrs = ProductAttrs & {
  readonly strides: readonly number[]
  readonly padding: readonly number[]
  readonly dilations: readonly number[]
  readonly groups: number
}

const resultType = ({ outputScale }: ProductAttrs): Spec['dtype'] => (outputScale > 0 ? 'uint8' : 'float32')

/** (x [m, k], w, scale, bias?) → [m, n] */
export const Int8Dense: Op<DenseAttrs> = registerOp<DenseAttrs>({
  name: 'int8Dense',
  noGradient: true,
  shape: ([x], attrs) => [{ shape: [x!.shape[0]!, attrs.units], dtype: resultType(attrs) }],
})

/** (x [n, h, w, c], w, scale, bias?) → [n, oh, ow, o] */
export const Int8Conv2d: Op<ConvAttrs> = registerOp<ConvAttrs>({
  name: 'int8Conv2d',
  noGradient: true,
  shape: ([x, w], attrs) => {
    const [kh, kw, , o] = w!.shape as [number, number, number, number]
    const windows = [span(kh, attrs.dilations[0]!), span(kw, attrs.dilations[1]!)]
    const counts = windowCounts('int8Conv2d', x!.shape.slice(1, 3), [kh, kw], windows, attrs.strides, attrs.padding)
    return [{ shape: [x!.shape[0]!, ...counts, o], dtype: resultType(attrs) }]
  },
})

interface ProductOptions {
  /** Of the weights: float32 [n], or [1] for all columns. All of them above 0. */
  scale: TensorLike
  /** Added to the sums: float32 [n]. Default: none. */
  bias?: TensorLike
  /** Applied last. Default 'linear'. */
  activation?: FusedActivation
  /** The result as uint8 with this range. Default: the result is float32. */
  output?: QuantizedRange
}
export interface Int8DenseOptions extends ProductOptions {
  /**
   * The range of x; 'dynamic': each row of a float32 x gets a range of its own, from its smallest to its largest value.
   */
  input: QuantizedRange | 'dynamic'
  /** Columns of w. Needed where w is packed and `scale` has one value; otherwise they follow from w or `scale`. */
  n?: number
}
export interface Int8Conv2dOptions extends ProductOptions {
  /** The range of x. */
  input: QuantizedRange
  /** Default 1. */
  strides?: Pair
  /** Default 'valid'. */
  padding?: Padding
  /** Distance of the kernel's places in the input. Default 1. */
  dilations?: Pair
  /** Channels in and out are cut into this many groups that do not see each other. Default 1. */
  groups?: number
}
const DENSE: OptionTable<Int8DenseOptions> = { scale: 'any', bias: 'any', activation: 'any', output: 'any', input: 'any', n: 'any' }
const CONV: OptionTable<Int8Conv2dOptions> = {
  scale: 'any',
  bias: 'any',
  activation: 'any',
  output: 'any',
  input: 'any',
  strides: 'any',
  padding: 'any',
  dilations: 'any',
  groups: 'any',
}

/** Sums of so many products of a uint8 and an int8 fit into int32, whatever the values are. */
const MOST_PRODUCTS = Math.floor((2 ** 31 - 1) / (255 * 128))

function checkDepth(op: string, products: number): void {
  if (products > MOST_PRODUCTS)
    throw new WeftError('ERR_SHAPE', `${op}: sums of ${products} products do not fit into int32, which holds ${MOST_PRODUCTS}`, {
      op,
      hint: 'Keep this layer in float32, or split the weights along their inputs and add the results',
    })
}

function rangeOf(op: string, name: string, range: unknown): [number, number] {
  if (range === undefined)
    throw new WeftError('ERR_ARGUMENT', `${op}: ${name} is missing`, { op, hint: `Write ${name}: { scale: 0.05, zeroPoint: 128 }` })
  checkOptions(`${op}: ${name}`, range, RANGE)
  const { scale, zeroPoint } = range as QuantizedRange
  return [scaleNumber(op, `${name}.scale`, scale), zeroPointNumber(op, `${name}.zeroPoint`, zeroPoint, 'uint8')]
}

/** x, w, scale and bias of one device, with the dtypes they must have; and the attributes of both ops. */
function checked(op: string, x: TensorLike, w: TensorLike, options: Int8DenseOptions | Int8Conv2dOptions): [Tensor[], ProductAttrs] {
  if (options?.scale === undefined)
    throw new WeftError('ERR_ARGUMENT', `${op}: scale is missing`, { op, hint: 'It is that of the weights: float32 [n] or [1]' })
  const { scale, bias, activation = 'linear', input, output } = options
  if (!FUSED_ACTIVATIONS.includes(activation)) throw unknownName(`activation of ${op}`, activation, FUSED_ACTIVATIONS)
  // numbers and nested arrays are float32, as they are elsewhere
  const [values, weights, scales, ...rest] = [x, w, scale, ...(bias === undefined ? [] : [bias])].map((value) => operands(op, [value])[0]!)
  const all = [values!, weights!, scales!, ...rest]
  operands(op, all)
  const dtypes: [string, Tensor, readonly string[]][] = [
    ['x', values!, ['float32', 'uint8']],
    ['w', weights!, ['int8']],
    ['scale', scales!, ['float32']],
    ...rest.map((t): [string, Tensor, readonly string[]] => ['bias', t, ['float32']]),
  ]
  for (const [name, t, wanted] of dtypes)
    if (!wanted.includes(t.dtype))
      throw new WeftError('ERR_DTYPE', `${op}: ${name} must be ${wanted.join(' or ')}, got ${t.dtype}`, {
        op,
        ...(name === 'w' ? { hint: 'Make it with quantize(w, { scale, zeroPoint: 0, axis })' } : {}),
      })
  const dynamic = input === 'dynamic'
  if (dynamic && op === 'int8Conv2d')
    throw new WeftError('ERR_ARGUMENT', `${op}: input must be { scale, zeroPoint }, got 'dynamic'`, { op, hint: 'Only int8Dense has rows' })
  if (dynamic && values!.dtype === 'uint8')
    throw new WeftError('ERR_ARGUMENT', `${op}: x is uint8, so its range is known: input must be { scale, zeroPoint }, got 'dynamic'`, {
      op,
    })
  if (typeof input === 'string' && !dynamic)
    throw new WeftError(
      'ERR_ARGUMENT',
      `${op}: input must be { scale, zeroPoint }${op === 'int8Dense' ? " or 'dynamic'" : ''}, got ${show(input)}`,
      {
        op,
      },
    )
  const [inputScale, inputZeroPoint] = dynamic ? [0, 0] : rangeOf(op, 'input', input)
  const [outputScale, outputZeroPoint] = output === undefined ? [0, 0] : rangeOf(op, 'output', output)
  return [all, { inputScale, inputZeroPoint, outputScale, outputZeroPoint, activation }]
}

/** Scales and biases as the op takes them: [n] or [1], [n]. */
function columns(op: string, n: number, [scale, bias]: readonly Tensor[]): Tensor[] {
  if (scale!.rank > 1 || (scale!.size !== n && scale!.size !== 1) || (bias !== undefined && (bias.rank !== 1 || bias.size !== n)))
    throw new WeftError(
      'ERR_SHAPE',
      `${op}: scale [${scale!.shape}]${bias ? ` and bias [${bias.shape}]` : ''} do not fit ${n} columns: they are [${n}] or [1]${bias ? `, and [${n}]` : ''}`,
      { op, shapes: [scale!.shape, ...(bias ? [bias.shape] : [])] },
    )
  return [reshape(scale!, [scale!.size]), ...(bias ? [bias] : [])]
}

/** Columns of a panel of packed weights, and rows that lie together. */
const PANEL = 16
const QUAD = 4

/**
 * The weights w int8 [k, n] of int8Dense in the order that its kernels read: int8 [ceil(n / 16), ceil(k / 4), 16, 4].
 * Element (p, q, j, i) is w[4q + i, 16p + j], or 0 beyond w. The order is the same on every device, so a file may hold
 * it. ERR_DTYPE for another dtype, ERR_SHAPE for another rank.
 */
export const packInt8: (w: TensorLike) => Tensor = func('packInt8(w)', (w) => {
  const op = 'packInt8'
  const [weights] = operands(op, [w]) as [Tensor]
  if (weights.dtype !== 'int8') throw new WeftError('ERR_DTYPE', `${op}: w must be int8, got ${weights.dtype}`, { op })
  checkRank(op, 'w', weights, 2)
  const [k, n] = weights.shape as [number, number]
  const [panels, quads] = [Math.ceil(n / PANEL), Math.ceil(k / QUAD)]
  const whole = pad(weights, [
    [0, quads * QUAD - k],
    [0, panels * PANEL - n],
  ])
  return transpose(reshape(whole, [quads, QUAD, panels, PANEL]), [2, 0, 3, 1])
})

/**
 * Dense with weights of 8 bits: activation(x·w + bias) over the last axis.
 *
 * - x is float32 [..., k] or uint8 [..., k]. A float32 x becomes uint8 on the way in: by `input`, as `quantize` does
 *   it;
 *   where `input` is 'dynamic', each row by scale = (max - min) / 255 and zeroPoint = round(-min / scale), with min ≤ 0
 *   ≤ max. A row of zeros gives zeros, a row with a NaN or an infinity gives NaN.
 * - w is int8 [k, n], or the same packed by `packInt8`, which saves the time to arrange it.
 * - Sums are exact, in int32. The result is float32: sum · (input scale · scale[j]) + bias[j], then the activation.
 * - With `output` it is uint8. For 'linear' and 'relu': clamp(round(max?(sum · m + b)) + zeroPoint), with m = input
 *   scale
 *   · scale[j] / output scale and b = bias[j] / output scale, rounded after each operation. Otherwise as `quantize`.
 *
 * Results are equal on all devices, but for 'sigmoid' and 'tanh'. It has no gradient.
 * ERR_DTYPE for other dtypes; ERR_SHAPE for shapes that do not fit and for k above 65793, whose sums may not fit into
 * int32; ERR_ARGUMENT for ranges that are none.
 */
export const int8Dense: (x: TensorLike, w: TensorLike, options: Int8DenseOptions) => Tensor = func(
  'int8Dense(x, w, options)',
  DENSE,
  (x, w, options) => {
    const op = 'int8Dense'
    const [[values, weights, ...rest], attrs] = checked(op, x, w, options) as [[Tensor, Tensor, Tensor], ProductAttrs]
    const packed = weights.rank === 4
    const k = values.rank > 0 ? values.shape[values.rank - 1]! : -1
    const known = packed ? (rest[0].size > 1 ? rest[0].size : undefined) : weights.shape[1]
    const n = options.n === undefined ? known : integerOf(op, 'n', options.n, 0)
    if (n === undefined)
      throw new WeftError('ERR_ARGUMENT', `${op}: w is packed and scale has one value, so n is unknown`, {
        op,
        hint: 'Add n: the columns of w',
      })
    const expected = packed ? [Math.ceil(n / PANEL), Math.ceil(k / QUAD), PANEL, QUAD] : [k, n]
    if (k < 0 || String(weights.shape) !== String(expected))
      throw new WeftError(
        'ERR_SHAPE',
        `${op}: x [${values.shape}] and w [${weights.shape}] do not fit: they are [..., k] and [k, n], or w is packed by packInt8`,
        { op, shapes: [values.shape, weights.shape] },
      )
    checkDepth(op, k)
    const inputs = [weights, ...columns(op, n, rest)]
    const leading = values.shape.slice(0, -1)
    const rows = values.rank === 2 ? values : reshape(values, [sizeOf(leading), k])
    const result = applyOne(Int8Dense, [rows, ...inputs], { ...attrs, units: n })
    return values.rank === 2 ? result : reshape(result, [...leading, n])
  },
)

/**
 * Convolution with weights of 8 bits: x float32 or uint8 [n, h, w, c] with w int8 [kh, kw, c / groups, o] →
 * activation(convolution + bias) [n, oh, ow, o], float32 or uint8. `padding` adds zeros, in uint8 the zero point of
 * `input`. Quantization, sums, results and errors are those of `int8Dense`; a sum has kh·kw·c / groups products.
 */
export const int8Conv2d: (x: TensorLike, w: TensorLike, options: Int8Conv2dOptions) => Tensor = func(
  'int8Conv2d(x, w, options)',
  CONV,
  (x, w, options) => {
    const op = 'int8Conv2d'
    const [[values, weights, ...rest], attrs] = checked(op, x, w, options) as [[Tensor, Tensor, Tensor], ProductAttrs]
    checkRank(op, 'x', values, 4, 'A batch of images is [n, h, w, channels]')
    checkRank(op, 'w', weights, 4)
    const strides = pairOf(op, 'strides', options.strides ?? 1)
    const dilations = pairOf(op, 'dilations', options.dilations ?? 1)
    const groups = integerOf(op, 'groups', options.groups ?? 1, 1)
    const [kh, kw, inside, out] = weights.shape as [number, number, number, number]
    if (inside * groups !== values.shape[3] || out % groups !== 0)
      throw new WeftError(
        'ERR_SHAPE',
        `${op}: x [${values.shape}] has ${values.shape[3]} channels, w [${weights.shape}] takes ${inside * groups} in ${groups} groups and makes ${out}`,
        { op, shapes: [values.shape, weights.shape] },
      )
    checkDepth(op, kh * kw * inside)
    const windows = [span(kh, dilations[0]), span(kw, dilations[1])]
    const padding = paddingOf(op, options.padding ?? 'valid', values.shape.slice(1, 3), windows, strides)
    const inputs = [values, weights, ...columns(op, out, rest)]
    return applyOne(Int8Conv2d, inputs, { ...attrs, strides, padding, dilations, groups })
  },
)
