// Augmentation that mixes images and their labels: mixUp, cutMix.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { jit, type JitFunction } from '../core/jit.js'
import { factoryName } from '../core/named.js'
import { type OptionTable, show } from '../core/options.js'
import { randomState } from '../core/random.js'
import { isFloat } from '../core/spec.js'
import { Tensor, type Variable } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import * as ops from '../ops/index.js'
import { type ImageShape, type Range, rangeOption, type SeedOption } from './augmentation.js'
import { betaWeights } from './beta.js'
import { type LayerFactory, layer } from './declare.js'
import { type CallOptions, type InputShapes, Layer, type LayerOptions } from './layer.js'

/** Images [batch, height, width, channels] with their labels [batch, classes]. */
export interface LabelledImages {
  images: Tensor
  labels: Tensor
}
type Pair = LabelledImages | readonly [images: Tensor, labels: Tensor]

/** A batch of a data.Dataset. */
interface ImageBatch {
  x?: unknown
  y?: unknown
}

abstract class Mixing<C extends SeedOption> extends Layer<C, Pair, Pair> {
  protected override readonly castsInputs: boolean = false
  private program: JitFunction<[Tensor, Tensor], { x: Tensor; y: Tensor }> | undefined
  protected state!: Variable

  override build(_inputShape: InputShapes): void {
    this.state = this.addState('randomState', randomState(this.config.seed))
  }

  call(pair: Pair, { training }: CallOptions): Pair {
    const { images, labels } = this.checked(pair)
    const mixed = training && images.shape[0]! > 1 ? this.mixed(images, labels) : { images, labels }
    return Array.isArray(pair) ? [mixed.images, mixed.labels] : mixed
  }

  /**
   * A batch { x, y } mixed, as for `batches.map(layer.mix)`: x are images, y one-hot rows. What else is in the batch
   * stays.
   */
  readonly mix = <B extends ImageBatch>(batch: B): B => {
    const { x, y } = isRecord(batch) ? (batch as ImageBatch) : {}
    if (!(x instanceof Tensor) || !(y instanceof Tensor))
      throw this.error('ERR_ARGUMENT', `mix: expected a batch { x, y } of Tensors, got ${show(batch)}`, [], 'It follows batch(n)')
    this.program ??= jit((images: Tensor, labels: Tensor) => {
      const found = this.apply({ images, labels }, { training: true }) as LabelledImages
      return { x: found.images, y: found.labels }
    })
    this.build([x.shape, y.shape])
    return { ...batch, ...this.program(x, y) }
  }

  protected abstract mixed(images: Tensor, labels: Tensor): LabelledImages

  private checked(pair: unknown): LabelledImages {
    const images: unknown = Array.isArray(pair) ? pair[0] : isRecord(pair) ? pair['images'] : undefined
    const labels: unknown = Array.isArray(pair) ? pair[1] : isRecord(pair) ? pair['labels'] : undefined
    const count = Array.isArray(pair) ? pair.length : isRecord(pair) ? Object.keys(pair).length : 1
    if (!(images instanceof Tensor) || !(labels instanceof Tensor) || count !== 2)
      throw this.error(
        'ERR_ARGUMENT',
        'it mixes labels as well as images, so it takes { images, labels }',
        [],
        `In a pipeline write batches.map(layers.${factoryName(this.className)}().mix)`,
      )
    if (images.rank !== 4 || labels.rank < 2 || labels.shape[0] !== images.shape[0])
      throw this.error(
        'ERR_SHAPE',
        `expected images [batch, height, width, channels] and labels [batch, classes], got [${images.shape}] and [${labels.shape}]`,
        [images.shape, labels.shape],
        'Class numbers become rows by toCategorical(y, classes)',
      )
    return { images: floats(images, this.dtype), labels: floats(labels, this.dtype) }
  }
}

const floats = (x: Tensor, dtype: Layer['dtype']): Tensor => (isFloat(x.dtype) && x.dtype === dtype ? x : ops.cast(x, dtype))

/** The samples of a batch in random order. */
const shuffled = (n: number, state: Variable): Tensor => ops.argSort(ops.randomUniform([n], { state }))

/** weight · a + (1 - weight) · b, with a weight for each sample, or one for all. */
function blended(a: Tensor, b: Tensor, weight: Tensor): Tensor {
  const shaped = ops.cast(ops.reshape(weight, [weight.size, ...a.shape.slice(1).map(() => 1)]), a.dtype)
  return ops.add(ops.mul(a, shaped), ops.mul(b, ops.sub(1, shaped)))
}

export interface MixUpOptions extends SeedOption {
  /** Of the distribution Beta(alpha, alpha) of the weights: small for little mixing. Default 0.2. */
  alpha?: number
}

export class MixUp extends Mixing<MixUpOptions> {
  static override readonly className: string = 'MixUp'
  static override readonly options: OptionTable<MixUpOptions> = { alpha: 'number', seed: 'number' }
  private readonly alpha: number

  constructor(config: MixUpOptions & LayerOptions = {}) {
    super(config)
    this.alpha = config.alpha ?? 0.2
    if (!(this.alpha > 0 && this.alpha <= 100))
      throw new WeftError('ERR_ARGUMENT', `layers.mixUp: alpha is above 0, and at most 100, got ${show(config.alpha)}`)
  }

  protected mixed(images: Tensor, labels: Tensor): LabelledImages {
    const weight = betaWeights(1, tensor([this.alpha], { device: images.device }), this.state)
    const order = shuffled(images.shape[0]!, this.state)
    const both = (x: Tensor): Tensor => blended(x, ops.gather(x, order, 0), weight)
    return { images: both(images), labels: both(labels) }
  }
}

/**
 * Images of a batch and their labels blended with those of others while training, by one weight of Beta(alpha, alpha)
 * for the batch (Zhang et al. 2018). It takes { images, labels }, and gives the same; in a pipeline it is
 * `batches.map(layers.mixUp().mix)`. Labels are one-hot rows.
 */
export const mixUp: LayerFactory<typeof MixUp> = layer(MixUp)

export interface CutMixOptions extends SeedOption {
  /**
   * Of the distribution Beta(a, a) of the part of an image that stays, where a is drawn for each batch: a number f for
   * [0, f], or two, from 0 to 1. Default 1.
   */
  factor?: Range
}

export class CutMix extends Mixing<CutMixOptions> {
  static override readonly className: string = 'CutMix'
  static override readonly options: OptionTable<CutMixOptions> = { factor: 'any', seed: 'number' }
  private readonly factors: readonly [number, number]

  constructor(config: CutMixOptions & LayerOptions = {}) {
    super(config)
    const { factor = 1 } = config
    const [low, high] = rangeOption(this.className, 'factor', factor, 0, 1)
    this.factors = [Math.max(0, low), high]
  }

  protected mixed(images: Tensor, labels: Tensor): LabelledImages {
    const [n, height, width] = images.shape as unknown as ImageShape
    const [low, high] = this.factors
    const alpha = ops.add(ops.randomUniform([1], { low, high, state: this.state }), 1e-6)
    const side = ops.sqrt(ops.sub(1, betaWeights(n, alpha, this.state))) // [n]
    const draw = (): Tensor => ops.randomUniform([n], { state: this.state })
    /** Whether each place along an axis is in the part that is cut: [n, extent], and how many are. */
    const cut = (extent: number): { inside: Tensor; count: Tensor } => {
      const length = ops.mul(side, extent)
      const begin = ops.mul(draw(), ops.sub(extent, length))
      const places = ops.arange(0, extent, 1, { dtype: 'float32', device: images.device })
      const [from, to] = [ops.expandDims(begin, -1), ops.expandDims(ops.add(begin, length), -1)]
      const inside = ops.logicalAnd(ops.greaterEqual(places, from), ops.less(places, to))
      return { inside, count: ops.sum(ops.cast(inside, 'float32'), -1) }
    }
    const [rows, columns] = [cut(height), cut(width)]
    const order = shuffled(n, this.state)
    const covered = ops.logicalAnd(ops.reshape(rows.inside, [n, height, 1, 1]), ops.reshape(columns.inside, [n, 1, width, 1]))
    // labels are mixed by the pixels that were cut
    const kept = ops.sub(1, ops.div(ops.mul(rows.count, columns.count), height * width))
    return {
      images: ops.where(covered, ops.gather(images, order, 0), images),
      labels: blended(labels, ops.gather(labels, order, 0), kept),
    }
  }
}

/**
 * A rectangle of each image from another one of the batch while training, and labels mixed by its area (Yun et al.
 * 2019). It takes { images, labels }, and gives the same; in a pipeline it is `batches.map(layers.cutMix().mix)`.
 * Labels are one-hot rows.
 */
export const cutMix: LayerFactory<typeof CutMix> = layer(CutMix)
