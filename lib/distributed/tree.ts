// Tree: sums over the ranks whose order is that of a binary tree, so that they have the same bits for every number of
// ranks: two neighbours first, then pairs of pairs. The shards that one rank computes are added in the same tree.
import { applyOne } from '../core/apply.js'
import { bytesOf, type DType, sizeOf, type Spec } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { concat, pad } from '../ops/index.js'
import { SendRecv } from './collectives.js'
import { bucketsOf } from './buckets.js'
import { world } from './world.js'

/** Vectors of fewer bytes are sent as wholes: fewer messages count for more than fewer bytes. */
const SMALL = 16_384

/**
 * The sum over all ranks of a vector: rank 0 + rank 1, rank 2 + rank 3, then the sums of these pairs. The number of
 * ranks is a power of two. Long vectors go by halves: each rank adds up a part of the elements, as many bytes are sent
 * as by a ring, and each element has the same tree (Rabenseifner 2004, "Optimization of collective reduction
 * operations").
 */
export function treeSum(vector: Tensor): Tensor {
  const { rank, size } = world()
  const swapped = (t: Tensor, distance: number): Tensor => applyOne(SendRecv, [t], { to: rank ^ distance, from: rank ^ distance })
  if (vector.size * bytesOf(vector.dtype) < SMALL) {
    let sum = vector
    for (let distance = 1; distance < size; distance *= 2) sum = sum.add(swapped(sum, distance))
    return sum
  }
  const missing = (size - (vector.size % size)) % size
  let part: Tensor = missing > 0 ? pad(vector, [[0, missing]]) : vector
  const isLower = (distance: number): boolean => (rank & distance) === 0
  for (let distance = 1; distance < size; distance *= 2) {
    const half = part.size / 2
    const [kept, given] = isLower(distance) ? [0, half] : [half, 0]
    part = part.slice([kept], [half]).add(swapped(part.slice([given], [half]), distance))
  }
  for (let distance = size / 2; distance >= 1; distance /= 2) {
    const other = swapped(part, distance)
    part = concat(isLower(distance) ? [part, other] : [other, part], 0)
  }
  return missing > 0 ? part.slice([0], [vector.size]) : part
}

/** Adds vectors pairwise as they come, in the order of a binary tree: at most one sum of each size is kept. */
export class TreeOfSums {
  private readonly sums: { count: number; value: readonly Tensor[] }[] = []

  add(value: readonly Tensor[]): void {
    this.sums.push({ count: 1, value })
    for (;;) {
      const [left, right] = this.sums.slice(-2)
      if (!left || !right || left.count !== right.count) return
      this.sums.splice(-2, 2, { count: left.count * 2, value: left.value.map((t, i) => t.add(right.value[i]!)) })
    }
  }

  /** The sum of all, whose number is a power of two. */
  get total(): readonly Tensor[] {
    return this.sums[0]!.value
  }
}

/** How tensors lie in vectors: by dtype, and no vector much longer than a bucket of gradients. */
export class Packing {
  readonly dtypes: readonly DType[]
  private readonly groups: readonly (readonly number[])[]
  private readonly specs: readonly Spec[]

  constructor(specs: readonly Spec[]) {
    this.specs = specs
    this.groups = bucketsOf(specs)
    this.dtypes = this.groups.map(([first]) => specs[first!]!.dtype)
  }

  pack(tensors: readonly Tensor[]): Tensor[] {
    return this.groups.map((places) =>
      concat(
        places.map((i) => tensors[i]!.reshape([-1])),
        0,
      ),
    )
  }

  unpack(vectors: readonly Tensor[]): Tensor[] {
    const tensors: Tensor[] = new Array(this.specs.length)
    this.groups.forEach((places, k) => {
      let from = 0
      for (const i of places) {
        const { shape } = this.specs[i]!
        tensors[i] = vectors[k]!.slice([from], [sizeOf(shape)]).reshape([...shape])
        from += sizeOf(shape)
      }
    })
    return tensors
  }
}
