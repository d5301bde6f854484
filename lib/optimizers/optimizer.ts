// Optimizer: gradients into updates of variables, by the kernel of its rule or by the rule's formula; its state is
// variables made outside the trace.
import { apply } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import { type Op, ops } from '../core/op.js'
import { show } from '../core/options.js'
import { settingsText, shownAs } from '../core/shown.js'
import { copyOf } from '../core/read.js'
import type { Schedule } from '../schedules/schedule.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { type Partition, partition } from '../distributed/parts.js'
import { where } from '../ops/index.js'
import { checkUpdate } from './arguments.js'
import { Accumulation, type AverageOptions, checkAccumulation, checkAverages, WeightAverages } from './averages.js'
import { checkClipping, clipGradients, type ClipOptions } from './clip.js'
import { LearningRate } from './learning_rate.js'
import { checkWholes, constrained, type Slot, slotLike, Wholes } from './wholes.js'
import { kernelAttrs, ownSettings, type Rule, type Settings, slotsOf, updateByFormula } from './rule.js'

export interface OptimizerOptions extends ClipOptions, AverageOptions {
  /** A number, one of schedules.*, or a function of the number of updates so far, which is traced with the step. */
  learningRate?: number | Schedule | ((step: Tensor) => Tensor)
  /** Decoupled: weights shrink by learningRate · weightDecay of themselves before each update. */
  weightDecay?: number
}

export type { Slot } from './wholes.js'

/** Made by optimizers.adam() and its like. */
export class Optimizer {
  /** The factory's name: 'adam'. */
  readonly name: string
  private readonly rule: Rule
  private readonly options: OptimizerOptions
  private readonly rate: LearningRate
  private readonly settings: Settings
  private readonly slotNames: readonly string[]
  /** The op that updates all variables at once; undefined: the rule's formula does, one variable after the other. */
  private readonly kernel: Op | undefined
  /** int32 []: updates made so far. */
  private readonly iteration: Variable
  private readonly shared: Variable | undefined
  private readonly slotsByVariable = new Map<Variable, readonly Variable[]>()
  private accumulation: Accumulation | undefined
  private readonly averages: WeightAverages | undefined
  private cutAs: Partition | undefined
  /** While the state is saved or loaded that lies in parts. */
  private wholes: Wholes | undefined
  /** @internal How often something has changed that traced steps depend on. */
  changes = 0

  constructor(rule: Rule, options: OptimizerOptions & { learningRate: NonNullable<OptimizerOptions['learningRate']> }) {
    this.name = rule.name
    this.rule = rule
    this.options = options
    const { learningRate, weightDecay } = options
    this.rate = new LearningRate(rule.name, learningRate)
    if (weightDecay !== undefined && !(Number.isFinite(weightDecay) && weightDecay >= 0))
      throw new WeftError('ERR_ARGUMENT', `${rule.name}: weightDecay must be a number of at least 0, got ${show(weightDecay)}`)
    checkClipping(rule.name, options)
    checkAverages(rule.name, options)
    if (options.useEma) this.averages = new WeightAverages(options)
    this.settings = ownSettings(rule, { ...options })
    this.slotNames = slotsOf(rule, this.settings)
    this.kernel = rule.kernel === undefined ? undefined : ops.get(rule.kernel)
    this.iteration = variable(0, { name: 'iteration', dtype: 'int32', trainable: false })
    this.shared = rule.shared && variable(1, { name: rule.shared.name, trainable: false })
    if ((options.gradientAccumulationSteps ?? 1) > 1) this.accumulation = new Accumulation(options.gradientAccumulationSteps!)
  }

  /** The options, as JSON, with defaults filled in; a function as learning rate is left as it is. */
  get config(): Readonly<Record<string, unknown>> {
    const { options, accumulation } = this
    const { schedule } = this.rate
    const { gradientAccumulationSteps: _, ...rest } = options
    const learningRate = schedule?.className ? { className: schedule.className, config: schedule.config } : options.learningRate
    return { ...rest, learningRate, ...(accumulation ? { gradientAccumulationSteps: accumulation.steps } : {}) }
  }

  /** Steps whose gradients make one update together. Setting it drops what is added up so far. */
  get gradientAccumulationSteps(): number {
    return this.accumulation?.steps ?? 1
  }
  set gradientAccumulationSteps(steps: number) {
    checkAccumulation(this.name, steps)
    if (steps === this.gradientAccumulationSteps) return
    this.accumulation?.dispose()
    this.accumulation = steps > 1 ? outsideTrace(() => new Accumulation(steps)) : undefined
    this.changes++
  }

  /**
   * The present rate. Setting it changes running and later steps without a retrace. With a schedule: the schedule's
   * present value, and read-only.
   */
  get learningRate(): number {
    return this.rate.at(() => this.iterations)
  }
  set learningRate(value: number) {
    this.rate.set(value)
  }

  /** @internal The variable that a traced step reads the rate from; undefined where it follows a schedule. */
  get rateState(): Variable | undefined {
    return this.isScheduled ? undefined : this.rate.variable
  }

  /** @internal Whether this optimizer keeps wholes, or this rank's part of each variable. */
  get partition(): Partition {
    const now = partition()
    const own = (this.cutAs ??= now)
    // a rank that works alone sees the parts that it has
    if (own.cut || own === now) return own
    throw new WeftError(
      'ERR_STATE',
      `${this.name}: distributed.init() with shardOptimizer: true comes before the first use of an optimizer`,
    )
  }

  /** Whether the rate follows a schedule. */
  get isScheduled(): boolean {
    return this.rate.schedule !== undefined
  }

  /** Updates made so far. Waits for steps in flight. */
  get iterations(): number {
    return Number(outsideTrace(() => this.iteration.dataSync())[0])
  }

  /** @internal The state on another device. */
  moveTo(device: string): void {
    for (const state of this.state) state.moveTo(device)
    for (const { state } of this.slots) state.moveTo(device)
  }

  /**
   * Makes the state for these variables, where it does not exist yet; the counters follow the variables to their
   * device.
   */
  build(variables: readonly Variable[]): void {
    for (const state of this.state) if (variables[0]) state.moveTo(variables[0].device)
    const start = this.rule.start === undefined ? 0 : Number(this.settings[this.rule.start])
    const { partition } = this
    if (partition.cut && this.rule.needsShape)
      throw new WeftError('ERR_ARGUMENT', `${this.name}: its updates need whole matrices, so shardOptimizer cannot divide its state`, {
        hint: "Leave shardOptimizer out of distributed.init(), or use 'adamw' or 'lamb'",
      })
    for (const target of variables) {
      const shape = partition.shapeOf(target.shape)
      for (const kept of [this.accumulation, this.averages]) kept?.slots.of(target, shape)
      if (this.slotsByVariable.has(target)) continue
      this.slotsByVariable.set(
        target,
        this.slotNames.map((name) => slotLike(target, name, start, this.rule.slotShape?.(name, shape) ?? shape)),
      )
    }
  }

  /**
   * One update. In a traced function it is part of the step; outside it happens at once. Variables with trainable =
   * false are left alone.
   */
  apply(gradients: readonly Tensor[], variables: readonly Variable[]): void {
    checkUpdate(this.name, gradients, variables)
    this.update(gradients, variables, (g) => this.partition.of(g))
  }

  /** @internal apply() of this rank's parts of the gradients, where the state lies in parts. */
  applyParts(parts: readonly Tensor[], variables: readonly Variable[]): void {
    this.update(parts, variables, (part) => part)
  }

  private update(gradients: readonly Tensor[], variables: readonly Variable[], partOf: (g: Tensor) => Tensor): void {
    const chosen = variables.map((_, i) => i).filter((i) => variables[i]!.trainable)
    if (chosen.length === 0) throw new WeftError('ERR_ARGUMENT', `${this.name}.apply: there are no trainable variables to update`)
    const targets = chosen.map((i) => variables[i]!)
    this.build(targets)
    const { partition } = this
    const given = chosen.map((i) => partOf(gradients[i]!))
    const several = this.accumulation?.add(targets, given)
    const clipped = clipGradients(several?.means ?? given, this.options, partition.total)
    // between the updates of several steps everything stays
    const due = <T extends Tensor>(value: Tensor, old: T): Tensor => (several ? where(several.due, value, old) : value)
    const inputs: Tensor[] = [this.rate.traced(this.iteration), this.iteration]
    if (this.shared) inputs.push(this.shared)
    const olds = targets.map((target) => partition.of(target))
    targets.forEach((target, i) => {
      inputs.push(olds[i]!, clipped[i]!, ...this.slotsByVariable.get(target)!)
    })
    const decay = targets.map(() => this.options.weightDecay ?? 0)
    const results = this.kernel
      ? apply(this.kernel, inputs, { ...kernelAttrs(this.rule, this.settings), decay })
      : updateByFormula(
          this.rule,
          this.settings,
          inputs,
          decay,
          targets.map((target) => target.name),
          partition.total,
        )
    const rest = results[Symbol.iterator]()
    const next = (): Tensor => rest.next().value as Tensor
    if (this.shared) this.shared.assign(due(next(), this.shared))
    const updated = targets.map((target) => {
      const weight = next()
      for (const slot of this.slotsByVariable.get(target)!) slot.assign(due(next(), slot))
      return weight
    })
    const bound = constrained(targets, updated, partition)
    const weights = targets.map((target, i) => {
      const { weight, average } = this.averages?.take(target, bound[i]!, this.iteration) ?? { weight: bound[i]!, average: undefined }
      const kept = this.averages?.slots.get(target)
      if (average) kept!.assign(due(average, kept!))
      return due(weight, olds[i]!)
    })
    const shapes = targets.map(({ shape }) => shape)
    partition.gather(weights, shapes).forEach((weight, i) => void targets[i]!.assign(weight))
    this.iteration.assign(several ? this.iteration.add(several.due.cast('int32')) : this.iteration.add(1))
  }

  /** With useEma: the weights become their moving averages, as they do at the end of fit. */
  overwriteByAverages(): void {
    if (!this.averages || this.iterations === 0) return
    outsideTrace(() => {
      const [targets, averages] = [[...this.averages!.slots.keys()], [...this.averages!.slots.values()]]
      const shapes = targets.map(({ shape }) => shape)
      this.partition.gather(averages, shapes).forEach((average, i) => void targets[i]!.assign(average))
    })
  }

  /** State that is kept once, in a fixed order. */
  get state(): readonly Variable[] {
    const { shared, accumulation } = this
    return [this.iteration, this.rate.variable, ...(shared ? [shared] : []), ...(accumulation ? [accumulation.count] : [])]
  }

  /** State that is kept for each variable. */
  get slots(): readonly Slot[] {
    const own = [...this.slotsByVariable].flatMap(([of, states]) => states.map((state, i) => ({ of, name: this.slotNames[i]!, state })))
    const kept = [this.accumulation, this.averages].flatMap((one) => (one ? [one.slots] : []))
    return [...own, ...kept.flatMap((slots) => [...slots].map(([of, state]) => ({ of, name: slots.name, state })))]
  }

  /**
   * @internal Where the state lies in parts: makes wholes of them, which every rank calls at the same place, or empty
   * ones, for values that are to come. closeWholes() frees them.
   */
  openWholes(filled: boolean): void {
    this.closeWholes(false)
    if (this.partition.cut) this.wholes = new Wholes(this.slots, this.partition, filled)
  }

  /** @internal The whole of what is kept in a variable. ERR_STATE where that lies in parts, and is not opened. */
  wholeOf(state: Variable): Variable {
    if (!this.partition.cut) return state
    const whole = this.wholes?.of(state)
    if (whole) return whole
    throw new WeftError('ERR_STATE', `${this.name}: its state lies in parts on the ranks, and rank 0 cannot save it alone`, {
      hint: 'Save during a training with callbacks.backupAndRestore(), and models after it, on every rank',
    })
  }

  /** @internal @param take whether the values of the wholes become those of the parts */
  closeWholes(take: boolean): void {
    if (take) this.wholes?.take()
    this.wholes?.dispose()
    this.wholes = undefined
  }

  /**
   * Copies of the whole state: iteration, learning rate, then what is kept for each variable. The caller owns them.
   * Where the ranks have parts of it, every rank calls it.
   */
  getWeights(): Tensor[] {
    this.openWholes(true)
    const copies = [...this.state, ...this.slots.map((slot) => this.wholeOf(slot.state))].map((state) => copyOf(state))
    this.closeWholes(false)
    return copies
  }

  /** Replaces the whole state by what getWeights() gave. */
  setWeights(list: readonly Tensor[]): void {
    const all = [...this.state, ...this.slots.map((slot) => slot.state)]
    if (list.length !== all.length) {
      throw new WeftError('ERR_ARGUMENT', `${this.name}.setWeights: ${list.length} tensors for ${all.length} of state`, {
        hint: 'The state of a variable exists from its first update; build(variables) makes it before',
      })
    }
    const count = this.state.length
    if (this.partition.cut) checkWholes(this.name, this.slots, list.slice(count))
    outsideTrace(() => all.forEach((state, i) => state.assign(i < count ? list[i]! : this.partition.of(list[i]!))))
    this.adopt(Number(list[1]!.dataSync()[0]))
  }

  /** @internal The host's copy of the rate, after the variable was set from a file. */
  adopt(rate: number): void {
    this.rate.adopt(rate)
  }

  /** Frees the state. */
  dispose(): void {
    this.closeWholes(false)
    for (const state of this.state) state.dispose()
    for (const slot of this.slots) slot.state.dispose()
    this.slotsByVariable.clear()
    this.accumulation?.slots.clear()
    this.averages?.slots.clear()
  }
  [Symbol.dispose](): void {
    this.dispose()
  }
}

shownAs<Optimizer>(
  Optimizer.prototype,
  (one) => `Optimizer ${one.name}${settingsText({ ...one.config, iterations: one.iterations })}`,
  'optimizer.config',
)
