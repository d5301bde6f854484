// One against one: a machine for each pair of classes, on rows sorted by class.
import { Random } from '../random.js'
import type { GramRows } from './kernels.js'
import { fitSigmoid, type Sigmoid } from './platt.js'
import { type Solved, solve } from './smo.js'

/** Rows of one pair, as places in the sorted data: those of the first class, then those of the second. */
export interface Pair {
  readonly first: number
  readonly second: number
  readonly rows: Int32Array
  /** How many rows are of the first class. */
  readonly split: number
}

export interface Limits {
  readonly tolerance: number
  readonly maxIterations: number
}

/** @param begins where each class begins in the sorted rows, and the end of the last */
export function pairsOf(begins: readonly number[]): Pair[] {
  const range = (k: number): number[] => Array.from({ length: begins[k + 1]! - begins[k]! }, (_, i) => begins[k]! + i)
  const pairs: Pair[] = []
  for (let first = 0; first < begins.length - 1; first++)
    for (let second = first + 1; second < begins.length - 1; second++)
      pairs.push({ first, second, rows: Int32Array.from([...range(first), ...range(second)]), split: begins[first + 1]! - begins[first]! })
  return pairs
}

/** The machine that tells the first class of a pair (positive scores) from the second. */
export function solvePair(
  gram: GramRows,
  rows: Int32Array,
  split: number,
  bounds: Float64Array,
  { tolerance, maxIterations }: Limits,
): Solved {
  const count = rows.length
  const kept = new Array<Float64Array | Float32Array | undefined>(count)
  const row = (i: number): Float64Array | Float32Array => {
    const known = kept[i]
    if (known !== undefined) return known
    const all = gram.row(rows[i]!)
    const own = all instanceof Float32Array ? new Float32Array(count) : new Float64Array(count)
    for (let t = 0; t < count; t++) own[t] = all[rows[t]!]!
    kept[i] = own
    return own
  }
  const signs = new Int8Array(count).fill(1, 0, split).fill(-1, split)
  const diagonal = Float64Array.from(rows, (place) => gram.row(place)[place]!)
  return solve({ signs, linear: new Float64Array(count).fill(-1), bounds, row, diagonal }, tolerance, maxIterations)
}

const FOLDS = 5

/** The sigmoid of a pair, from scores of rows that the machine did not see (five folds). */
export function calibrate(
  gram: GramRows,
  { rows, split }: Pair,
  boundOf: (row: number) => number,
  limits: Limits,
  seed: number | null,
): Sigmoid {
  const order = new Random(seed).shuffle(Int32Array.from(rows.keys()))
  const scores = new Float64Array(rows.length)
  for (let fold = 0; fold < FOLDS; fold++) {
    const [begin, end] = [Math.floor((fold * rows.length) / FOLDS), Math.floor(((fold + 1) * rows.length) / FOLDS)]
    const held = order.subarray(begin, end)
    const rest = [...order.subarray(0, begin), ...order.subarray(end)]
    const ofFirst = rest.filter((place) => place < split)
    const ofSecond = rest.filter((place) => place >= split)
    if (ofFirst.length === 0 || ofSecond.length === 0) {
      const score = ofFirst.length > 0 ? 1 : ofSecond.length > 0 ? -1 : 0
      for (const place of held) scores[place] = score
      continue
    }
    const train = Int32Array.from([...ofFirst, ...ofSecond], (place) => rows[place]!)
    const { coef, rho } = solvePair(gram, train, ofFirst.length, Float64Array.from(train, boundOf), limits)
    for (const place of held) {
      const similar = gram.row(rows[place]!)
      let score = -rho
      for (let t = 0; t < train.length; t++) if (coef[t] !== 0) score += coef[t]! * similar[train[t]!]!
      scores[place] = score
    }
  }
  return fitSigmoid(
    scores,
    Uint8Array.from(rows, (_, place) => (place < split ? 1 : 0)),
  )
}
