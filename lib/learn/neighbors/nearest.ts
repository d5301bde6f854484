// The nearest rows of those that were fitted.
import { WeftError } from '../../core/error.js'
import { type OptionTable, show } from '../../core/options.js'
import { distance, Known, type Metric } from '../linalg/distances.js'
import type { Matrix } from '../matrix.js'
import { breathe } from '../random.js'

export interface NeighborsOptions {
  /** How many rows vote. Default 5. */
  nNeighbors?: number
  /** 'uniform': all votes count the same; 'distance': as the inverse of the distance. Default 'uniform'. */
  weights?: 'uniform' | 'distance'
  /** How far apart rows are. Default 'euclidean'. */
  metric?: Metric
}
export const NEIGHBORS_TABLE: OptionTable<NeighborsOptions> = {
  nNeighbors: 'integer',
  weights: ['uniform', 'distance'],
  metric: ['euclidean', 'manhattan'],
}
export const NEIGHBORS_DEFAULTS: Required<NeighborsOptions> = { nNeighbors: 5, weights: 'uniform', metric: 'euclidean' }

export function checkNeighbors(what: string, { nNeighbors }: Required<NeighborsOptions>): void {
  if (nNeighbors < 1)
    throw new WeftError('ERR_ARGUMENT', `${what}: nNeighbors must be at least 1, got ${show(nNeighbors)}`, { hint: 'Write nNeighbors: 5' })
}

/** Throws ERR_ARGUMENT where fewer rows were fitted than neighbors are asked for. */
export function checkEnough(what: string, rows: number, asked: number): void {
  if (asked > rows)
    throw new WeftError('ERR_ARGUMENT', `${what}: ${asked} neighbors are asked for, the model was fitted on ${rows} rows`, {
      hint: `Set nNeighbors to at most ${rows}`,
    })
}

export interface Nearest {
  /** [rows][count]: places of the nearest fitted rows, the nearest first; of equally near ones the first. */
  readonly places: Int32Array
  /** [rows][count] */
  readonly distances: Float64Array
}

const BLOCK_VALUES = 1 << 22
/** Candidates more than are asked for: what rounding puts out of order is put right by exact distances. */
const SPARE = 4

/** The `count` nearest of the fitted rows for each row of X. */
export async function nearest(fitted: Matrix, x: Matrix, count: number, metric: Metric): Promise<Nearest> {
  const { columns } = x
  const places = new Int32Array(x.rows * count)
  const distances = new Float64Array(x.rows * count)
  const wanted = Math.min(fitted.rows, count + SPARE)
  const known = metric === 'euclidean' ? new Known(fitted) : undefined
  const step = Math.max(1, Math.floor(BLOCK_VALUES / fitted.rows))
  try {
    for (let from = 0; from < x.rows; from += step) {
      const rows = Math.min(step, x.rows - from)
      const block = x.data.subarray(from * columns, (from + rows) * columns)
      const far = known === undefined ? manhattan(block, fitted) : await known.squaredTo(block)
      for (let row = 0; row < rows; row++) {
        const candidates = smallest(far, row * fitted.rows, fitted.rows, wanted)
        const exact = candidates.map((place) => ({
          place,
          far: distance(metric, block, row * columns, fitted.data, place * columns, columns),
        }))
        exact.sort((a, b) => a.far - b.far || a.place - b.place)
        for (let k = 0; k < count; k++) {
          places[(from + row) * count + k] = exact[k]!.place
          distances[(from + row) * count + k] = exact[k]!.far
        }
      }
      await breathe()
    }
  } finally {
    known?.dispose()
  }
  return { places, distances }
}

function manhattan(block: Float64Array, fitted: Matrix): Float64Array {
  const rows = block.length / fitted.columns
  const far = new Float64Array(rows * fitted.rows)
  for (let row = 0, i = 0; row < rows; row++)
    for (let k = 0; k < fitted.rows; k++, i++)
      far[i] = distance('manhattan', block, row * fitted.columns, fitted.data, k * fitted.columns, fitted.columns)
  return far
}

/** Places of the smallest values, by a heap whose root is the largest of them. */
function smallest(values: ArrayLike<number>, from: number, length: number, count: number): number[] {
  const heap: number[] = []
  const above = (a: number, b: number): boolean =>
    values[from + a]! > values[from + b]! || (values[from + a]! === values[from + b]! && a > b)
  const sink = (): void => {
    for (let at = 0; ; ) {
      let child = 2 * at + 1
      if (child >= heap.length) return
      if (child + 1 < heap.length && above(heap[child + 1]!, heap[child]!)) child++
      if (!above(heap[child]!, heap[at]!)) return
      ;[heap[at], heap[child]] = [heap[child]!, heap[at]!]
      at = child
    }
  }
  for (let i = 0; i < length; i++) {
    if (heap.length < count) {
      heap.push(i)
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1
        if (!above(heap[at]!, heap[parent]!)) break
        ;[heap[at], heap[parent]] = [heap[parent]!, heap[at]!]
        at = parent
      }
    } else if (values[from + i]! < values[from + heap[0]!]!) {
      heap[0] = i
      sink()
    }
  }
  return heap
}

/** The weight of each neighbor of a row. A neighbor at distance 0 leaves all farther ones without weight. */
export function votes(distances: Float64Array, from: number, count: number, weights: 'uniform' | 'distance'): Float64Array {
  const own = distances.subarray(from, from + count)
  if (weights === 'uniform') return new Float64Array(count).fill(1)
  return own.includes(0) ? own.map((far) => (far === 0 ? 1 : 0)) : own.map((far) => 1 / far)
}
