// The numbers both sides compute with: a hash of the position, uniform in [-1, 1) with all bits of a float32. peer.py
// makes the same.

/** Positions repeat after so many elements, so that the largest operands are made quickly. */
export const PERIOD = 2 ** 22

/** A 32-bit hash of a position (two rounds of multiplication and shifts). */
const hash = (i, seed) => {
  let x = (Math.imul(i, 0x9e3779b1) + Math.imul(seed, 0x85ebca6b)) | 0
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
  return x ^ (x >>> 15)
}

export const valueAt = (i, seed) => Math.fround(hash(i % PERIOD, seed) / 2 ** 31)

/** A whole number from 0 to n - 1. */
const wholeAt = (i, seed, n) => (hash(i, seed) >>> 0) % n

export const labelAt = (i, classes) => wholeAt(i, 9, classes)

/** Step t of sequence r of token ids: each is seven more than the last, but for a third of them. */
export const tokenAt = (r, t, steps, vocabulary) => {
  const i = r * steps + t
  return wholeAt(i, 12, 3) === 0 ? wholeAt(i, 13, vocabulary) : (wholeAt(r, 11, vocabulary) + 7 * t) % vocabulary
}

const periods = new Map()

/** The first `n`, at most PERIOD, values of a seed. */
export const fill = (n, seed) => {
  let values = periods.get(seed) ?? new Float32Array(0)
  if (values.length < n) {
    values = new Float32Array(n)
    for (let i = 0; i < n; i++) values[i] = hash(i, seed) / 2 ** 31
    periods.set(seed, values)
  }
  return values.subarray(0, n)
}

/** Up to 4096 positions of a result of n elements, at which the sides are compared. */
export const positions = (n) => {
  const count = Math.min(n, 4096)
  return Int32Array.from({ length: count }, (_, i) => (count === n ? i : Math.floor(((hash(i, 7) >>> 0) / 2 ** 32) * n)))
}

/** A number as a tensor of that dtype holds it. */
export const rounded = (value, dtype) => {
  if (dtype !== 'bfloat16') return value
  bits.setFloat32(0, value)
  const word = bits.getUint32(0)
  bits.setUint32(0, ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) << 16)
  return bits.getFloat32(0)
}
const bits = new DataView(new ArrayBuffer(4))
