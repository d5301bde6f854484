// Time series: windows to learn from, of a series in memory or of rows as they come.
import { tensor } from '../core/create.js'
import { checkCall } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { gather, reshape, slice } from '../ops/index.js'
import type { Dataset } from './dataset.js'
import { beginsBetween, gapsIn } from './gaps.js'
import { columnsOf, type Series } from './series.js'
import { gapError, isGap, noWindow, planOf, what, WINDOWS_OPTIONS, type WindowPlan, type WindowsOptions } from './window_plan.js'
import { isStream, streamed, type WindowRow, type WindowSample } from './window_stream.js'

export interface Windows {
  /** [n, timesteps, features] */
  x: Tensor
  /** The `horizon` steps after each window: [n, horizon] of one feature, else [n, horizon, targets]. */
  y: Tensor
}

/** Positions [n, count]: row i is begins[i] + after, begins[i] + after + 1, ... */
function positions(begins: readonly number[], after: number, count: number, device: string): Tensor {
  const rows = new Int32Array(begins.length * count)
  begins.forEach((begin, i) => {
    for (let k = 0; k < count; k++) rows[i * count + k] = begin + after + k
  })
  return tensor(rows, { shape: [begins.length, count], device })
}

/** The places before which rows are missing, as the times of the rows tell. */
function gapsInTime(plan: WindowPlan, series: Series, columns: Tensor): number[] {
  const { time } = plan
  if (time === undefined) return []
  const steps = columns.shape[0]!
  const times = Array.isArray(series)
    ? (series as readonly ArrayLike<number>[]).map((row) => Number(row[time]))
    : slice(columns, [0, time], [steps, 1]).dataSync()
  const found: number[] = []
  for (let row = 1; row < steps; row++) if (isGap(plan, Number(times[row - 1]), Number(times[row]), row + 1)) found.push(row)
  return found
}

/**
 * Windows of a series in time order: row i of x holds steps i·stride ... i·stride + timesteps - 1, row i of y the
 * `horizon` steps after them. n = floor((t - timesteps - horizon) / stride) + 1. Split a series before making windows,
 * so that none reaches from one part into another. Rows of data.csv({ missing: 'skip' }) know what was left out before
 * them: windows that would reach over such a gap, or over one in `time`, are left out.
 *
 * Of a Dataset, another async iterable or a stream, whose elements are numbers, rows of numbers, or samples { x } as
 * data.csv gives them, it makes a Dataset of single windows { x: [timesteps, features], y }, one after another as rows
 * come: the same windows, in memory one at a time. Give it shuffle() and batch().
 */
export function windows(series: Series, options: WindowsOptions): Windows
export function windows(rows: AsyncIterable<WindowRow>, options: WindowsOptions): Dataset<WindowSample>
export function windows(series: Series | AsyncIterable<WindowRow>, options: WindowsOptions): Windows | Dataset<WindowSample> {
  checkCall('data.windows(series, options)', arguments, WINDOWS_OPTIONS)
  const plan = planOf(options)
  if (isStream(series)) return streamed(series, plan)
  const columns = columnsOf(what, series)
  const [steps, features] = columns.shape as [number, number]
  const { inputs, targets, alone } = plan.choose(features)
  const gaps = [...new Set([...gapsIn(series), ...gapsInTime(plan, series, columns)])].sort((a, b) => a - b)
  if (gaps.length > 0 && plan.gaps === 'error') throw gapError(gaps[0]! + 1)
  const { timesteps, horizon } = plan
  const begins = beginsBetween(gaps, steps, timesteps + horizon, plan.stride)
  const n = begins.length
  if (n < 1) throw noWindow(plan, steps, gaps.length, columns.shape)
  const { device } = columns
  const only = (places: readonly number[]): Tensor =>
    places.length === features && places.every((place, i) => place === i)
      ? columns
      : gather(columns, tensor(Int32Array.from(places), { device }), 1)
  const y = gather(only(targets), positions(begins, timesteps, horizon, device), 0) // [n, horizon, targets]
  return { x: gather(only(inputs), positions(begins, 0, timesteps, device), 0), y: alone ? reshape(y, [n, horizon]) : y }
}
