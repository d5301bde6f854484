// Loading: what holds while layers are made again from a file: how much they may take, and that they draw no initial
// values.
import { WeftError } from '../core/error.js'
import { bytesOf, type DType, type Shape, sizeOf } from '../core/spec.js'

/** What a file can hold, and so what may be made from it. */
export interface LoadLimits {
  /** Bytes of all weights. */
  readonly bytes: number
  /** Number of layers. */
  readonly layers: number
}

let left: { bytes: number; layers: number } | undefined

/** Runs fn, in which layers are made whose weights a file replaces. */
export function whileLoading<T>(limits: LoadLimits, fn: () => T): T {
  const before = left
  left = { ...limits }
  try {
    return fn()
  } finally {
    left = before
  }
}

/** Whether layers are being made whose weights a file replaces. */
export const isLoading = (): boolean => left !== undefined

/** Counts a layer that is made. ERR_FORMAT when a file describes more of them than it can hold. */
export function countLayer(className: string): void {
  if (left !== undefined && --left.layers < 0)
    throw new WeftError(
      'ERR_FORMAT',
      `the saved model is of more layers than its weights can be for; the first one too many is a ${className}`,
    )
}

/** Counts a weight that is made. ERR_FORMAT when the weights take more than the file has. */
export function countWeight(layer: string, name: string, shape: Shape, dtype: DType): void {
  if (left === undefined) return
  left.bytes -= sizeOf(shape) * bytesOf(dtype)
  if (!(left.bytes >= 0))
    throw new WeftError(
      'ERR_FORMAT',
      `the saved model needs more weights than the file has: '${name}' of layer '${layer}' is ${dtype} [${shape}]`,
    )
}
