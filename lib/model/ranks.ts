// Ranks: what the ranks of a distributed run tell each other about a training, beside its steps: that they train alike,
// when they stop, and what callbacks, which are called on rank 0, have changed.
import { createHash } from 'node:crypto'
import { WeftError } from '../core/error.js'
import { overwritten } from '../core/apply.js'
import { randomSequence, resumeRandom } from '../core/random.js'
import type { Variable } from '../core/tensor.js'
import { broadcast } from '../distributed/collectives.js'
import { exchange, gatherJson, leave, msOfSilence, world } from '../distributed/world.js'
import type { AnyModel, ShuffleState } from './model.js'
import type { Sources } from './fit_sources.js'
import type { Source } from './source.js'
import type { FitOptions } from './training.js'

/** Steps that may be under way on any rank when another one asks for the end. */
const MOST_AHEAD = 4

/** What a rank says to the others at the begin and end of an epoch, and where its training ends. */
interface Word {
  readonly stop: boolean
  /** Its signal is aborted. */
  readonly aborted: boolean
  /** The message of the error that has ended the training there. */
  readonly failed: string | null
  /** Places of the variables that callbacks have changed. */
  readonly changed: readonly number[]
  readonly learningRate: number | undefined
}

/** The training of this process that the other ranks take part in. */
let under: Ranks | undefined

export class Ranks {
  readonly alone: boolean
  private readonly model: AnyModel
  private readonly signal: AbortSignal | undefined
  /** Whether the signal of a rank has ended the training. All ranks know it at the same place. */
  aborted = false
  /** Steps whose figures were read. */
  private heard = 0
  /** How many steps all ranks do, once one has asked for the end. */
  private last: number | undefined

  private constructor(model: AnyModel, signal: AbortSignal | undefined) {
    this.model = model
    this.signal = signal
    this.alone = world().size === 1
  }

  /**
   * Begins a training. Every rank calls it. What is drawn at random, the weights and the optimizer's state become those
   * of rank 0.
   * @throws ERR_DISTRIBUTED where the ranks do not train alike: it names what differs, with both values
   * @throws ERR_STATE where another training is under way: its steps and these would come in another order on each rank
   */
  static async meet(model: AnyModel, options: FitOptions, { training, validation }: Sources): Promise<Ranks> {
    const ranks = new Ranks(model, options.signal)
    if (ranks.alone) return ranks
    if (under)
      throw new WeftError(
        'ERR_STATE',
        `fit: on several ranks models are trained one after another, and ${under.model.name} is in training`,
        {
          hint: 'Await the first fit() before the second',
        },
      )
    under = ranks
    try {
      await ranks.compare(options, training, validation)
      return ranks
    } catch (error) {
      ranks.end()
      throw error
    }
  }

  private async compare(options: FitOptions, training: Source, validation: Source | undefined): Promise<void> {
    const { model } = this
    const { optimizer } = model
    const facts: Record<string, unknown> = {
      model: hashOf(model.layers.map((layer) => [layer.name, layer.constructor.name])),
      weights: model.weightPaths().map(([name, { shape, dtype }]) => `${name} ${dtype}[${shape}]`),
      optimizer: [optimizer.name, optimizer.config],
      rows: training.next.rows,
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
    const own = { failed: null, facts, random: randomSequence(), shuffle: model.shuffleState as ShuffleState | undefined }
    const all = await gatherJson(own)
    rejectFailed(all)
    const zero = all[0]!
    all.forEach((other, rank) => {
      for (const key of Object.keys(facts)) {
        const [expected, found] = [zero.facts[key], other.facts[key]].map((value) => JSON.stringify(value) ?? 'nothing') as [string, string]
        if (expected !== found)
          throw new WeftError(
            'ERR_DISTRIBUTED',
            `fit: the ranks do not train alike: ${key} is ${expected} on rank 0 and ${found} on rank ${rank}`,
          )
      }
    })
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
    const all = await gatherJson({ failed: null, epoch })
    rejectFailed(all)
    const rank = all.findIndex((other) => other.epoch !== all[0]!.epoch)
    if (rank < 0) return
    throw new WeftError(
      'ERR_DISTRIBUTED',
      `fit: rank 0 begins with epoch ${all[0]!.epoch}, and rank ${rank} with epoch ${all[rank]!.epoch}`,
      {
        hint: 'A backup has to lie on a disk that all hosts see',
      },
    )
  }

  /** These variables become those of rank 0. */
  private takeFromZero(variables: readonly Variable[]): void {
    for (const variable of variables) variable.assign(broadcast(variable))
  }

  /** After the training: nobody asks any more what callbacks change. */
  end(): void {
    if (under === this) under = undefined
    overwritten.tensors = undefined
  }

  /** Whether this rank asks, with its next step, that the training ends. */
  asksToStop(): boolean {
    return !this.alone && (this.model.stopTraining || this.signal?.aborted === true)
  }

  /** Takes in what was read of the next finished step. */
  hear(stops: number): void {
    this.heard++
    if (stops > 0) this.last ??= this.heard - 1 + MOST_AHEAD
  }

  /** Whether no step follows on the `submitted` ones. All ranks end after the same step. */
  halted(submitted: number): boolean {
    if (this.alone) return this.model.stopTraining
    return this.last !== undefined && submitted >= this.last
  }

  /**
   * Begins or ends an epoch, or ends the training, after the callbacks of this rank: what they have changed reaches the
   * other ranks.
   * @throws ERR_DISTRIBUTED where it has ended on another rank with an error
   */
  async share(): Promise<void> {
    if (this.alone) return
    const { model } = this
    const { optimizer } = model
    const all = await gatherJson(this.word())
    rejectFailed(all)
    const zero = all[0]!
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
    if (this.alone || (error instanceof WeftError && error.code === 'ERR_DISTRIBUTED')) return
    let problem: unknown
    const told = (failure ? gatherJson(this.word(error)) : this.share()).then(
      () => true,
      (reason: unknown) => {
        problem = reason
        return true
      },
    )
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>((resolve) => void (timer = setTimeout(() => resolve(false), msOfSilence)))
    if (!(await Promise.race([told, late]))) leave()
    clearTimeout(timer)
    // what ended the training is the error to report
    if (!failure && problem !== undefined) throw problem
  }

  /** What this rank says; `error`: what has ended the training. */
  private word(error?: unknown): Word {
    const { model } = this
    const { optimizer } = model
    const aborted = this.signal?.aborted === true
    const ended = (error as { name?: string } | undefined)?.name === 'AbortError' || (aborted && error === this.signal?.reason)
    return {
      stop: model.stopTraining || this.last !== undefined || error !== undefined || aborted,
      aborted,
      failed: error === undefined || ended ? null : String((error as Error | null)?.message ?? error),
      changed: variablesOf(model).flatMap((variable, i) => (overwritten.tensors?.has(variable) ? [i] : [])),
      learningRate: optimizer.isScheduled ? undefined : optimizer.learningRate,
    }
  }
}

/** Throws the first error that has ended the training on a rank. */
function rejectFailed(all: readonly ({ readonly failed: string | null } | null)[]): void {
  const strange = all.findIndex((one) => one?.failed === undefined)
  if (strange >= 0) throw new WeftError('ERR_DISTRIBUTED', `fit: rank ${strange} does not train, but calls another function of the run`)
  const rank = all.findIndex((one) => typeof one!.failed === 'string')
  if (rank >= 0) throw new WeftError('ERR_DISTRIBUTED', `fit: the training has failed on rank ${rank}: ${all[rank]!.failed}`)
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
