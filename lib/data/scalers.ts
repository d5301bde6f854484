// Scalers: features brought to one scale by what the training part shows, and back.
import { isFloat } from '../core/spec.js'
import { tensor } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable } from '../core/options.js'
import { add, cast, mul } from '../ops/index.js'
import { Tensor, type TypedArray } from '../core/tensor.js'
import { isTypedArray } from './host.js'

/** Values with the features along the last axis; [n]: n values of one feature. */
export type Scalable = Tensor | TypedArray | readonly number[] | readonly (readonly number[])[]

/** What transform gives for a Tensor, a typed array, an array. */
export type Scaled<T extends Scalable> = T extends Tensor ? Tensor : T extends TypedArray ? Float32Array : T

/** Statistics of a scaler: scaled = value · factor + offset, for each feature. */
interface Lines {
  factor: readonly number[]
  offset: readonly number[]
}

export interface TransformOptions {
  /** All values are of this feature, as the predictions of one target. */
  feature?: number
}

const TRANSFORM_OPTIONS: OptionTable<TransformOptions> = { feature: 'integer' }

/** The base of both scalers: a line for each feature. */
export abstract class Scaler {
  protected abstract readonly what: string
  protected lines: Lines | undefined

  /** The line of one feature's values, all finite and at least one. */
  protected abstract lineOf(values: Float64Array): { factor: number; offset: number }
  abstract toJSON(): object

  /** Takes the statistics of the values, which should be those of the training part alone. Resolves with the scaler. */
  async fit(values: Scalable): Promise<this> {
    const { data, features } = await rowsOf(this.what, values)
    const rows = data.length / features
    if (!(rows >= 1)) throw new WeftError('ERR_ARGUMENT', `${this.what}: fit needs at least one row`)
    const lines = Array.from({ length: features }, (_, feature) => {
      const column = Float64Array.from({ length: rows }, (_, row) => data[row * features + feature]!)
      const bad = column.findIndex((value) => !Number.isFinite(value))
      if (bad >= 0)
        throw new WeftError('ERR_DATA', `${this.what}: feature ${feature} of row ${bad} is ${column[bad]}`, {
          hint: 'Fill in or drop rows with missing values',
        })
      return this.lineOf(column)
    })
    this.lines = { factor: lines.map(({ factor }) => factor), offset: lines.map(({ offset }) => offset) }
    return this
  }

  /** The values on the common scale, in the form they were given: a Tensor, a Float32Array, an array. */
  transform<T extends Scalable>(values: T, options: TransformOptions = {}): Scaled<T> {
    return this.along('transform', values, options, ({ factor, offset }) => ({ factor, offset }))
  }

  /** transform() undone. */
  inverseTransform<T extends Scalable>(values: T, options: TransformOptions = {}): Scaled<T> {
    return this.along('inverseTransform', values, options, ({ factor, offset }) => ({
      factor: factor.map((f) => 1 / f),
      offset: offset.map((o, i) => -o / factor[i]!),
    }))
  }

  private along<T extends Scalable>(method: string, values: T, options: TransformOptions, lines: (own: Lines) => Lines): Scaled<T> {
    checkOptions(`${this.what}: ${method}`, options, TRANSFORM_OPTIONS, 'values')
    if (!this.lines)
      throw new WeftError('ERR_STATE', `${this.what}: the scaler has seen no data`, { hint: 'Call await fit(training part) first' })
    const all = lines(this.lines)
    const { feature } = options
    const known = all.factor.length
    if (feature !== undefined && !(Number.isInteger(feature) && feature >= 0 && feature < known))
      throw new WeftError('ERR_ARGUMENT', `${this.what}: feature must be an integer from 0 to ${known - 1}, got ${JSON.stringify(feature)}`)
    const line: Lines = feature === undefined ? all : { factor: [all.factor[feature]!], offset: [all.offset[feature]!] }
    const width = line.factor.length
    if (values instanceof Tensor) {
      if (width > 1 && values.shape.at(-1) !== width) throw this.misfit(String(values.shape), width)
      const x = isFloat(values.dtype) ? values : cast(values, 'float32')
      const row = (numbers: readonly number[]): Tensor => tensor([...numbers], { dtype: x.dtype, device: x.device })
      return add(mul(x, row(line.factor)), row(line.offset)) as Scaled<T>
    }
    const one = (value: number, i: number): number => value * line.factor[i % width]! + line.offset[i % width]!
    if (isTypedArray(values)) {
      if (width > 1) throw this.misfit(String(values.length), width)
      return Float32Array.from(values as Float32Array, one) as unknown as Scaled<T>
    }
    const each = (item: unknown): unknown => {
      if (!Array.isArray(item))
        throw new WeftError('ERR_ARGUMENT', `${this.what}: expected numbers, arrays of them or a Tensor, got ${typeof item}`)
      if (item.some(Array.isArray)) return item.map(each)
      if (width > 1 && item.length !== width) throw this.misfit(`..., ${item.length}`, width)
      return item.map((value, i) => one(Number(value), i))
    }
    return each(values) as Scaled<T>
  }

  private misfit(shape: string, width: number): WeftError {
    return new WeftError('ERR_SHAPE', `${this.what}: the scaler knows ${width} features, the values have shape [${shape}]`, {
      hint: 'The last axis is that of the features; for values of one of them say which: { feature: 0 }',
    })
  }
}

/** Values row-major on the host, and the number of features. */
async function rowsOf(what: string, values: Scalable): Promise<{ data: ArrayLike<number>; features: number }> {
  if (values instanceof Tensor) return { data: (await values.data()) as Float32Array, features: values.rank < 2 ? 1 : values.shape.at(-1)! }
  if (isTypedArray(values)) return { data: values as Float32Array, features: 1 }
  if (!Array.isArray(values))
    throw new WeftError('ERR_ARGUMENT', `${what}: expected an array, a typed array or a Tensor, got ${typeof values}`)
  const made = tensor(values as number[], { dtype: 'float64', device: 'cpu' })
  try {
    return { data: (await made.data()) as Float64Array, features: made.rank < 2 ? 1 : made.shape.at(-1)! }
  } finally {
    made.dispose()
  }
}

const listOf = (json: unknown, what: string, name: string): number[] => {
  const list = (json as Record<string, unknown> | null)?.[name]
  if (Array.isArray(list) && list.every((value) => typeof value === 'number' && Number.isFinite(value))) return list
  throw new WeftError('ERR_FORMAT', `${what}: a saved scaler has a list of numbers '${name}', got ${JSON.stringify(json)?.slice(0, 200)}`)
}

/** (x - mean) / deviation of each feature (the deviation of a population, as scikit-learn's; a constant feature becomes 0). */
export class StandardScaler extends Scaler {
  protected override readonly what = 'standardScaler'

  protected override lineOf(values: Float64Array): { factor: number; offset: number } {
    let mean = 0
    for (const value of values) mean += value / values.length
    let variance = 0
    for (const value of values) variance += (value - mean) ** 2 / values.length
    // rounding leaves a constant feature a deviation that is none
    const deviation = Math.sqrt(variance) > 1e-12 * Math.abs(mean) ? Math.sqrt(variance) : 1
    return { factor: 1 / deviation, offset: -mean / deviation }
  }

  /** Mean of each feature. */
  get mean(): number[] {
    return (this.lines?.offset ?? []).map((offset, i) => -offset / this.lines!.factor[i]!)
  }
  /** Standard deviation of each feature; 1 of constant ones. */
  get deviation(): number[] {
    return (this.lines?.factor ?? []).map((factor) => 1 / factor)
  }

  toJSON(): object {
    return { className: 'StandardScaler', factor: this.lines?.factor ?? [], offset: this.lines?.offset ?? [] }
  }
  static fromJSON(json: unknown): StandardScaler {
    const made = new StandardScaler()
    made.lines = { factor: listOf(json, 'standardScaler', 'factor'), offset: listOf(json, 'standardScaler', 'offset') }
    return made
  }
}

export interface MinMaxScalerOptions {
  /** Where the smallest and the largest value of each feature come to lie. Default [0, 1]. */
  range?: readonly [number, number]
}

const MIN_MAX_OPTIONS: OptionTable<MinMaxScalerOptions> = { range: 'any' }

/** Each feature moved and stretched so that its values fill a range (a constant feature lies at the range's begin). */
export class MinMaxScaler extends Scaler {
  protected override readonly what = 'minMaxScaler'
  readonly range: readonly [number, number]

  constructor(options: MinMaxScalerOptions = {}) {
    super()
    checkOptions('data.minMaxScaler', options, MIN_MAX_OPTIONS)
    const { range = [0, 1] } = options
    if (!Array.isArray(range) || range.length !== 2 || !range.every(Number.isFinite) || !(range[0] < range[1]))
      throw new WeftError('ERR_ARGUMENT', `minMaxScaler: range must be two numbers in ascending order, got ${JSON.stringify(range)}`)
    this.range = range
  }

  protected override lineOf(values: Float64Array): { factor: number; offset: number } {
    const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
    const factor = (this.range[1] - this.range[0]) / (high > low ? high - low : 1)
    return { factor, offset: this.range[0] - low * factor }
  }

  toJSON(): object {
    return { className: 'MinMaxScaler', range: this.range, factor: this.lines?.factor ?? [], offset: this.lines?.offset ?? [] }
  }
  static fromJSON(json: unknown): MinMaxScaler {
    const made = new MinMaxScaler({ range: listOf(json, 'minMaxScaler', 'range') as [number, number] })
    made.lines = { factor: listOf(json, 'minMaxScaler', 'factor'), offset: listOf(json, 'minMaxScaler', 'offset') }
    return made
  }
}

/** @internal The scaler that toJSON() described. */
export function scalerFromJson(json: unknown): Scaler {
  const { className } = (json ?? {}) as { className?: unknown }
  if (className === 'StandardScaler') return StandardScaler.fromJSON(json)
  if (className === 'MinMaxScaler') return MinMaxScaler.fromJSON(json)
  throw new WeftError('ERR_FORMAT', `unknown scaler ${JSON.stringify(className)}`)
}

/** Features of mean 0 and deviation 1. `fromJSON` makes a saved one again. */
export const standardScaler: { (): StandardScaler; fromJSON: (json: unknown) => StandardScaler } = Object.assign(
  function () {
    checkCall('data.standardScaler(options)', arguments, {})
    return new StandardScaler()
  },
  { fromJSON: (json: unknown) => StandardScaler.fromJSON(json) },
)
/** Features in a range, default [0, 1]. `fromJSON` makes a saved one again. */
export const minMaxScaler: { (options?: MinMaxScalerOptions): MinMaxScaler; fromJSON: (json: unknown) => MinMaxScaler } = Object.assign(
  function (options: MinMaxScalerOptions = {}) {
    checkCall('data.minMaxScaler(options)', arguments)
    return new MinMaxScaler(options)
  },
  { fromJSON: (json: unknown) => MinMaxScaler.fromJSON(json) },
)
