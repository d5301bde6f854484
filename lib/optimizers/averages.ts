// What optimizers keep beside their rule: gradients added up over several steps, and moving averages of the weights.
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import { show } from '../core/options.js'
import type { Shape } from '../core/spec.js'
import { Tensor, type Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { where, zeros, zerosLike } from '../ops/index.js'

export interface AverageOptions {
  /** Updates by the mean of the gradients of so many steps, once for all of them. Default 1. */
  gradientAccumulationSteps?: number
  /**
   * Keeps a moving average of the weights, beside them: average = emaMomentum · average + (1 - emaMomentum) · weights.
   * At the end of fit the weights become it. Default false.
   */
  useEma?: boolean
  /** Default 0.99. */
  emaMomentum?: number
  /** The weights become their average after every so many updates too. Default: never. */
  emaOverwriteFrequency?: number | null
}

/** Throws ERR_ARGUMENT for options that say nothing sensible. */
export function checkAverages(what: string, options: AverageOptions): void {
  const { gradientAccumulationSteps: steps = 1, useEma = false, emaMomentum, emaOverwriteFrequency: frequency } = options
  checkAccumulation(what, steps)
  for (const name of ['emaMomentum', 'emaOverwriteFrequency'] as const)
    if ((options[name] ?? undefined) !== undefined && !useEma)
      throw new WeftError('ERR_ARGUMENT', `${what}: ${name} is of no use without useEma: true`)
  if (emaMomentum !== undefined && !(emaMomentum >= 0 && emaMomentum <= 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: emaMomentum must lie in [0, 1], got ${show(emaMomentum)}`)
  if ((frequency ?? undefined) !== undefined && !(Number.isInteger(frequency) && frequency! >= 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: emaOverwriteFrequency must be an integer of at least 1, got ${show(frequency)}`)
}

export function checkAccumulation(what: string, steps: unknown): void {
  if (!(Number.isInteger(steps) && (steps as number) >= 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: gradientAccumulationSteps must be an integer of at least 1, got ${show(steps)}`)
}

/** Variables that are kept for others, by the variable that each belongs to. */
export class SlotMap extends Map<Variable, Variable> {
  readonly name: string

  constructor(name: string) {
    super()
    this.name = name
  }

  /** The slot of a variable, which is made where it is not there yet: all 0. */
  of(target: Variable, shape: Shape): Variable {
    const found = this.get(target)
    if (found) return found
    const made = outsideTrace(() => {
      const value = zeros(shape, { dtype: target.dtype, device: target.device })
      const slot = variable(value, { name: `${target.name}/${this.name}`, trainable: false })
      value.dispose()
      return slot
    })
    this.set(target, made)
    return made
  }

  dispose(): void {
    for (const slot of this.values()) slot.dispose()
    this.clear()
  }
}

/** Gradients added up: the mean of those of `steps` steps, and whether this is the last of them. */
export class Accumulation {
  readonly steps: number
  readonly slots: SlotMap = new SlotMap('accumulator')
  /** int32 []: steps since the last update. */
  readonly count: Variable

  constructor(steps: number) {
    this.steps = steps
    this.count = variable(0, { name: 'accumulated', dtype: 'int32', trainable: false })
  }

  /** Adds gradients; `due` is true in the steps that update, by `means`. */
  add(targets: readonly Variable[], gradients: readonly Tensor[]): { due: Tensor; means: Tensor[] } {
    const next = this.count.add(1)
    const due = next.greaterEqual(this.steps)
    const means = targets.map((target, i) => {
      const slot = this.slots.of(target, gradients[i]!.shape)
      const total = slot.add(gradients[i]!)
      slot.assign(where(due, zerosLike(total), total))
      return total.mul(1 / this.steps)
    })
    this.count.assign(where(due, 0, next))
    return { due, means }
  }

  dispose(): void {
    this.slots.dispose()
    this.count.dispose()
  }
}

/** Moving averages of the weights. */
export class WeightAverages {
  readonly slots: SlotMap = new SlotMap('average')
  private readonly momentum: number
  private readonly frequency: number | undefined

  constructor({ emaMomentum = 0.99, emaOverwriteFrequency }: AverageOptions) {
    this.momentum = emaMomentum
    this.frequency = emaOverwriteFrequency ?? undefined
  }

  /**
   * Takes an updated weight into its average, which begins with the first.
   * @param iteration updates made before this one
   * @returns what the weight is from now on, and its average
   */
  take(target: Variable, updated: Tensor, iteration: Tensor): { weight: Tensor; average: Tensor } {
    const share = where(iteration.equal(0), 0, this.momentum).cast(updated.dtype)
    const average = this.slots
      .of(target, updated.shape)
      .mul(share)
      .add(updated.mul(share.neg().add(1)))
    if (this.frequency === undefined) return { weight: updated, average }
    const overwrites = iteration.add(1).mod(this.frequency).equal(0)
    return { weight: where(overwrites, average, updated), average }
  }
}
