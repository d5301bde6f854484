// Metric: a figure over many batches, kept in a fixed-size state that a traced step updates.
import { asTensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import { checkOptions, type OptionTable, show } from '../core/options.js'
import { type Shape, sizeOf } from '../core/spec.js'
import type { Tensor, TensorLike, Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { settingsText, shownAs } from '../core/shown.js'
import { fitRank, floats } from '../losses/loss.js'
import { zeros, zerosLike } from '../ops/index.js'

export interface MetricOptions {
  /** Key in logs and history. Default: the metric's own. */
  name?: string
}

export interface UpdateOptions {
  /** Weights of the samples [n]. */
  sampleWeight?: TensorLike | undefined
  /** True where a value counts. */
  mask?: Tensor | undefined
  /** The predictions are what this activation would be given: metrics with a threshold apply it first. */
  logitsOf?: 'softmax' | 'sigmoid' | undefined
  /**
   * The input of the model's last activation, where the predictions are its result. The loss is computed from this
   * input.
   */
  logits?: { readonly activation: string; readonly values: Tensor } | undefined
}

/**
 * How two states of a metric, each of other rows, become that of all their rows. 'sum': of counts and sums; 'max' and
 * 'min': of extremes; or a function of the parts of both states, in the order of addState(), with operations. There a
 * state of zeros must be that of no rows.
 */
export type Merge = 'sum' | 'max' | 'min' | ((a: readonly Tensor[], b: readonly Tensor[]) => readonly Tensor[])

/** What compile() takes as a metric: those of metrics.*, or a user's own. */
export interface Metric {
  readonly name: string
  /** Fixed-size state, zeros at first; fit sets it back to zeros for each epoch unless there is a reset(). */
  readonly state: readonly Variable[]
  /** Takes a batch into the state. */
  update(yTrue: Tensor, yPred: Tensor, options?: UpdateOptions): void
  /** The figure so far: a scalar. */
  result(): Tensor
  reset?(): void
  /** One like it with a state of its own. */
  clone?(): Metric
  /** More of it is better. Callbacks that watch it ask; without it they need to be told. */
  readonly rising?: boolean
  /** How the states of the ranks of a distributed run become one. A metric without it cannot be used there. */
  readonly merge?: Merge
  /** What a figure that is not a number means: given once as a warning. */
  readonly ifNan?: string
  /** The string or factory that makes it again from `config`; saved models need it. */
  readonly metricName?: string
  /** It is made of a function of the user's, which no name makes again. */
  readonly own?: boolean
  readonly config?: Readonly<Record<string, unknown>>
}

/** What a metric of your own says beside its name. */
export interface OwnMetricOptions {
  /** More of it is better. Callbacks that watch it ask; without it they need a mode. */
  rising?: boolean
  /**
   * How the states of the ranks of a distributed run become one: 'sum' where they are counts and sums. Without it the
   * metric cannot be used there.
   */
  merge?: Merge
}
const OWN_OPTIONS: OptionTable<OwnMetricOptions> = { rising: 'boolean', merge: 'any' }

/**
 * Base of metrics of your own. Their state is made with addState(); update() takes a batch into it, with operations,
 * as a part of the traced step; result() gives the figure so far. fit and evaluate reset the state to zeros.
 */
abstract class BaseMetric implements Metric {
  readonly name: string
  readonly rising?: boolean
  readonly merge?: Merge
  private readonly made: Variable[] = []

  constructor(name: string, options: OwnMetricOptions = {}) {
    if (typeof name !== 'string' || name === '')
      throw new WeftError('ERR_ARGUMENT', `metrics.Metric: a name is a string, got ${show(name)}`, { hint: "Write super('name')" })
    checkOptions('metrics.Metric', options, OWN_OPTIONS, 'name')
    this.name = name
    if (options.rising !== undefined) this.rising = options.rising
    const { merge } = options
    if (merge === undefined) return
    if (typeof merge !== 'function' && !['sum', 'max', 'min'].includes(merge))
      throw new WeftError('ERR_ARGUMENT', `metrics.Metric: merge is 'sum', 'max', 'min' or a function, got ${show(merge)}`)
    this.merge = merge
  }

  get state(): readonly Variable[] {
    return this.made
  }

  /** Takes a batch into the state. */
  abstract update(yTrue: Tensor, yPred: Tensor, options?: UpdateOptions): void
  /** The figure so far: a scalar. */
  abstract result(): Tensor

  reset(): void {
    for (const state of this.made) state.assign(zerosLike(state))
  }

  /** A new part of the state, float32 zeros. shape: default a scalar. */
  protected addState(name: string, shape: Shape = []): Variable {
    const state = outsideTrace(() => variable(zeros(shape), { name: `${this.name}/${name}`, trainable: false }))
    this.made.push(state)
    return state
  }

  /**
   * Weights of values of a shape that begins with the batch: sample weights times mask, which broadcast to it;
   * undefined when everything counts alike.
   */
  protected weightsOf(shape: Shape, options: UpdateOptions = {}): Tensor | undefined {
    return weightsFor(this.name, shape, options)
  }
}
/** The class to extend for metrics of your own. */
export const Metric: typeof BaseMetric = BaseMetric

/** The metrics of this package. */
export abstract class StandardMetric extends BaseMetric {
  readonly metricName: string
  readonly config: Readonly<Record<string, unknown>>
  readonly own?: boolean
  override readonly merge: Merge = 'sum'

  constructor(metricName: string, config: MetricOptions) {
    super(config.name ?? metricName)
    this.metricName = metricName
    this.config = { ...config }
  }

  abstract override update(yTrue: TensorLike, yPred: TensorLike, options?: UpdateOptions): void
  /** One of the same kind and options. */
  protected abstract remake(): Metric

  clone(): Metric {
    return Object.assign(this.remake(), this.rising === undefined ? {} : { rising: this.rising })
  }

  /** How many of its parts of state hold `name`, made at the first update for metrics whose size follows the data. */
  protected stateOf(name: string, shape: Shape): Variable {
    const found = this.state.find((state) => state.name === `${this.name}/${name}`)
    return found ?? this.addState(name, shape)
  }
}

shownAs<StandardMetric>(StandardMetric.prototype, (one) => `Metric ${one.metricName}${settingsText(one.config)}`, 'metric.config')

/** Weights of values of a shape: sample weights times mask; undefined when everything counts alike. */
export function weightsFor(what: string, shape: Shape, options: UpdateOptions): Tensor | undefined {
  const { sampleWeight, mask } = options
  const weight = sampleWeight === undefined ? undefined : fitRank(what, floats(asTensor(sampleWeight)), shape)
  const counted = mask && fitRank(what, mask, shape).cast('float32')
  return weight && counted ? weight.mul(counted) : (weight ?? counted)
}

/** n / d, and 0 where d is 0. */
export const ratio = (n: Tensor, d: Tensor): Tensor => n.div(d.add(d.equal(0).cast('float32')))

export type PerSample = (yTrue: Tensor, yPred: Tensor, options: UpdateOptions) => Tensor

/** The weighted mean of a value per sample. */
export class MeanMetric extends StandardMetric {
  private readonly perSample: PerSample
  private readonly finish: (mean: Tensor) => Tensor
  private readonly total: Variable
  private readonly count: Variable

  constructor(metricName: string, config: MetricOptions, perSample: PerSample, finish: (mean: Tensor) => Tensor = (mean) => mean) {
    super(metricName, config)
    this.perSample = perSample
    this.finish = finish
    this.total = this.addState('total', [])
    this.count = this.addState('count', [])
  }

  protected remake(): Metric {
    return new MeanMetric(this.metricName, this.config, this.perSample, this.finish)
  }

  update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const predictions = asTensor(yPred)
    const values = floats(this.perSample(asTensor(yTrue), predictions, { ...options, mask: options.mask ?? predictions.mask }))
    const weights = weightsFor(this.name, values.shape, { ...options, mask: options.mask ?? predictions.mask })
    const weighted = weights ? values.mul(weights) : values
    // a weight [n, 1] of values [n, t] counts once for every value that it covers
    const counted = weights ? weights.sum().mul(values.size / Math.max(sizeOf(weights.shape), 1)) : values.size
    this.take(weighted.sum(), counted)
  }

  /** Adds a sum, and how much weight it holds. */
  take(sum: Tensor, weight: Tensor | number): void {
    this.total.assign(this.total.add(sum))
    this.count.assign(this.count.add(weight))
  }

  result(): Tensor {
    return this.finish(ratio(this.total, this.count))
  }
}
