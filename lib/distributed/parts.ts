// Parts: tensors cut into equal parts, one for each rank, and their exchange. Each tensor is cut by itself: as a
// vector, with zeros behind it where the number of ranks does not divide it.
import { apply, applyOne } from '../core/apply.js'
import type { Op } from '../core/op.js'
import { type DType, type Shape, sizeOf, type Spec } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { concat, pad } from '../ops/index.js'
import { AllGather, AllReduce, AllToAll, ReduceScatter } from './collectives.js'
import { bucketsOf } from './buckets.js'
import { exchange, world } from './world.js'

/** Elements of each rank's part of a tensor. */
const lengthOf = (shape: Shape): number => Math.ceil(sizeOf(shape) / world().size)

/** A tensor as its parts: [ranks, length]. */
function asParts(t: Tensor): Tensor {
  const { size } = world()
  const length = lengthOf(t.shape)
  const missing = size * length - t.size
  const vector = t.reshape([-1])
  return (missing > 0 ? pad(vector, [[0, missing]]) : vector).reshape([size, length])
}

/** This rank's part of a tensor that it has as a whole: [length]. */
function partOf(t: Tensor): Tensor {
  const { rank, size } = world()
  const length = lengthOf(t.shape)
  const from = Math.min(t.size, rank * length)
  const there = Math.min(length, t.size - from)
  const vector = t.reshape([-1])
  // a constant would make collectives of several tensors one and the same call, on this rank alone
  if (there === 0) return pad(vector, [[0, size * length - t.size]]).slice([rank * length], [length])
  const part = vector.slice([from], [there])
  return there < length ? pad(part, [[0, length - there]]) : part
}

/** Whether gradients of this dtype are rounded to 16 bits to travel. */
const isHalved = (dtype: DType): boolean => exchange.dtype === 'bfloat16' && dtype === 'float32'

/**
 * This rank's parts of the sums over all ranks, of tensors of which every rank has the same. With gradientDtype
 * 'bfloat16' float32 values travel rounded, and are added up in float32, in the order of the ranks.
 */
export function scatterSums(values: readonly Tensor[]): Tensor[] {
  const parts: Tensor[] = new Array(values.length)
  for (const places of bucketsOf(values)) {
    const packed = concat(
      places.map((i) => asParts(values[i]!)),
      1,
    )
    const sums = isHalved(packed.dtype)
      ? applyOne(AllToAll, [packed.cast('bfloat16')], {})
          .cast('float32')
          .sum(0)
      : applyOne(ReduceScatter, [packed], { reduce: 'sum' }).reshape([-1])
    let from = 0
    for (const i of places) {
      const length = lengthOf(values[i]!.shape)
      parts[i] = sums.slice([from], [length])
      from += length
    }
  }
  return parts
}

type BucketAttrs = { readonly bucket: number }
const ScatterBegin: Op<BucketAttrs & { readonly halves: number }> = {
  name: 'scatterBegin',
  early: true,
  noGradient: true,
  shape: () => [{ shape: [1], dtype: 'int32' }],
}
const scatterFinish = (specs: readonly Spec[]): Op<BucketAttrs> => ({
  name: 'scatterFinish',
  noGradient: true,
  shape: () => specs.map(({ shape, dtype }) => ({ shape: [lengthOf(shape)], dtype })),
})
/** Buckets of this process so far. */
let buckets = 0

/**
 * scatterSums() of values of one dtype in two halves: on CPUs they travel from when the last of them is there, while
 * other calls run, until the function that is returned is called, in the same trace.
 */
export function scatterBegin(values: readonly Tensor[]): () => Tensor[] {
  if (values[0]!.device !== 'cpu') return () => scatterSums(values)
  const bucket = buckets++
  const token = applyOne(ScatterBegin, values, { bucket, halves: isHalved(values[0]!.dtype) ? 1 : 0 })
  return () => apply(scatterFinish(values), [token], { bucket })
}

/** The whole tensors, of shapes that are known, from the parts of all ranks. */
export function gatherParts(parts: readonly Tensor[], shapes: readonly Shape[]): Tensor[] {
  const { size } = world()
  const wholes: Tensor[] = new Array(parts.length)
  for (const places of bucketsOf(parts)) {
    const packed = concat(
      places.map((i) => parts[i]!),
      0,
    )
    const all = applyOne(AllGather, [packed], {}).reshape([size, packed.size])
    let from = 0
    for (const i of places) {
      const length = parts[i]!.size
      const vector = all.slice([0, from], [size, length]).reshape([-1])
      const count = sizeOf(shapes[i]!)
      wholes[i] = (count < vector.size ? vector.slice([0], [count]) : vector).reshape([...shapes[i]!])
      from += length
    }
  }
  return wholes
}

/** The whole sums, rounded to 16 bits to travel, of this rank's parts. */
export function gatherSums(parts: readonly Tensor[], shapes: readonly Shape[]): Tensor[] {
  const rounded = parts.map((part) => (isHalved(part.dtype) ? part.cast('bfloat16') : part))
  return gatherParts(rounded, shapes).map((whole, i) => whole.cast(parts[i]!.dtype))
}

/** How an optimizer sees parameters: as wholes, or as this rank's part of each. */
export interface Partition {
  /** Whether there are parts of other ranks. */
  readonly cut: boolean
  /** The shape of what is kept here for a parameter. */
  shapeOf(shape: Shape): Shape
  of(t: Tensor): Tensor
  gather(parts: readonly Tensor[], shapes: readonly Shape[]): readonly Tensor[]
  /** The sum over all parts, of sums over one part each. */
  total(sum: Tensor): Tensor
}

export const WHOLES: Partition = {
  cut: false,
  shapeOf: (shape) => shape,
  of: (t) => t,
  gather: (parts) => parts,
  total: (sum) => sum,
}

const CUT: Partition = {
  cut: true,
  shapeOf: (shape) => [lengthOf(shape)],
  of: partOf,
  gather: gatherParts,
  total: (sum) => applyOne(AllReduce, [sum], { reduce: 'sum' }),
}

/** The partition that distributed.init() has asked for. */
export const partition = (): Partition => (exchange.shardsOptimizer && world().size > 1 ? CUT : WHOLES)
