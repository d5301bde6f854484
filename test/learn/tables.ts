// The data sets in data/ in float64, as models are tested on them.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'

const folder = path.join(import.meta.dirname, '..', '..', '..', 'data')

export interface Table {
  x: number[][]
  y: number[]
}

function read(name: string): Table {
  const lines = gunzipSync(readFileSync(path.join(folder, `${name}.csv.gz`)))
    .toString('latin1')
    .trimEnd()
    .split('\n')
    .slice(1)
  const rows = lines.map((line) => line.split(',').map(Number))
  return { x: rows.map((row) => row.slice(0, -1)), y: rows.map((row) => row.at(-1)!) }
}

/** Columns around their means, divided by what `length` gives for them. */
function scaled(x: number[][], length: (column: number[]) => number): number[][] {
  const columns = x[0]!.map((_, c) => x.map((row) => row[c]!))
  const moved = columns.map((column) => {
    const mean = column.reduce((a, b) => a + b, 0) / column.length
    const centered = column.map((value) => value - mean)
    const size = length(centered)
    return centered.map((value) => value / size)
  })
  return x.map((_, row) => moved.map((column) => column[row]!))
}

const squares = (column: number[]): number => column.reduce((sum, value) => sum + value * value, 0)

/** A data set by name; '-scaled': mean 0, deviation 1; diabetes is as scikit-learn gives it, '-raw' as measured. */
export function table(name: string): Table {
  if (name === 'wine-scaled') {
    const { x, y } = read('wine')
    return { x: scaled(x, (column) => Math.sqrt(squares(column) / column.length)), y }
  }
  if (name === 'diabetes-raw') return read('diabetes')
  if (!name.startsWith('diabetes')) return read(name)
  const { x: raw, y } = read('diabetes')
  const x = scaled(raw, (column) => Math.sqrt(squares(column)))
  if (name === 'diabetes-deficient') return { x: x.map((row) => [...row, row[0]!, row[1]! + row[2]!]), y }
  if (name === 'diabetes-wide') return { x: x.slice(0, 5), y: y.slice(0, 5) }
  return { x, y }
}
