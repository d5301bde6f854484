// Normalization of activations: by the batch's statistics, by each sample's.
import { isInteger } from '../core/checks.js'
import { type DynamicShape, type Shape, sizeOf } from '../core/spec.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import type { ConstraintLike } from '../constraints.js'
import { WeftError } from '../core/error.js'
import type { InitializerLike } from '../initializers/index.js'
import {
  add,
  batchNorm,
  cast,
  expandDims,
  layerNorm,
  maximum,
  mul,
  ones,
  onesLike,
  reshape,
  rsqrt,
  square,
  sub,
  sum,
  transpose,
  zeros,
  zerosLike,
} from '../ops/index.js'
import type { RegularizerLike } from '../regularizers.js'
import { type Share, sharing } from '../core/share.js'
import type { Tensor, Variable } from '../core/tensor.js'
import type { ShapeOf } from '../core/tensor_types.js'
import { type ApplyOptions, type CallOptions, Layer, type LayerOptions } from './layer.js'

/** Options of layers with a learned scale and offset. */
export interface Affine {
  /** Added to the variance. Default 1e-3. */
  epsilon?: number
  /** Adds a learned beta. Default true. */
  center?: boolean
  /** Multiplies by a learned gamma. Default true. */
  scale?: boolean
  betaInitializer?: InitializerLike
  gammaInitializer?: InitializerLike
  betaRegularizer?: RegularizerLike
  gammaRegularizer?: RegularizerLike
  betaConstraint?: ConstraintLike
  gammaConstraint?: ConstraintLike
}

export const AFFINE_OPTIONS: OptionTable<Affine> = {
  epsilon: 'number',
  center: 'boolean',
  scale: 'boolean',
  betaInitializer: 'any',
  gammaInitializer: 'any',
  betaRegularizer: 'any',
  gammaRegularizer: 'any',
  betaConstraint: 'any',
  gammaConstraint: 'any',
}

export abstract class AffineLayer<C extends Affine> extends Layer<C> {
  protected override readonly supportsMasking: boolean = true
  gamma: Variable | undefined
  beta: Variable | undefined
  protected readonly epsilon: number

  constructor(what: string, config: C & LayerOptions) {
    super(config)
    this.epsilon = config.epsilon ?? 1e-3
    if (typeof this.epsilon !== 'number' || !(this.epsilon > 0))
      throw new WeftError('ERR_ARGUMENT', `${what}: epsilon must be positive, got ${show(config.epsilon)}`)
  }

  protected addAffine(shape: Shape): void {
    const { scale = true, center = true, ...o } = this.config as Affine
    if (scale)
      this.gamma = this.addWeight({
        name: 'gamma',
        shape,
        initializer: o.gammaInitializer ?? 'ones',
        regularizer: o.gammaRegularizer,
        constraint: o.gammaConstraint,
      })
    if (center)
      this.beta = this.addWeight({
        name: 'beta',
        shape,
        initializer: o.betaInitializer ?? 'zeros',
        regularizer: o.betaRegularizer,
        constraint: o.betaConstraint,
      })
  }

  /** gamma and beta as vectors; ones and zeros where there are none. */
  protected affine(size: number): [Tensor, Tensor] {
    const flat = (t: Tensor): Tensor => (t.rank === 1 ? t : reshape(t, [size]))
    return [
      this.gamma ? flat(this.gamma) : ones([size], { dtype: this.dtype }),
      this.beta ? flat(this.beta) : zeros([size], { dtype: this.dtype }),
    ]
  }

  /** Axes counted from the front. */
  protected front(axes: readonly number[], rank: number): number[] {
    const found = axes.map((axis) => (axis < 0 ? axis + rank : axis))
    if (found.some((axis) => !isInteger(axis, 1, rank - 1))) {
      throw this.error(
        'ERR_SHAPE',
        `axis ${show(axes.length === 1 ? axes[0] : axes)} is not an axis of samples for inputs of rank ${rank}`,
        [],
        `Axes are 1 to ${rank - 1}, or -1 to ${1 - rank}`,
      )
    }
    return found.sort((a, b) => a - b)
  }

  override apply<X extends Tensor>(x: X, options?: ApplyOptions): Tensor<ShapeOf<X>> {
    return super.apply(x, options)
  }
}

/** Calls fn on x with the axes moved to the end, in order, and moves them back in the result. */
export function withLastAxes(x: Tensor, axes: readonly number[], fn: (x: Tensor) => Tensor): Tensor {
  const all = x.shape.map((_, axis) => axis)
  const order = [...all.filter((axis) => !axes.includes(axis)), ...axes]
  if (order.every((axis, i) => axis === i)) return fn(x)
  return transpose(
    fn(transpose(x, order)),
    all.map((axis) => order.indexOf(axis)),
  )
}

export interface BatchNormalizationOptions extends Affine {
  /** The axis whose features have statistics of their own. Default -1. */
  axis?: number
  /** Share of the old moving statistics in each step. Default 0.99. */
  momentum?: number
  /** In a distributed run: statistics of the whole batch, not of the rows of each rank. Default false. */
  synchronized?: boolean
  /** Default zeros. */
  movingMeanInitializer?: InitializerLike
  /** Default ones. */
  movingVarianceInitializer?: InitializerLike
}

/**
 * Each feature normalized by its mean and biased variance over the batch while training, by moving statistics otherwise
 * and when `trainable` is false (Ioffe and Szegedy 2015). With a mask, statistics are of the steps that are data.
 */
export class BatchNormalization extends AffineLayer<BatchNormalizationOptions> {
  static override readonly className: string = 'BatchNormalization'
  static override readonly options: OptionTable<BatchNormalizationOptions> = {
    axis: 'any',
    momentum: 'number',
    synchronized: 'boolean',
    movingMeanInitializer: 'any',
    movingVarianceInitializer: 'any',
    ...AFFINE_OPTIONS,
  }

  movingMean!: Variable
  movingVariance!: Variable
  private readonly momentum: number
  private axis = -1

  constructor(config: BatchNormalizationOptions & LayerOptions = {}) {
    super('layers.batchNormalization', config)
    this.momentum = config.momentum ?? 0.99
    if (!(this.momentum >= 0 && this.momentum <= 1))
      throw new WeftError('ERR_ARGUMENT', `layers.batchNormalization: momentum must be in [0, 1], got ${config.momentum}`)
  }

  override build(inputShape: DynamicShape): void {
    this.axis = this.front([this.config.axis ?? -1], inputShape.length)[0]!
    const features = this.extentOf(inputShape, this.axis)
    this.addAffine([features])
    const { movingMeanInitializer = 'zeros', movingVarianceInitializer = 'ones' } = this.config
    this.movingMean = this.addWeight({ name: 'movingMean', shape: [features], initializer: movingMeanInitializer, trainable: false })
    this.movingVariance = this.addWeight({
      name: 'movingVariance',
      shape: [features],
      initializer: movingVarianceInitializer,
      trainable: false,
    })
    this.inputSpec = { rank: inputShape.length, axes: { [this.axis]: features } }
  }

  call(x: Tensor, { training, mask }: CallOptions): Tensor {
    return withLastAxes(x, [this.axis], (moved) => {
      if (!training || !this.trainable) return this.normalize(moved, this.movingMean, this.movingVariance)
      const share = this.config.synchronized ? sharing() : undefined
      if (share) return this.synchronized(moved, mask && this.axis === x.rank - 1 && mask.rank < x.rank ? mask : undefined, share)
      if (mask && this.axis === x.rank - 1 && mask.rank < x.rank) return this.masked(moved, mask)
      const { y, mean, variance } = batchNorm(moved, ...this.affine(moved.shape.at(-1)!), { epsilon: this.epsilon })
      this.update(mean, variance)
      return y
    })
  }

  /**
   * (x - mean) / √(variance + ε) · gamma + beta. The difference comes first: it is exact where x and the mean are large
   * and near each other.
   */
  private normalize(x: Tensor, mean: Tensor, variance: Tensor): Tensor {
    const inverse = rsqrt(add(variance, this.epsilon))
    const scaled = mul(sub(x, mean), this.gamma ? mul(this.gamma, inverse) : inverse)
    return this.beta ? add(scaled, this.beta) : scaled
  }

  private masked(x: Tensor, mask: Tensor): Tensor {
    return this.byStatistics(x, cast(mask, x.dtype), (total) => total)
  }

  /** Statistics of the rows of all ranks. */
  private synchronized(x: Tensor, mask: Tensor | undefined, share: Share): Tensor {
    const valid = mask ? cast(mask, x.dtype) : onesLike(sum(x, -1))
    return this.byStatistics(x, share.weight > 0 ? valid : zerosLike(valid), share.sum)
  }

  /** Normalized by the mean and variance of the valid steps; `total` makes the sum of all of what is the sum here. */
  private byStatistics(x: Tensor, mask: Tensor, total: (sum: Tensor) => Tensor): Tensor {
    let valid = mask
    while (valid.rank < x.rank) valid = expandDims(valid, -1)
    const axes = x.shape.map((_, axis) => axis).slice(0, -1)
    // [.., 1] weights count each step once for every place of the axes the mask does not have
    const repeats = sizeOf(x.shape.slice(0, -1)) / Math.max(1, valid.size)
    const count = maximum(total(mul(sum(valid), repeats)), 1)
    const mean = total(sum(mul(x, valid), axes)).div(count)
    const variance = total(sum(mul(square(sub(x, mean)), valid), axes)).div(count)
    this.update(mean, variance)
    return this.normalize(x, mean, variance)
  }

  private update(mean: Tensor, variance: Tensor): void {
    this.movingMean.assign(add(mul(this.movingMean, this.momentum), mul(mean, 1 - this.momentum)))
    this.movingVariance.assign(add(mul(this.movingVariance, this.momentum), mul(variance, 1 - this.momentum)))
  }
}

/** Features normalized over the batch (Ioffe and Szegedy 2015). */
export const batchNormalization: LayerFactory<typeof BatchNormalization> = layer(BatchNormalization)

export interface LayerNormalizationOptions extends Affine {
  /** The axes that are normalized together. Default -1. */
  axis?: number | readonly number[]
}

/** Each sample normalized by its own mean and variance over the given axes (Ba et al. 2016). */
export class LayerNormalization extends AffineLayer<LayerNormalizationOptions> {
  static override readonly className: string = 'LayerNormalization'
  static override readonly options: OptionTable<LayerNormalizationOptions> = { axis: 'any', ...AFFINE_OPTIONS }
  private axes: number[] = []

  constructor(config: LayerNormalizationOptions & LayerOptions = {}) {
    super('layers.layerNormalization', config)
  }

  override build(inputShape: DynamicShape): void {
    const { axis = -1 } = this.config
    this.axes = this.front(typeof axis === 'number' ? [axis] : axis, inputShape.length)
    const extents = this.axes.map((a) => this.extentOf(inputShape, a))
    this.addAffine(extents)
    this.inputSpec = { rank: inputShape.length, axes: Object.fromEntries(this.axes.map((a) => [a, this.extentOf(inputShape, a)])) }
  }

  call(x: Tensor): Tensor {
    return withLastAxes(x, this.axes, (moved) => {
      const size = sizeOf(moved.shape.slice(-this.axes.length))
      const rows = this.axes.length === 1 ? moved : reshape(moved, [...moved.shape.slice(0, -this.axes.length), size])
      const y = layerNorm(rows, ...this.affine(size), { epsilon: this.epsilon })
      return this.axes.length === 1 ? y : reshape(y, moved.shape)
    })
  }
}

/** Samples normalized by themselves (Ba et al. 2016). */
export const layerNormalization: LayerFactory<typeof LayerNormalization> = layer(LayerNormalization)
