// Convolutions and transposed convolutions over one, two or three axes of space.
import { applyOne } from '../../core/apply.js'
import type { Tensor } from '../../core/tensor.js'
import { Conv2dInputGrad } from '../../ops/conv.js'
import * as ops from '../../ops/index.js'
import type { Call, OperatorTable } from './operator.js'
import { affineWeights, throughLinear } from './affine.js'
import { type Affine, KernelValue, kernelOf, Value } from './values.js'
import { countsOf, sides, spanOf, type Windows, windowsOf } from './windows.js'

/** Sequences [n, w, c] as images of height 1, and back. */
const asImages = (x: Tensor): Tensor => ops.reshape(x, [x.shape[0]!, 1, x.shape[1]!, x.shape[2]!])
const asSequences = (x: Tensor): Tensor => ops.reshape(x, [x.shape[0]!, x.shape[2]!, x.shape[3]!])

const flat: Windows = { kernel: [1], strides: [1], dilations: [1], before: [0], after: [0] }
const joined = (a: Windows, b: Windows): Windows => ({
  kernel: [...a.kernel, ...b.kernel],
  strides: [...a.strides, ...b.strides],
  dilations: [...a.dilations, ...b.dilations],
  before: [...a.before, ...b.before],
  after: [...a.after, ...b.after],
})
const part = (w: Windows, from: number): Windows => ({
  kernel: w.kernel.slice(from),
  strides: w.strides.slice(from),
  dilations: w.dilations.slice(from),
  before: w.before.slice(from),
  after: w.after.slice(from),
})

/** x [n, ...space, c] with a kernel [...space, c / groups, out]. */
export function convolve(x: Tensor, kernel: Tensor, windows: Windows, groups: number): Tensor {
  if (x.rank === 3) return asSequences(convolve(asImages(x), ops.expandDims(kernel, 0), joined(flat, windows), groups))
  if (x.rank === 4) {
    const { strides, dilations, before, after } = windows
    return ops.conv2d(x, kernel, { strides, dilations, padding: sides(before, after), groups })
  }
  // a volume is the sum of images, one for each depth of the kernel
  const { strides, dilations, before, after } = windows
  const padded = ops.pad(
    x,
    x.shape.map((_, axis): [number, number] => (axis === 1 ? [before[0]!, after[0]!] : [0, 0])),
  )
  const [depth] = countsOf(windows, x.shape.slice(1, -1))
  const [n, , h, w, c] = x.shape as [number, number, number, number, number]
  const slices = Array.from({ length: kernel.shape[0]! }, (_, z) => {
    const taken = ops.slice(padded, [0, z * dilations[0]!], [-1, depth!], [1, strides[0]!])
    const plane = ops.reshape(ops.slice(kernel, [z], [1]), kernel.shape.slice(1))
    return convolve(ops.reshape(taken, [n * depth!, h, w, c]), plane, part(windows, 1), groups)
  })
  const total = slices.reduce((a, b) => ops.add(a, b))
  return ops.reshape(total, [n, depth!, ...total.shape.slice(1)])
}

function conv(call: Call): Value {
  const x = call.value(0)
  const remember = call.remember([1, 2])
  const given = call.value(1)
  // a kernel that was computed from weights is turned once, as what is made of it later is
  const kernel = remember && !(given instanceof KernelValue) ? remember('kernel', () => kernelOf(given)) : kernelOf(given)
  checkRanks(call, x, kernel)
  const space = x.shape.slice(2)
  const windows = windowsOf(call, kernel.shape.slice(0, -2), space)
  const groups = call.attributes.int('group', 1)
  const bias = call.has(2) ? call.tensor(2) : undefined
  const isPadded = [...windows.before, ...windows.after].some((n) => n > 0)
  const inner =
    x.linear && remember && isLarge(x.linear.factor)
      ? throughLinear(x.linear, kernel, bias, isPadded, remember)
      : { x: x.last, kernel, bias }
  return affineConv({ ...inner, windows, groups }, remember !== undefined, call.node.isReadOnce)
}

/** Whether quotients by a number keep their digits. */
const isLarge = (t: Tensor): boolean => Math.abs(new Value(t).numbers?.[0] ?? 0) > 1e-3

interface Convolution {
  readonly x: Tensor
  readonly kernel: Tensor
  readonly bias: Tensor | undefined
  readonly windows: Windows
  readonly groups: number
}

/**
 * A convolution whose kernel and bias take up what follows, where it has one reader. `isKept`: its weights stay the
 * same.
 */
function affineConv(given: Convolution, isKept: boolean, isReadOnce: boolean): Value {
  const { x, kernel, bias, windows, groups } = given
  const result = convolve(x, kernel, windows, groups)
  const y = bias === undefined ? result : ops.add(result, bias)
  if (!isReadOnce) return new Value(y, { isLast: true })
  const channels = kernel.shape.at(-1)!
  const apply: Affine['apply'] = (factor, shift, asker) => {
    const remember = isKept ? asker.remember : undefined
    const next = affineWeights(kernel, bias, { factor, shift, channels }, remember)
    return affineConv({ ...given, kernel: next.weights, bias: next.bias }, remember !== undefined, asker.isReadOnce)
  }
  return new Value(y, { isLast: true, affine: { axis: 1, channels, apply } })
}

export function checkRanks(call: Call, x: Value, kernel: Tensor): void {
  if (x.rank === 5) call.host(kernel.shape[0]!, 'planes of a kernel', 4096)
  if (x.rank < 3 || x.rank > 5 || kernel.rank !== x.rank)
    throw call.error(`x [${x.shape}] and a kernel of rank ${kernel.rank}: 1 to 3 axes of space are computed`, [x.shape])
}

/** The gradient of the convolution of `shape` [n, ...space, out] that makes x of it. */
function transposed(x: Tensor, kernel: Tensor, windows: Windows, groups: number, shape: readonly number[]): Tensor {
  if (x.rank === 3)
    return asSequences(
      transposed(asImages(x), ops.expandDims(kernel, 0), joined(flat, windows), groups, [shape[0]!, 1, shape[1]!, shape[2]!]),
    )
  const { strides, dilations, before, after } = windows
  if (x.rank === 4) return applyOne(Conv2dInputGrad, [x, kernel], { strides, dilations, padding: sides(before, after), groups, shape })
  const [n, depth, h, w, c] = x.shape as [number, number, number, number, number]
  const [stride, dilation] = [strides[0]!, dilations[0]!]
  const [first, last] = [before[0]!, after[0]!]
  const out = shape[1]! + first + last // planes before they are cut
  const images = ops.reshape(x, [n * depth, h, w, c])
  const planes = Array.from({ length: kernel.shape[0]! }, (_, z) => {
    const plane = ops.reshape(ops.slice(kernel, [z], [1]), kernel.shape.slice(1))
    const made = transposed(images, plane, part(windows, 1), groups, [n * depth, ...shape.slice(2)])
    // plane i of x goes to plane i·stride + z·dilation
    const spread = ops.reshape(made, [n, depth, 1, ...shape.slice(2)])
    const wide = ops.pad(
      spread,
      spread.shape.map((_, axis): [number, number] => (axis === 2 ? [0, stride - 1] : [0, 0])),
    )
    const rows = ops.reshape(wide, [n, depth * stride, ...shape.slice(2)])
    const from = z * dilation
    const fits = ops.slice(rows, [0], [-1, Math.min(depth * stride, out - from)])
    return ops.pad(
      fits,
      fits.shape.map((extent, axis): [number, number] => (axis === 1 ? [from, out - from - extent] : [0, 0])),
    )
  })
  return ops.slice(
    planes.reduce((a, b) => ops.add(a, b)),
    [0, first],
    [-1, shape[1]!],
  )
}

function convTranspose(call: Call): Value {
  const { attributes } = call
  const x = call.value(0)
  const kernel = kernelOf(call.value(1)) // [...space, out / groups, in]
  checkRanks(call, x, kernel)
  const space = x.shape.slice(2)
  const groups = attributes.int('group', 1)
  const windows = windowsOf(call, kernel.shape.slice(0, -2), space)
  const { strides, dilations, kernel: size } = windows
  const extra = attributes.ints('output_padding') ?? space.map(() => 0)
  const mode = attributes.string('auto_pad', 'NOTSET')
  const wanted = attributes.ints('output_shape') ?? (mode.startsWith('SAME') ? space.map((n, i) => n * strides[i]!) : undefined)
  const full = space.map((n, i) => (n - 1) * strides[i]! + extra[i]! + spanOf(size[i]!, dilations[i]!))
  let { before, after } = windows
  if (wanted !== undefined) {
    const totals = full.map((n, i) => n - wanted.slice(-space.length)[i]!)
    const half = totals.map((total) => Math.floor(Math.max(total, 0) / 2))
    const rest = totals.map((total, i) => Math.max(total, 0) - half[i]!)
    ;[before, after] = mode === 'SAME_LOWER' ? [rest, half] : mode === 'SAME_UPPER' ? [half, rest] : [half, rest]
  }
  const extents = wanted?.slice(-space.length) ?? full.map((n, i) => n - before[i]! - after[i]!)
  const shape = call.grown([x.shape[0]!, ...extents, kernel.shape.at(-2)! * groups], x.size * kernel.size)
  const result = transposed(x.last, kernel, { ...windows, before, after }, groups, shape)
  return new Value(call.has(2) ? ops.add(result, call.tensor(2)) : result, { isLast: true })
}

export const convOperators: OperatorTable = {
  Conv: { run: conv },
  ConvTranspose: { run: convTranspose },
}
