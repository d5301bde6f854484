// HostTensor: the values of a tensor as bytes on the host, as they come from the wire and go back to it.
import { fillFrom } from '../core/create.js'
import { bytesOf, type DType, frozenShape, type Shape, sizeOf } from '../core/spec.js'
import { allocate, type Tensor } from '../core/tensor.js'
import { bytesOnHost } from '../core/transfer.js'

export interface HostTensor {
  readonly dtype: DType
  readonly shape: Shape
  /** Row-major, little-endian; not necessarily aligned to the size of an element. */
  readonly bytes: Uint8Array
}

export const bytesOfShape = (dtype: DType, shape: Shape): number => sizeOf(shape) * bytesOf(dtype)

/** What requests that share a batch have in common: dtype and shape of a sample. */
export const sampleKey = ({ dtype, shape }: Pick<HostTensor, 'dtype' | 'shape'>): string => `${dtype}[${shape.slice(1).join(',')}]`

/** A tensor on the device with a copy of the bytes. */
export function toDevice({ dtype, shape, bytes }: HostTensor, device: string): Tensor {
  const t = allocate(frozenShape(shape), dtype, device)
  // the CPU copies them at once; elsewhere the transfer reads them later
  if (t.size > 0) fillFrom(t, device === 'cpu' ? bytes : new Uint8Array(bytes))
  return t
}

/**
 * The values of a tensor, once the runs that make them are done; not to be written to. Rejects with what went wrong in
 * them.
 */
export async function toHost(t: Tensor): Promise<HostTensor> {
  return { dtype: t.dtype, shape: t.shape, bytes: await bytesOnHost(t.held()) }
}
