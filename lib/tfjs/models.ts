// Models as TensorFlow.js has them: predict() and evaluate() return at once, fit() is silent and takes functions as
// callbacks, files are named by URLs.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import type { DType, DynamicShape } from '../core/spec.js'
import { Tensor, type TensorLike, type Variable } from '../core/tensor.js'
import { tensor } from '../core/create.js'
import type { CallbackLike } from '../callbacks/callback.js'
import { loadTfjs } from '../keras/index.js'
import type { AnyLayer } from '../layers/layer.js'
import { type LossLike, resolveLoss } from '../losses/by_name.js'
import { resolveMetric } from '../metrics/by_name.js'
import { input as weftInput, model as weftModel } from '../model/functional.js'
import type { History } from '../model/history.js'
import type { AnyModel } from '../model/model.js'
import { sequential as weftSequential, type Sequential } from '../model/sequential.js'
import type { SymbolicTensor } from '../layers/symbolic.js'
import type { Dataset } from './data.js'
import { Optimizer, remember } from './gradients.js'

type Logs = Record<string, number>
export interface CompileArgs {
  optimizer: string | Optimizer
  loss: unknown
  metrics?: string | readonly string[]
}
export type CallbackArgs = {
  [K in keyof CallbackLike]?: CallbackLike[K]
} & { onYield?: unknown }
export interface FitArgs {
  epochs?: number
  batchSize?: number
  validationSplit?: number
  validationData?: readonly unknown[]
  shuffle?: boolean
  initialEpoch?: number
  stepsPerEpoch?: number
  classWeight?: Readonly<Record<number, number>>
  sampleWeight?: Tensor
  verbose?: 0 | 1 | 2
  yieldEvery?: unknown
  callbacks?: CallbackArgs | readonly CallbackArgs[]
}
export interface FitDatasetArgs {
  epochs: number
  batchesPerEpoch?: number
  validationData?: Dataset | readonly unknown[]
  validationBatches?: number
  initialEpoch?: number
  verbose?: 0 | 1 | 2
  yieldEvery?: unknown
  callbacks?: CallbackArgs | readonly CallbackArgs[]
}

/** Losses by the names and functions that compile() takes there. */
function lossOf(loss: unknown): LossLike {
  if (typeof loss === 'function' && !('lossName' in loss))
    return ((y: Tensor, p: Tensor) => (loss as (y: Tensor, p: Tensor) => Tensor)(y, p)) as LossLike
  return loss as LossLike
}

const metricsOf = (metrics: CompileArgs['metrics']): string[] =>
  (metrics === undefined ? [] : [metrics].flat()).map((name) => (name === 'acc' ? 'accuracy' : name))

/** TensorFlow.js calls accuracy 'acc' in logs. */
const short = (key: string): string => key.replace(/(^|_)accuracy$/, '$1acc')
const renamed = (logs: Logs): Logs => Object.fromEntries(Object.entries(logs).map(([key, value]) => [short(key), value]))

/** Callbacks with logs under TensorFlow.js' keys. */
function callbacksOf(given: FitArgs['callbacks']): CallbackLike[] {
  const list = given === undefined ? [] : Array.isArray(given) ? (given as readonly CallbackArgs[]) : [given as CallbackArgs]
  return list.map((callback) => {
    if (Object.getPrototypeOf(callback) !== Object.prototype) return callback as CallbackLike
    const { onYield: _, ...hooks } = callback
    const wrapped: Record<string, unknown> = {}
    for (const [name, hook] of Object.entries(hooks)) {
      if (typeof hook !== 'function') continue
      const call = hook as (...args: unknown[]) => unknown
      wrapped[name] = /^onTrain/.test(name)
        ? (logs: Logs) => call(renamed(logs ?? {}))
        : (index: number, logs: Logs) => call(index, renamed(logs ?? {}))
    }
    if (Object.keys(wrapped).length === 0) wrapped['onTrainBegin'] = () => undefined
    return wrapped as CallbackLike
  })
}

function historyOf(history: History): History {
  const renamedHistory = Object.fromEntries(Object.entries(history.history).map(([key, values]) => [short(key), values]))
  return Object.assign(Object.create(Object.getPrototypeOf(history) as object) as History, {
    epoch: history.epoch,
    history: renamedHistory,
  })
}

/** A model of layers. */
export class LayersModel {
  /** Weft's model. */
  readonly net: AnyModel
  /** The optimizer that compile() was given. */
  optimizer: Optimizer | undefined
  private compiled: Pick<CompileArgs, 'loss' | 'metrics'> | undefined

  constructor(net: AnyModel) {
    this.net = net
    this.register()
  }

  private register(): void {
    if (this.net.built) for (const weight of this.net.weights) remember(weight)
  }

  get name(): string {
    return this.net.name
  }
  get layers(): readonly AnyLayer[] {
    return this.net.layers
  }
  get weights(): readonly Variable[] {
    return this.net.weights
  }
  get trainableWeights(): readonly Variable[] {
    return this.net.trainableWeights
  }
  get trainable(): boolean {
    return this.net.trainable
  }
  set trainable(value: boolean) {
    this.net.trainable = value
  }
  get stopTraining(): boolean {
    return this.net.stopTraining
  }
  set stopTraining(value: boolean) {
    this.net.stopTraining = value
  }
  /** Symbolic inputs of a functional model. */
  get inputs(): readonly Tensor[] {
    return [(this.net as unknown as { inputs: Tensor | Tensor[] }).inputs].flat()
  }
  /** Symbolic outputs of a functional model. */
  get outputs(): readonly Tensor[] {
    return [(this.net as unknown as { outputs: Tensor | Tensor[] }).outputs].flat()
  }

  /** The layer of a name, or at a place. */
  getLayer(nameOrIndex: string | number | undefined, index?: number): AnyLayer {
    return this.net.getLayer(nameOrIndex ?? index ?? 0)
  }
  countParams(): number {
    return this.net.countParams()
  }
  /** Prints the layers; printFn takes each line. The widths of columns follow the content. */
  summary(_lineLength?: number, _positions?: readonly number[], printFn?: (line: string) => void): void {
    this.net.summary(printFn ? { print: printFn } : {})
  }
  getWeights(): Tensor[] {
    return this.net.weights.map((weight) => weight.identity())
  }
  /** Sets all weights, in the order of getWeights(). */
  setWeights(weights: readonly Tensor[]): void {
    this.net.setWeights([...weights])
  }

  compile({ optimizer, loss, metrics }: CompileArgs): void {
    this.optimizer = optimizer instanceof Optimizer ? optimizer : undefined
    this.net.compile({
      optimizer: (optimizer instanceof Optimizer ? optimizer.weft : optimizer) as never,
      loss: (Array.isArray(loss) ? loss.map(lossOf) : lossOf(loss)) as never,
      metrics: metricsOf(metrics) as never,
    })
    this.compiled = { loss, metrics }
  }

  /** Trains. Resolves with { epoch, history: { loss: [...], acc: [...], val_loss: [...] } }. */
  async fit(x: unknown, y: unknown, { callbacks, verbose = 0, yieldEvery: _, ...args }: FitArgs = {}): Promise<History> {
    return historyOf(await this.net.fit(x as never, y as never, { ...args, verbose, callbacks: callbacksOf(callbacks) } as never))
  }

  /** Trains on a dataset of { xs, ys } that was batched. */
  async fitDataset(dataset: Dataset, { callbacks, verbose = 0, yieldEvery: _, ...args }: FitDatasetArgs): Promise<History> {
    const { batchesPerEpoch, validationBatches, validationData, ...rest } = args
    const options = {
      ...rest,
      verbose,
      callbacks: callbacksOf(callbacks),
      ...(batchesPerEpoch === undefined ? {} : { stepsPerEpoch: batchesPerEpoch }),
      ...(validationBatches === undefined ? {} : { validationSteps: validationBatches }),
      ...(validationData === undefined ? {} : { validationData: isDataset(validationData) ? batches(validationData) : validationData }),
    }
    return historyOf(await this.net.fit(batches(dataset) as never, options as never))
  }

  /** Loss and metrics of all rows as scalars: one Tensor, or a list of them. */
  evaluate(x: Tensor | readonly Tensor[], y: Tensor, _args?: { batchSize?: number }): Tensor | Tensor[] {
    if (this.compiled === undefined)
      throw new WeftError('ERR_STATE', 'evaluate: the model was not compiled', { hint: 'Call compile() first' })
    const predicted = this.predict(x)
    if (!(predicted instanceof Tensor) || !(y instanceof Tensor))
      throw new WeftError('ERR_ARGUMENT', 'evaluate: a model of several outputs is evaluated by await model.net.evaluate(x, y)')
    const loss = resolveLoss(lossOf(this.compiled.loss))(y, predicted)
    const figures = metricsOf(this.compiled.metrics).map((name) => {
      const metric = resolveMetric(name as never)
      metric.update(y, predicted)
      return metric.result()
    })
    predicted.dispose()
    const mean = loss.rank === 0 ? loss : loss.mean()
    return figures.length === 0 ? mean : [mean, ...figures]
  }
  /** evaluate() on a dataset of { xs, ys } that was batched. */
  async evaluateDataset(dataset: Dataset, { batches: count }: { batches?: number } = {}): Promise<Tensor | Tensor[]> {
    const options = count === undefined ? {} : { steps: count }
    return this.scalars(await this.net.evaluate(batches(dataset) as never, options as never))
  }
  private scalars(logs: Logs): Tensor | Tensor[] {
    const list = Object.values(logs).map((value) => tensor(value))
    return list.length === 1 ? list[0]! : list
  }

  /** What the model makes of x, without dropout. */
  predict(x: Tensor | readonly Tensor[], _args?: { batchSize?: number }): Tensor | Tensor[] {
    return this.net.apply(x as never, { training: false }) as Tensor | Tensor[]
  }
  predictOnBatch(x: Tensor | readonly Tensor[]): Tensor | Tensor[] {
    return this.predict(x)
  }
  /** The model on symbolic or other tensors. */
  apply(x: Tensor | readonly Tensor[], { training = false }: { training?: boolean } = {}): Tensor | Tensor[] {
    return this.net.apply(x as never, { training }) as Tensor | Tensor[]
  }
  /** One step. Resolves with the loss, or with loss and metrics. */
  async trainOnBatch(x: unknown, y: unknown): Promise<number | number[]> {
    const values = Object.values(await this.net.trainOnBatch(x as never, y as never))
    return values.length === 1 ? values[0]! : values
  }

  /** Saves model.json and weights into the folder of a URL file://folder, for TensorFlow.js and loadLayersModel(). */
  async save(url: string): Promise<void> {
    await this.net.exportTfjs(placeOf('save', url))
  }
  dispose(): void {
    this.net.dispose()
  }
}

/** A stack of layers. */
export class SequentialModel extends LayersModel {
  /** Adds a layer, or a model as one. */
  add(layer: AnyLayer | LayersModel): void {
    ;(this.net as Sequential).add(layer instanceof LayersModel ? layer.net : layer)
    if (this.net.built) for (const weight of this.net.weights) remember(weight)
  }
}

export function sequential({ layers = [], name }: { layers?: readonly (AnyLayer | LayersModel)[]; name?: string } = {}): SequentialModel {
  return new SequentialModel(
    weftSequential(
      layers.map((layer) => (layer instanceof LayersModel ? layer.net : layer)) as never,
      name === undefined ? {} : { name },
    ) as never,
  )
}

/** A model from symbolic inputs to outputs. */
export function model({ inputs, outputs, name }: { inputs: unknown; outputs: unknown; name?: string }): LayersModel {
  return new LayersModel(
    weftModel({ inputs: inputs as SymbolicTensor, outputs: outputs as SymbolicTensor, ...(name === undefined ? {} : { name }) }) as never,
  )
}
/** A symbolic input. */
export const input = ({ shape, dtype, name }: { shape: DynamicShape; dtype?: DType; name?: string }): Tensor =>
  weftInput({ shape, ...(dtype === undefined ? {} : { dtype }), ...(name === undefined ? {} : { name }) })

/** A layers model of TensorFlow.js from a URL file://folder/model.json, or a path. */
export async function loadLayersModel(url: string): Promise<LayersModel> {
  return new LayersModel(await loadTfjs(placeOf('loadLayersModel', url)))
}

function placeOf(what: string, url: unknown): string {
  if (typeof url !== 'string') throw new WeftError('ERR_ARGUMENT', `${what}: expected a URL file://folder, got ${show(url)}`)
  if (!url.includes('://')) return url
  if (!url.startsWith('file://'))
    throw new WeftError('ERR_ARGUMENT', `${what}: only files are supported, got ${url.slice(0, url.indexOf('://') + 3)}...`, {
      hint: 'Write file://folder; another place can be copied to or from there',
    })
  // TensorFlow.js takes file://./folder, which is no URL
  return url.startsWith('file:///') ? fileURLToPath(url) : path.resolve(url.slice('file://'.length))
}

const isDataset = (value: unknown): value is Dataset => typeof (value as Dataset).forEachAsync === 'function'

/** Batches { xs, ys } as Weft takes them. */
function batches(dataset: Dataset): () => AsyncIterable<unknown> {
  return () => ({
    async *[Symbol.asyncIterator]() {
      for await (const { xs, ys } of dataset as AsyncIterable<{ xs: TensorLike; ys: TensorLike }>) yield { x: xs, y: ys }
    },
  })
}
