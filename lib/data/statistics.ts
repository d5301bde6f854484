// Statistics of training data: what a model was trained on, so that a server can tell when its requests are of another
// kind.
import { integer, isTypedArray } from '../core/checks.js'
import { tensor } from '../core/create.js'
import type { TypedArray } from '../core/host.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'

export interface StatisticsOptions {
  /** Names of the features, along the last axis; for several inputs a record of such lists. Default: their numbers. */
  names?: readonly string[] | Record<string, readonly string[]>
  /** Bins of each feature. Default 10: deciles. */
  bins?: number
  /** All values of an input are one feature, as the pixels of images and the ids of texts are. */
  pooled?: boolean
}

/** How the values of a feature lie. Missing values are NaN and infinities; they are in no bin. */
export interface FeatureStatistics {
  readonly name: string
  readonly min: number
  readonly max: number
  /** Share of missing values. */
  readonly missing: number
  /** A value is in the first bin whose edge is not below it; in the last one where all are. */
  readonly edges: readonly number[]
  /** Share of the values in each bin: one more than edges. */
  readonly shares: readonly number[]
}

export interface InputStatistics {
  readonly rows: number
  /** One for each position of the last axis; a single one where all values are pooled. */
  readonly features: readonly FeatureStatistics[]
}

/** JSON, to be saved with the model: net.save(folder, { assets: { statistics } }). */
export interface DataStatistics {
  readonly format: 'weft data statistics'
  readonly version: 1
  /** By input; the only one of a model is 'x'. */
  readonly inputs: Readonly<Record<string, InputStatistics>>
}

/** [rows, ...] as a Tensor, nested arrays, or a typed array (rows of one feature) or { data, shape }. */
export type StatisticsInput = Tensor | TypedArray | readonly unknown[] | { readonly data: TypedArray; readonly shape: readonly number[] }

const OPTIONS: OptionTable<StatisticsOptions> = { names: 'any', bins: 'integer', pooled: 'boolean' }
const FORMAT = 'weft data statistics'
/** Inputs with more features are pooled: each one makes series of metrics. */
export const MOST_FEATURES = 256
/** Values of a feature that its bins are made from, evenly taken; smallest and largest are those of all. */
const MOST_VALUES = 1 << 20
const MOST_BINS = 100

/**
 * How the values of a model's inputs lie: for each feature the extremes, the share of missing values, and the shares of
 * its quantile bins. Features lie along the last axis. ERR_DATA where a feature has no value.
 */
export async function statistics(
  x: StatisticsInput | Readonly<Record<string, StatisticsInput>>,
  options: StatisticsOptions = {},
): Promise<DataStatistics> {
  checkCall('data.statistics(x, options)', arguments, OPTIONS)
  const bins = integer('data.statistics', 'bins', options.bins ?? 10, 2, MOST_BINS)
  const several = isRecord(x) && !('data' in x && 'shape' in x)
  const inputs = several ? (x as Readonly<Record<string, StatisticsInput>>) : { x: x as StatisticsInput }
  if (Object.keys(inputs).length === 0) throw new WeftError('ERR_ARGUMENT', 'data.statistics: there are no inputs')
  const { names } = options
  const found: [string, InputStatistics][] = []
  for (const [input, value] of Object.entries(inputs)) {
    const own = Array.isArray(names) ? (names as readonly string[]) : (names as Record<string, readonly string[]> | undefined)?.[input]
    found.push([input, await ofInput(input, value, own, bins, options.pooled ?? false)])
  }
  return { format: FORMAT, version: 1, inputs: Object.fromEntries(found) }
}

async function ofInput(
  input: string,
  value: StatisticsInput,
  names: readonly string[] | undefined,
  bins: number,
  pooled: boolean,
): Promise<InputStatistics> {
  const { data, shape } = await onHost(input, value)
  const rows = shape[0]!
  const last = shape.length < 2 ? 1 : shape.at(-1)!
  const width = pooled || last > MOST_FEATURES ? 1 : last
  if (names !== undefined && (names.length !== width || names.some((name) => typeof name !== 'string')))
    throw new WeftError('ERR_ARGUMENT', `data.statistics: ${input} has ${width} features, names are ${show(names)}`)
  const features = Array.from({ length: width }, (_, i) => {
    const name = names?.[i] ?? (width === 1 && last > 1 ? 'all' : `${i}`)
    return ofFeature(`${input}, feature '${name}'`, name, data, i, width, bins)
  })
  return { rows, features }
}

function ofFeature(
  what: string,
  name: string,
  data: ArrayLike<number | bigint>,
  from: number,
  step: number,
  bins: number,
): FeatureStatistics {
  const count = Math.ceil((data.length - from) / step)
  let [min, max, missing, kept] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0]
  const stride = Math.ceil(count / MOST_VALUES)
  const values = new Float64Array(Math.ceil(count / stride))
  for (let i = 0; i < count; i++) {
    const value = Number(data[from + i * step]!)
    if (!Number.isFinite(value)) {
      missing++
      continue
    }
    if (value < min) min = value
    if (value > max) max = value
    if (i % stride === 0) values[kept++] = value
  }
  if (kept === 0) throw new WeftError('ERR_DATA', `data.statistics: ${what} has no value`)
  const sorted = values.subarray(0, kept).sort()
  const quantiles = Array.from({ length: bins - 1 }, (_, i) => sorted[Math.ceil(((i + 1) / bins) * kept) - 1]!)
  // values that many rows share make edges fall together
  const edges = [...new Set(quantiles)].filter((edge) => edge < max)
  const counts = new Array<number>(edges.length + 1).fill(0)
  for (const value of sorted) counts[binOf(edges, value)]!++
  return { name, min, max, missing: missing / count, edges, shares: counts.map((n) => n / kept) }
}

/** The bin of a value. */
export function binOf(edges: readonly number[], value: number): number {
  let [low, high] = [0, edges.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (value <= edges[middle]!) high = middle
    else low = middle + 1
  }
  return low
}

async function onHost(input: string, value: StatisticsInput): Promise<{ data: ArrayLike<number | bigint>; shape: readonly number[] }> {
  const read = async (t: Tensor): Promise<{ data: ArrayLike<number | bigint>; shape: readonly number[] }> => {
    if (t.rank === 0 || t.size === 0)
      throw new WeftError('ERR_SHAPE', `data.statistics: ${input} has shape [${t.shape}], and no rows of values`)
    return { data: await t.data(), shape: t.shape }
  }
  if (value instanceof Tensor) return read(value)
  if (isTypedArray(value) && value.length > 0) return { data: value as Float32Array, shape: [value.length] }
  if (isRecord(value) && isTypedArray(value['data']) && Array.isArray(value['shape'])) {
    const { data, shape } = value as unknown as { data: Float32Array; shape: number[] }
    if (data.length > 0 && shape.reduce((size, extent) => size * extent, 1) === data.length) return { data, shape }
    throw new WeftError('ERR_SHAPE', `data.statistics: ${input} has ${data.length} values for shape [${shape}]`)
  }
  if (!Array.isArray(value))
    throw new WeftError(
      'ERR_ARGUMENT',
      `data.statistics: ${input} is ${show(value)}, expected a Tensor, arrays of numbers, or a record of these`,
    )
  const made = tensor(value as number[], { dtype: 'float64', device: 'cpu' })
  try {
    return await read(made)
  } finally {
    made.dispose()
  }
}

/** The statistics in a value that was saved; undefined for another kind of value. ERR_FORMAT where they are broken. */
export function readStatistics(value: unknown): DataStatistics | undefined {
  if (!isRecord(value) || value['format'] !== FORMAT) return undefined
  const share = (n: unknown): boolean => typeof n === 'number' && n >= 0 && n <= 1
  const isFeature = (one: unknown): boolean => {
    const { name, min, max, missing, edges, shares } = (isRecord(one) ? one : {}) as Record<string, unknown>
    if (typeof name !== 'string' || !Number.isFinite(min) || !Number.isFinite(max) || !share(missing)) return false
    if (!Array.isArray(edges) || !Array.isArray(shares) || shares.length !== edges.length + 1 || edges.length >= MOST_BINS) return false
    return edges.every((edge, i) => Number.isFinite(edge) && (i === 0 || edge > edges[i - 1])) && shares.every(share)
  }
  const isInput = (one: unknown): boolean => {
    const { rows, features } = (isRecord(one) ? one : {}) as Record<string, unknown>
    return Number.isSafeInteger(rows) && Array.isArray(features) && features.length <= MOST_FEATURES && features.every(isFeature)
  }
  const { version, inputs } = value
  if (version !== 1 || !isRecord(inputs) || !Object.values(inputs).every(isInput))
    throw new WeftError('ERR_FORMAT', 'the statistics of the training data that were saved with the model are broken')
  return value as unknown as DataStatistics
}
