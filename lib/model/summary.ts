// Summary: a model's layers as a table.
import { bytesOf, type DynamicShape, shapeText, sizeOf } from '../core/spec.js'
import { type OptionTable } from '../core/options.js'
import type { Variable } from '../core/tensor.js'
import type { AnyModel } from './model.js'
import { canLearn } from './refusals.js'

export interface SummaryOptions {
  /** Takes each line; default: to stdout. */
  print?: (line: string) => void
}

export const SUMMARY_OPTIONS: OptionTable<SummaryOptions> = { print: 'function' }

export interface SummaryRow {
  /** 'dense (Dense)' */
  label: string
  /** undefined: not known before the model is built. */
  shape: DynamicShape | 'multiple' | undefined
  /** undefined: not built. */
  parameters: number | undefined
  /** Layers whose results it takes; for functional models. */
  inputs?: readonly string[]
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

function bytesText(bytes: number): string {
  const step = bytes === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${step === 0 ? bytes : (bytes / 1024 ** step).toFixed(2)} ${units[step]}`
}

const grouped = (n: number): string => n.toLocaleString('en-US')

function total(label: string, weights: readonly Variable[]): string {
  const count = weights.reduce((sum, w) => sum + sizeOf(w.shape), 0)
  const bytes = weights.reduce((sum, w) => sum + sizeOf(w.shape) * bytesOf(w.dtype), 0)
  return `${label}: ${grouped(count)} (${bytesText(bytes)})`
}

/** Columns of the table's lines. */
const WIDTH = 80
/** No column is made narrower. */
const NARROWEST = 16
const GAP = 3

/** Widths of the columns, the widest made narrower until lines fit. */
function fitted(widths: readonly number[]): number[] {
  const given = [...widths]
  let over = given.reduce((sum, w) => sum + w + GAP, -2) - WIDTH
  while (over-- > 0) {
    const widest = given.indexOf(Math.max(...given))
    if (given[widest]! <= NARROWEST) break
    given[widest]!--
  }
  return given
}

/** A cell in lines of at most `width` columns, broken at spaces where there are some. */
function broken(cell: string, width: number): string[] {
  const lines: string[] = []
  let rest = cell
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const at = space > 0 ? space : width
    lines.push(rest.slice(0, at))
    rest = rest.slice(at).trimStart()
  }
  return [...lines, rest]
}

/** The table, line by line, of at most 80 columns unless names of layers leave no room. */
export function summaryLines(model: AnyModel, rows: readonly SummaryRow[]): string[] {
  const connected = rows.some((row) => row.inputs !== undefined)
  const head = ['Layer (type)', 'Output shape', 'Param #', ...(connected ? ['Connected to'] : [])]
  const cells = rows.map((row) => [
    row.label,
    row.shape === undefined ? '?' : row.shape === 'multiple' ? 'multiple' : shapeText(row.shape),
    row.parameters === undefined ? '? (not built)' : grouped(row.parameters),
    ...(connected ? [(row.inputs ?? []).join(', ')] : []),
  ])
  const widths = fitted(head.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length))))
  const line = (row: readonly string[]): string =>
    ` ${row.map((cell, i) => (i === 2 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' '.repeat(GAP))}`.trimEnd()
  const width = widths.reduce((sum, w) => sum + w + GAP, 0) - GAP + 1
  return [
    `Model: "${model.name}"`,
    '_'.repeat(width),
    line(head),
    '='.repeat(width),
    ...cells.flatMap((row) => {
      const parts = row.map((cell, i) => broken(cell, widths[i]!))
      const height = Math.max(...parts.map(({ length }) => length))
      return Array.from({ length: height }, (_, i) => line(parts.map((part) => part[i] ?? '')))
    }),
    '='.repeat(width),
    ...(model.built
      ? [
          total('Total params', model.weights),
          total('Trainable params', model.trainableWeights.filter(canLearn)),
          total('Non-trainable params', [...model.trainableWeights.filter((w) => !canLearn(w)), ...model.nonTrainableWeights]),
        ]
      : ['The model is not built. Parameters are known once it has seen data,', 'or with inputShape on the first layer.']),
    '_'.repeat(width),
  ]
}
