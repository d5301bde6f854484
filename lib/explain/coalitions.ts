// Coalitions: sets of known features, their weights, and the shares that follow from the value of each (kernel SHAP,
// Lundberg and Lee 2017).
import type { RandomState } from '../learn/selection/random.js'

export interface Coalitions {
  readonly features: number
  /** 1 where a feature is known; neither none nor all of them are. */
  readonly masks: readonly Uint8Array[]
  readonly weights: Float64Array
}

/** C(n, k). */
function choose(n: number, k: number): number {
  let product = 1
  for (let i = 1; i <= k; i++) product = (product * (n - k + i)) / i
  return Math.round(product)
}

/** Every set of `size` features. */
function* combinations(features: number, size: number): Generator<number[]> {
  const places = Array.from({ length: size }, (_, i) => i)
  while (true) {
    yield [...places]
    let at = size - 1
    while (at >= 0 && places[at] === features - size + at) at--
    if (at < 0) return
    places[at]!++
    for (let i = at + 1; i < size; i++) places[i] = places[i - 1]! + 1
  }
}

/**
 * Sets of known features: all, where they are no more than `most`; else all of the sizes that there is room for, from
 * the smallest and largest on, and drawn ones with their complements of the other sizes.
 */
export function coalitionsOf(features: number, most: number, random: RandomState): Coalitions {
  const masks = new Map<string, { mask: Uint8Array; weight: number }>()
  const put = (places: readonly number[], weight: number): void => {
    const mask = new Uint8Array(features)
    for (const place of places) mask[place] = 1
    const key = mask.join('')
    const own = masks.get(key)
    if (own) own.weight += weight
    else masks.set(key, { mask, weight })
  }
  const others = (places: readonly number[]): number[] => Array.from({ length: features }, (_, i) => i).filter((i) => !places.includes(i))
  const half = Math.floor(features / 2)
  // the weight of all sets of a size together, and of those of the complementary size
  const weightOf = (size: number): number => ((features - 1) / (size * (features - size))) * (2 * size === features ? 1 : 2)
  let room = most
  let size = 1
  for (; size <= half; size++) {
    const count = choose(features, size)
    const paired = 2 * size === features ? count : 2 * count
    if (paired > room) break
    for (const places of combinations(features, size)) {
      put(places, weightOf(size) / paired)
      if (2 * size !== features) put(others(places), weightOf(size) / paired)
    }
    room -= paired
  }
  const left = Array.from({ length: Math.max(0, half - size + 1) }, (_, i) => size + i)
  const total = left.reduce((sum, own) => sum + weightOf(own), 0)
  const draws = Math.floor(room / 2)
  for (let i = 0; i < draws && left.length > 0; i++) {
    let at = random.uniform() * total
    const own = left.find((one) => (at -= weightOf(one)) < 0) ?? left.at(-1)!
    const places = Array.from(random.permutation(features).subarray(0, own))
    put(places, total / draws / 2)
    put(others(places), total / draws / 2)
  }
  const list = [...masks.values()]
  return { features, masks: list.map(({ mask }) => mask), weights: Float64Array.from(list, ({ weight }) => weight) }
}

/**
 * The shares that fit the values of the sets best, by weighted least squares, and add up to `whole`. The last feature's
 * share is what is left, so that the sum is exact.
 */
export function sharesOf({ features, masks, weights }: Coalitions, values: readonly number[], whole: number): number[] {
  if (features === 1) return [whole]
  const n = features - 1
  const matrix = Array.from({ length: n }, () => new Float64Array(n + 1))
  masks.forEach((mask, i) => {
    const last = mask[n]!
    const target = values[i]! - last * whole
    for (let a = 0; a < n; a++) {
      const left = mask[a]! - last
      if (left === 0) continue
      const row = matrix[a]!
      for (let b = 0; b < n; b++) row[b]! += weights[i]! * left * (mask[b]! - last)
      row[n]! += weights[i]! * left * target
    }
  })
  const shares = solve(matrix)
  return [...shares, whole - shares.reduce((sum, share) => sum + share, 0)]
}

/** Elimination with pivots. Rows without a pivot, as few draws leave them, have the share 0. */
function solve(matrix: Float64Array[]): number[] {
  const n = matrix.length
  const scale = matrix.reduce((most, row, i) => Math.max(most, Math.abs(row[i]!)), 0)
  for (let at = 0; at < n; at++) {
    let best = at
    for (let row = at + 1; row < n; row++) if (Math.abs(matrix[row]![at]!) > Math.abs(matrix[best]![at]!)) best = row
    ;[matrix[at], matrix[best]] = [matrix[best]!, matrix[at]!]
    const pivot = matrix[at]!
    if (Math.abs(pivot[at]!) <= 1e-12 * scale) continue
    for (let row = 0; row < n; row++) {
      if (row === at) continue
      const factor = matrix[row]![at]! / pivot[at]!
      if (factor !== 0) for (let i = at; i <= n; i++) matrix[row]![i]! -= factor * pivot[i]!
    }
  }
  return matrix.map((row, i) => (Math.abs(row[i]!) <= 1e-12 * scale ? 0 : row[n]! / row[i]!))
}
