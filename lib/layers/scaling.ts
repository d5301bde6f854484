// Scaling of inputs: rescaling by given numbers, normalization by statistics of the data.
import { isInteger, isList } from '../core/checks.js'
import { tensor } from '../core/create.js'
import type { HostArray } from '../core/host.js'
import type { DynamicShape } from '../core/spec.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import { add, cast, div, maximum, mean, mul, reshape, sqrt, squaredDifference, sub } from '../ops/index.js'
import { Tensor, type TensorLike, type Variable } from '../core/tensor.js'
import { Layer, type LayerOptions } from './layer.js'

export interface RescalingOptions {
  /** One number, or one for each channel. */
  scale: number | readonly number[]
  /** Default 0. */
  offset?: number | readonly number[]
}

/** x · scale + offset. */
export class Rescaling extends Layer<RescalingOptions> {
  static override readonly className: string = 'Rescaling'
  static override readonly options: OptionTable<RescalingOptions> = { scale: 'any', offset: 'any' }
  protected override readonly supportsMasking: boolean = true

  constructor(config: RescalingOptions & LayerOptions) {
    super(config)
    for (const [name, value] of Object.entries({ scale: config.scale, offset: config.offset ?? 0 })) {
      if (![value].flat().every((n) => typeof n === 'number' && Number.isFinite(n))) {
        throw new WeftError(
          'ERR_ARGUMENT',
          `layers.rescaling: ${name} must be a number or a list of them, got ${value === undefined ? 'nothing' : show(value)}`,
        )
      }
    }
  }

  call(x: Tensor): Tensor {
    const { scale, offset = 0 } = this.config
    const scaled = mul(x, scale as TensorLike)
    return offset === 0 ? scaled : add(scaled, offset as TensorLike)
  }
}

/** x · scale + offset, as for bytes: { scale: 1 / 255 }. */
export const rescaling: LayerFactory<typeof Rescaling> = layer(Rescaling)

export interface NormalizationOptions {
  /** Axes that have statistics of their own; null: one mean and variance of everything. Default -1. */
  axis?: number | readonly number[] | null
  /** Instead of adapt(). */
  mean?: number | readonly number[]
  /** Instead of adapt(), together with mean. */
  variance?: number | readonly number[]
  /** Turns normalized values back. Default false. */
  invert?: boolean
}

/** A batch for adapt(): its values, or a batch of a data.Dataset, of which x is taken. */
type Adaptable = TensorLike | { readonly x: unknown }

/** Keeps divisions finite where a feature is constant; Keras' epsilon. */
const EPSILON = 1e-7

/** (x - mean) / √variance, with the mean and variance of the data given to adapt(). */
export class Normalization extends Layer<NormalizationOptions> {
  static override readonly className: string = 'Normalization'
  static override readonly options: OptionTable<NormalizationOptions> = { axis: 'any', mean: 'any', variance: 'any', invert: 'boolean' }

  private mean: Variable | undefined
  private variance: Variable | undefined
  /** Shape of the statistics, and the same with an extent for every axis of the input. */
  private kept: number[] = []
  private wide: number[] = []

  constructor(config: NormalizationOptions & LayerOptions = {}) {
    super(config)
    if ((config.mean === undefined) !== (config.variance === undefined)) {
      throw new WeftError('ERR_ARGUMENT', 'layers.normalization: mean and variance must be given together', {
        hint: 'Give both, or none and call adapt(data)',
      })
    }
  }

  private axesOf(rank: number): number[] {
    const { axis = -1 } = this.config
    if (axis !== null && ![axis].flat().every(Number.isInteger))
      throw this.error('ERR_ARGUMENT', `axis is an integer or a list of them, got ${show(axis)}`)
    const axes = (axis === null ? [] : [axis].flat()).map((a) => ((a as number) < 0 ? (a as number) + rank : (a as number)))
    if (axes.some((a) => !isInteger(a, 0, rank - 1)))
      throw this.error('ERR_SHAPE', `axis ${show(axis)} is out of range for inputs of rank ${rank}`)
    return axes.sort((a, b) => a - b)
  }

  override build(inputShape: DynamicShape): void {
    const axes = this.axesOf(inputShape.length)
    if (axes.includes(0)) {
      throw this.error(
        'ERR_ARGUMENT',
        'axis 0 is the batch, whose samples share their statistics',
        [inputShape],
        'adapt() takes batches: a Tensor [samples, features], or dataset.batch(32) of a data.Dataset',
      )
    }
    this.kept = axes.map((axis) => this.extentOf(inputShape, axis))
    this.wide = inputShape.map((_, axis) => (axes.includes(axis) ? this.extentOf(inputShape, axis) : 1))
    this.inputSpec = { rank: inputShape.length, axes: Object.fromEntries(axes.map((axis) => [axis, this.extentOf(inputShape, axis)])) }
    if (this.config.mean !== undefined) return
    this.mean = this.addWeight({ name: 'mean', shape: this.kept, initializer: 'zeros', trainable: false })
    this.variance = this.addWeight({ name: 'variance', shape: this.kept, initializer: 'ones', trainable: false })
  }

  /**
   * Takes mean and variance from data: a Tensor or nested arrays (done when the call returns), or an (async) iterable
   * of batches of them: dataset.batch(32) of a data.Dataset.
   */
  async adapt(data: TensorLike | Iterable<Adaptable> | AsyncIterable<Adaptable>): Promise<void> {
    if (this.config.mean !== undefined) throw this.error('ERR_STATE', 'adapt: mean and variance were given as options')
    if (!isStream(data)) {
      const [average, spread] = this.statisticsOf(data as TensorLike)
      this.setStatistics(average, spread)
      return
    }
    const merged = new MergedStatistics()
    for await (const batch of data) {
      const [mean, variance, count] = this.statisticsOf(batch)
      merged.add(await mean.data(), await variance.data(), count)
    }
    if (merged.count === 0) throw this.error('ERR_ARGUMENT', 'adapt: the data are empty')
    this.setStatistics(tensor(merged.mean, { shape: this.kept }), tensor(merged.variance, { shape: this.kept }))
  }

  /** Mean and variance of a batch over all axes but the kept ones, and how many values each is of. */
  private statisticsOf(batch: Adaptable): [Tensor, Tensor, number] {
    return outsideTrace(() => {
      const x = cast(asBatch(batch), this.dtype)
      if (x.size === 0) throw this.error('ERR_ARGUMENT', 'adapt: the data are empty', [x.shape])
      this.build(x.shape)
      this.checkInput(x.shape)
      const others = x.shape.map((_, axis) => axis).filter((axis) => !this.axesOf(x.rank).includes(axis))
      const average = mean(x, others, { keepDims: true })
      const spread = mean(squaredDifference(x, average), others, { keepDims: true })
      return [reshape(average, this.kept), reshape(spread, this.kept), x.size / Math.max(1, average.size)]
    })
  }

  private setStatistics(average: Tensor, spread: Tensor): void {
    this.mean!.assign(average)
    this.variance!.assign(spread)
  }

  call(x: Tensor): Tensor {
    const statistic = (value: Variable | undefined, given: number | readonly number[] | undefined): Tensor => {
      if (value) return reshape(value, this.wide)
      const t = tensor(given as TensorLike, { dtype: this.dtype })
      return t.size === 1 ? reshape(t, []) : reshape(t, this.wide)
    }
    const average = statistic(this.mean, this.config.mean)
    const deviation = maximum(sqrt(statistic(this.variance, this.config.variance)), EPSILON)
    return this.config.invert ? add(mul(x, deviation), average) : div(sub(x, average), deviation)
  }
}

/** (x - mean) / √variance of the data given to adapt(). */
export const normalization: LayerFactory<typeof Normalization> = layer(Normalization)

function isStream(data: unknown): data is AsyncIterable<TensorLike> | Iterable<TensorLike> {
  if (typeof data !== 'object' || data === null || data instanceof Tensor || isList(data)) return false
  return Symbol.asyncIterator in data || Symbol.iterator in data
}

function asBatch(batch: Adaptable): Tensor {
  const values = typeof batch === 'object' && !(batch instanceof Tensor) && 'x' in batch ? batch.x : batch
  return values instanceof Tensor ? values : tensor(values as TensorLike)
}

/** Mean and biased variance of batches merged one by one, in float64 (Chan, Golub and LeVeque 1979). */
class MergedStatistics {
  count = 0
  mean: Float64Array = new Float64Array()
  variance: Float64Array = new Float64Array()

  add(mean: HostArray, variance: HostArray, count: number): void {
    const total = this.count + count
    const old = { mean: this.mean, variance: this.variance }
    this.mean = Float64Array.from(mean as Float32Array, (m, i) => (Number(m) * count + (old.mean[i] ?? 0) * this.count) / total)
    this.variance = Float64Array.from(variance as Float32Array, (v, i) => {
      const apart = Number(mean[i]) - (old.mean[i] ?? 0)
      return (Number(v) * count + (old.variance[i] ?? 0) * this.count + (apart ** 2 * count * this.count) / total) / total
    })
    this.count = total
  }
}
