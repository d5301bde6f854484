// Masks: which weights of a matrix stay, by their sizes.

/** The places of the `count` smallest values by size, first ones first among equals: true where a value stays. */
export function withoutSmallest(sizes: Float32Array, count: number): Uint8Array {
  const kept = new Uint8Array(sizes.length).fill(1)
  if (count <= 0) return kept
  const sorted = sizes.slice().sort()
  const limit = sorted[Math.min(count, sizes.length) - 1]!
  let left = Math.min(count, sizes.length)
  for (let i = 0; i < sizes.length; i++)
    if (sizes[i]! < limit) {
      kept[i] = 0
      left--
    }
  for (let i = 0; i < sizes.length && left > 0; i++)
    if (sizes[i] === limit) {
      kept[i] = 0
      left--
    }
  return kept
}

/** How a weight is a matrix: `inputs` values of each output, `outputs` apart from each other or in a row. */
export interface MatrixPlan {
  readonly inputs: number
  readonly outputs: number
  /** The weight is [outputs, inputs]. */
  readonly transposed: boolean
}

/** Of each 4 neighbouring inputs of an output the 2 largest stay (Mishra et al. 2021); of a rest, half of it. */
export function twoOfFour(sizes: Float32Array, { inputs, outputs, transposed }: MatrixPlan): Uint8Array {
  const kept = new Uint8Array(sizes.length).fill(1)
  const place = (i: number, j: number): number => (transposed ? j * inputs + i : i * outputs + j)
  for (let j = 0; j < outputs; j++)
    for (let from = 0; from < inputs; from += 4) {
      const group = Array.from({ length: Math.min(4, inputs - from) }, (_, i) => place(from + i, j))
      group.sort((a, b) => sizes[a]! - sizes[b]! || a - b)
      for (const at of group.slice(0, Math.floor(group.length / 2))) kept[at] = 0
    }
  return kept
}

/** Sizes of values, without a sign. */
export const sizesOf = (values: Float32Array): Float32Array => values.map(Math.abs)

/** Masks that take a share of all weights away, or of each of them. */
export function magnitudeMasks(weights: readonly Float32Array[], sparsity: number, scope: 'global' | 'layer'): Uint8Array[] {
  if (scope === 'layer') return weights.map((values) => withoutSmallest(sizesOf(values), Math.round(sparsity * values.length)))
  const total = weights.reduce((sum, { length }) => sum + length, 0)
  const all = new Float32Array(total)
  let at = 0
  for (const values of weights) {
    all.set(sizesOf(values), at)
    at += values.length
  }
  const kept = withoutSmallest(all, Math.round(sparsity * total))
  at = 0
  return weights.map(({ length }) => kept.subarray(at, (at += length)))
}
