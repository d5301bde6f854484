// What svc has learned: machines of pairs that share their support vectors, in the layout of LIBSVM.
import type { Label, Matrix } from '../matrix.js'
import { gram, type Kernel } from './kernels.js'

export interface Machines {
  classes: Label[]
  columns: number
  gamma: number
  /** Rows of X that are support vectors, sorted by class. */
  support: Int32Array
  nSupport: number[]
  /** [support vectors][columns]; nothing where similarities are precomputed. */
  vectors: Float64Array
  /** [classes - 1][support vectors] */
  dual: Float64Array
  intercept: Float64Array
  sigmoids: Float64Array | null
  objectives: number[]
  converged: boolean
}

/** Similarities of rows with the support vectors: [rows][support vectors]. */
export async function similarities(
  kernel: Kernel,
  x: Matrix,
  { vectors, support, columns }: Pick<Machines, 'vectors' | 'support' | 'columns'>,
): Promise<Float64Array> {
  if (kernel.name === 'precomputed')
    return Float64Array.from(
      { length: x.rows * support.length },
      (_, i) => x.data[Math.floor(i / support.length) * columns + support[i % support.length]!]!,
    )
  const values = await gram(kernel, x, { data: vectors, rows: support.length, columns })
  return values instanceof Float64Array ? values : Float64Array.from(values)
}

/** The coefficient of each support vector in the machine of each pair: [pairs][support vectors]. */
export function pairWeights({ classes, support, nSupport, dual, intercept }: Machines): Float64Array {
  const total = support.length
  const weights = new Float64Array(intercept.length * total)
  const begins = nSupport.map((_, k) => nSupport.slice(0, k).reduce((a, b) => a + b, 0)).concat(total)
  let p = 0
  for (let i = 0; i < classes.length; i++)
    for (let j = i + 1; j < classes.length; j++, p++) {
      weights.set(dual.subarray((j - 1) * total + begins[i]!, (j - 1) * total + begins[i + 1]!), p * total + begins[i]!)
      weights.set(dual.subarray(i * total + begins[j]!, i * total + begins[j + 1]!), p * total + begins[j]!)
    }
  return weights
}

/** Votes of pairs for classes: [rows][classes]; with `fractions` and their sums of scores, below a third of a vote. */
export function voted(scores: Float64Array, count: number, fractions: boolean): Float64Array {
  const pairs = (count * (count - 1)) / 2
  const votes = new Float64Array((scores.length / pairs) * count)
  for (let row = 0; row < scores.length / pairs; row++) {
    const sums = new Float64Array(count)
    let p = row * pairs
    for (let i = 0; i < count; i++)
      for (let j = i + 1; j < count; j++, p++) {
        sums[i]! += scores[p]!
        sums[j]! -= scores[p]!
        votes[row * count + (scores[p]! > 0 ? i : j)]!++
      }
    if (fractions) for (let k = 0; k < count; k++) votes[row * count + k]! += sums[k]! / (3 * (Math.abs(sums[k]!) + 1))
  }
  return votes
}

/** Rows in another order; of a matrix of similarities its columns too. */
export function sortedBy({ data, rows, columns }: Matrix, order: Int32Array, both: boolean): Matrix {
  const sorted = new Float64Array(data.length)
  for (let row = 0; row < rows; row++) {
    const from = order[row]! * columns
    if (both) for (let column = 0; column < columns; column++) sorted[row * columns + column] = data[from + order[column]!]!
    else sorted.set(data.subarray(from, from + columns), row * columns)
  }
  return { data: sorted, rows, columns }
}
