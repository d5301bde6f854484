// Order: the pseudo-random numbers behind Dataset.shuffle, the same on every machine.

/** Uniform integers below a bound, from a seed and the number of the pass. */
export type Draw = (bound: number) => number

/** SplitMix32 to spread the seed, xoshiro128** (Blackman, Vigna 2018) for the draws. */
export function draws(seed: number, pass: number): Draw {
  let mixed =
    (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul((Math.floor(seed / 2 ** 32) | 0) + 1, 0x85ebca6b) ^ Math.imul(pass + 1, 0xc2b2ae35)) | 0
  const next = (): number => {
    mixed = (mixed + 0x9e3779b9) | 0
    let z = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return z ^ (z >>> 16)
  }
  let [a, b, c, d] = [next(), next(), next(), next() | 1]
  const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by))
  const word = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    return result
  }
  return (bound) => Math.floor(((word() >>> 5) * 2 ** 26 + (word() >>> 6)) * 2 ** -53 * bound)
}

/** A random order of [0, n) (Fisher-Yates). */
export function permutation(n: number, draw: Draw): Uint32Array {
  const order = new Uint32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  for (let i = n - 1; i > 0; i--) {
    const j = draw(i + 1)
    const kept = order[i]!
    order[i] = order[j]!
    order[j] = kept
  }
  return order
}
