// What the core's tests share: reading values, and the code of the error a call throws.
import type { Tensor } from '../../lib/index.js'

export const values = async (t: Tensor): Promise<number[]> => Array.from(await t.data(), Number)

export function codeOf(fn: () => unknown): string | undefined {
  try {
    fn()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? `not a WeftError: ${String(error)}`
  }
}

export async function codeOfAsync(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? `not a WeftError: ${String(error)}`
  }
}

/** A small generator of reproducible numbers in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
