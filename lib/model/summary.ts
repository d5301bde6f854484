// Summary: a model's layers as a table.
import { bytesOf, type DynamicShape, shapeText, sizeOf } from '../core/spec.js'
import { type OptionTable } from '../core/options.js'
import type { Variable } from '../core/tensor.js'
import type { AnyModel } from './model.js'

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

/** The table, line by line. */
export function summaryLines(model: AnyModel, rows: readonly SummaryRow[]): string[] {
  const connected = rows.some((row) => row.inputs !== undefined)
  const head = ['Layer (type)', 'Output shape', 'Param #', ...(connected ? ['Connected to'] : [])]
  const cells = rows.map((row) => [
    row.label,
    row.shape === undefined ? '?' : row.shape === 'multiple' ? 'multiple' : shapeText(row.shape),
    row.parameters === undefined ? '? (not built)' : grouped(row.parameters),
    ...(connected ? [(row.inputs ?? []).join(', ')] : []),
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)))
  const line = (row: readonly string[]): string =>
    ` ${row.map((cell, i) => (i === 2 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('   ')}`.trimEnd()
  const width = widths.reduce((sum, w) => sum + w + 3, 0) - 1
  return [
    `Model: "${model.name}"`,
    '_'.repeat(width),
    line(head),
    '='.repeat(width),
    ...cells.map(line),
    '='.repeat(width),
    ...(model.built
      ? [
          total('Total params', model.weights),
          total('Trainable params', model.trainableWeights),
          total('Non-trainable params', model.nonTrainableWeights),
        ]
      : ['The model is not built: parameters are known once it has seen data, or with inputShape on the first layer']),
    '_'.repeat(width),
  ]
}
