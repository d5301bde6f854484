// Buckets: values that travel together.
import { bytesOf, type DType, sizeOf, type Spec } from '../core/spec.js'
import { bytesOfBucket } from './world.js'

/** Places of the values that travel together: of one dtype, and about as many bytes as a bucket. */
export function bucketsOf(values: readonly Spec[]): number[][] {
  const buckets: number[][] = []
  const open = new Map<DType, { places: number[]; bytes: number }>()
  values.forEach(({ shape, dtype }, i) => {
    let bucket = open.get(dtype)
    if (!bucket || bucket.bytes >= bytesOfBucket) {
      bucket = { places: [], bytes: 0 }
      buckets.push(bucket.places)
      open.set(dtype, bucket)
    }
    bucket.places.push(i)
    bucket.bytes += sizeOf(shape) * bytesOf(dtype)
  })
  return buckets
}
