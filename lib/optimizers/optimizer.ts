// Optimizer: gradients into updates of variables, by the kernel of its rule or by the rule's formula; its state is
// variables made outside the trace.
import { apply } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import { type Op, ops } from '../core/op.js'
import { show } from '../core/options.js'
import { settingsText, shownAs } from '../core/shown.js'
import { copyOf } from '../core/read.js'
import { isSchedule, type Schedule } from '../schedules/schedule.js'
import { sameShape, type Shape } from '../core/spec.js'
import { Tensor, Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { constraintOf } from '../layers/weight_options.js'
import { full, where } from '../ops/index.js'
import { Accumulation, type AverageOptions, checkAccumulation, checkAverages, scheduleOf, WeightAverages } from './averages.js'
import { checkClipping, clipGradients, type ClipOptions } from './clip.js'
import { kernelAttrs, ownSettings, type Rule, type Settings, slotsOf, updateByFormula } from './rule.js'

export interface OptimizerOptions extends ClipOptions, AverageOptions {
  /** A number, one of schedules.*, or a function of the number of updates so far, which is traced with the step. */
  learningRate?: number | Schedule | ((step: Tensor) => Tensor)
  /** Decoupled: weights shrink by learningRate · weightDecay of themselves before each update. */
  weightDecay?: number
}

/** What saving needs of the variables: the name of a slot, and the variable it belongs to. */
export interface Slot {
  readonly of: Variable
  readonly name: string
  readonly state: Variable
}

function checkRate(what: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new WeftError(
    'ERR_ARGUMENT',
    `${what}: learningRate must be a number of at least 0, one of schedules.* or a function, got ${show(value)}`,
  )
}

/** Made by optimizers.adam() and its like. */
export class Optimizer {
  /** The factory's name: 'adam'. */
  readonly name: string
  private readonly rule: Rule
  private readonly options: OptimizerOptions
  private readonly schedule: Schedule | undefined
  private rate: number
  private readonly settings: Settings
  private readonly slotNames: readonly string[]
  /** The op that updates all variables at once; undefined: the rule's formula does, one variable after the other. */
  private readonly kernel: Op | undefined
  /** int32 []: updates made so far. */
  private readonly iteration: Variable
  /** float32 []: what a traced step reads, so that a new rate needs no new trace. */
  private readonly rateVariable: Variable
  private readonly shared: Variable | undefined
  private readonly slotsByVariable = new Map<Variable, readonly Variable[]>()
  private accumulation: Accumulation | undefined
  private readonly averages: WeightAverages | undefined
  /** @internal How often something has changed that traced steps depend on. */
  changes = 0

  constructor(rule: Rule, options: OptimizerOptions & { learningRate: NonNullable<OptimizerOptions['learningRate']> }) {
    this.name = rule.name
    this.rule = rule
    this.options = options
    const { learningRate, weightDecay } = options
    this.schedule = isSchedule(learningRate) ? learningRate : typeof learningRate === 'function' ? scheduleOf(learningRate) : undefined
    this.rate = this.schedule ? this.schedule.at(0) : checkRate(rule.name, learningRate)
    if (weightDecay !== undefined && !(Number.isFinite(weightDecay) && weightDecay >= 0))
      throw new WeftError('ERR_ARGUMENT', `${rule.name}: weightDecay must be a number of at least 0, got ${show(weightDecay)}`)
    checkClipping(rule.name, options)
    checkAverages(rule.name, options)
    if (options.useEma) this.averages = new WeightAverages(options)
    this.settings = ownSettings(rule, { ...options })
    this.slotNames = slotsOf(rule, this.settings)
    this.kernel = rule.kernel === undefined ? undefined : ops.get(rule.kernel)
    this.iteration = variable(0, { name: 'iteration', dtype: 'int32', trainable: false })
    this.rateVariable = variable(this.rate, { name: 'learningRate', trainable: false })
    this.shared = rule.shared && variable(1, { name: rule.shared.name, trainable: false })
    if ((options.gradientAccumulationSteps ?? 1) > 1) this.accumulation = new Accumulation(options.gradientAccumulationSteps!)
  }

  /** The options, as JSON, with defaults filled in; a function as learning rate is left as it is. */
  get config(): Readonly<Record<string, unknown>> {
    const { schedule, options, accumulation } = this
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
    return this.schedule ? this.schedule.at(this.iterations) : this.rate
  }
  set learningRate(value: number) {
    if (this.schedule) {
      throw new WeftError('ERR_STATE', `${this.name}: learningRate follows a schedule and cannot be set`, {
        hint: 'Make the optimizer with a number to set it by hand',
      })
    }
    const rate = checkRate(this.name, value)
    outsideTrace(() => this.rateVariable.assign(rate))
    this.rate = rate
  }

  /** @internal The variable that a traced step reads the rate from; undefined where it follows a schedule. */
  get rateState(): Variable | undefined {
    return this.schedule ? undefined : this.rateVariable
  }

  /** Whether the rate follows a schedule. */
  get isScheduled(): boolean {
    return this.schedule !== undefined
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
    for (const target of variables) {
      for (const kept of [this.accumulation, this.averages]) kept?.slots.of(target)
      if (this.slotsByVariable.has(target)) continue
      this.slotsByVariable.set(
        target,
        this.slotNames.map((name) => slotLike(target, name, start, this.rule.slotShape?.(name, target.shape) ?? target.shape)),
      )
    }
  }

  /**
   * One update. In a traced function it is part of the step; outside it happens at once. Variables with trainable =
   * false are left alone.
   */
  apply(gradients: readonly Tensor[], variables: readonly Variable[]): void {
    if (!Array.isArray(gradients) || !Array.isArray(variables))
      throw new WeftError(
        'ERR_ARGUMENT',
        `${this.name}.apply: takes a list of gradients and a list of variables, got ${show(Array.isArray(gradients) ? variables : gradients)}`,
      )
    if (gradients.length !== variables.length) {
      throw new WeftError('ERR_ARGUMENT', `${this.name}.apply: ${gradients.length} gradients for ${variables.length} variables`)
    }
    Array.from(variables as readonly Variable[]).forEach((target, i) => {
      const g = gradients[i]
      if (!(target instanceof Variable))
        throw new WeftError('ERR_ARGUMENT', `${this.name}.apply: variable ${i} is not a Variable`, {
          hint: 'Use variable() or net.trainableWeights',
        })
      if (!(g instanceof Tensor)) throw new WeftError('ERR_ARGUMENT', `${this.name}.apply: gradient ${i} is not a Tensor`)
      if (sameShape(g.shape, target.shape)) return
      throw new WeftError(
        'ERR_SHAPE',
        `${this.name}.apply: gradient of shape [${g.shape}] for '${target.name}' of shape [${target.shape}]`,
        { shapes: [g.shape, target.shape] },
      )
    })
    if (new Set(variables).size !== variables.length) throw new WeftError('ERR_ARGUMENT', `${this.name}.apply: a variable was given twice`)
    const chosen = variables.map((_, i) => i).filter((i) => variables[i]!.trainable)
    if (chosen.length === 0) throw new WeftError('ERR_ARGUMENT', `${this.name}.apply: there are no trainable variables to update`)
    const targets = chosen.map((i) => variables[i]!)
    this.build(targets)
    const given = chosen.map((i) => gradients[i]!)
    const several = this.accumulation?.add(targets, given)
    const clipped = clipGradients(several?.means ?? given, this.options)
    // between the updates of several steps everything stays
    const due = <T extends Tensor>(value: Tensor, old: T): Tensor => (several ? where(several.due, value, old) : value)
    const rate = this.schedule ? this.schedule.call(this.iteration.cast('float32')) : this.rateVariable
    const inputs: Tensor[] = [rate, this.iteration]
    if (this.shared) inputs.push(this.shared)
    targets.forEach((target, i) => {
      inputs.push(target, clipped[i]!, ...this.slotsByVariable.get(target)!)
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
        )
    const rest = results[Symbol.iterator]()
    const next = (): Tensor => rest.next().value as Tensor
    if (this.shared) this.shared.assign(due(next(), this.shared))
    for (const target of targets) {
      const updated = next()
      const bound = constraintOf(target)?.(updated) ?? updated
      const { weight, average } = this.averages?.take(target, bound, this.iteration) ?? { weight: bound, average: undefined }
      target.assign(due(weight, target))
      for (const slot of this.slotsByVariable.get(target)!) slot.assign(due(next(), slot))
      const kept = this.averages?.slots.get(target)
      if (average) kept!.assign(due(average, kept!))
    }
    this.iteration.assign(several ? this.iteration.add(several.due.cast('int32')) : this.iteration.add(1))
  }

  /** With useEma: the weights become their moving averages, as they do at the end of fit. */
  overwriteByAverages(): void {
    if (!this.averages || this.iterations === 0) return
    outsideTrace(() => {
      for (const [target, average] of this.averages!.slots) target.assign(average)
    })
  }

  /** State that is kept once, in a fixed order. */
  get state(): readonly Variable[] {
    const { shared, accumulation } = this
    return [this.iteration, this.rateVariable, ...(shared ? [shared] : []), ...(accumulation ? [accumulation.count] : [])]
  }

  /** State that is kept for each variable. */
  get slots(): readonly Slot[] {
    const own = [...this.slotsByVariable].flatMap(([of, states]) => states.map((state, i) => ({ of, name: this.slotNames[i]!, state })))
    const kept = [this.accumulation, this.averages].flatMap((one) => (one ? [one.slots] : []))
    return [...own, ...kept.flatMap((slots) => [...slots].map(([of, state]) => ({ of, name: slots.name, state })))]
  }

  /** Copies of the whole state: iteration, learning rate, then what is kept for each variable. The caller owns them. */
  getWeights(): Tensor[] {
    return [...this.state, ...this.slots.map((slot) => slot.state)].map((state) => copyOf(state))
  }

  /** Replaces the whole state by what getWeights() gave. */
  setWeights(list: readonly Tensor[]): void {
    const all = [...this.state, ...this.slots.map((slot) => slot.state)]
    if (list.length !== all.length) {
      throw new WeftError('ERR_ARGUMENT', `${this.name}.setWeights: ${list.length} tensors for ${all.length} of state`, {
        hint: 'The state of a variable exists from its first update; build(variables) makes it before',
      })
    }
    outsideTrace(() => all.forEach((state, i) => state.assign(list[i]!)))
    this.adopt(Number(list[1]!.dataSync()[0]))
  }

  /** @internal The host's copy of the rate, after the variable was set from a file. */
  adopt(rate: number): void {
    this.rate = rate
  }

  /** Frees the state. */
  dispose(): void {
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

/** A variable of the dtype and on the device of another, every element `start`. */
function slotLike(like: Variable, name: string, start: number, shape: Shape): Variable {
  return outsideTrace(() => {
    const value = full(shape, start, { dtype: like.dtype, device: like.device })
    const made = variable(value, { name: `${like.name}/${name}`, trainable: false })
    value.dispose()
    return made
  })
}
