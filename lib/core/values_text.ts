// Text of a tensor's values, as NumPy prints arrays: columns under each other, long axes cut in the middle.
import type { DType, Shape } from './spec.js'
import { isFloat, sizeOf } from './spec.js'

/** Tensors of more values than this are cut. */
const MOST_VALUES = 1000
/** Parts at either end of an axis that is cut. */
const EDGE = 3
const WIDTH = 100
const MOST_DECIMALS = 8
/** Significant digits that tell all numbers of a dtype apart. */
const MOST_DIGITS: Partial<Record<DType, number>> = { float64: 17, float16: 5, bfloat16: 4 }

/** Parts of an axis that are shown; CUT where others are left out. */
const CUT = -1
const partsOf = (extent: number, cut: boolean): readonly number[] =>
  cut && extent > 2 * EDGE
    ? [...Array(EDGE).keys(), CUT, ...Array.from({ length: EDGE }, (_, i) => extent - EDGE + i)]
    : [...Array(extent).keys()]

/** Positions in row-major order of the values that valuesText() shows. */
export function shownPositions(shape: Shape): number[] {
  const cut = sizeOf(shape) > MOST_VALUES
  return shape.reduce<number[]>(
    (before, extent) => before.flatMap((position) => partsOf(extent, cut).flatMap((i) => (i === CUT ? [] : [position * extent + i]))),
    [0],
  )
}

/** The shown values, in the order of shownPositions(), as text. A tensor of rank 1 and above is in brackets. */
export function valuesText(values: ArrayLike<number | bigint>, shape: Shape, dtype: DType): string {
  const texts = cellsOf(values, dtype)
  const cut = sizeOf(shape) > MOST_VALUES
  let next = 0
  const write = (axis: number): string => {
    if (axis === shape.length) return texts[next++]!
    const parts = partsOf(shape[axis]!, cut).map((i) => (i === CUT ? '...' : write(axis + 1)))
    const inside = ' '.repeat(axis + 1)
    if (axis === shape.length - 1) return `[${wrapped(parts, inside)}]`
    // blank lines between matrices of a stack
    return `[${parts.join(`,${'\n'.repeat(shape.length - axis - 1)}${inside}`)}]`
  }
  return write(0)
}

/** Cells separated by commas, in lines of at most WIDTH columns. */
function wrapped(cells: readonly string[], indent: string): string {
  const lines = ['']
  cells.forEach((cell, i) => {
    const text = i === cells.length - 1 ? cell : `${cell},`
    const line = lines.at(-1)!
    if (line === '') lines[lines.length - 1] = text
    else if (indent.length + line.length + 1 + text.length > WIDTH) lines.push(text)
    else lines[lines.length - 1] = `${line} ${text}`
  })
  return lines.join(`\n${indent}`)
}

function cellsOf(values: ArrayLike<number | bigint>, dtype: DType): string[] {
  const list = Array.from(values)
  const cells = isFloat(dtype) ? floatCells(list.map(Number), dtype) : list.map((v) => (dtype === 'bool' ? String(Boolean(v)) : String(v)))
  const width = Math.max(0, ...cells.map((cell) => cell.length))
  return cells.map((cell) => cell.padStart(width))
}

/** Floats with as many decimals as the one that needs most; with exponents where their sizes differ too much. */
function floatCells(values: readonly number[], dtype: DType): string[] {
  const sizes = values.map(Math.abs).filter((v) => v > 0 && Number.isFinite(v))
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)]
  const digits = (v: number): number => shortest(v, dtype)
  const special = (v: number): boolean => !Number.isFinite(v)
  if (sizes.length > 0 && (most >= 1e8 || least < 1e-4 || most / least > 1e7)) {
    const decimals = Math.min(MOST_DECIMALS, Math.max(...sizes.map(digits)) - 1)
    return values.map((v) => (special(v) ? String(v) : v.toExponential(decimals)))
  }
  const decimals = Math.min(MOST_DECIMALS, Math.max(0, ...sizes.map((v) => digits(v) - 1 - Math.floor(Math.log10(v)))))
  return values.map((v) => (special(v) ? String(v) : v.toFixed(decimals)))
}

/** Significant digits of the shortest decimal that is read back as the same float. */
function shortest(v: number, dtype: DType): number {
  const most = MOST_DIGITS[dtype] ?? 9
  const same = dtype === 'float64' ? (x: number): number => x : Math.fround
  for (let digits = 1; digits < most; digits++) if (same(Number(v.toPrecision(digits))) === v) return digits
  return most
}
