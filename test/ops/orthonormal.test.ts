// Rows of orthonormal rows, in one panel, in halves of panels, and in one pass and two.
import { checkRows, type Row } from '../check.js'
import { orthonormalRows } from '../../lib/ops/orthonormal.js'
import { type Values, values } from '../reference.js'

/** Gram-Schmidt, one row after the other, each taken away twice. */
function orthonormalized(a: Values): Values {
  const [rows, columns] = a.shape as [number, number]
  const q = [...a.data]
  const dot = (i: number, j: number): number => {
    let sum = 0
    for (let k = 0; k < columns; k++) sum += q[i * columns + k]! * q[j * columns + k]!
    return sum
  }
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < 2 * i; j++) {
      const along = dot(i, j % i)
      for (let k = 0; k < columns; k++) q[i * columns + k]! -= along * q[(j % i) * columns + k]!
    }
    const length = Math.sqrt(dot(i, i))
    for (let k = 0; k < columns; k++) q[i * columns + k]! /= length
  }
  return values(a.shape, q)
}

const SHAPES: readonly (readonly [number, number])[] = [
  [1, 1],
  [1, 7],
  [3, 5],
  [20, 70],
  [64, 200],
  [65, 300],
  [130, 400],
  [150, 1100],
  [0, 0],
  [0, 4],
]

const list: readonly Row[] = SHAPES.map((shape) => ({
  op: 'orthonormalRows',
  name: `[${shape}]`,
  operands: [{ shape }],
  // the CPU alone has the operation
  run: (a) => orthonormalRows(a!.to('cpu')),
  reference: orthonormalized,
  derivatives: 0,
  // errors grow with the condition of what is left of a row
  roundings: 64,
}))

export const rows: readonly Row[] = checkRows(import.meta.url, list)
