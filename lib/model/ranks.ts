// Ranks: what the ranks of a distributed run tell each other about a training, beside its steps: that they train alike,
// when they stop, and what callbacks, which are called on rank 0, have changed.
import { createHash } from 'node:crypto'
import { WeftError } from '../core/error.js'
import { overwritten } from '../core/apply.js'
import { randomSequence, resumeRandom } from '../core/random.js'
import type { Variable } from '../core/tensor.js'
import { broadcast } from '../distributed/collectives.js'
import { gatherJson, world } from '../distributed/world.js'
import type { AnyModel, ShuffleState } from './model.js'
import type { Source } from './source.js'
import type { FitOptions } from './training.js'

/** Steps that may be under way on any rank when another one asks for the end. */
const MOST_AHEAD = 4

export class Ranks {
  readonly alone: boolean
  private readonly model: AnyModel
  /** Steps whose figures were read. */
  private heard = 0
  /** How many steps all ranks do, once one has asked for the end. */
  private last: number | undefined

  private constructor(model: AnyModel) {
    this.model = model
    this.alone = world().size === 1
  }

  /**
   * Begins a training. Every rank calls it. What is drawn at random, the weights and the optimizer's state become those
   * of rank 0.
   * @throws ERR_DISTRIBUTED where the ranks do not train alike: it names what differs, with both values
   */
  static async meet(model: AnyModel, options: FitOptions, source: Source): Promise<Ranks> {
    const ranks = new Ranks(model)
    if (ranks.alone) return ranks
    const { optimizer } = model
    const facts: Record<string, unknown> = {
      model: hashOf(model.layers.map((layer) => [layer.name, layer.constructor.name])),
      weights: model.weightPaths().map(([name, { shape, dtype }]) => `${name} ${dtype}[${shape}]`),
      optimizer: [optimizer.name, optimizer.config],
      rows: source.next.rows,
      batchSize: options.batchSize ?? 32,
      epochs: options.epochs ?? 1,
      stepsPerEpoch: options.stepsPerEpoch,
      shuffle: options.shuffle ?? true,
      gradientAccumulationSteps: options.gradientAccumulationSteps,
    }
    const own = { facts, random: randomSequence(), shuffle: model.shuffleState as ShuffleState | undefined }
    const all = await gatherJson(own)
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
    ranks.takeFromZero(variablesOf(model))
    overwritten.tensors?.clear()
    return ranks
  }

  /** After the callbacks of all ranks were called: they may go on from a backup, each from the same one. */
  async start(epoch: number): Promise<void> {
    if (this.alone) return
    const all = await gatherJson(epoch)
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
    overwritten.tensors = undefined
  }

  /** Whether this rank asks, with its next step, that the training ends. */
  asksToStop(signal: AbortSignal | undefined): boolean {
    return !this.alone && (this.model.stopTraining || signal?.aborted === true)
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
   * @param error what has ended the training on this rank
   * @throws ERR_DISTRIBUTED where it has ended on another rank with an error
   */
  async share(error?: unknown): Promise<void> {
    if (this.alone || (error instanceof WeftError && error.code === 'ERR_DISTRIBUTED')) return
    const { model } = this
    const { optimizer } = model
    const aborted = (error as { name?: string } | undefined)?.name === 'AbortError'
    const all = await gatherJson({
      stop: model.stopTraining || this.last !== undefined || error !== undefined,
      failed: error === undefined || aborted ? null : String((error as Error).message),
      changed: variablesOf(model).flatMap((variable, i) => (overwritten.tensors?.has(variable) ? [i] : [])),
      learningRate: optimizer.isScheduled ? undefined : optimizer.learningRate,
    })
    const zero = all[0]!
    if (error !== undefined && !aborted) return
    const rank = all.findIndex(({ failed }) => failed !== null)
    if (rank >= 0) throw new WeftError('ERR_DISTRIBUTED', `fit: the training has failed on rank ${rank}: ${all[rank]!.failed}`)
    if (all.some(({ stop }) => stop)) model.stopTraining = true
    if (!optimizer.isScheduled && zero.learningRate !== undefined && zero.learningRate !== optimizer.learningRate)
      optimizer.learningRate = zero.learningRate
    const variables = variablesOf(model)
    this.takeFromZero(zero.changed.map((i) => variables[i]!))
    overwritten.tensors?.clear()
  }
}

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12)

/** Weights, states of layers, and the optimizer's state, in an order that the model decides. */
function variablesOf(model: AnyModel): readonly Variable[] {
  const { state, slots } = model.optimizer
  return [...model.weightPaths().map(([, variable]) => variable), ...state, ...slots.map((slot) => slot.state)]
}
