// Windows of rows as they come: the same as of a series in memory, one at a time.
import { isTypedArray } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { Dataset } from './dataset.js'
import { gapsIn } from './gaps.js'
import type { ShapedArray } from './host.js'
import { generator } from './sources.js'
import { gapError, isGap, noWindow, type WindowPlan } from './window_plan.js'

/** A value, or several of one time; or a sample whose x they are, as data.csv gives it. */
export type WindowRow = number | ArrayLike<number> | { readonly x: number | ArrayLike<number> }

/** One window. */
export interface WindowSample {
  /** [timesteps, features] */
  x: ShapedArray
  /** [horizon] of one feature, else [horizon, targets]. */
  y: Float32Array | ShapedArray
}

export const isStream = (source: unknown): source is AsyncIterable<WindowRow> =>
  typeof source === 'object' &&
  source !== null &&
  !Array.isArray(source) &&
  !isTypedArray(source) &&
  !(source instanceof Tensor) &&
  (Symbol.asyncIterator in source || Symbol.iterator in source)

export function streamed(source: AsyncIterable<WindowRow>, plan: WindowPlan): Dataset<WindowSample> {
  const rows = source instanceof Dataset ? (source as Dataset<WindowRow>) : generator<WindowRow>(source)
  if (rows.orders.length > 0)
    throw new WeftError('ERR_ARGUMENT', 'data.windows: the rows are shuffled, they are no series', {
      hint: 'Shuffle the windows: data.windows(rows, { timesteps }).shuffle()',
    })
  return new Dataset<WindowSample>({ size: undefined, open: () => windowsOf(rows, plan) })
}

async function* windowsOf(rows: AsyncIterable<WindowRow>, plan: WindowPlan): AsyncGenerator<WindowSample, void> {
  const { timesteps, stride, horizon, time } = plan
  const length = timesteps + horizon
  let chosen: ReturnType<WindowPlan['choose']> | undefined
  let width = 0
  let held: (Float32Array | number[])[] = []
  let [row, next, gaps, made] = [0, 0, 0, 0]
  let before: number | undefined
  for await (const element of rows) {
    const values = valuesOf(element, row + 1)
    chosen ??= plan.choose((width = values.length))
    if (values.length !== width)
      throw new WeftError('ERR_SHAPE', `data.windows: row ${row + 1} has ${values.length} features, those before have ${width}`)
    const now = time === undefined ? undefined : values[time]!
    // the first row has nothing before it
    const leftOut = row > 0 && gapsIn([undefined, isSample(element) ? element.x : element]).length > 0
    const late = now !== undefined && before !== undefined && isGap(plan, before, now, row + 1)
    before = now
    if (leftOut || late) {
      if (plan.gaps === 'error') throw gapError(row + 1)
      gaps++
      held = []
      next = Math.ceil(row / stride) * stride
    }
    if (row++ < next) continue
    // a copy: a source may fill one array again and again
    held.push(values.slice())
    if (held.length < length) continue
    made++
    yield windowOf(held, plan, chosen)
    held = held.slice(stride)
    next = row - length + stride
  }
  if (made === 0) throw noWindow(plan, row, gaps)
}

const isSample = (element: WindowRow): element is { readonly x: number | ArrayLike<number> } =>
  isRecord(element) && !isTypedArray(element) && 'x' in element

/** The features of an element. */
function valuesOf(element: WindowRow, row: number): Float32Array | number[] {
  if (isSample(element) && (element as { y?: unknown }).y !== undefined)
    throw new WeftError('ERR_ARGUMENT', `data.windows: row ${row} has a label y, of which windows make nothing`, {
      hint: 'Let x hold all columns, without a label, and say which to predict: { target: 0 }',
    })
  const x: unknown = isSample(element) ? element.x : element
  const values = typeof x === 'number' ? [x] : x
  if (isTypedArray(values) && values.length > 0 && typeof values[0] === 'number') return values as Float32Array
  if (Array.isArray(values) && values.length > 0 && values.every((value) => typeof value === 'number')) return values as number[]
  throw new WeftError('ERR_DATA', `data.windows: row ${row} is ${show(element)}, numbers are expected`, {
    hint: 'Rows are numbers, lists of numbers, or samples { x } of them: use map()',
  })
}

function windowOf(held: readonly ArrayLike<number>[], plan: WindowPlan, chosen: ReturnType<WindowPlan['choose']>): WindowSample {
  const { timesteps, horizon } = plan
  const { inputs, targets, alone } = chosen
  const part = (from: number, count: number, places: readonly number[]): Float32Array => {
    const values = new Float32Array(count * places.length)
    for (let step = 0; step < count; step++)
      for (let i = 0; i < places.length; i++) values[step * places.length + i] = held[from + step]![places[i]!]!
    return values
  }
  const y = part(timesteps, horizon, targets)
  return {
    x: { data: part(0, timesteps, inputs), shape: [timesteps, inputs.length] },
    y: alone ? y : { data: y, shape: [horizon, targets.length] },
  }
}
