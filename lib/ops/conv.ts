// Convolution kernels: the forward product, and its two gradients, which are each other's gradients too. Images NHWC, kernels HWIO.
import { apply, applyOne } from '../core/apply.js'
import { type Attrs, type Op, registerOp, type Spec } from '../core/op.js'
import type { Tensor } from '../core/tensor.js'
import type { FusedActivation } from './dense.js'
import { maxPool2dGrad } from './pool.js'
import { activationGrad } from './raw.js'
import { sum } from './reduce.js'
import { span, windowCounts } from './window.js'

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

/** (x, k, b) → max pooling of relu(convolution + b), and where each maximum lies in its window: the convolution itself is never stored. */
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
