// Distances between rows of two matrices.
import { columnMeans } from './centered.js'
import { product, Resident } from './products.js'
import type { Matrix } from '../matrix.js'

/** 'euclidean': the root of the sum of squares; 'manhattan': the sum of absolute differences. */
export type Metric = 'euclidean' | 'manhattan'

/** Rows that stay on the device, so that squared distances to them are one product. */
export class Known {
  readonly matrix: Matrix
  private readonly means: Float64Array
  private readonly squares: Float64Array
  private readonly resident: Resident
  readonly single: boolean

  constructor(matrix: Matrix, single = false) {
    this.matrix = matrix
    this.single = single
    // distances do not depend on the origin; near it they lose the least to rounding
    this.means = columnMeans(matrix)
    const moved = this.moved(matrix.data)
    this.squares = squaresOf(moved, matrix.columns)
    this.resident = new Resident({ data: moved, rows: matrix.rows, columns: matrix.columns }, single)
  }

  private moved(data: Float64Array): Float64Array {
    const { columns } = this.matrix
    const moved = new Float64Array(data.length)
    for (let i = 0, column = 0; i < data.length; i++, column = column + 1 === columns ? 0 : column + 1)
      moved[i] = data[i]! - this.means[column]!
    return moved
  }

  /** Squared Euclidean distances of rows: [rows][known rows]. */
  async squaredTo(data: Float64Array): Promise<Float64Array | Float32Array> {
    const { columns, rows: count } = this.matrix
    const moved = this.moved(data)
    const rows = data.length / columns
    const squares = squaresOf(moved, columns)
    const asked = new Resident({ data: moved, rows, columns }, this.single)
    try {
      const values = await product(asked, this.resident, { transposeB: true })
      for (let row = 0, i = 0; row < rows; row++)
        for (let k = 0; k < count; k++, i++) values[i] = Math.max(0, squares[row]! + this.squares[k]! - 2 * values[i]!)
      return values
    } finally {
      asked.dispose()
    }
  }

  dispose(): void {
    this.resident.dispose()
  }
}

function squaresOf(data: Float64Array, columns: number): Float64Array {
  const squares = new Float64Array(data.length / columns)
  for (let row = 0, i = 0; row < squares.length; row++) for (let column = 0; column < columns; column++, i++) squares[row]! += data[i]! ** 2
  return squares
}

/** The distance of two rows, computed from their differences. */
export function distance(metric: Metric, a: Float64Array, from: number, b: Float64Array, at: number, columns: number): number {
  let sum = 0
  if (metric === 'manhattan') for (let c = 0; c < columns; c++) sum += Math.abs(a[from + c]! - b[at + c]!)
  else for (let c = 0; c < columns; c++) sum += (a[from + c]! - b[at + c]!) ** 2
  return metric === 'manhattan' ? sum : Math.sqrt(sum)
}
