// What surrounds a program of TensorFlow.js: backends, memory, disposal, small tools.
import { WeftError } from '../core/error.js'
import { memory as weftMemory } from '../core/buffer.js'
import { device } from '../core/device.js'
import { Tensor } from '../core/tensor.js'
import { walk } from '../core/tree.js'
import { synchronize } from '../core/flights.js'

/** Resolves at once: kernels are there when the module is. */
export const ready = (): Promise<void> => Promise.resolve()
/** The device: 'cpu', 'cuda:0'. */
export const getBackend = (): string => device()
/** There is one backend, whose device setDevice() chooses: resolves with true, whatever is asked for. */
export const setBackend = (_name: string): Promise<boolean> => Promise.resolve(true)
/** The next turn of the event loop. */
export const nextFrame = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
export const enableProdMode = (): void => undefined
export const disableDeprecationWarnings = (): void => undefined

/** Frees a tensor, or all in arrays and records. */
export function dispose(container: unknown): void {
  walk(container, (t: Tensor) => t.dispose())
}
/** Tensors and bytes that are alive. */
export function memory(): { numTensors: number; numDataBuffers: number; numBytes: number; unreliable: boolean } {
  const { tensors, device: here } = weftMemory()
  return { numTensors: tensors, numDataBuffers: tensors, numBytes: here.used, unreliable: false }
}
/** Prints a tensor. */
export const print = (x: Tensor): void => void x.print()
/** How long f takes, in ms. */
export async function time(f: () => void): Promise<{ kernelMs: number; wallMs: number }> {
  const begin = performance.now()
  f()
  await synchronize()
  const wallMs = performance.now() - begin
  return { kernelMs: wallMs, wallMs }
}

/** Puts the elements of one list in random order, and those of another in the same. */
function shuffleCombo(a: unknown[], b?: unknown[]): void {
  for (let i = a.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[a[i], a[j]] = [a[j], a[i]]
    if (b) [b[i], b[j]] = [b[j], b[i]]
  }
}
export const util = {
  shuffle: (list: unknown[]): void => shuffleCombo(list),
  shuffleCombo: (a: unknown[], b: unknown[]): void => {
    if (a.length !== b.length) throw new WeftError('ERR_ARGUMENT', `util.shuffleCombo: lists of ${a.length} and ${b.length} elements`)
    shuffleCombo(a, b)
  },
  createShuffledIndices: (n: number): Uint32Array => {
    const order = [...Array(n).keys()]
    shuffleCombo(order)
    return Uint32Array.from(order)
  },
  sizeFromShape: (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1),
  flatten: (values: unknown): unknown[] => (Array.isArray(values) ? values.flat(Number.POSITIVE_INFINITY) : [values]),
  now: (): number => performance.now(),
  assert: (holds: boolean, message: () => string): void => {
    if (!holds) throw new Error(message())
  },
}
