// Singular value decomposition of small square matrices by one-sided Jacobi rotations (Hestenes, 1958; Demmel and
// Veselić, 1992: small singular values keep their relative accuracy).

export interface Decomposition {
  /** Left vectors: [size][size], row i belongs to value i. */
  readonly left: Float64Array
  /** In descending order. */
  readonly values: Float64Array
  /** Right vectors: [size][size], row i belongs to value i. */
  readonly right: Float64Array
}

const MOST_SWEEPS = 60

/** The decomposition M = Σ values[i] · left[i] ⊗ right[i] of a row-major square matrix. */
export function decompose(matrix: Float64Array, size: number): Decomposition {
  // rows of `work` become values[i] · right[i], rows of `turned` the left vectors: rotations of the rows of M
  const work = matrix.slice()
  const turned = new Float64Array(size * size)
  for (let i = 0; i < size; i++) turned[i * size + i] = 1
  for (let sweep = 0, moved = true; moved && sweep < MOST_SWEEPS; sweep++) {
    moved = false
    for (let i = 0; i < size - 1; i++) for (let j = i + 1; j < size; j++) if (rotate(work, turned, i * size, j * size, size)) moved = true
  }
  const lengths = Float64Array.from({ length: size }, (_, i) => Math.hypot(...work.subarray(i * size, (i + 1) * size)))
  const order = Array.from(lengths.keys()).sort((a, b) => lengths[b]! - lengths[a]!)
  const [left, right, values] = [new Float64Array(size * size), new Float64Array(size * size), new Float64Array(size)]
  for (const [place, i] of order.entries()) {
    const length = (values[place] = lengths[i]!)
    for (let k = 0; k < size; k++) {
      left[place * size + k] = turned[i * size + k]!
      right[place * size + k] = length === 0 ? 0 : work[i * size + k]! / length
    }
  }
  return { left, values, right }
}

/** Makes two rows orthogonal; false where they are already. */
function rotate(work: Float64Array, turned: Float64Array, a: number, b: number, size: number): boolean {
  let [aa, bb, ab] = [0, 0, 0]
  for (let k = 0; k < size; k++) {
    const [x, y] = [work[a + k]!, work[b + k]!]
    aa += x * x
    bb += y * y
    ab += x * y
  }
  if (Math.abs(ab) <= 1e-15 * Math.sqrt(aa * bb)) return false
  const zeta = (bb - aa) / (2 * ab)
  const tangent = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta))
  const cosine = 1 / Math.sqrt(1 + tangent * tangent)
  turn(work, a, b, size, cosine, cosine * tangent)
  turn(turned, a, b, size, cosine, cosine * tangent)
  return true
}

function turn(data: Float64Array, a: number, b: number, size: number, cosine: number, sine: number): void {
  for (let k = 0; k < size; k++) {
    const [x, y] = [data[a + k]!, data[b + k]!]
    data[a + k] = cosine * x - sine * y
    data[b + k] = sine * x + cosine * y
  }
}
