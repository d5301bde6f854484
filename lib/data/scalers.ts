// Scalers: features brought to one scale by what the training part shows, and back.
import { tensor } from '../core/create.js'
import type { TypedArray } from '../core/host.js'
import { isFloat } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import { add, cast, mul, sub } from '../ops/index.js'
import { Tensor } from '../core/tensor.js'
import { isTypedArray } from '../core/checks.js'
import { checkDepth } from '../core/tree.js'
import { settingsText, shownAs } from '../core/shown.js'
import { keepGap } from './gaps.js'
import { columnsOf, type Line, linesFrom, listOf } from './scaler_lines.js'
import { checkAttached, checkShaped, isShaped, type ShapedArray } from './host.js'

/** Values with the features along the last axis; [n]: n values of one feature. */
export type Scalable = Tensor | TypedArray | ShapedArray | readonly number[] | readonly (readonly number[])[]

/** What transform gives for a Tensor, a typed array, { data, shape }, an array. */
export type Scaled<T extends Scalable> = T extends Tensor
  ? Tensor
  : T extends TypedArray
    ? Float32Array
    : T extends ShapedArray
      ? { data: Float64Array; shape: ShapedArray['shape'] }
      : T

export interface TransformOptions {
  /** All values are of this feature, as the predictions of one target. */
  feature?: number
}

const TRANSFORM_OPTIONS: OptionTable<TransformOptions> = { feature: 'integer' }

/** The base of all scalers: a line for each feature. */
export abstract class Scaler {
  protected abstract readonly what: string
  protected lines: readonly Line[] | undefined

  /** The line of one feature's values, all finite and at least one. */
  protected abstract lineOf(values: Float64Array): Line
  abstract toJSON(): object

  /** All options, defaults included. */
  abstract getParams(): object
  /** Changes options; what was learned stays until the next fit(). Throws ERR_ARGUMENT as the factory does. */
  abstract setParams(params: object): this
  /** A scaler of the same options that has seen no data. */
  abstract clone(): this

  /** The name of its factory. */
  get kind(): string {
    return this.what
  }
  get isFitted(): boolean {
    return this.lines !== undefined
  }

  /** Takes the statistics of the values, which should be those of the training part alone. Resolves with the scaler. */
  async fit(values: Scalable): Promise<this> {
    const { data, features } = await rowsOf(this.what, values)
    const rows = data.length / features
    if (!(rows >= 1)) throw new WeftError('ERR_ARGUMENT', `${this.what}: fit needs at least one row`)
    this.lines = Array.from({ length: features }, (_, feature) => {
      const column = Float64Array.from({ length: rows }, (_, row) => Number(data[row * features + feature]!))
      const bad = column.findIndex((value) => !Number.isFinite(value))
      if (bad >= 0)
        throw new WeftError('ERR_DATA', `${this.what}: feature ${feature} of row ${bad} is ${column[bad]}`, {
          hint: 'Fill in or drop rows with missing values',
        })
      return this.lineOf(column)
    })
    return this
  }

  /** fit(values), then transform(values). */
  async fitTransform<T extends Scalable>(values: T): Promise<Scaled<T>> {
    return (await this.fit(values)).transform(values)
  }

  /** The values on the common scale, in the form they were given: a Tensor, a Float32Array, an array. */
  transform<T extends Scalable>(values: T, options: TransformOptions = {}): Scaled<T> {
    return this.along('transform', values, options, (line) => line)
  }

  /** @internal Takes what toJSON() has of the data. */
  adopt(json: unknown): this {
    this.lines = linesFrom(json, this.what)
    return this
  }

  /** transform() undone. */
  inverseTransform<T extends Scalable>(values: T, options: TransformOptions = {}): Scaled<T> {
    return this.along('inverseTransform', values, options, ({ center, factor, origin }) => ({
      center: origin,
      factor: 1 / factor,
      origin: center,
    }))
  }

  private along<T extends Scalable>(method: string, values: T, options: TransformOptions, lineOf: (own: Line) => Line): Scaled<T> {
    checkOptions(`${this.what}: ${method}`, options, TRANSFORM_OPTIONS, 'values')
    if (!this.lines)
      throw new WeftError('ERR_STATE', `${this.what}: the scaler has seen no data`, { hint: 'Call await fit(training part) first' })
    const all = this.lines.map(lineOf)
    const { feature } = options
    if (feature !== undefined && !(Number.isInteger(feature) && feature >= 0 && feature < all.length))
      throw new WeftError('ERR_ARGUMENT', `${this.what}: feature must be an integer from 0 to ${all.length - 1}, got ${show(feature)}`)
    const lines = feature === undefined ? all : [all[feature]!]
    const width = lines.length
    if (values instanceof Tensor) {
      if (width > 1 && values.shape.at(-1) !== width) throw this.misfit(String(values.shape), width)
      const x: Tensor = isFloat(values.dtype) ? values : cast(values, 'float32')
      const row = (numbers: readonly number[]): Tensor =>
        tensor(Float64Array.from(numbers), { shape: [width], dtype: x.dtype, device: x.device })
      // what the center loses in float32 is taken off by itself
      const centers = lines.map(({ center }) => center)
      const rest = centers.map((center) => center - Math.fround(center))
      const centered = sub(sub(x, row(centers.map(Math.fround))), row(rest))
      return add(mul(centered, row(lines.map(({ factor }) => factor))), row(lines.map(({ origin }) => origin))) as Scaled<T>
    }
    const one = (value: unknown, i: number): number => {
      const { center, factor, origin } = lines[i % width]!
      return (Number(value) - center) * factor + origin
    }
    checkAttached(values, this.what)
    if (isTypedArray(values)) {
      if (width > 1) throw this.misfit(String(values.length), width)
      return Float32Array.from(values as Float32Array, one) as unknown as Scaled<T>
    }
    if (isShaped(values)) {
      checkShaped(values, this.what)
      if (width > 1 && values.shape.at(-1) !== width) throw this.misfit(String(values.shape), width)
      return { data: Float64Array.from(values.data as ArrayLike<number>, one), shape: values.shape } as Scaled<T>
    }
    const each = (item: unknown, depth: number): unknown => {
      checkDepth(depth)
      if (!Array.isArray(item))
        throw new WeftError('ERR_ARGUMENT', `${this.what}: expected numbers, arrays of them or a Tensor, got ${typeof item}`)
      if (item.some(Array.isArray)) return item.map((part) => each(part, depth + 1))
      if (width > 1 && item.length !== width) throw this.misfit(`..., ${item.length}`, width)
      return keepGap(
        item.map((value, i) => one(value, i)),
        item,
      )
    }
    return each(values, 0) as Scaled<T>
  }

  private misfit(shape: string, width: number): WeftError {
    return new WeftError('ERR_SHAPE', `${this.what}: the scaler knows ${width} features, the values have shape [${shape}]`, {
      hint: 'The last axis is that of the features; for values of one of them say which: { feature: 0 }',
    })
  }
}
shownAs<Scaler>(Scaler.prototype as Scaler, (one) => `${one.kind}${settingsText(one.getParams())}${one.isFitted ? '' : ', not fitted'}`)

/** Values row-major on the host, and the number of features. */
async function rowsOf(what: string, values: Scalable): Promise<{ data: ArrayLike<number>; features: number }> {
  const featuresOf = (shape: readonly number[]): number => (shape.length < 2 ? 1 : shape.at(-1)!)
  if (values instanceof Tensor) return { data: (await values.data()) as Float32Array, features: featuresOf(values.shape) }
  if (isTypedArray(values)) return { data: values as Float32Array, features: 1 }
  if (isShaped(values)) {
    checkShaped(values, what)
    return { data: values.data as ArrayLike<number>, features: featuresOf(values.shape) }
  }
  if (!Array.isArray(values))
    throw new WeftError('ERR_ARGUMENT', `${what}: expected an array, a typed array or a Tensor, got ${typeof values}`)
  const made = tensor(values as number[], { dtype: 'float64', device: 'cpu' })
  try {
    return { data: (await made.data()) as Float64Array, features: made.rank < 2 ? 1 : made.shape.at(-1)! }
  } finally {
    made.dispose()
  }
}

/** The smallest and largest value; constant where they differ by rounding only. */
function spanOf(values: Float64Array): { low: number; high: number; constant: boolean } {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return { low, high, constant: high - low <= 2 * Number.EPSILON * Math.max(Math.abs(low), Math.abs(high)) }
}

/**
 * (x - mean) / deviation of each feature (the deviation of a population, as scikit-learn's; a constant feature becomes
 * 0).
 */
export class StandardScaler extends Scaler {
  protected override readonly what = 'standardScaler'

  protected override lineOf(values: Float64Array): Line {
    const { low, high, constant } = spanOf(values)
    if (constant) return { center: low, factor: 1, origin: 0 }
    // relative to a value of the data sums are small; a second pass takes off what rounding left in the mean
    let mean = 0
    for (const value of values) mean += (value - low) / values.length
    let left = 0
    for (const value of values) left += (value - low - mean) / values.length
    mean += left
    let variance = 0
    for (const value of values) variance += (value - low - mean) ** 2 / values.length
    const [center, factor] = [Math.min(high, low + mean), 1 / Math.sqrt(variance)]
    // the center of values that are large compared with their spread is rounded: what it lost
    const lost = (mean - (center - low)) * factor
    return { center, factor, origin: Math.abs(lost) > 1e-12 ? -lost : 0 }
  }

  override getParams(): object {
    return {}
  }
  override setParams(params: object): this {
    checkOptions('data.standardScaler', params, {})
    return this
  }
  override clone(): this {
    return new StandardScaler() as this
  }

  /** Mean of each feature. */
  get mean(): number[] {
    return (this.lines ?? []).map(({ center }) => center)
  }
  /** Standard deviation of each feature; 1 of constant ones. */
  get deviation(): number[] {
    return (this.lines ?? []).map(({ factor }) => 1 / factor)
  }

  toJSON(): object {
    return { className: 'StandardScaler', ...columnsOf(this.lines ?? []) }
  }
  static fromJSON(json: unknown): StandardScaler {
    return new StandardScaler().adopt(json)
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
  range: readonly [number, number] = [0, 1]

  constructor(options: MinMaxScalerOptions = {}) {
    super()
    this.setParams(options)
  }

  override getParams(): Required<MinMaxScalerOptions> {
    return { range: this.range }
  }
  override setParams(options: MinMaxScalerOptions): this {
    checkOptions('data.minMaxScaler', options, MIN_MAX_OPTIONS)
    const { range = this.range } = options ?? {}
    if (!Array.isArray(range) || range.length !== 2 || !range.every(Number.isFinite) || !(range[0] < range[1]))
      throw new WeftError('ERR_ARGUMENT', `minMaxScaler: range must be two numbers in ascending order, got ${show(range)}`)
    this.range = range
    return this
  }
  override clone(): this {
    return new MinMaxScaler({ range: this.range }) as this
  }

  protected override lineOf(values: Float64Array): Line {
    const [{ low, high, constant }, [begin, end]] = [spanOf(values), this.range]
    return { center: low, factor: constant ? 1 : (end - begin) / (high - low), origin: begin }
  }

  toJSON(): object {
    return { className: 'MinMaxScaler', range: this.range, ...columnsOf(this.lines ?? []) }
  }
  static fromJSON(json: unknown): MinMaxScaler {
    return new MinMaxScaler({ range: listOf(json, 'minMaxScaler', 'range') as [number, number] }).adopt(json)
  }
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
