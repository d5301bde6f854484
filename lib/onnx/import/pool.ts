// Pools: the largest value, the mean or a norm of windows, and of whole images.
import { applyOne } from '../../core/apply.js'
import type { Tensor } from '../../core/tensor.js'
import { isFloat, sizeOf } from '../../core/spec.js'
import * as ops from '../../ops/index.js'
import { AveragePool2d, MaxPool2d } from '../../ops/pool.js'
import { type Call, made, type OperatorTable } from './operator.js'
import { Value } from './values.js'
import { countsOf, sides, spanOf, type Windows, windowsOf } from './windows.js'

interface Pool extends Windows {
  /** Windows along each axis. */
  readonly counts: readonly number[]
}

/** The windows of a pool; padding behind is as wide as the last window needs. */
function poolOf(call: Call, space: readonly number[]): Pool & { readonly given: Windows } {
  const given = windowsOf(call, call.attributes.ints('kernel_shape') ?? [], space)
  const counts = countsOf(given, space, call.attributes.int('ceil_mode', 0) !== 0)
  const reach = counts.map((count, i) => (count - 1) * given.strides[i]! + spanOf(given.kernel[i]!, given.dilations[i]!))
  const after = reach.map((end, i) => Math.max(0, end - space[i]! - given.before[i]!))
  call.host(sizeOf(given.kernel), 'places of a window', 2 ** 20)
  if (counts.some((count) => count < 1)) throw call.error(`the window [${given.kernel}] is larger than [${space}]`)
  return { ...given, after, counts, given }
}

/** Places of windows: one tensor [n, ...counts, c] for each position in the window. */
function positions(x: Tensor, { kernel, strides, dilations, before, after, counts }: Pool, fill: number): Tensor[] {
  const padded = ops.pad(
    x,
    x.shape.map((_, axis): [number, number] => (axis === 0 || axis === x.rank - 1 ? [0, 0] : [before[axis - 1]!, after[axis - 1]!])),
    fill,
  )
  return Array.from({ length: sizeOf(kernel) }, (_, index) => {
    let rest = index
    const at = kernel.map((_, i) => {
      const below = sizeOf(kernel.slice(i + 1))
      const place = Math.floor(rest / below)
      rest %= below
      return place * dilations[i]!
    })
    return ops.slice(padded, [0, ...at, 0], [-1, ...counts, -1], [1, ...strides, 1])
  })
}

const isPlane = (x: Tensor, { dilations }: Windows): boolean => x.rank <= 4 && dilations.every((d) => d === 1) && isFloat(x.dtype)

const onImages = (x: Tensor, windows: Pool, run: (x: Tensor, windows: Pool) => Tensor): Tensor => {
  if (x.rank === 4) return run(x, windows)
  const wide = {
    kernel: [1, ...windows.kernel],
    strides: [1, ...windows.strides],
    dilations: [1, 1],
    before: [0, ...windows.before],
    after: [0, ...windows.after],
  }
  const result = run(ops.expandDims(x, 1), { ...wide, counts: [1, ...windows.counts] })
  return ops.squeeze(result, 1)
}

const poolAttributes = ({
  kernel,
  strides,
  before,
  after,
}: Windows): { poolSize: readonly number[]; strides: readonly number[]; padding: number[] } => ({
  poolSize: kernel,
  strides,
  padding: sides(before, after),
})

function largest(x: Tensor, windows: Pool): Tensor {
  if (isPlane(x, windows)) return onImages(x, windows, (images, w) => applyOne(MaxPool2d, [images], poolAttributes(w)))
  const lowest = isFloat(x.dtype) ? Number.NEGATIVE_INFINITY : x.dtype === 'uint8' ? 0 : -(2 ** 31)
  return positions(x, windows, lowest).reduce((a, b) => ops.maximum(a, b))
}

/** Row-major positions of the largest values in the tensor [n, c, ...space]. */
function largestPlaces(x: Tensor, windows: Pool, columnMajor: boolean): Tensor {
  const space = x.shape.slice(1, -1)
  const [n, c] = [x.shape[0]!, x.shape.at(-1)!]
  const inOrder = columnMajor ? [...space].reverse() : space
  let places = ops.zeros([1, ...space.map(() => 1), 1], made('int32'))
  space.forEach((extent, i) => {
    const stride = columnMajor ? sizeOf(space.slice(0, i)) : sizeOf(inOrder.slice(i + 1))
    const along = ops.mul(ops.arange(0, extent, 1, made('int32')), stride)
    places = ops.add(
      places,
      ops.reshape(
        along,
        [1, ...space, 1].map((_, axis) => (axis === i + 1 ? extent : 1)),
      ),
    )
  })
  const planes = ops.mul(ops.arange(0, n * c, 1, made('int32')), sizeOf(space))
  const all = ops.add(places, ops.reshape(planes, [n, ...space.map(() => 1), c]))
  const values = positions(x, windows, Number.NEGATIVE_INFINITY)
  const indices = positions(all, windows, 0)
  let [best, at] = [values[0]!, indices[0]!]
  for (let i = 1; i < values.length; i++) {
    const better = ops.greater(values[i]!, best)
    best = ops.where(better, values[i]!, best)
    at = ops.where(better, indices[i]!, at)
  }
  return at
}

function maxPool(call: Call): Value[] {
  const value = call.value(0)
  const windows = poolOf(call, value.shape.slice(2))
  const x = value.last
  const result = new Value(largest(x, windows), { isLast: true, type: value.type })
  if (!call.wants(1)) return [result]
  return [result, new Value(largestPlaces(x, windows, call.attributes.int('storage_order', 0) === 1), { isLast: true })]
}

function averagePool(call: Call): Value {
  const value = call.value(0)
  const windows = poolOf(call, value.shape.slice(2))
  const { given } = windows
  const x = value.last
  const counted = call.attributes.int('count_include_pad', 0) !== 0
  const padded = given.before.some((n) => n > 0) || given.after.some((n) => n > 0)
  if (!counted || !padded) {
    if (isPlane(x, windows))
      return new Value(
        onImages(x, windows, (images, w) => applyOne(AveragePool2d, [images], poolAttributes(w))),
        { isLast: true },
      )
    const inside = positions(ops.onesLike(x), windows, 0).reduce((a, b) => ops.add(a, b))
    const total = positions(x, windows, 0).reduce((a, b) => ops.add(a, b))
    return new Value(ops.div(total, inside), { isLast: true })
  }
  // zeros of the padding that the node asks for are values; what lies beyond it is not
  const pairs = x.shape.map((_, axis): [number, number] =>
    axis === 0 || axis === x.rank - 1 ? [0, 0] : [given.before[axis - 1]!, given.after[axis - 1]!],
  )
  const grown = ops.pad(x, pairs)
  const rest = { ...windows, before: given.before.map(() => 0), after: windows.after.map((n, i) => Math.max(0, n - given.after[i]!)) }
  if (isPlane(x, windows))
    return new Value(
      onImages(grown, rest, (images, w) => applyOne(AveragePool2d, [images], poolAttributes(w))),
      { isLast: true },
    )
  const total = positions(grown, rest, 0).reduce((a, b) => ops.add(a, b))
  return new Value(
    ops.div(
      total,
      positions(ops.onesLike(grown), rest, 0).reduce((a, b) => ops.add(a, b)),
    ),
    { isLast: true },
  )
}

/** (Σ|x|ᵖ)^(1/p) of each window. */
function normPool(call: Call): Value {
  const value = call.value(0)
  const p = call.attributes.int('p', 2)
  const total = positions(power(value.last, p), poolOf(call, value.shape.slice(2)), 0).reduce((a, b) => ops.add(a, b))
  return new Value(root(total, p), { isLast: true })
}

const power = (x: Tensor, p: number): Tensor => (p === 1 ? ops.abs(x) : p === 2 ? ops.square(x) : ops.pow(ops.abs(x), p))
const root = (x: Tensor, p: number): Tensor => (p === 1 ? x : p === 2 ? ops.sqrt(x) : ops.pow(x, 1 / p))

/** One value for each channel of an image. */
function whole(fn: (x: Tensor, axes: number[], call: Call) => Tensor) {
  return (call: Call): Value => {
    const value = call.value(0)
    const axes = value.stored.shape.flatMap((_, axis) => (axis === 0 || axis === (value.isLast ? value.rank - 1 : 1) ? [] : [axis]))
    return new Value(fn(value.stored, axes, call), { isLast: value.isLast, type: value.type })
  }
}

/** Puts the values of a pool back where they came from. */
function maxUnpool(call: Call): Value {
  const value = call.value(0)
  const space = value.shape.slice(2)
  const { strides, kernel, before, after } = windowsOf(call, call.attributes.ints('kernel_shape') ?? [], space)
  const plain = space.map((n, i) => (n - 1) * strides[i]! - before[i]! - after[i]! + kernel[i]!)
  const shape = call.has(2) ? [...call.numbers(2)] : [...value.shape.slice(0, 2), ...plain]
  const inside = call.grown([...value.shape.slice(0, 2), ...plain], value.size)
  call.grown(shape, value.size)
  const indices = ops.reshape(ops.cast(call.tensor(1), 'int32'), [-1])
  const zeros = ops.zeros([sizeOf(inside)], made(value.dtype))
  const placed = ops.reshape(ops.scatterAdd(zeros, indices, ops.reshape(value.plain, [-1]), 0), inside)
  return new Value(
    ops.pad(
      placed,
      shape.map((extent, i): [number, number] => [0, extent - inside[i]!]),
    ),
    { type: value.type },
  )
}

export const poolOperators: OperatorTable = {
  MaxPool: { run: maxPool },
  AveragePool: { run: averagePool },
  LpPool: { run: normPool },
  GlobalAveragePool: { run: whole((x, axes) => ops.mean(x, axes, { keepDims: true })) },
  GlobalMaxPool: { run: whole((x, axes) => ops.max(x, axes, { keepDims: true })) },
  GlobalLpPool: {
    run: whole((x, axes, call) => {
      const p = call.attributes.int('p', 2)
      return root(ops.sum(power(x, p), axes, { keepDims: true }), p)
    }),
  },
  MaxUnpool: { since: 9, reads: [2], run: maxUnpool },
}
