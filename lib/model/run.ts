// TrainingRun: where a training stands, beyond what its model has. Callbacks keep it, and put it back to go on from
// there.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { keep, type Kept } from '../core/keep.js'
import type { ShuffleSequence } from '../core/random.js'
import { type DType, sameShape, type Shape } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import type { AnyModel, ShuffleState } from './model.js'
import type { Steps } from './step.js'

/** Where an epoch was in its data when it began, as JSON. */
export interface DataPosition {
  /** The order of the rows of arrays. */
  readonly shuffle?: ShuffleState
  /** Rows and rows per step, of arrays. */
  readonly rows?: number
  readonly batchSize?: number
  /** The orders of the shuffles of a data.Dataset, as of the time its pass was opened. */
  readonly orders?: readonly ShuffleState[]
  /** Where the sequence of shuffle orders was then. */
  readonly sequence?: ShuffleSequence
  /** Batches that the open pass of a stream had given before this epoch. */
  readonly taken?: number
}

/** A state of a metric, as JSON: its bytes in base64. */
export interface FigureJson {
  readonly dtype: DType
  readonly shape: Shape
  readonly base64: string
}

/** A TrainingRun as JSON. */
export interface RunJson {
  /** From 0; `step` of its steps are done. */
  readonly epoch: number
  readonly step: number
  readonly data: DataPosition
  /** Running means of the epoch, in the order of their states; none at the begin of an epoch. */
  readonly figures: readonly FigureJson[]
  /** What callbacks remember, in their order; null for those that remember nothing. */
  readonly callbacks: readonly unknown[]
}

/** A run as it was at one moment. Whoever has one calls release(). */
export class KeptRun {
  private readonly facts: Omit<RunJson, 'figures'>
  private readonly figures: readonly Kept[]
  /** What callbacks keep, by the names it is saved by. */
  readonly values: ReadonlyMap<string, Kept>

  constructor(facts: Omit<RunJson, 'figures'>, figures: readonly Variable[], values: ReadonlyMap<string, Tensor>) {
    this.facts = facts
    this.figures = figures.map(keep)
    this.values = new Map([...values].map(([name, t]) => [name, keep(t)]))
  }

  async toJson(): Promise<RunJson> {
    const figures: FigureJson[] = []
    for (const kept of this.figures) {
      const bytes = new Uint8Array(kept.bytes)
      await kept.read(0, bytes)
      figures.push({ dtype: kept.dtype, shape: kept.shape, base64: Buffer.from(bytes).toString('base64') })
    }
    return { ...this.facts, figures }
  }

  release(): void {
    for (const kept of [...this.figures, ...this.values.values()]) kept.release()
  }
}

/** What callbacks remember of the epochs so far. */
export interface Memories {
  /** As JSON, in the order of the callbacks. */
  memories(): readonly unknown[]
  /** Tensors, by names that begin with CALLBACK. */
  values(): ReadonlyMap<string, Tensor>
}

/** How the names of tensors begin that callbacks keep; no weight is named so. */
export const CALLBACK = '@callback/'

/** One call of fit or train. */
export class TrainingRun {
  epoch = 0
  /** Steps of the epoch that were submitted. */
  step = 0
  /** Steps of all epochs that this call has submitted. */
  submitted = 0
  /** Epochs that were asked for. */
  epochs = 1
  /** How many parts each batch is cut into, whatever the number of ranks; undefined: one for each rank. */
  shards: number | undefined
  /** Steps of an epoch, once its first step is about to be submitted and where it is known. */
  stepsPerEpoch: number | undefined
  /** Where the epoch began in its data. */
  data: DataPosition = {}
  /** True once all that was asked for is done, or something set stopTraining. */
  finished = false
  /** What the callbacks of the run that this one goes on from remembered. */
  remembered: readonly unknown[] = []
  rememberedValues: ReadonlyMap<string, Tensor> = new Map()
  private steps: Steps | undefined
  private from: { run: RunJson; learningRate: number | undefined } | undefined
  private readonly model: AnyModel
  private readonly callbacks: Memories

  constructor(model: AnyModel, callbacks: Memories) {
    this.model = model
    this.callbacks = callbacks
  }

  /** Goes on from where a run was kept; before the first epoch. The model has the values of that time already. */
  resume(run: RunJson, values: ReadonlyMap<string, Tensor>): void {
    const { optimizer } = this.model
    this.from = { run, learningRate: optimizer.isScheduled ? undefined : optimizer.learningRate }
    this.remembered = run.callbacks
    this.rememberedValues = values
    if (run.data.shuffle !== undefined) this.model.shuffleState = run.data.shuffle
  }

  /** The epoch to begin with, where the run goes on from another. */
  get firstEpoch(): number | undefined {
    return this.from?.run.epoch
  }

  /** An epoch begins, at this place of the data; nothing of it was submitted. */
  begin(epoch: number, data: DataPosition): void {
    this.epoch = epoch
    this.step = 0
    this.data = data
    this.steps = undefined
  }

  /** Where in its data the epoch that has begun goes on; once, after its callbacks were called. */
  takeUp(steps: Steps): { step: number; data: DataPosition } | undefined {
    this.steps = steps
    const { from } = this
    this.from = undefined
    if (from === undefined) return undefined
    const { step, data, figures } = from.run
    if (step > 0) {
      // hooks at the begin of the epoch have done their work in the former run
      if (from.learningRate !== undefined) this.model.optimizer.learningRate = from.learningRate
      steps.restore(figures)
    }
    this.step = step
    return { step, data }
  }

  /** The run as it is now: after the steps that were submitted. */
  keep(): KeptRun {
    const { epoch, step, data } = this
    const figures = step > 0 ? (this.steps?.states ?? []) : []
    return new KeptRun({ epoch, step, data, callbacks: this.callbacks.memories() }, figures, this.callbacks.values())
  }
}

/** Gives a state of a metric the value that was kept. */
export function restoreFigure(state: Variable, { dtype, shape, base64 }: FigureJson): void {
  const bytes = Buffer.from(base64, 'base64')
  if (state.dtype !== dtype || !sameShape(state.shape, shape) || bytes.length !== state.held().bytes)
    throw new WeftError('ERR_FORMAT', `a metric keeps ${state.dtype} [${state.shape}], in the backup it is ${dtype} [${shape}]`, {
      hint: 'Compile the model with the metrics it had, or remove the backup',
    })
  const value = tensor(typed(bytes, dtype), { shape, dtype, device: state.device })
  state.assign(value)
  value.dispose()
}

function typed(bytes: Buffer, dtype: DType): Float32Array | Int32Array | Uint8Array | Float64Array {
  const { buffer } = Uint8Array.from(bytes)
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer)
    case 'float64':
      return new Float64Array(buffer)
    case 'int32':
      return new Int32Array(buffer)
    case 'uint8':
    case 'bool':
      return new Uint8Array(buffer)
    default:
      throw new WeftError('ERR_FORMAT', `a metric of ${dtype} cannot be taken from a backup`)
  }
}
