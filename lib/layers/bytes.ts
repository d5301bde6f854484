// Bytes: tensors of images as they come from files, 0 to 255, which layers with weights learn worse from.
import type { Tensor } from '../core/tensor.js'
import { walk } from '../core/tree.js'
import { warnOnce } from '../core/warnings.js'

/** Tensors that hold bytes which were cast or moved, never scaled. */
const unscaled = new WeakSet<Tensor>()

/** Whether an input is bytes, or bytes that were only cast or moved. */
export const areBytes = (inputs: readonly Tensor[]): boolean => inputs.some((t) => t.dtype === 'uint8' || unscaled.has(t))

/** Notes that the results are bytes still. */
export const markBytes = (results: unknown): void => walk(results, (t) => unscaled.add(t))

/** Warns, once, that a layer trains on bytes. */
export function warnOfBytes(name: string): void {
  warnOnce(
    'WEFT_UNSCALED',
    `layer '${name}' trains on bytes (0 to 255) as they are, which usually learns worse. Put layers.rescaling({ scale: 1 / 255 }) first`,
  )
}
