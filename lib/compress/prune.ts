// prune: models of which most weights are 0, or that have fewer channels.
import { Callback } from '../callbacks/callback.js'
import { WeftError } from '../core/error.js'
import { withDevice } from '../core/device.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { shownAs } from '../core/shown.js'
import { tensor } from '../core/create.js'
import type { Variable } from '../core/tensor.js'
import { warnOnce } from '../core/warnings.js'
import { integerOption } from '../layers/options.js'
import { constraintOf, setConstraint } from '../layers/weight_options.js'
import type { AnyModel } from '../model/model.js'
import type { TrainingRun } from '../model/run.js'
import { mul } from '../ops/index.js'
import { withoutChannels } from './channels.js'
import { magnitudeMasks, sizesOf, twoOfFour } from './masks.js'
import { type Target, targetsOf } from './prune_targets.js'
import { checkModel } from './rebuild.js'

export interface PruneOptions {
  /** Share of the weights, or of the channels, that is taken away, in [0, 1). For '2:4' it is 0.5. */
  sparsity?: number
  /**
   * 'constant' (default): all at once, at step `begin`. 'polynomial': little by little up to step `end`, fast at first:
   * sparsity · (1 - (1 - t)³) with t from 0 to 1 (Zhu and Gupta 2017).
   */
  schedule?: 'constant' | 'polynomial'
  /**
   * False (default): single weights, the smallest ones. 'channels': whole outputs of dense and convolution layers,
   * those with the smallest weights (Li et al. 2017); the layers become smaller. '2:4': of each 4 neighbouring inputs
   * of an output, 2.
   */
  structured?: false | 'channels' | '2:4'
  /** Weights are compared with all others, or with those of their own layer. Default 'layer'. */
  scope?: 'global' | 'layer'
  /** Step of training at which pruning begins. Default 0; 'constant' then prunes at once. */
  begin?: number
  /** Step at which the sparsity is reached, for 'polynomial'. Default: after two thirds of the first fit. */
  end?: number
  /** Steps from one pruning to the next, for 'polynomial'. Default: a 25th of the way, at most 100. */
  frequency?: number
  /** Names of layers that are left alone. Default: none. */
  skip?: readonly string[]
}
const OPTIONS: OptionTable<PruneOptions> = {
  sparsity: 'number',
  schedule: ['constant', 'polynomial'],
  structured: 'any',
  scope: ['global', 'layer'],
  begin: 'integer',
  end: 'integer',
  frequency: 'integer',
  skip: 'list',
}

/** A callback of fit() that prunes a model and keeps what is pruned at 0. Made by prune(). */
export class Pruning extends Callback {
  /** The model to fine-tune: the one given to prune(), or with 'channels' the smaller one. */
  override model: AnyModel
  private readonly options: Required<Pick<PruneOptions, 'schedule' | 'scope' | 'begin'>> & PruneOptions & { readonly sparsity: number }
  private readonly targets: readonly Target[]
  private step = 0
  private done = 0
  private released = false
  /** A training with this callback has begun. */
  private begun = false
  private readonly trained: number

  /** @internal */
  constructor(model: AnyModel, targets: readonly Target[], options: Pruning['options']) {
    super()
    this.model = model
    this.targets = targets
    this.options = options
    this.trained = model.epochsTrained
  }

  /** Share of the pruned matrices' values that is 0 by now. With 'channels': share of the weights that is gone. */
  get sparsity(): number {
    if (!this.begun && this.options.schedule === 'polynomial' && this.model.epochsTrained > this.trained)
      warnOnce('WEFT_PRUNE', `prune: ${this.model.name} was trained without its callback. Write fit(x, y, { callbacks: [pruning] })`, this)
    return this.done
  }

  /** Share of zeros in each pruned matrix by its path, as 'dense.kernel'. */
  get sparsities(): Record<string, number> {
    return Object.fromEntries(
      this.targets.map(({ path, weight }) => {
        const values = weight.dataSync() as Float32Array
        return [path, values.reduce((sum, value) => sum + Number(value === 0), 0) / Math.max(1, values.length)]
      }),
    )
  }

  /** @internal Takes the smallest weights away: `sparsity` of them. */
  async prune(sparsity: number): Promise<void> {
    const values: Float32Array[] = []
    for (const { weight } of this.targets) values.push((await weight.data()) as Float32Array)
    this.apply(values, sparsity)
  }

  /** @internal The same at once, for models that no step runs of. */
  pruneNow(sparsity: number): void {
    this.apply(
      this.targets.map(({ weight }) => weight.dataSync() as Float32Array),
      sparsity,
    )
  }

  private apply(values: readonly Float32Array[], sparsity: number): void {
    const { structured, scope } = this.options
    const masks =
      structured === '2:4'
        ? values.map((list, i) => twoOfFour(sizesOf(list), this.targets[i]!.plan))
        : magnitudeMasks(values, sparsity, scope)
    let [zeros, all] = [0, 0]
    this.targets.forEach(({ weight, mask }, i) => {
      const kept = masks[i]!
      all += kept.length
      for (const one of kept) zeros += 1 - one
      withDevice(weight.device, () => {
        const made = tensor(Float32Array.from(kept), { shape: weight.shape })
        const rest = mul(weight, made)
        mask.assign(made)
        weight.assign(rest)
        made.dispose()
        rest.dispose()
      })
    })
    this.done = all === 0 ? 0 : zeros / all
  }

  override onTrainBegin(): void {
    this.begun = true
    const { weights } = this.model
    if (!this.targets.every(({ weight }) => weights.includes(weight)))
      throw new WeftError('ERR_ARGUMENT', `prune: this callback prunes another model than ${this.model.name}`, {
        hint: 'Write await pruning.model.fit(x, y, { callbacks: [pruning] })',
      })
    for (const { weight, mask } of this.targets) mask.moveTo(weight.device)
  }

  /** @internal */
  override async beforeStep(run: TrainingRun): Promise<void> {
    if (this.released || this.targets.length === 0) return
    const { schedule, sparsity, begin } = this.options
    const at = this.step++
    if (schedule === 'constant') {
      if (at === begin) await this.prune(sparsity)
      return
    }
    const end = this.endOf(run)
    if (end === undefined || at < begin) return
    const frequency = this.options.frequency ?? Math.min(100, Math.max(1, Math.floor((end - begin) / 25)))
    if (at > end || ((at - begin) % frequency !== 0 && at !== end)) return
    const t = end === begin ? 1 : (at - begin) / (end - begin)
    await this.prune(sparsity * (1 - (1 - t) ** 3))
  }

  private end: number | undefined

  /** The step at which the sparsity is reached; undefined while that is not known yet. */
  private endOf(run: TrainingRun): number | undefined {
    this.end ??= this.options.end
    if (this.end !== undefined) return this.end
    // the number of steps is known when the second one is about to be submitted
    if (run.step === 0) return undefined
    if (run.stepsPerEpoch === undefined)
      throw new WeftError('ERR_ARGUMENT', 'prune: the number of steps of this training is not known, so that it needs an end', {
        hint: "Write prune(net, { schedule: 'polynomial', end: steps })",
      })
    this.end = Math.max(this.options.begin, Math.floor((run.epochs * run.stepsPerEpoch * 2) / 3))
    return this.end
  }

  override onTrainEnd(): void {
    const { schedule, sparsity, structured } = this.options
    if (schedule !== 'polynomial' || structured === '2:4' || this.released || this.done >= sparsity - 1e-3) return
    warnOnce(
      'WEFT_PRUNE',
      `prune: training has ended at step ${this.step} with a sparsity of ${this.done.toFixed(3)}, ${sparsity} is reached at step ${this.end ?? this.options.end}. Train on with the same callback, or give a smaller end`,
      this,
    )
  }

  /** Lets the weights go: later training changes zeros too. What is 0 stays 0 until then. */
  release(): void {
    checkCall('pruning.release()', arguments)
    if (this.released) return
    this.released = true
    for (const { weight, mask } of this.targets) {
      setConstraint(weight, previous.get(mask) ?? ((w) => w))
      mask.dispose()
    }
    this.model.retrace()
  }

  /** @internal */
  override memory(): unknown {
    return { step: this.step, done: this.done, ...(this.end === undefined ? {} : { end: this.end }) }
  }
  /** @internal */
  override keptValues(): readonly Variable[] {
    return this.targets.map(({ mask }) => mask)
  }
  /** @internal */
  override recall(memory: unknown, values: Parameters<NonNullable<Callback['recall']>>[1]): void {
    const { step, done, end } = memory as { step: number; done: number; end?: number }
    this.step = step
    this.done = done
    this.end = end
    this.targets.forEach(({ mask }, i) => {
      mask.assign(values[i]!)
      values[i]!.dispose()
    })
  }
}
shownAs<Pruning>(Pruning.prototype, (one) => `Pruning of ${one.model.name}: ${(100 * one.sparsity).toFixed(1)} % zeros`)

/** The constraints that weights had before they were pruned. */
const previous = new WeakMap<Variable, NonNullable<ReturnType<typeof constraintOf>>>()

function sparsityOf({ sparsity, structured }: PruneOptions): number {
  if (structured === '2:4') {
    if (sparsity !== undefined && sparsity !== 0.5)
      throw new WeftError('ERR_ARGUMENT', `prune: structured '2:4' is a sparsity of 0.5, got ${show(sparsity)}`)
    return 0.5
  }
  if (typeof sparsity === 'number' && sparsity >= 0 && sparsity < 1) return sparsity
  throw new WeftError('ERR_ARGUMENT', `prune: sparsity must be at least 0 and below 1, got ${show(sparsity)}`, {
    hint: 'Write prune(net, { sparsity: 0.8 })',
  })
}

/**
 * Takes the least important weights of a model away, and keeps them away while the model is fine-tuned:
 * `const pruning = prune(net, { sparsity: 0.8, schedule: 'polynomial' })`, then
 * `await pruning.model.fit(x, y, { callbacks: [pruning] })`. Kernels of dense, convolution, recurrent and attention
 * layers are pruned; biases, normalizations and tables of embeddings are not. The share of zeros is exact to the
 * nearest weight, and every update keeps it: masks are applied as constraints of the optimizer are.
 *
 * With structured 'channels' the given model is unharmed, and `pruning.model` is a smaller copy, compiled alike:
 * outputs are taken from dense and convolution layers whose readers, through normalization, activations, pooling and
 * flatten, are such layers too.
 * ERR_ARGUMENT for options that do not go together, and for a model in which nothing can be pruned.
 */
export function prune(model: AnyModel, options: PruneOptions = {}): Pruning {
  checkCall('prune(net, options)', arguments, OPTIONS)
  checkModel('prune', model)
  const { structured = false, schedule = 'constant', scope = 'layer', begin = 0, skip = [] } = options
  if (![false, 'channels', '2:4'].includes(structured))
    throw new WeftError('ERR_ARGUMENT', `prune: structured must be false, 'channels' or '2:4', got ${show(structured)}`)
  if (!skip.every((name) => typeof name === 'string'))
    throw new WeftError('ERR_ARGUMENT', `prune: skip is a list of names of layers, got ${show(skip)}`)
  const sparsity = sparsityOf(options)
  integerOption('prune', 'begin', begin, 0)
  if (options.end !== undefined) integerOption('prune', 'end', options.end, begin)
  if (options.frequency !== undefined) integerOption('prune', 'frequency', options.frequency)
  if (schedule === 'constant' && (options.end !== undefined || options.frequency !== undefined))
    throw new WeftError('ERR_ARGUMENT', "prune: end and frequency go with schedule 'polynomial'")
  if (structured === '2:4' && (schedule === 'polynomial' || options.scope !== undefined))
    throw new WeftError('ERR_ARGUMENT', "prune: structured '2:4' prunes each group at once: it takes no schedule 'polynomial' and no scope")
  const settings = { ...options, sparsity, schedule, scope, begin }
  if (structured === 'channels') {
    if (schedule === 'polynomial' || begin > 0)
      throw new WeftError('ERR_ARGUMENT', "prune: structured 'channels' takes channels away at once: it takes no schedule and no begin")
    const smaller = withoutChannels(model, { sparsity, scope, skip })
    const pruning = new Pruning(smaller, [], settings)
    Object.assign(pruning, { done: 1 - smaller.countParams() / model.countParams() })
    return pruning
  }
  const targets = targetsOf(model, skip)
  if (targets.length === 0) throw new WeftError('ERR_ARGUMENT', `prune: ${model.name} has no matrix of trainable float32 weights`)
  for (const { weight, mask } of targets) {
    const before = constraintOf(weight)
    if (before) previous.set(mask, before)
    setConstraint(weight, (w) => mul(before ? before(w) : w, mask))
  }
  model.retrace()
  const pruning = new Pruning(model, targets, settings)
  if (schedule === 'constant' && begin === 0) pruning.pruneNow(sparsity)
  return pruning
}
