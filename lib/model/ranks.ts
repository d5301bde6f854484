// Ranks: what the ranks of a distributed run tell each other about a training, beside its steps: that they train alike,
// when they stop, and what callbacks, which are called on rank 0, have changed.
import { createHash } from 'node:crypto'
import { WeftError } from '../core/error.js'
import { overwritten } from '../core/apply.js'
import { randomSequence, resumeRandom } from '../core/random.js'
import type { Variable } from '../core/tensor.js'
import { broadcast } from '../distributed/collectives.js'
import { exchange, gatherOf, world } from '../distributed/world.js'
import type { AnyModel, ShuffleState } from './model.js'
import type { Sources } from './fit_sources.js'
import { compareFacts, Ending, Meeting, orLeave, rejectFailed, underWay, type Word } from './meeting.js'
import type { Source } from './source.js'
import type { Logs } from './step.js'
import type { FitOptions } from './training.js'

/** What a rank says to the others at the begin and end of an epoch, and where its training ends. */
interface TrainingWord extends Word {
  readonly stop: boolean
  /** Its signal is aborted. */
  readonly aborted: boolean
  /** Places of the variables that callbacks have changed. */
  readonly changed: readonly number[]
  readonly learningRate: number | undefined
  /** Figures of the epoch that callbacks have set; numbers that JSON does not have, too. */
  readonly logs: readonly (readonly [key: string, value: string])[]
}

export class Ranks {
  readonly alone: boolean
  /** The call of fit or train. */
  readonly meeting: Meeting
  readonly model: AnyModel
  private readonly signal: AbortSignal | undefined
  private readonly ending: Ending = new Ending()
  /** Whether the signal of a rank has ended the training. All ranks know it at the same place. */
  aborted = false

  /**
   * Begins a training. Every rank calls it.
   * @throws ERR_STATE where another training is under way: its steps and these would come in another order on each rank
   */
  constructor(model: AnyModel, signal: AbortSignal | undefined) {
    this.model = model
    this.signal = signal
    this.meeting = new Meeting('fit')
    this.alone = this.meeting.alone
    if (this.alone) return
    if (underWay.training)
      throw new WeftError(
        'ERR_STATE',
        `fit: on several ranks models are trained one after another, and ${underWay.training.model.name} is in training`,
        {
          hint: 'Await the first fit() before the second',
        },
      )
    underWay.training = this
  }

  /**
   * What is drawn at random, the weights and the optimizer's state become those of rank 0.
   * @throws ERR_DISTRIBUTED where the ranks do not train alike: it names what differs, with both values
   */
  async meet(options: FitOptions, { training, validation }: Sources): Promise<void> {
    if (!this.alone) await this.compare(options, training, validation)
  }

  private async compare(options: FitOptions, training: Source, validation: Source | undefined): Promise<void> {
    const { model } = this
    const { optimizer } = model
    const facts: Record<string, unknown> = {
      model: hashOf(model.layers.map((layer) => [layer.name, layer.constructor.name])),
      weights: model.weightPaths().map(([name, { shape, dtype }]) => `${name} ${dtype}[${shape}]`),
      optimizer: [optimizer.name, optimizer.config],
      precision: model.compiled.precision,
      rows: training.next.rows,
      sharded: options.sharded ?? false,
      batchSize: options.batchSize ?? 32,
      epochs: options.epochs ?? 1,
      initialEpoch: options.initialEpoch ?? 0,
      sampleWeight: options.sampleWeight === undefined ? 'not given' : 'given',
      classWeight: weightsIn(options.classWeight),
      validation: validation ? ['given', options.validationFreq ?? 1, options.validationBatchSize, options.validationSteps] : 'not given',
      stepsPerEpoch: options.stepsPerEpoch,
      shuffle: options.shuffle ?? true,
      gradientAccumulationSteps: options.gradientAccumulationSteps,
      shards: options.shards,
      gradients: exchange,
    }
    const own = { facts, random: randomSequence(), shuffle: model.shuffleState as ShuffleState | undefined }
    const all = await this.meeting.say(own)
    const zero = all[0]!
    compareFacts(
      'fit',
      'train',
      all.map((one) => one.facts),
    )
    // what callbacks change on rank 0
    overwritten.tensors = world().rank === 0 ? new Set() : undefined
    resumeRandom(zero.random)
    model.shuffleState = zero.shuffle
    this.takeFromZero(variablesOf(model))
    overwritten.tensors?.clear()
  }

  /** After the callbacks of all ranks were called: they may go on from a backup, each from the same one. */
  async start(epoch: number): Promise<void> {
    if (this.alone) return
    const all = await this.meeting.say(epoch)
    const rank = all.findIndex((other) => other !== all[0])
    if (rank < 0) return
    throw new WeftError('ERR_DISTRIBUTED', `fit: rank 0 begins with epoch ${all[0]}, and rank ${rank} with epoch ${all[rank]}`, {
      hint: 'A backup has to lie on a disk that all hosts see',
    })
  }

  /** These variables become those of rank 0. */
  private takeFromZero(variables: readonly Variable[]): void {
    for (const variable of variables) variable.assign(broadcast(variable))
  }

  /** After the training: nobody asks any more what callbacks change. */
  end(): void {
    if (underWay.training === this) underWay.training = undefined
    overwritten.tensors = undefined
  }

  /** Whether this rank asks, with its next step, that the training ends. */
  asksToStop(): boolean {
    return !this.alone && (this.model.stopTraining || this.signal?.aborted === true)
  }

  /** Takes in what was read of the next finished step. */
  hear(stops: number): void {
    this.ending.hear(stops)
  }

  /** Whether no step follows on the `submitted` ones. All ranks end after the same step. */
  halted(submitted: number): boolean {
    return this.alone ? this.model.stopTraining : this.ending.halted(submitted)
  }

  /**
   * Begins or ends an epoch, or ends the training, after the callbacks of this rank: what they have changed reaches the
   * other ranks.
   * @param logs the figures of the epoch that ends: those that callbacks of rank 0 have set are taken into them
   * @param before the figures before the callbacks were called
   * @throws ERR_DISTRIBUTED where it has ended on another rank with an error
   */
  async share(logs: Logs = {}, before: Logs = {}): Promise<void> {
    if (this.alone) return
    const { model } = this
    const { optimizer } = model
    const set = Object.entries(logs).filter(([key, value]) => !Object.is(before[key], value))
    const all = await gatherOf('fit', { ...this.word(), logs: set.map(([key, value]) => [key, String(value)] as const) })
    rejectFailed('fit', all)
    const zero = all[0]!
    for (const [key, value] of zero.logs) logs[key] = Number(value)
    if (all.some(({ stop }) => stop)) model.stopTraining = true
    if (all.some(({ aborted }) => aborted)) this.aborted = true
    if (!optimizer.isScheduled && zero.learningRate !== undefined && zero.learningRate !== optimizer.learningRate)
      optimizer.learningRate = zero.learningRate
    const variables = variablesOf(model)
    this.takeFromZero(zero.changed.map((i) => variables[i]!))
    overwritten.tensors?.clear()
  }

  /**
   * Ends a training that has not come to its end: after an error of this rank, or because nobody takes its events any
   * more. Where the others have not come to the same place after four heartbeats, they wait for a step that this rank
   * will never do: it leaves the run, so that they learn it.
   */
  async breakOff(failure: { error: unknown } | undefined): Promise<void> {
    const { error } = failure ?? {}
    if (this.alone || this.meeting.knows(error)) return
    let problem: unknown
    await orLeave(failure ? this.leave(error) : this.share()).catch((reason: unknown) => void (problem = reason))
    // what ended the training is the error to report
    if (!failure && problem !== undefined) throw problem
  }

  /** After an abort the weights that callbacks of rank 0 have set are taken, as the other ranks take them. */
  private async leave(error: unknown): Promise<void> {
    const all = await gatherOf('fit', this.word(error))
    if (all.some(({ failed }) => failed !== null)) return
    const variables = variablesOf(this.model)
    this.takeFromZero(all[0]!.changed.map((i) => variables[i]!))
  }

  /** What this rank says; `error`: what has ended the training. */
  private word(error?: unknown): TrainingWord {
    const { model } = this
    const { optimizer } = model
    const aborted = this.signal?.aborted === true
    const ended = (error as { name?: string } | undefined)?.name === 'AbortError' || (aborted && error === this.signal?.reason)
    return {
      stop: model.stopTraining || this.ending.asked || error !== undefined || aborted,
      aborted,
      failed: error === undefined || ended ? null : String((error as Error | null)?.message ?? error),
      changed: (error === undefined ? variablesOf(model) : []).flatMap((variable, i) => (overwritten.tensors?.has(variable) ? [i] : [])),
      learningRate: optimizer.isScheduled ? undefined : optimizer.learningRate,
      logs: [],
    }
  }
}

/** Class weights as JSON can hold them. */
const weightsIn = (given: FitOptions['classWeight']): unknown => (given instanceof Map ? [...given] : given)

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12)

/**
 * Weights, states of layers, and the optimizer's state, in an order that the model decides. Of an optimizer whose state
 * lies in parts each rank has its own.
 */
function variablesOf(model: AnyModel): readonly Variable[] {
  const { state, slots, partition } = model.optimizer
  const weights = model.weightPaths().map(([, variable]) => variable)
  return [...weights, ...state, ...(partition.cut ? [] : slots.map((slot) => slot.state))]
}
