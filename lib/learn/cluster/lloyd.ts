// Lloyd's steps: rows go to their nearest centers, centers to the means of their rows.
import { product, Resident } from '../linalg/products.js'
import type { Matrix } from '../matrix.js'
import type { Random } from '../random.js'

export interface Grouping {
  /** [groups][features] */
  centers: Float64Array
  labels: Int32Array
  inertia: number
  iterations: number
}

/** Rows around their mean that stay on the device. */
export class Lloyd {
  readonly x: Matrix
  readonly weights: Float64Array | undefined
  private readonly resident: Resident
  private readonly squares: Float64Array

  constructor(x: Matrix, weights: Float64Array | undefined, single: boolean) {
    this.x = x
    this.weights = weights
    this.resident = new Resident(x, single)
    this.squares = squaresOf(x.data, x.columns)
  }

  dispose(): void {
    this.resident.dispose()
  }

  rowsOf(places: ArrayLike<number>): Float64Array {
    const { data, columns } = this.x
    const rows = new Float64Array(places.length * columns)
    for (let i = 0; i < places.length; i++) rows.set(data.subarray(places[i]! * columns, (places[i]! + 1) * columns), i * columns)
    return rows
  }

  /** Inner products of all rows with centers: [rows][centers]. */
  private async products(centers: Float64Array): Promise<Float64Array | Float32Array> {
    const { columns } = this.x
    const right = new Resident({ data: centers, rows: centers.length / columns, columns }, this.resident.dtype === 'float32')
    try {
      return await product(this.resident, right, { transposeB: true })
    } finally {
      right.dispose()
    }
  }

  /** Squared distances of all rows from centers: [rows][centers]. */
  async squaredTo(centers: Float64Array): Promise<Float64Array | Float32Array> {
    const far = await this.products(centers)
    const count = centers.length / this.x.columns
    const own = squaresOf(centers, this.x.columns)
    for (let row = 0, i = 0; row < this.x.rows; row++)
      for (let k = 0; k < count; k++, i++) far[i] = Math.max(0, this.squares[row]! + own[k]! - 2 * far[i]!)
    return far
  }

  async run(start: Float64Array, maxIterations: number, enough: number): Promise<Grouping> {
    const { data, rows, columns } = this.x
    let centers = start.slice()
    const count = centers.length / columns
    const labels = new Int32Array(rows).fill(-1)
    const sums = new Float64Array(count * columns)
    const sizes = new Float64Array(count)
    const move = (row: number, to: number): void => {
      const weight = this.weights?.[row] ?? 1
      const from = labels[row]!
      const at = row * columns
      // between steps few rows change their group: only those are added and taken off
      if (from >= 0) {
        sizes[from]! -= weight
        for (let c = 0; c < columns; c++) sums[from * columns + c]! -= weight * data[at + c]!
      }
      sizes[to]! += weight
      for (let c = 0; c < columns; c++) sums[to * columns + c]! += weight * data[at + c]!
      labels[row] = to
    }
    let iterations = 0
    for (let settled = false; !settled && iterations < maxIterations; iterations++) {
      const inner = await this.products(centers)
      const own = squaresOf(centers, columns)
      let changed = 0
      for (let row = 0; row < rows; row++) {
        const to = nearestOf(inner, own, row * count, count)
        if (to === labels[row]) continue
        changed++
        move(row, to)
      }
      this.fill(centers, labels, sizes, move)
      const next = new Float64Array(centers.length)
      let shift = 0
      for (let k = 0; k < count; k++)
        for (let c = 0; c < columns; c++) {
          const i = k * columns + c
          next[i] = sizes[k]! > 0 ? sums[i]! / sizes[k]! : centers[i]!
          shift += (next[i]! - centers[i]!) ** 2
        }
      centers = next
      settled = changed === 0 || shift <= enough
    }
    // the last centers may have moved: rows go to the nearest of them
    const far = await this.squaredTo(centers)
    const last = assign(far, rows)
    let inertia = 0
    for (let row = 0; row < rows; row++) {
      let square = 0
      for (let c = 0; c < columns; c++) square += (data[row * columns + c]! - centers[last[row]! * columns + c]!) ** 2
      inertia += (this.weights?.[row] ?? 1) * square
    }
    return { centers, labels: last, inertia, iterations }
  }

  /** Groups without rows take the rows that are farthest from their centers. */
  private fill(centers: Float64Array, labels: Int32Array, sizes: Float64Array, move: (row: number, to: number) => void): void {
    const empty = Array.from(sizes.keys()).filter((k) => sizes[k]! <= 0)
    if (empty.length === 0) return
    const { data, rows, columns } = this.x
    const far = Float64Array.from({ length: rows }, (_, row) => {
      let square = 0
      for (let c = 0; c < columns; c++) square += (data[row * columns + c]! - centers[labels[row]! * columns + c]!) ** 2
      return square
    })
    const order = Array.from(far.keys()).sort((a, b) => far[b]! - far[a]! || a - b)
    for (const k of empty) {
      const row = order.shift()!
      if (far[row]! === 0) return
      move(row, k)
    }
  }
}

function nearestOf(inner: ArrayLike<number>, own: Float64Array, at: number, count: number): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY]
  for (let k = 0; k < count; k++) {
    const far = own[k]! - 2 * inner[at + k]!
    if (far < least) {
      least = far
      best = k
    }
  }
  return best
}

function squaresOf(data: Float64Array, columns: number): Float64Array {
  const squares = new Float64Array(data.length / columns)
  for (let row = 0, i = 0; row < squares.length; row++) for (let c = 0; c < columns; c++, i++) squares[row]! += data[i]! ** 2
  return squares
}

/** The place of the smallest distance of each row. */
export function assign(far: ArrayLike<number>, rows: number): Int32Array {
  const count = far.length / rows
  return Int32Array.from({ length: rows }, (_, row) => {
    let best = 0
    for (let k = 1; k < count; k++) if (far[row * count + k]! < far[row * count + best]!) best = k
    return best
  })
}

/** Rows as first centers: each is the best of a few that were drawn by their squared distances from those before. */
export async function plusPlus(lloyd: Lloyd, count: number, random: Random): Promise<number[]> {
  const { rows } = lloyd.x
  const tries = 2 + Math.floor(Math.log(count))
  const weightOf = (row: number): number => lloyd.weights?.[row] ?? 1
  const chosen = [draw((row) => weightOf(row), rows, random)]
  const least = Float64Array.from(await lloyd.squaredTo(lloyd.rowsOf(chosen)))
  while (chosen.length < count) {
    const candidates = Array.from({ length: tries }, () => draw((row) => weightOf(row) * least[row]!, rows, random))
    const far = await lloyd.squaredTo(lloyd.rowsOf(candidates))
    const totals = new Float64Array(tries)
    for (let row = 0, i = 0; row < rows; row++)
      for (let t = 0; t < tries; t++, i++) totals[t]! += weightOf(row) * Math.min(least[row]!, far[i]!)
    const best = totals.indexOf(Math.min(...totals))
    for (let row = 0; row < rows; row++) least[row] = Math.min(least[row]!, far[row * tries + best]!)
    chosen.push(candidates[best]!)
  }
  return chosen
}

/** A row by weights; where all are 0 any row. */
function draw(weightOf: (row: number) => number, rows: number, random: Random): number {
  let total = 0
  for (let row = 0; row < rows; row++) total += weightOf(row)
  if (total === 0) return random.integer(rows)
  let left = random.uniform() * total
  for (let row = 0; row < rows; row++) {
    left -= weightOf(row)
    if (left < 0) return row
  }
  return rows - 1
}
