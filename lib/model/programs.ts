// Programs: the traced steps of a model, which hold for one state of its structure.
import { world } from '../distributed/world.js'
import type { AnyModel } from './model.js'
import { refuseIntegers } from './refusals.js'
import { Inference, Steps } from './step.js'

export type StepKind = 'fit' | 'evaluate' | 'trainBatch' | 'evaluateBatch'

/** Programs of one version of the model. */
interface Traced {
  readonly version: number
  /** By kind, and the number of shards. */
  readonly steps: Map<string, Steps>
  inference: Inference | undefined
}

export class Programs {
  /** By the number of ranks that share a step: a rank of several may also work alone. */
  private readonly traced = new Map<number, Traced>()
  private readonly model: AnyModel

  constructor(model: AnyModel) {
    this.model = model
  }

  /** @param shards how many parts a batch is cut into, whatever the number of ranks; undefined: one for each rank */
  steps(kind: StepKind, shards: number | undefined): Steps {
    if (kind === 'fit' || kind === 'trainBatch') refuseIntegers(this.model)
    const { steps } = this.current()
    const key = `${kind} ${shards}`
    let found = steps.get(key)
    if (!found) {
      found = new Steps(kind === 'fit' || kind === 'trainBatch' ? 'fit' : 'evaluate', this.model, this.model.compiled, shards)
      steps.set(key, found)
    }
    return found
  }

  inference(): Inference {
    const { model } = this
    return (this.current().inference ??= new Inference(model, model.isCompiled ? { precision: model.compiled.precision } : {}))
  }

  private current(): Traced {
    const { version } = this.model
    const { size } = world()
    const found = this.traced.get(size)
    if (found?.version === version) return found
    if (found) this.dispose()
    const made: Traced = { version, steps: new Map(), inference: undefined }
    this.traced.set(size, made)
    return made
  }

  /** Forgets the programs: what they were traced with has changed. */
  dispose(): void {
    for (const { steps, inference } of this.traced.values()) {
      for (const group of steps.values()) group.dispose()
      inference?.dispose()
    }
    this.traced.clear()
  }
}
