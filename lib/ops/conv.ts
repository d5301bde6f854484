// Convolutions of images NHWC with kernels HWIO: the forward product and its two gradients, which are each other's
// gradients too; and the functions that users call, 1-d and 2-d, depthwise, transposed.
import { apply, applyOne } from '../core/apply.js'
import { unknownName, WeftError } from '../core/error.js'
import { type Attrs, type Op, registerOp } from '../core/op.js'
import { type OptionTable, show } from '../core/options.js'
import type { Spec } from '../core/spec.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { FusedActivation } from './dense.js'
import { checkRank, integerOf, sameFloats } from './operands.js'
import { maxPool2dGrad } from './pool.js'
import { activationGrad } from './raw.js'
import { sum } from './reduce.js'
import { reshape } from './reshape.js'
import { type Padding, type Pair, paddingOf, pairOf, samePadding, span, windowCounts } from './window.js'

export type ConvAttrs = Attrs & {
  readonly strides: readonly number[]
  /** [top, bottom, left, right] */
  readonly padding: readonly number[]
  readonly dilations: readonly number[]
  readonly groups: number
}
type ConvTo = ConvAttrs & { readonly shape: readonly number[] }
type ConvBias = ConvAttrs & { readonly activation: FusedActivation }
type ConvPool = ConvAttrs & { readonly poolSize: readonly number[] }

function convolved([x, k]: readonly Spec[], { strides, padding, dilations }: ConvAttrs): Spec {
  const [kh, kw] = k!.shape as [number, number]
  const windows = [span(kh, dilations[0]!), span(kw, dilations[1]!)]
  const counts = windowCounts('conv2d', x!.shape.slice(1, 3), [kh, kw], windows, strides, padding)
  return { shape: [x!.shape[0]!, ...counts, k!.shape[3]!], dtype: x!.dtype }
}

function geometry({ strides, padding, dilations, groups }: ConvAttrs): ConvAttrs {
  return { strides, padding, dilations, groups }
}

function described([x]: readonly Spec[], { shape }: ConvTo): Spec[] {
  return [{ shape, dtype: x!.dtype }]
}

export const Conv2d: Op<ConvAttrs> = registerOp<ConvAttrs>({
  name: 'conv2d',
  shape: (inputs, attrs) => [convolved(inputs, attrs)],
  grad: ([g], { inputs: [x, k], attrs }) => [inputGrad(g!, k!, x!, attrs), kernelGrad(x!, g!, k!, attrs)],
})

/** (g, k) → gradient of the images; on its own the transposed convolution. */
export const Conv2dInputGrad: Op<ConvTo> = registerOp<ConvTo>({
  name: 'conv2dInputGrad',
  shape: described,
  grad: ([u], { inputs: [g, k], attrs }) => [applyOne(Conv2d, [u!, k!], geometry(attrs)), kernelGrad(u!, g!, k!, attrs)],
})

/** (x, g) → gradient of the kernel. */
export const Conv2dKernelGrad: Op<ConvTo> = registerOp<ConvTo>({
  name: 'conv2dKernelGrad',
  shape: described,
  grad: ([u], { inputs: [x, g], attrs }) => [inputGrad(g!, u!, x!, attrs), applyOne(Conv2d, [x!, u!], geometry(attrs))],
})

function inputGrad(g: Tensor, k: Tensor, like: Spec, attrs: ConvAttrs): Tensor {
  return applyOne(Conv2dInputGrad, [g, k], { ...geometry(attrs), shape: like.shape })
}

function kernelGrad(x: Tensor, g: Tensor, like: Spec, attrs: ConvAttrs): Tensor {
  return applyOne(Conv2dKernelGrad, [x, g], { ...geometry(attrs), shape: like.shape })
}

/** (x, k, b) → activation(convolution + b). */
export const Conv2dBias: Op<ConvBias> = registerOp<ConvBias>({
  name: 'conv2dBias',
  shape: (inputs, attrs) => [convolved(inputs, attrs)],
  grad: ([g], { inputs: [x, k], outputs: [y], attrs }) => {
    const inner = activationGrad(attrs.activation, g!, y!)
    return [inputGrad(inner, k!, x!, attrs), kernelGrad(x!, inner, k!, attrs), sum(inner, [0, 1, 2])]
  },
})

/**
 * (x, k, b) → max pooling of relu(convolution + b), and where each maximum lies in its window: the convolution itself
 * is never stored.
 */
export const Conv2dReluPool: Op<ConvPool> = registerOp<ConvPool>({
  name: 'conv2dReluPool',
  shape: (inputs, attrs) => {
    const { shape, dtype } = convolved(inputs, attrs)
    const pooled = [shape[0]!, Math.floor(shape[1]! / attrs.poolSize[0]!), Math.floor(shape[2]! / attrs.poolSize[1]!), shape[3]!]
    return [
      { shape: pooled, dtype },
      { shape: pooled, dtype: 'uint8' },
    ]
  },
  grad: ([g], { inputs: [x, k], outputs: [pooled, index], attrs }) => apply(Conv2dReluPoolGrad, [x!, k!, pooled!, index!, g!], attrs),
})

/** (x, k, pooled, index, g) → gradients of x, k and b. */
export const Conv2dReluPoolGrad: Op<ConvPool> = registerOp<ConvPool>({
  name: 'conv2dReluPoolGrad',
  shape: ([x, k]) => [x!, k!, { shape: [k!.shape[3]!], dtype: k!.dtype }].map(({ shape, dtype }) => ({ shape, dtype })),
  compose: ([x, k, pooled, index, g], attrs) => {
    const { shape } = convolved([x!, k!], attrs)
    const inner = maxPool2dGrad(activationGrad('relu', g!, pooled!), index!, shape, {
      poolSize: attrs.poolSize,
      strides: attrs.poolSize,
      padding: [0, 0, 0, 0],
    })
    return [inputGrad(inner, k!, x!, attrs), kernelGrad(x!, inner, k!, attrs), sum(inner, [0, 1, 2])]
  },
})

export interface Conv2dOptions {
  /** Default 1. */
  strides?: Pair
  /** Default 'valid'. */
  padding?: Padding
  /** Distance of the kernel's places in the input. Default 1. */
  dilations?: Pair
  /** Channels in and out are cut into this many groups that do not see each other. Default 1. */
  groups?: number
}

const CONV_OPTIONS: OptionTable<Conv2dOptions> = { strides: 'any', padding: 'any', dilations: 'any', groups: 'any' }
const DEPTHWISE_OPTIONS: OptionTable<DepthwiseOptions> = { strides: 'any', padding: 'any', dilations: 'any' }
const TRANSPOSE_OPTIONS: OptionTable<ConvTransposeOptions> = { strides: 'any', padding: 'any', dilations: 'any', outputPadding: 'any' }

const BATCH_HINT =
  'A batch of images is [n, h, w, channels]: use expandDims(0) for one image, expandDims(-1) where the channels are missing'

function images(op: string, x: TensorLike, kernel: TensorLike): [Tensor, Tensor] {
  const [input, weights] = sameFloats(op, [x, kernel]) as [Tensor, Tensor]
  checkRank(op, 'x', input, 4, input.rank === 3 || input.rank === 2 ? BATCH_HINT : undefined)
  checkRank(op, 'kernel', weights, 4)
  return [input, weights]
}

/**
 * Convolution (cross-correlation) of images x [n, h, w, c] with a kernel [kh, kw, c / groups, out] → [n, oh, ow, out].
 * ERR_SHAPE when channels do not fit or the kernel is larger than the padded input; ERR_DTYPE for mixed dtypes.
 */
export const conv2d: (x: TensorLike, kernel: TensorLike, options?: Conv2dOptions) => Tensor = func(
  'conv2d(x, kernel, options)',
  CONV_OPTIONS,
  (x, kernel, options = {}) => {
    const [input, weights] = images('conv2d', x, kernel)
    const strides = pairOf('conv2d', 'strides', options.strides ?? 1)
    const dilations = pairOf('conv2d', 'dilations', options.dilations ?? 1)
    const groups = integerOf('conv2d', 'groups', options.groups ?? 1, 1)
    const [kh, kw, inside, out] = weights.shape as [number, number, number, number]
    if (inside * groups !== input.shape[3] || out % groups !== 0) {
      const grouped = groups === 1 ? '' : ` in ${groups} groups`
      throw new WeftError(
        'ERR_SHAPE',
        `conv2d: x [${input.shape}] has ${input.shape[3]} channels, the kernel [${weights.shape}] takes ${inside * groups}${grouped} and makes ${out}`,
        {
          op: 'conv2d',
          shapes: [input.shape, weights.shape],
          ...(input.shape[1] === inside ? { hint: 'Images are channels last: use transpose([0, 2, 3, 1])' } : {}),
        },
      )
    }
    const padding = paddingOf(
      'conv2d',
      options.padding ?? 'valid',
      input.shape.slice(1, 3),
      [span(kh, dilations[0]), span(kw, dilations[1])],
      strides,
    )
    return applyOne(Conv2d, [input, weights], { strides, padding, dilations, groups })
  },
)

export interface Conv1dOptions {
  /** Default 1. */
  strides?: number
  /** 'causal': all padding before, so that no step sees a later one; or [before, after]. Default 'valid'. */
  padding?: 'valid' | 'same' | 'causal' | readonly [number, number]
  /** Distance of the kernel's places in the input. Default 1. */
  dilations?: number
  /** Channels in and out are cut into this many independent groups. Default 1. */
  groups?: number
}

/** Convolution of sequences x [n, steps, c] with a kernel [k, c / groups, out] → [n, steps', out]. */
export const conv1d: (x: TensorLike, kernel: TensorLike, options?: Conv1dOptions) => Tensor = func(
  'conv1d(x, kernel, options)',
  CONV_OPTIONS,
  (x, kernel, options = {}) => {
    const [input, weights] = sameFloats('conv1d', [x, kernel]) as [Tensor, Tensor]
    checkRank('conv1d', 'x', input, 3, 'A batch of sequences is [n, steps, channels]')
    checkRank('conv1d', 'kernel', weights, 3)
    const strides = integerOf('conv1d', 'strides', options.strides ?? 1, 1)
    const dilations = integerOf('conv1d', 'dilations', options.dilations ?? 1, 1)
    const { padding = 'valid', groups = 1 } = options
    const [n, steps, channels] = input.shape as [number, number, number]
    const [k, inside, out] = weights.shape as [number, number, number]
    let sides: Padding
    if (padding === 'causal') sides = [0, 0, span(k, dilations) - 1, 0]
    else if (typeof padding === 'string') {
      if (padding !== 'valid' && padding !== 'same') throw unknownName('padding of conv1d', padding, ['valid', 'same', 'causal'])
      sides = padding
    } else sides = [0, 0, ...padding]
    const result = conv2d(reshape(input, [n, 1, steps, channels]), reshape(weights, [1, k, inside, out]), {
      strides: [1, strides],
      dilations: [1, dilations],
      padding: sides,
      groups,
    })
    return reshape(result, [n, result.shape[2]!, out])
  },
)

export type DepthwiseOptions = Omit<Conv2dOptions, 'groups'>

/**
 * Each channel convolved by itself: x [n, h, w, c], kernel [kh, kw, c, m] → [n, oh, ow, c·m], channel c's results side
 * by side.
 */
export const depthwiseConv2d: (x: TensorLike, kernel: TensorLike, options?: DepthwiseOptions) => Tensor = func(
  'depthwiseConv2d(x, kernel, options)',
  DEPTHWISE_OPTIONS,
  (x, kernel, options = {}) => {
    const [input, weights] = images('depthwiseConv2d', x, kernel)
    const [kh, kw, channels, multiplier] = weights.shape as [number, number, number, number]
    if (channels !== input.shape[3]) {
      throw new WeftError(
        'ERR_SHAPE',
        `depthwiseConv2d: x [${input.shape}] has ${input.shape[3]} channels, the kernel [${weights.shape}] has ${channels}`,
        {
          op: 'depthwiseConv2d',
          shapes: [input.shape, weights.shape],
        },
      )
    }
    return conv2d(input, reshape(weights, [kh, kw, 1, channels * multiplier]), { ...options, groups: Math.max(channels, 1) })
  },
)

export interface ConvTransposeOptions {
  /** Default 1. */
  strides?: Pair
  /** Of the convolution whose transpose this is. Default 'valid'. */
  padding?: 'valid' | 'same'
  /** Distance of the kernel's places in the result. Default 1. */
  dilations?: Pair
  /** Places added at the end of the result, where several sizes fit. Default: as Keras. */
  outputPadding?: Pair
}

/** The extent of a transposed convolution's result, as Keras 3. */
function transposedExtent(extent: number, window: number, stride: number, same: boolean, extra: number | undefined): number {
  if (same) return extra === undefined ? extent * stride : (extent - 1) * stride + (window % 2) + extra
  return (extent - 1) * stride + window + (extra ?? Math.max(stride - window, 0))
}

/**
 * Transposed convolution: x [n, h, w, in], kernel [kh, kw, out, in] (Keras' order) → [n, H, W, out], the gradient of
 * the convolution that makes x of it.
 */
export const conv2dTranspose: (x: TensorLike, kernel: TensorLike, options?: ConvTransposeOptions) => Tensor = func(
  'conv2dTranspose(x, kernel, options)',
  TRANSPOSE_OPTIONS,
  (x, kernel, options = {}) => {
    const op = 'conv2dTranspose'
    const [input, weights] = images(op, x, kernel)
    const { padding: mode = 'valid' } = options
    if (mode !== 'valid' && mode !== 'same') throw unknownName(`padding of ${op}`, mode, ['valid', 'same'])
    const [kh, kw, out, channels] = weights.shape as [number, number, number, number]
    if (channels !== input.shape[3]) {
      throw new WeftError(
        'ERR_SHAPE',
        `${op}: x [${input.shape}] has ${input.shape[3]} channels, the kernel [${weights.shape}] takes ${channels}`,
        {
          op,
          shapes: [input.shape, weights.shape],
          hint: 'The kernel is [kh, kw, out, in]',
        },
      )
    }
    const strides = pairOf(op, 'strides', options.strides ?? 1)
    const dilations = pairOf(op, 'dilations', options.dilations ?? 1)
    const extra = options.outputPadding === undefined ? undefined : pairOf(op, 'outputPadding', options.outputPadding, 0)
    const windows = [span(kh, dilations[0]), span(kw, dilations[1])]
    const extents = [0, 1].map((axis) =>
      transposedExtent(input.shape[axis + 1]!, windows[axis]!, strides[axis]!, mode === 'same', extra?.[axis]),
    )
    const padding = mode === 'valid' ? [0, 0, 0, 0] : [0, 1].flatMap((axis) => samePadding(extents[axis]!, windows[axis]!, strides[axis]!))
    const back = [0, 1].map(
      (axis) => Math.floor((extents[axis]! + padding[2 * axis]! + padding[2 * axis + 1]! - windows[axis]!) / strides[axis]!) + 1,
    )
    if (back[0] !== input.shape[1] || back[1] !== input.shape[2]) {
      throw new WeftError(
        'ERR_ARGUMENT',
        `${op}: outputPadding ${show(options.outputPadding)} does not fit strides [${strides}]: it must be smaller`,
        { op },
      )
    }
    return applyOne(Conv2dInputGrad, [input, weights], {
      strides,
      padding,
      dilations,
      groups: 1,
      shape: [input.shape[0]!, ...extents, out],
    })
  },
)

methods({ conv2d, conv1d, depthwiseConv2d, conv2dTranspose })

declare module '../core/tensor.js' {
  interface TensorMethods {
    conv2d: Method<typeof conv2d>
    conv1d: Method<typeof conv1d>
    depthwiseConv2d: Method<typeof depthwiseConv2d>
    conv2dTranspose: Method<typeof conv2dTranspose>
  }
}
