// Model: layers as one, with compile, fit, evaluate, predict and save; the base of sequential and functional models.
import { device, resolveDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { eachFromCaller, fromCaller, type Safe } from '../core/stack.js'
import { type AnyLayer, Layer } from '../layers/layer.js'
import type { Weighted } from '../layers/weights.js'
import type { Optimizer } from '../optimizers/index.js'
import { type Split, splitArguments } from './arguments.js'
import { nextSeed, seedGeneration } from '../core/random.js'
import { Tensor } from '../core/tensor.js'
import { EVALUATE_OPTIONS, type EvaluateOptions, evaluate, evaluateBatch } from './evaluate.js'
import { type Forms, isStream, type Rows, type StreamSource, type ModelData } from './feed.js'
import type { History } from './history.js'
import { COMPILE_OPTIONS, type CompileOptions, Objective } from './objective.js'
import type { ClassWeightLike } from './class_weight.js'
import type { LayerGraph } from './layer_graph.js'
import { tellRefused, withArguments } from './meeting.js'
import { PREDICT_OPTIONS, type PredictOptions, predict } from './predict.js'
import type { TrainingRun } from './run.js'
import { Programs, type StepKind } from './programs.js'
import type { Figures, Inference, Steps } from './step.js'
import type { SummaryOptions } from './summary.js'
import { refuseInTrace } from './refusals.js'
import { FIT_OPTIONS, type FitOptions, fit, type TrainEvent, trainBatch, trainEvents } from './training.js'

// biome-ignore lint/suspicious/noExplicitAny: models of different inputs and results are trained alike
export type AnyModel = Model<any, any, any>

/** Options of trainOnBatch. */
export interface TrainOnBatchOptions {
  /** Weights of the samples [n]. */
  sampleWeight?: Rows
  /** Weights of classes by number. */
  classWeight?: Exclude<ClassWeightLike, 'balanced'>
}

const TRAIN_ON_BATCH_OPTIONS: OptionTable<TrainOnBatchOptions> = { sampleWeight: 'any', classWeight: 'any' }

const EVALUATE_BATCH_OPTIONS: OptionTable<Pick<TrainOnBatchOptions, 'sampleWeight'>> = { sampleWeight: 'any' }

export interface SaveOptions {
  /** JSON values and objects with toJSON() that travel with the model, such as tokenizers. */
  assets?: Record<string, unknown>
}

/** Where the shuffle order of the next epoch comes from. */
export interface ShuffleState {
  seed: number
  /** Epochs shuffled so far. */
  pass: number
}

type Stateful = Weighted & { resetStates?: () => void; config?: { stateful?: boolean } }
const statefulIn = (layer: Stateful): Stateful[] => [
  ...(layer.config?.stateful ? [layer] : []),
  ...(layer.sublayers as readonly Stateful[]).flatMap(statefulIn),
]

export abstract class Model<C extends object = object, I = Tensor, O = Tensor> extends Layer<C, I, O> {
  static override readonly namespace: string = ''

  /** The layers, in order. */
  abstract readonly layers: readonly AnyLayer[]
  /** The layer with this name, or at this place (negative: from the end). */
  abstract getLayer(which: string | number): AnyLayer
  /** Prints a table of the layers, their output shapes and numbers of parameters; to stdout unless `print` is given. */
  abstract summary(options?: SummaryOptions): void

  /** @internal The layers and what flows between them; a model of a class of its own has no wires to show. */
  layerGraph(): LayerGraph {
    const node = (layer: AnyLayer, i: number): LayerGraph['nodes'][number] => ({
      id: `layer${i}`,
      name: layer.name,
      kind: layer.className,
      parameters: layer.built ? layer.countParams() : undefined,
    })
    return { name: this.name, nodes: this.layers.map(node), edges: [] }
  }

  /** Set to true, also by a callback, it ends fit after the step in flight; fit resolves. */
  stopTraining = false
  /** What was saved with the model, or will be. */
  assets: Record<string, unknown> = {}

  private objective: Objective | undefined
  private readonly programs: Programs = new Programs(this)
  private busy = false
  private training: TrainingRun | undefined
  private evaluating: Promise<unknown> = Promise.resolve()
  private order: (ShuffleState & { generation: number }) | undefined
  private trained = 0

  /** The activation at the end of each output. */
  get outputActivations(): readonly (string | undefined)[] {
    return [this.layers.at(-1)?.activationName]
  }
  /** @internal What each output ends in, where its values are no probabilities. */
  get outputEnds(): readonly (string | undefined)[] {
    return [this.layers.at(-1)?.notProbabilities]
  }
  /** Names of the outputs, for logs and for losses, metrics and targets by name. */
  get outputNames(): readonly string[] {
    return [this.layers.at(-1)?.name ?? 'output']
  }

  /** @internal Whether inputs and outputs are lists: a functional model keeps them as they were given. */
  get forms(): Forms {
    const given = (name: string): boolean => Object.hasOwn(this, name) && Array.isArray((this as Record<string, unknown>)[name])
    return { listOfInputs: given('inputs'), listOfOutputs: given('outputs'), device: this.device }
  }

  /** Says how to train: optimizer, loss, metrics. Weights stay; the optimizer starts anew. */
  compile(options: CompileOptions = {}): void {
    checkCall('compile(options)', arguments, COMPILE_OPTIONS)
    if (this.busy) throw new WeftError('ERR_STATE', `${this.name}: compile() while the model is being trained`)
    const objective = new Objective(options)
    if (this.built) objective.checkOutputs(this.outputNames)
    this.objective = objective
    this.retrace()
  }

  /** @internal Compiles the model with the losses and metrics of another one, and an optimizer of its own. */
  compileAs(other: AnyModel, changes: Parameters<Objective['again']>[0] = {}): void {
    this.objective = other.isCompiled ? other.compiled.again(changes) : undefined
    this.retrace()
  }

  /** The optimizer given to compile(). */
  get optimizer(): Optimizer {
    return this.compiled.optimizer
  }
  get isCompiled(): boolean {
    return this.objective !== undefined
  }
  /** @internal */
  get compiled(): Objective {
    if (this.objective) return this.objective
    throw new WeftError('ERR_STATE', `${this.name}: the model is not compiled`, {
      hint: "Call compile({ optimizer: 'adam', loss: ... }) first",
    })
  }

  /** Trains on arrays, or on a source of batches. Resolves with the history of losses and metrics by epoch. */
  fit(x: ModelData, y: ModelData | undefined, options?: FitOptions): Promise<History>
  fit(source: StreamSource, options?: FitOptions): Promise<History>
  fit(x: ModelData | StreamSource, ...rest: unknown[]): Promise<History> {
    refuseInTrace('fit')
    const split = (): Split<FitOptions> => splitArguments({ name: 'fit', options: FIT_OPTIONS }, this.outputNames, x, rest)
    return fromCaller(Model.prototype.fit, () => withArguments('fit', split, ({ y, options }) => fit(this, x, y, options)))
  }

  /**
   * fit() as an iterator of events: 'step' after each step, 'epoch' at the end of each epoch. Leaving the loop stops
   * cleanly.
   */
  train(x: ModelData, y: ModelData | undefined, options?: FitOptions): AsyncGenerator<TrainEvent, History, void>
  train(source: StreamSource, options?: FitOptions): AsyncGenerator<TrainEvent, History, void>
  train(x: ModelData | StreamSource, ...rest: unknown[]): AsyncGenerator<TrainEvent, History, void> {
    refuseInTrace('train')
    try {
      const { y, options } = splitArguments<FitOptions>({ name: 'train', options: FIT_OPTIONS }, this.outputNames, x, rest)
      return eachFromCaller(Model.prototype.train, trainEvents(this, x, y, options, true))
    } catch (error) {
      void tellRefused('fit', error)
      throw error
    }
  }

  /** Loss and metrics over the data. */
  evaluate(x: ModelData, y: ModelData | undefined, options?: EvaluateOptions): Promise<Figures>
  evaluate(source: StreamSource, options?: EvaluateOptions): Promise<Figures>
  evaluate(x: ModelData | StreamSource, ...rest: unknown[]): Promise<Figures> {
    refuseInTrace('evaluate')
    const split = (): Split<EvaluateOptions> => splitArguments({ name: 'evaluate', options: EVALUATE_OPTIONS }, this.outputNames, x, rest)
    return fromCaller(Model.prototype.evaluate, () => withArguments('evaluate', split, ({ y, options }) => evaluate(this, x, y, options)))
  }

  /** The outputs for every row of x, in order: [rows, ...]. */
  predict(x: ModelData | StreamSource, options: PredictOptions = {}): Promise<O> {
    refuseInTrace('predict')
    const args = arguments
    const check = (): void => checkCall(isStream(x) ? 'predict(source, options)' : 'predict(x, options)', args, PREDICT_OPTIONS)
    return fromCaller(Model.prototype.predict, () => predict(this, x, options, check) as O | Promise<O> | Safe<O>)
  }

  /** One update on one batch; the figures of this batch alone. */
  trainOnBatch(x: ModelData, y?: ModelData, options: TrainOnBatchOptions = {}): Promise<Figures> {
    refuseInTrace('trainOnBatch')
    const args = arguments
    return fromCaller(Model.prototype.trainOnBatch, async () => {
      checkCall('trainOnBatch(x, y, options)', args, TRAIN_ON_BATCH_OPTIONS)
      return trainBatch(this, x, y, options)
    })
  }

  /** Loss and metrics of one batch. */
  evaluateOnBatch(x: ModelData, y?: ModelData, options: Pick<TrainOnBatchOptions, 'sampleWeight'> = {}): Promise<Figures> {
    refuseInTrace('evaluateOnBatch')
    const args = arguments
    return fromCaller(Model.prototype.evaluateOnBatch, async () => {
      checkCall('evaluateOnBatch(x, y, options)', args, EVALUATE_BATCH_OPTIONS)
      return evaluateBatch(this, x, y, options)
    })
  }

  /** Of the layers, and of what the optimizer's steps are traced with. */
  override get version(): number {
    return super.version + (this.objective?.optimizer.changes ?? 0)
  }

  /** @internal The programs of a kind, for the model as it is now. */
  steps(kind: StepKind): Steps {
    return this.programs.steps(kind, kind === 'fit' || kind === 'evaluate' ? this.training?.shards : undefined)
  }
  /** @internal */
  inference(): Inference {
    return this.programs.inference()
  }
  /** @internal Forgets the programs: what they were traced with has changed. */
  retrace(): void {
    this.programs.dispose()
  }

  /** @internal Marks the model as being trained by this run, until the function it returns is called. */
  beginTraining(run: TrainingRun): () => void {
    if (this.busy)
      throw new WeftError('ERR_STATE', `${this.name}: the model is being trained already`, { hint: 'Await the first fit() or train()' })
    this.busy = true
    this.training = run
    return () => {
      this.busy = false
      this.training = undefined
    }
  }

  /** @internal The call of fit or train that is under way. */
  get trainingRun(): TrainingRun | undefined {
    return this.training
  }

  /** @internal Evaluations share their figures on the device: one at a time. */
  inTurn<T>(fn: () => Promise<T>): Promise<T> {
    const turn = this.evaluating.then(fn, fn)
    this.evaluating = turn.catch(() => undefined)
    return turn
  }

  /**
   * @internal The seed and pass of the next epoch's shuffle. They go on from fit to fit, and with a saved model, until
   * setSeed() is called.
   */
  nextShuffle(): ShuffleState {
    if (this.order?.generation !== seedGeneration()) this.order = { seed: nextSeed(), pass: 0, generation: seedGeneration() }
    return { seed: this.order.seed, pass: this.order.pass++ }
  }
  /** @internal */
  get shuffleState(): ShuffleState | undefined {
    return this.order && { seed: this.order.seed, pass: this.order.pass }
  }
  set shuffleState(state: ShuffleState | undefined) {
    this.order = state && { ...state, generation: seedGeneration() }
  }

  /** Epochs trained so far, over all calls of fit. */
  get epochsTrained(): number {
    return this.trained
  }
  /** @internal */
  set epochsTrained(epochs: number) {
    this.trained = epochs
  }

  /** Id of the device the weights are on; before they exist, of the one they will be on. */
  get device(): string {
    // predict() asks: a list of all weights would cost more than a small network
    for (const { weights } of this.layers) if (weights.length > 0) return weights[0]!.device
    return this.weights[0]?.device ?? device()
  }

  /**
   * The model with its weights on another device; itself when they are there already. ERR_NO_DEVICE with the reason
   * when it cannot be used.
   */
  to(id: string): this {
    const where = resolveDevice(id)
    if (this.busy) throw new WeftError('ERR_STATE', `${this.name}: to() while the model is being trained`)
    if (where === this.device) return this
    this.retrace()
    for (const [, state] of this.savedVariables()) state.moveTo(where)
    this.objective?.optimizer.moveTo(where)
    return this
  }

  /** Sets the states that stateful recurrent layers keep from call to call back to zeros. */
  resetStates(): void {
    for (const layer of statefulIn(this)) layer.resetStates?.()
  }
  /** @internal Whether a layer keeps states from call to call. */
  get keepsStates(): boolean {
    return statefulIn(this).length > 0
  }

  /** Frees weights, optimizer state and programs. */
  override dispose(): void {
    this.retrace()
    this.objective?.optimizer.dispose()
    super.dispose()
  }
}
