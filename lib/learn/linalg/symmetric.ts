// Eigenvalues and vectors of symmetric matrices: Householder's reduction to three diagonals and the implicit QL method
// (Bowdler, Martin, Reinsch and Wilkinson, 1968), and subspace iteration for a few of many.
import { factor, applyOrthogonal } from './qr.js'
import { multiply } from './products.js'

export interface Spectrum {
  /** In descending order. */
  readonly values: Float64Array
  /** [count][size]: row i belongs to value i, with length 1. */
  readonly vectors: Float64Array
}

/** All of a symmetric matrix [size, size]. */
export function spectrum(matrix: Float64Array, size: number): Spectrum {
  // rows of `v` become the vectors
  const v = matrix.slice()
  const diagonal = new Float64Array(size)
  const beside = new Float64Array(size)
  reduce(v, diagonal, beside, size)
  iterate(v, diagonal, beside, size)
  const order = Array.from(diagonal.keys()).sort((a, b) => diagonal[b]! - diagonal[a]!)
  const vectors = new Float64Array(size * size)
  for (const [place, i] of order.entries()) vectors.set(v.subarray(i * size, (i + 1) * size), place * size)
  return { values: Float64Array.from(order, (i) => diagonal[i]!), vectors }
}

/** v becomes the orthogonal matrix Q, transposed, for which Q·T·Qᵀ is the matrix and T has three diagonals. */
function reduce(v: Float64Array, diagonal: Float64Array, beside: Float64Array, size: number): void {
  const products = new Float64Array(size)
  const reflections: { from: number; vector: Float64Array; scale: number }[] = []
  for (let step = 0; step < size - 1; step++) {
    diagonal[step] = v[step * size + step]!
    const from = step + 1
    const vector = v.slice(step * size + from, (step + 1) * size)
    let square = 0
    for (const value of vector) square += value * value
    const length = Math.sqrt(square)
    if (length === 0) {
      beside[step] = 0
      continue
    }
    const head = vector[0]! > 0 ? -length : length
    beside[step] = head
    vector[0]! -= head
    const scale = 2 / (square - 2 * (vector[0]! + head) * head + head * head)
    reflections.push({ from, vector, scale })
    const rest = size - from
    for (let i = 0; i < rest; i++) {
      let sum = 0
      const at = (from + i) * size + from
      for (let j = 0; j < rest; j++) sum += v[at + j]! * vector[j]!
      products[i] = scale * sum
    }
    let inner = 0
    for (let i = 0; i < rest; i++) inner += products[i]! * vector[i]!
    for (let i = 0; i < rest; i++) products[i]! -= 0.5 * scale * inner * vector[i]!
    for (let i = 0; i < rest; i++) {
      const at = (from + i) * size + from
      const [a, b] = [vector[i]!, products[i]!]
      for (let j = 0; j < rest; j++) v[at + j]! -= a * products[j]! + b * vector[j]!
    }
  }
  diagonal[size - 1] = v[size * size - 1]!
  v.fill(0)
  for (let i = 0; i < size; i++) v[i * size + i] = 1
  // the last reflection moves the fewest entries: applied first, the rest stays the identity meanwhile
  for (const { from, vector, scale } of reflections.reverse()) {
    for (let i = from; i < size; i++) {
      const at = i * size + from
      let sum = 0
      for (let j = 0; j < vector.length; j++) sum += v[at + j]! * vector[j]!
      sum *= scale
      for (let j = 0; j < vector.length; j++) v[at + j]! -= sum * vector[j]!
    }
  }
}

function iterate(v: Float64Array, diagonal: Float64Array, beside: Float64Array, size: number): void {
  for (let first = 0; first < size; first++) {
    for (let tries = 0; tries < 60; tries++) {
      let last = first
      for (; last < size - 1; last++) {
        const around = Math.abs(diagonal[last]!) + Math.abs(diagonal[last + 1]!)
        if (Math.abs(beside[last]!) <= Number.EPSILON * around) break
      }
      if (last === first) break
      let g = (diagonal[first + 1]! - diagonal[first]!) / (2 * beside[first]!)
      let r = Math.hypot(g, 1)
      g = diagonal[last]! - diagonal[first]! + beside[first]! / (g + (g >= 0 ? r : -r))
      let [sine, cosine, p] = [1, 1, 0]
      let i = last - 1
      for (; i >= first; i--) {
        const [f, b] = [sine * beside[i]!, cosine * beside[i]!]
        r = Math.hypot(f, g)
        beside[i + 1] = r
        if (r === 0) {
          diagonal[i + 1]! -= p
          beside[last] = 0
          break
        }
        sine = f / r
        cosine = g / r
        g = diagonal[i + 1]! - p
        r = (diagonal[i]! - g) * sine + 2 * cosine * b
        p = sine * r
        diagonal[i + 1] = g + p
        g = cosine * r - b
        const [a, c] = [i * size, (i + 1) * size]
        for (let k = 0; k < size; k++) {
          const [low, high] = [v[a + k]!, v[c + k]!]
          v[c + k] = sine * low + cosine * high
          v[a + k] = cosine * low - sine * high
        }
      }
      if (r === 0 && i >= first) continue
      diagonal[first]! -= p
      beside[first] = g
      beside[last] = 0
    }
  }
}

/**
 * The `count` largest of a symmetric positive semidefinite matrix, by subspace iteration with Rayleigh-Ritz steps on a
 * few vectors more; undefined where they did not settle.
 * @param start [count + spare][size], any vectors
 */
export async function largestOf(matrix: Float64Array, size: number, count: number, start: Float64Array): Promise<Spectrum | undefined> {
  const width = start.length / size
  const whole = { data: matrix, rows: size, columns: size }
  let basis = orthonormal(start, size, width)
  for (let tries = 0; tries < 60; tries++) {
    for (let power = 0; power < 3; power++)
      basis = orthonormal(await multiply({ data: basis, rows: width, columns: size }, whole), size, width)
    const rows = { data: basis, rows: width, columns: size }
    const image = await multiply(rows, whole)
    const small = await multiply({ data: image, rows: width, columns: size }, rows, { transposeB: true })
    const { values, vectors } = spectrum(small, width)
    const turn = { data: vectors, rows: width, columns: width }
    const ritz = await multiply(turn, rows)
    const turned = await multiply(turn, { data: image, rows: width, columns: size })
    let worst = 0
    for (let i = 0; i < count; i++) {
      let square = 0
      for (let k = 0; k < size; k++) square += (turned[i * size + k]! - values[i]! * ritz[i * size + k]!) ** 2
      worst = Math.max(worst, Math.sqrt(square))
    }
    if (worst <= 1e-9 * values[0]!) return { values: values.slice(0, count), vectors: ritz.slice(0, count * size) }
    basis = ritz
  }
  return undefined
}

/** Orthonormal rows that span the same space. */
function orthonormal(rows: Float64Array, size: number, width: number): Float64Array {
  const qr = factor({ data: rows.slice(), rows: size, columns: width })
  const basis = new Float64Array(width * size)
  for (let i = 0; i < width; i++) {
    const unit = basis.subarray(i * size, (i + 1) * size)
    unit[i] = 1
    applyOrthogonal(qr, unit)
  }
  return basis
}
