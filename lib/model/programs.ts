// Programs: the traced functions of a model that hold for one state of its structure.
import type { AnyModel } from './model.js'
import { Inference, Steps } from './step.js'

export class Programs {
  /** Of the model's structure. */
  readonly version: number
  private readonly model: AnyModel
  /** By kind, and the number of shards. */
  private readonly steps = new Map<string, Steps>()
  private predicting: Inference | undefined

  constructor(model: AnyModel) {
    this.version = model.version
    this.model = model
  }

  /** @param shards how many parts a batch is cut into, whatever the number of ranks; undefined: one for each rank */
  stepsOf(kind: 'fit' | 'evaluate' | 'trainBatch' | 'evaluateBatch', shards: number | undefined): Steps {
    const key = `${kind} ${shards}`
    let steps = this.steps.get(key)
    if (steps === undefined) {
      const { model } = this
      steps = new Steps(kind === 'fit' || kind === 'trainBatch' ? 'fit' : 'evaluate', model, model.compiled, shards)
      this.steps.set(key, steps)
    }
    return steps
  }

  inference(): Inference {
    const { model } = this
    return (this.predicting ??= new Inference(model, model.isCompiled ? { precision: model.compiled.precision } : {}))
  }

  dispose(): void {
    for (const steps of this.steps.values()) steps.dispose()
    this.predicting?.dispose()
  }
}
