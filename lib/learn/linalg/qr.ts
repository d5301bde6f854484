// Householder QR with column pivoting (Businger and Golub, 1965), in float64 on the host.

/** A matrix whose columns are stored one after the other. */
export interface Columns {
  readonly data: Float64Array
  readonly rows: number
  readonly columns: number
}

export interface Pivoted {
  /** [rows >= columns]: the upper triangle is R; below it and in `scales` are the reflections. */
  readonly packed: Columns
  readonly scales: Float64Array
  /** The column of the matrix that stands at each place of R. */
  readonly order: Int32Array
}

const TILE = 32

/** The columns of a row-major matrix, or of its transpose. */
export function columnsOf(data: Float64Array, rows: number, columns: number, transpose = false): Columns {
  if (transpose) return { data: data.slice(), rows: columns, columns: rows }
  const turned = new Float64Array(data.length)
  // in tiles, so that neither side leaves the cache
  for (let from = 0; from < rows; from += TILE)
    for (let first = 0; first < columns; first += TILE) {
      const [to, last] = [Math.min(rows, from + TILE), Math.min(columns, first + TILE)]
      for (let column = first; column < last; column++)
        for (let row = from; row < to; row++) turned[column * rows + row] = data[row * columns + column]!
    }
  return { data: turned, rows, columns }
}

/** Factors a matrix with at least as many rows as columns in place. */
export function factor(matrix: Columns): Pivoted {
  const { data, rows, columns } = matrix
  const scales = new Float64Array(columns)
  const order = Int32Array.from({ length: columns }, (_, column) => column)
  const norms = Float64Array.from({ length: columns }, (_, column) => squares(data, column * rows, (column + 1) * rows))
  const first = norms.slice()
  for (let step = 0; step < columns; step++) {
    let best = step
    for (let column = step + 1; column < columns; column++) if (norms[column]! > norms[best]!) best = column
    if (best !== step) {
      swap(data, step * rows, best * rows, rows)
      for (const list of [norms, first, order] as Float64Array[]) [list[step], list[best]] = [list[best]!, list[step]!]
    }
    const [from, to] = [step * rows + step, (step + 1) * rows]
    const length = Math.sqrt(squares(data, from, to))
    if (length === 0) continue
    const diagonal = data[from]! > 0 ? -length : length
    const head = data[from]! - diagonal
    for (let i = from + 1; i < to; i++) data[i]! /= head
    const scale = (scales[step] = -head / diagonal)
    data[from] = diagonal
    for (let column = step + 1; column < columns; column++) {
      const at = column * rows + step
      reflect(data, from, data, at, rows - step, scale)
      norms[column]! -= data[at]! ** 2
      // what is left of a norm after much was taken off is rounding: it is computed anew
      if (norms[column]! < 1e-8 * first[column]!) first[column] = norms[column] = squares(data, at + 1, (column + 1) * rows)
    }
  }
  return { packed: matrix, scales, order }
}

/** Applies the reflection stored from `from` on (its first entry is 1) to `length` values of `target` from `at` on. */
function reflect(data: Float64Array, from: number, target: Float64Array, at: number, length: number, scale: number): void {
  let sum = target[at]!
  for (let i = 1; i < length; i++) sum += data[from + i]! * target[at + i]!
  sum *= scale
  target[at]! -= sum
  for (let i = 1; i < length; i++) target[at + i]! -= sum * data[from + i]!
}

/** Qᵀ·values in place; `values` has as many entries as the matrix has rows. */
export function applyTransposed({ packed: { data, rows, columns }, scales }: Pivoted, values: Float64Array): void {
  for (let step = 0; step < columns; step++)
    if (scales[step] !== 0) reflect(data, step * rows + step, values, step, rows - step, scales[step]!)
}

/** Q·values in place. */
export function applyOrthogonal({ packed: { data, rows, columns }, scales }: Pivoted, values: Float64Array): void {
  for (let step = columns - 1; step >= 0; step--)
    if (scales[step] !== 0) reflect(data, step * rows + step, values, step, rows - step, scales[step]!)
}

/** R as a row-major square matrix; with `transpose` its transpose. */
export function upperOf({ packed: { data, rows, columns } }: Pivoted, transpose = false): Float64Array {
  const upper = new Float64Array(columns * columns)
  for (let column = 0; column < columns; column++)
    for (let row = 0; row <= column; row++) upper[transpose ? column * columns + row : row * columns + column] = data[column * rows + row]!
  return upper
}

/** The solution of R·x = values, in place of the first `columns` of them. */
export function solveUpper({ packed: { data, rows, columns } }: Pivoted, values: Float64Array): void {
  for (let column = columns - 1; column >= 0; column--) {
    const x = (values[column]! /= data[column * rows + column]!)
    for (let row = 0; row < column; row++) values[row]! -= x * data[column * rows + row]!
  }
}

/** The solution of Rᵀ·x = values, in place of the first `columns` of them. */
export function solveUpperTransposed({ packed: { data, rows, columns } }: Pivoted, values: Float64Array): void {
  for (let column = 0; column < columns; column++) {
    let sum = values[column]!
    for (let row = 0; row < column; row++) sum -= data[column * rows + row]! * values[row]!
    values[column] = sum / data[column * rows + column]!
  }
}

function squares(data: Float64Array, from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum += data[i]! * data[i]!
  return sum
}

function swap(data: Float64Array, a: number, b: number, length: number): void {
  for (let i = 0; i < length; i++) {
    const value = data[a + i]!
    data[a + i] = data[b + i]!
    data[b + i] = value
  }
}
