// Training: fit and train, epoch by epoch; trainOnBatch.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import { type CallbackLike, CallbackList, onThisRank } from '../callbacks/callback.js'
import { exchange, world } from '../distributed/world.js'
import type { Tensor } from '../core/tensor.js'
import { type ClassWeight, type ClassWeightLike, classWeightOption } from './class_weight.js'
import { openSources, type Sources } from './fit_sources.js'
import { checkCount, checkSignal, measure } from './evaluate.js'
import { freeOwned, type ModelData, type Rows, type StreamSource, toColumns } from './feed.js'
import { History } from './history.js'
import type { AnyModel, TrainOnBatchOptions } from './model.js'
import { tellRefused } from './meeting.js'
import { pipeline } from './pipeline.js'
import { Progress, type Verbosity } from './progress.js'
import { Ranks } from './ranks.js'
import { TrainingRun } from './run.js'
import type { Figures, Logs } from './step.js'

export interface FitOptions {
  /** Number of the last epoch, from initialEpoch on. Default 1. */
  epochs?: number
  /** Rows per step, of arrays. Default 32. */
  batchSize?: number
  /** Share of the rows, the last ones, that validate instead of training. */
  validationSplit?: number
  /** [x, y], [x, y, sampleWeight] or a source of batches. */
  validationData?: readonly [ModelData, ModelData] | readonly [ModelData, ModelData, Rows] | StreamSource
  /** Default batchSize. */
  validationBatchSize?: number
  /** Validates after every so many epochs. Default 1. */
  validationFreq?: number
  /** Batches to validate with; default: all. */
  validationSteps?: number
  /** A new order of the rows in each epoch. Default true. */
  shuffle?: boolean
  /** Weights of classes by number, as { 1: 2.5 }, a Map or a list; 'balanced': so that all classes count alike. */
  classWeight?: ClassWeightLike
  /** Weights of the samples [n]. */
  sampleWeight?: Rows
  /** Default 0. */
  initialEpoch?: number
  /** Steps that make an epoch; default: all data. */
  stepsPerEpoch?: number
  /** Updates once for so many steps, by the mean of their gradients. Default: what the optimizer says, else 1. */
  gradientAccumulationSteps?: number
  /**
   * Cuts each batch into so many parts, which are computed one after another and added up in the order of a binary
   * tree: the same bits on 1, 2, 4, ... ranks, up to this number, and on one process. A power of two that the number of
   * ranks divides. Default: one part for each rank, whose sums depend on their number.
   */
  shards?: number
  callbacks?: CallbackLike | readonly CallbackLike[]
  signal?: AbortSignal
  /**
   * In a distributed run: x, y, validation data and weights, or the source of batches, are rows of this rank alone, of
   * which each may have another number. Default false: every rank passes the same data.
   */
  sharded?: boolean
  /**
   * 'auto' (default): a progress bar on a terminal, one line per epoch elsewhere; 0: silent, 1: the bar, of which pipes
   * get the last state, 2: lines.
   */
  verbose?: Verbosity
}

export const FIT_OPTIONS: OptionTable<FitOptions> = {
  epochs: 'integer',
  batchSize: 'integer',
  validationSplit: 'number',
  validationData: 'any',
  validationBatchSize: 'integer',
  validationFreq: 'integer',
  validationSteps: 'integer',
  shuffle: 'boolean',
  classWeight: 'any',
  sampleWeight: 'any',
  initialEpoch: 'integer',
  stepsPerEpoch: 'integer',
  gradientAccumulationSteps: 'integer',
  shards: 'integer',
  callbacks: 'any',
  signal: 'any',
  sharded: 'boolean',
  verbose: 'any',
}

export interface TrainEvent {
  type: 'step' | 'epoch'
  /** From 0. */
  epoch: number
  /** From 0 in each epoch; of an 'epoch' event the last one. */
  step: number
  /** Steps of the epoch, where known. */
  steps?: number
  /** Running means of the epoch; with val_ figures at its end. */
  logs: Figures
}

function checkFit(options: FitOptions): void {
  checkSignal('fit', options.signal)
  const { epochs = 1, initialEpoch = 0, stepsPerEpoch, classWeight, validationSplit = 0 } = options
  integer('fit', 'epochs', epochs, 0)
  integer('fit', 'initialEpoch', initialEpoch, 0)
  if (stepsPerEpoch !== undefined) checkCount('fit', 'stepsPerEpoch', stepsPerEpoch)
  checkCount('fit', 'batchSize', options.batchSize ?? 32)
  checkCount('fit', 'gradientAccumulationSteps', options.gradientAccumulationSteps ?? 1)
  checkCount('fit', 'validationFreq', options.validationFreq ?? 1)
  checkCount('fit', 'validationBatchSize', options.validationBatchSize ?? 32)
  if (!(validationSplit >= 0 && validationSplit < 1))
    throw new WeftError('ERR_ARGUMENT', `fit: validationSplit must lie in [0, 1), got ${show(validationSplit)}`)
  classWeightOption('fit', classWeight)
  if (options.shards !== undefined) checkShards(options.shards)
  if (options.sharded && options.shards !== undefined)
    throw new WeftError('ERR_ARGUMENT', 'fit: shards and sharded: true exclude each other: with shards all ranks need the whole batch', {
      hint: 'Leave out one of them',
    })
  if (options.validationSteps !== undefined) checkCount('fit', 'validationSteps', options.validationSteps)
}

/** Each shard is a part of the step's program of its own. */
const MOST_SHARDS = 1024

function checkShards(shards: number): void {
  const { size } = world()
  if (!Number.isInteger(Math.log2(shards)) || shards % size !== 0 || shards > MOST_SHARDS)
    throw new WeftError(
      'ERR_ARGUMENT',
      `fit: shards must be a power of two up to ${MOST_SHARDS} that the number of ranks, ${size}, divides, got ${shards}`,
      {
        hint: 'Write shards: 8, and start 1, 2, 4 or 8 ranks',
      },
    )
  if (size > 1 && exchange.dtype !== 'float32')
    throw new WeftError(
      'ERR_ARGUMENT',
      `fit: shards and gradientDtype: '${exchange.dtype}' exclude each other: rounded gradients depend on the number of ranks`,
      {
        hint: 'Leave gradientDtype out of distributed.init()',
      },
    )
}

const prefixed = (logs: Logs): Logs => Object.fromEntries(Object.entries(logs).map(([key, value]) => [`val_${key}`, value]))

/** At most this many steps are in flight. */
const MOST_IN_FLIGHT = 4

/** What is checked, and then marked, before a training touches its data. */
function begun(model: AnyModel, options: FitOptions): { progress: Progress; callbacks: CallbackList; run: TrainingRun; end: () => void } {
  checkFit(options)
  const { epochs = 1, signal, verbose = 'auto' } = options
  signal?.throwIfAborted()
  void model.compiled
  const progress = new Progress(verbose, epochs, world().rank === 0)
  const callbacks = new CallbackList(model, onThisRank(options.callbacks))
  const run = new TrainingRun(model, callbacks)
  run.epochs = epochs
  run.shards = options.shards
  return { progress, callbacks, run, end: model.beginTraining(run) }
}

/**
 * Trains, giving an event after each step and epoch. `exact`: somebody looks at every step, so none is in flight
 * meanwhile.
 */
export async function* trainEvents(
  model: AnyModel,
  x: ModelData | StreamSource,
  y: ModelData | undefined,
  options: FitOptions,
  exact: boolean,
): AsyncGenerator<TrainEvent, History, void> {
  const { epochs = 1, initialEpoch = 0, signal, validationFreq = 1 } = options
  let begin: ReturnType<typeof begun>
  try {
    begin = begun(model, options)
  } catch (error) {
    await tellRefused('fit', error)
    throw error
  }
  const { progress, callbacks, run, end: endTraining } = begin
  const { optimizer } = model
  const accumulated = optimizer.gradientAccumulationSteps
  const owned: Tensor[] = []
  let sources: Sources | undefined
  let ranks: Ranks | undefined
  let logs = {} as Figures
  let failure: { error: unknown } | undefined
  try {
    ranks = new Ranks(model, signal)
    sources = await openSources(model, x, y, options, owned, ranks.meeting)
    await ranks.meet(options, sources)
    optimizer.gradientAccumulationSteps = options.gradientAccumulationSteps ?? accumulated
    const history = new History()
    model.stopTraining = false
    await callbacks.trainBegin(run)
    await ranks.start(run.firstEpoch ?? initialEpoch)
    const depth = exact || callbacks.watchesBatches || signal ? 1 : MOST_IN_FLIGHT
    for (let epoch = run.firstEpoch ?? initialEpoch; epoch < epochs && !model.stopTraining; epoch++) {
      run.begin(epoch, sources.training.next)
      await callbacks.beforeStep(run)
      await callbacks.epochBegin(epoch)
      await ranks.share()
      if (ranks.alone || ranks.aborted) signal?.throwIfAborted()
      if (ranks.aborted) break
      // after the callback: it may have changed what is trainable
      const steps = model.steps('fit')
      steps.reset()
      const from = run.takeUp(steps)
      const pass = await sources.training.open(steps, from, () => ranks!.asksToStop())
      run.data = pass.data
      run.stepsPerEpoch = pass.steps
      progress.begin(epoch, pass.steps)
      const first = from?.step ?? 0
      let step = first
      logs = {} as Figures
      try {
        const results = pipeline({
          next: () => pass.next(),
          depth,
          signal: ranks.alone ? signal : undefined,
          halted: () => ranks!.halted(run.submitted),
          begin: (index) => stepBegin(callbacks, run, first + index, first),
        })
        for await (const figures of results) {
          logs = steps.logs(figures)
          figures.dispose()
          ranks.hear(steps.stops)
          await callbacks.batchEnd(step, { ...logs, batchLoss: steps.batchLoss })
          progress.step(step + 1, logs)
          if (exact) yield { type: 'step', epoch, step, ...(pass.steps === undefined ? {} : { steps: pass.steps }), logs }
          step++
        }
      } finally {
        await pass.end()
      }
      if (sources.validation && (epoch + 1) % validationFreq === 0)
        Object.assign(logs, prefixed(await measure(model, sources.validation, ranks.alone ? { signal } : {})))
      model.epochsTrained++
      const own = { ...logs }
      await callbacks.epochEnd(epoch, logs)
      await ranks.share(logs, own)
      progress.end(logs)
      history.add(epoch, logs)
      if (exact) yield { type: 'epoch', epoch, step: step - 1, ...(pass.steps === undefined ? {} : { steps: pass.steps }), logs }
      if (ranks.alone || ranks.aborted) signal?.throwIfAborted()
    }
    run.finished = true
    if (run.submitted > 0) optimizer.overwriteByAverages()
    return history
  } catch (error) {
    failure = { error }
    await callbacks.trainError(error)
    throw error
  } finally {
    progress.stop()
    try {
      await callbacks
        .trainEnd(logs)
        .catch((error: unknown) => {
          // what ended the training is the error to report
          if (failure) return
          failure = { error }
          throw error
        })
        .finally(() => (failure || !run.finished ? ranks?.breakOff(failure) : ranks?.share()))
    } finally {
      await sources?.training.close()
      await sources?.validation?.close()
      freeOwned(owned)
      optimizer.gradientAccumulationSteps = accumulated
      ranks?.end()
      endTraining()
    }
  }
}

/** Step `index` of the epoch is about to be submitted; the epoch began, or went on, with step `first`. */
async function stepBegin(callbacks: CallbackList, run: TrainingRun, index: number, first: number): Promise<void> {
  run.step = index
  if (index > first) await callbacks.beforeStep(run)
  await callbacks.batchBegin(index)
  run.submitted++
}

/** Trains to the end. */
export async function fit(model: AnyModel, x: ModelData | StreamSource, y: ModelData | undefined, options: FitOptions): Promise<History> {
  const events = trainEvents(model, x, y, options, false)
  for (;;) {
    const event = await events.next()
    if (event.done) return event.value
  }
}

/** One update on one batch. */
export async function trainBatch(model: AnyModel, x: ModelData, y: ModelData | undefined, options: TrainOnBatchOptions): Promise<Figures> {
  const classWeight = classWeightOption('trainOnBatch', options.classWeight) as ClassWeight | undefined
  const owned: Tensor[] = []
  try {
    const { x: inputs, y: targets, sampleWeight } = toColumns(model.forms, x, y, options.sampleWeight, owned)
    const steps = model.steps('trainBatch')
    const run = steps.onBatch.submit({ x: inputs, y: targets, sampleWeight }, classWeight, true, undefined)
    await run.done
    return steps.logs(run.outputs)
  } finally {
    freeOwned(owned)
  }
}
