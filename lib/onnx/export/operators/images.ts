// Convolutions and pools: images are NHWC here and NCHW there, kernels HWIO here and OIHW there. Kernels are transposed
// at export; images stay NCHW from one of these operators to the next.
import path from 'node:path'
import { Variable } from '../../../core/tensor.js'
import { transpose } from '../../../ops/index.js'
import { samePadding, span } from '../../../ops/window.js'
import type { Emitter } from '../emitter.js'
import { combined, fixedExtent, type Extent } from '../extent.js'
import type { Attribute } from '../nodes.js'
import { attrAt, type SymbolicCall, type Value } from '../probe.js'
import { Unsupported } from '../unsupported.js'
import { activated, attribute, onlyFirst, type Operator, type Operators } from './operator.js'

export const NCHW: readonly number[] = [0, 3, 1, 2]
export const OIHW: readonly number[] = [3, 2, 0, 1]

type Attributes = Record<string, Attribute>

/**
 * The padding [top, bottom, left, right] as attributes. One that varies with the image is that of 'same', which ONNX
 * computes by itself.
 */
function paddingOf(call: SymbolicCall, x: Value, windows: readonly number[], strides: readonly number[]): Attributes {
  const paddings = attrAt<readonly number[]>(call, 'padding')
  const [first] = paddings as [readonly number[]]
  if (paddings.every((padding) => padding.join() === first.join())) {
    const [top, bottom, left, right] = first as [number, number, number, number]
    return first.every((n) => n === 0) ? {} : { pads: { ints: [top, left, bottom, right] } }
  }
  paddings.forEach((padding, i) => {
    const same = [0, 1].flatMap((axis) => samePadding(x.extents[axis + 1]![i]!, windows[axis]!, strides[axis]!))
    if (same.join() !== padding.join()) throw new Unsupported('padding that varies with the image')
  })
  return { auto_pad: { text: 'SAME_UPPER' } }
}

function kernelOf(k: Value, emitter: Emitter): string {
  return emitter.constant(k) ? emitter.reformed(k, 'OIHW', (t) => transpose(t, OIHW)) : emitter.ordered(k, OIHW)
}

function convolved(call: SymbolicCall, emitter: Emitter): string {
  const [x, k, b] = call.inputs
  return convolution(call, [emitter.ordered(x!, NCHW), kernelOf(k!, emitter), ...(b ? [emitter.natural(b)] : [])], emitter)
}

/** The convolution of a call on its operands, written already. */
export function convolution(call: SymbolicCall, operands: readonly string[], emitter: Emitter): string {
  const [x, k] = call.inputs
  const strides = attribute<readonly number[]>(call, 'strides')
  const dilations = attribute<readonly number[]>(call, 'dilations')
  const extents = k!.extents.slice(0, 2).map((extent) => fixedExtent(extent))
  if (extents.includes(undefined)) throw new Unsupported('a kernel whose size varies')
  const kernel = extents as number[]
  const windows = kernel.map((extent, axis) => span(extent, dilations[axis]!))
  const attributes = {
    kernel_shape: { ints: kernel },
    strides: { ints: strides },
    dilations: { ints: dilations },
    group: { int: attribute<number>(call, 'groups') },
    ...paddingOf(call, x!, windows, strides),
  }
  // a convolution that was fused with a pool is known by its own layer
  const [weight] = k!.leaves ?? []
  if (weight instanceof Variable && weight.name.includes('/')) emitter.nodes.layer = path.posix.dirname(weight.name)
  return emitter.nodes.add('Conv', operands, attributes)
}

const image = (emitter: Emitter, out: Value, name: string): void => emitter.define(out, name, { base: out.extents, order: NCHW })

function pooled(op: string, name: string, call: SymbolicCall, emitter: Emitter, rest: Attributes = {}): string {
  const poolSize = attribute<readonly number[]>(call, 'poolSize')
  const strides = attribute<readonly number[]>(call, 'strides')
  const padding = paddingOf(call, call.inputs[0]!, poolSize, strides)
  return emitter.nodes.add(op, [name], { kernel_shape: { ints: poolSize }, strides: { ints: strides }, ...padding, ...rest })
}

/** The transposed convolution, which is the gradient of a convolution with regard to its image. */
const conv2dTranspose: Operator = (call, emitter) => {
  const [g, k] = call.inputs
  const [out] = call.outputs
  const strides = attribute<readonly number[]>(call, 'strides')
  const dilations = attribute<readonly number[]>(call, 'dilations')
  const [top, bottom, left, right] = attribute<readonly number[]>(call, 'padding') as [number, number, number, number]
  const kernel = k!.extents.slice(0, 2).map((extent) => fixedExtent(extent)!)
  const windows = kernel.map((extent, axis) => span(extent, dilations[axis]!))
  const padding = [top + bottom, left + right]
  const extra = [0, 1].map((axis) => {
    const [from, to] = [g!.extents[axis + 1]!, out!.extents[axis + 1]!]
    const rest: Extent = combined([from, to], ([n, m]) => m! - (strides[axis]! * (n! - 1) + windows[axis]! - padding[axis]!))
    const fixed = fixedExtent(rest)
    if (fixed === undefined || fixed < 0) throw new Unsupported('a transposed convolution whose padding varies with the image')
    return fixed
  })
  const made = emitter.nodes.add('ConvTranspose', [emitter.ordered(g!, NCHW), kernelOf(k!, emitter)], {
    kernel_shape: { ints: kernel },
    strides: { ints: strides },
    dilations: { ints: dilations },
    group: { int: attribute<number>(call, 'groups') },
    pads: { ints: [top, left, bottom, right] },
    output_padding: { ints: extra },
  })
  image(emitter, out!, made)
}

export const images: Operators = {
  conv2d: (call, emitter) => image(emitter, call.outputs[0]!, convolved(call, emitter)),
  conv2dBias: (call, emitter) =>
    image(emitter, call.outputs[0]!, activated(convolved(call, emitter), attribute<string>(call, 'activation'), emitter)),
  conv2dReluPool: (call, emitter) => {
    onlyFirst(call, emitter)
    const poolSize = attribute<readonly number[]>(call, 'poolSize')
    const relu = emitter.nodes.add('Relu', [convolved(call, emitter)])
    emitter.nodes.layer = call.layer
    image(
      emitter,
      call.outputs[0]!,
      emitter.nodes.add('MaxPool', [relu], { kernel_shape: { ints: poolSize }, strides: { ints: poolSize } }),
    )
  },
  conv2dInputGrad: conv2dTranspose,
  maxPool2d: (call, emitter) => {
    onlyFirst(call, emitter)
    image(emitter, call.outputs[0]!, pooled('MaxPool', emitter.ordered(call.inputs[0]!, NCHW), call, emitter))
  },
  averagePool2d: (call, emitter) => {
    const attributes = { count_include_pad: { int: 0 } }
    image(emitter, call.outputs[0]!, pooled('AveragePool', emitter.ordered(call.inputs[0]!, NCHW), call, emitter, attributes))
  },
}
