// Packing: matrices rounded to groups of 8 or 4 bits, and kernels to int8 with a scale for each output.
import { WeftError } from '../core/error.js'
import type { Stored } from '../layers/stored_weights.js'

/** Shares of a group's largest value that are tried as the end of its scale, for 4 bits. */
const SHARES = [1, 0.95, 0.9, 0.85, 0.8, 0.75]

/** The matrix [k, n] of values that a layer has as [outputs, inputs]. */
function turned(values: Float32Array, k: number, n: number): Float32Array {
  const made = new Float32Array(k * n)
  for (let j = 0; j < n; j++) for (let i = 0; i < k; i++) made[i * n + j] = values[j * k + i]!
  return made
}

/** Rounds half to even, as the kernels do. */
export function roundEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : floor % 2 === 0 ? floor : floor + 1
}

const clamp = (value: number, low: number, high: number): number => (value < low ? low : Math.min(value, high))

/**
 * A matrix as it is kept: int8 [k, n], or two neighbouring inputs in each byte, the first in the low half and each 8
 * too large. A group of inputs of one output shares a scale. For 4 bits it is the one, of a few, whose error is least.
 */
export function packed(values: Float32Array, stored: Stored): { kept: Int8Array | Uint8Array; scale: Float32Array } {
  const { type, k, n, groupSize, transposed } = stored
  const matrix = transposed ? turned(values, k, n) : values
  checkFinite(matrix)
  const groups = Math.ceil(k / groupSize)
  const scale = new Float32Array(groups * n)
  const whole = new Int8Array(k * n)
  const [low, high] = type === 'int4' ? [-8, 7] : [-127, 127]
  for (let g = 0; g < groups; g++) {
    const [from, to] = [g * groupSize, Math.min(k, (g + 1) * groupSize)]
    for (let j = 0; j < n; j++) {
      const step = Math.fround(type === 'int4' ? bestStep(matrix, n, j, from, to) : largest(matrix, n, j, from, to) / high) || 1
      scale[g * n + j] = step
      for (let i = from; i < to; i++) whole[i * n + j] = clamp(roundEven(matrix[i * n + j]! / step), low, high)
    }
  }
  return { kept: type === 'int4' ? inHalves(whole, k, n) : whole, scale }
}

function largest(matrix: Float32Array, n: number, j: number, from: number, to: number): number {
  let most = 0
  for (let i = from; i < to; i++) most = Math.max(most, Math.abs(matrix[i * n + j]!))
  return most
}

/** The step of 4 bits with the least squared error: -8 steps reach the largest value, or a share of it. */
function bestStep(matrix: Float32Array, n: number, j: number, from: number, to: number): number {
  let extreme = 0
  for (let i = from; i < to; i++) if (Math.abs(matrix[i * n + j]!) > Math.abs(extreme)) extreme = matrix[i * n + j]!
  if (extreme === 0) return 1
  let best = Math.abs(extreme) / 7
  let least = Number.POSITIVE_INFINITY
  for (const share of SHARES) {
    for (const step of [(Math.abs(extreme) * share) / 7, (-extreme * share) / 8]) {
      let error = 0
      for (let i = from; i < to && error < least; i++) {
        const value = matrix[i * n + j]!
        const rest = value - clamp(Math.round(value / step), -8, 7) * step
        error += rest * rest
      }
      if (error < least) {
        least = error
        best = step
      }
    }
  }
  return best
}

function inHalves(whole: Int8Array, k: number, n: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(k / 2) * n)
  for (let i = 0; i < k; i += 2)
    for (let j = 0; j < n; j++) {
      const second = i + 1 < k ? whole[(i + 1) * n + j]! : 0
      bytes[(i / 2) * n + j] = (whole[i * n + j]! + 8) | ((second + 8) << 4)
    }
  return bytes
}

/** ERR_DATA for weights that no scale holds. */
function checkFinite(weights: Float32Array): void {
  const bad = weights.find((value) => !Number.isFinite(value))
  if (bad !== undefined)
    throw new WeftError('ERR_DATA', `quantize: a weight is ${bad}`, {
      hint: 'Train with a smaller learning rate, or callbacks.terminateOnNan()',
    })
}

/**
 * A kernel [..., n] as int8 with a scale for each output, or one for all. `bits` 2 to 8: values up to 2^(bits-1) - 1.
 */
export function packedKernel(
  kernel: Float32Array,
  n: number,
  { bits, perChannel }: { readonly bits: number; readonly perChannel: boolean },
): { kept: Int8Array; scale: Float32Array } {
  checkFinite(kernel)
  const most = 2 ** (bits - 1) - 1
  const rows = kernel.length / n
  const scale = new Float32Array(perChannel ? n : 1)
  for (let i = 0; i < kernel.length; i++) {
    const at = perChannel ? i % n : 0
    scale[at] = Math.max(scale[at]!, Math.abs(kernel[i]!))
  }
  for (let j = 0; j < scale.length; j++) scale[j] = scale[j]! / most || 1
  const kept = new Int8Array(kernel.length)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < n; j++) kept[i * n + j] = clamp(roundEven(kernel[i * n + j]! / scale[perChannel ? j : 0]!), -most, most)
  return { kept, scale }
}
