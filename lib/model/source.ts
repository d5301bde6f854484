// Sources: where the batches of an epoch come from: rows of arrays on the device, in an order, or a stream.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import type { Tensor } from '../core/tensor.js'
import { resumeShuffles, shuffleSequence } from '../core/random.js'
import { Dataset } from '../data/dataset.js'
import type { ShareOfBatch } from '../data/dataset_passes.js'
import type { Meeting } from './meeting.js'
import {
  batchColumns,
  checkEnds,
  type Columns,
  deviceOf,
  type Forms,
  iteratorOf,
  type Stream,
  streamOf,
  type StreamSource,
  streamSize,
} from './feed.js'
import type { ShuffleState } from './model.js'
import type { DataPosition } from './run.js'
import { ownBatches, sharedBatches, type TakenBatch } from './shared_batches.js'
import { partOfStep, rowsGiven } from './sharded.js'
import type { ClassWeight } from './class_weight.js'
import type { Launch } from './pipeline.js'
import type { Steps } from './step.js'

/** One pass over the data. */
export interface Epoch {
  next(): Launch<Tensor> | Promise<Launch<Tensor>>
  /** Number of steps, where it is known. */
  readonly steps: number | undefined
  /** Frees what only this pass needed; the source may have more to give. */
  end(): Promise<void> | void
  /** Where it began in the data. */
  readonly data: DataPosition
}

/** Where an epoch goes on in its data: what it began with, and how many of its steps are done. */
export interface TakenUp {
  readonly step: number
  readonly data: DataPosition
}

export interface Source {
  /** `stops`: whether this rank of a distributed run asks, with its next step, that the training ends. */
  open(steps: Steps, from?: TakenUp, stops?: () => boolean): Epoch | Promise<Epoch>
  /** Where the next epoch will begin, as far as it is known before. */
  readonly next: DataPosition
  /** Lets go of the stream, if one is open. */
  close(): Promise<void>
}

/** Rows of each rank, of data that each has its own part of. */
export interface Shards {
  readonly counts: readonly number[]
  readonly rank: number
}

export interface RowsOptions {
  batchSize: number
  /** What the ranks have, where these rows are those of this rank alone; known when an epoch is opened. */
  shards?: () => Shards | undefined
  /** The order of the rows of the next epoch, as indices into the arrays. */
  order: () => Int32Array
  /** The last step of an epoch was submitted: there is time to make the next order. */
  prepare?: () => void
  /** The state that the next order will be drawn from, and the last one was, where it is drawn. */
  shuffle?: { readonly next: ShuffleState | undefined; readonly last: ShuffleState | undefined }
  stepsPerEpoch: number | undefined
  classWeight: ClassWeight | undefined
}

/** Batches of rows of arrays: the device picks them, so that a step takes nothing from the host. */
export function rowsSource(columns: Columns, options: RowsOptions): Source {
  const { batchSize, order, stepsPerEpoch, classWeight } = options
  const batch = { x: columns.x, y: columns.y, sampleWeight: columns.sampleWeight }
  /** Rows of all ranks. */
  const allRows = (own: number): number => options.shards?.()?.counts.reduce((sum, count) => sum + count, 0) ?? own
  const position = (shuffle: ShuffleState | undefined): DataPosition => ({
    rows: allRows(columns.rows),
    batchSize,
    ...(shuffle === undefined ? {} : { shuffle }),
  })
  return {
    get next() {
      return position(options.shuffle?.next)
    },
    open(steps, from, stops = () => false) {
      if (from !== undefined) checkSameData(from.data, position(undefined))
      const rows = order()
      const shards = options.shards?.()
      const all = allRows(rows.length)
      const most = Math.ceil(all / batchSize)
      if (stepsPerEpoch !== undefined && stepsPerEpoch > most) {
        throw new WeftError(
          'ERR_ARGUMENT',
          `${stepsPerEpoch} steps of ${batchSize} rows were asked for, the data have ${all} rows, which make ${most}`,
        )
      }
      const permutation = tensor(rows, { device: deviceOf(columns.x) })
      const count = stepsPerEpoch ?? most
      let step = from?.step ?? 0
      if (shards && step > 0) steps.seek(rowsGiven(shards.counts, Math.min(all, step * batchSize))[shards.rank]!)
      return {
        steps: count,
        data: position(options.shuffle?.last),
        next: () => {
          if (step === count) return void options.prepare?.()
          const part = shards && partOfStep(shards.counts, shards.rank, batchSize, step)
          const size = Math.min(batchSize, all - step++ * batchSize)
          return (how) => {
            steps.ask(stops())
            return steps.onRows[how](batch, permutation, size, classWeight, part)
          }
        },
        end: () => permutation.dispose(),
      }
    },
    close: async () => undefined,
  }
}

export interface StreamOptions {
  /** Batches of an epoch; default: all. */
  steps: number | undefined
  /** The option that sets them, for messages: "fit: stepsPerEpoch". */
  option: string
  /** Every epoch begins anew, not where the last one ended. */
  restarts?: boolean
  classWeight?: ClassWeight | undefined
  /** The call that takes the batches. */
  meeting: Meeting
  /** The batches are parts, those of this rank, of batches of all ranks. */
  sharded: boolean
  /** Steps take whole batches, and cut them themselves. */
  whole: boolean
}

/**
 * Batches of a stream. With `steps` an epoch goes on where the last one ended unless it restarts; otherwise each epoch
 * is one pass.
 */
export function streamSource(forms: Forms, source: StreamSource, options: StreamOptions): Source {
  const { steps: stepsPerEpoch, option, restarts = false, classWeight, meeting, sharded, whole } = options
  if (stepsPerEpoch === undefined) checkEnds(option, source)
  let iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined
  /** The next batch of the pass that is open, undefined at its end. */
  let take: (() => Promise<TakenBatch | undefined>) | undefined
  let passes = 0
  let waiting = false
  let taken = 0
  let size: number | undefined
  let opened: DataPosition = {}
  /** Opens a pass, where one was if that is given, and leaves out what was taken from it then. */
  const begin = async (from: TakenUp | undefined): Promise<void> => {
    const { data = {} } = from ?? {}
    if (data.sequence) resumeShuffles(data.sequence)
    const sequence = shuffleSequence()
    let stream: Stream = []
    const all = await meeting.saying(async () => {
      stream = await streamOf(source, stepsPerEpoch === undefined ? option : undefined)
      const orders = ordersOf(stream)
      data.orders?.forEach((order, i) => void Object.assign(orders[i] ?? {}, order))
      size = streamSize(stream)
      return { size: size ?? null, orders: orders.map(({ seed, pass }) => ({ seed, pass })) }
    })
    const orders = ordersOf(stream)
    // ranks that read the same batches read them in the order of rank 0
    if (!sharded) orders.forEach((order, i) => void Object.assign(order, all[0]!.orders[i]))
    opened = { sequence, orders: orders.map(({ seed, pass }) => ({ seed, pass })) }
    const own = meeting.alone || sharded || whole ? undefined : ownBatches(stream, meeting)
    iterator = own ?? iteratorOf(stream)
    const sizes = all.map((one) => one.size)
    take = meeting.alone ? read : sharedBatches(meeting, sharded, sizes, Array.isArray(stream), own === undefined ? read : readOwn)
    passes++
    taken = 0
    for (const most = (data.taken ?? 0) + (from?.step ?? 0); taken < most; taken++) {
      const { done } = await iterator.next()
      if (done && sharded) break
      if (done) throw endsEarly(taken, most)
    }
  }
  const nextValue = async (): Promise<unknown> => {
    if (!iterator) return undefined
    waiting = true
    const { value, done } = await iterator.next()
    waiting = false
    if (!done) return value
    iterator = undefined
    return undefined
  }
  const read = async (): Promise<Columns | undefined> => {
    const open = iterator
    const value = await nextValue()
    return value === undefined && (open === undefined || iterator === undefined) ? undefined : batchColumns(forms, value)
  }
  const readOwn = async (): Promise<TakenBatch | undefined> => {
    const value = (await nextValue()) as ShareOfBatch | undefined
    return value && { ...batchColumns(forms, value.batch), part: value.part }
  }
  const close = async (): Promise<void> => {
    const open = iterator
    iterator = undefined
    take = undefined
    const returned = open?.return?.()
    // a generator that is still making a value that nobody wants any more returns when it is done with it, or never
    if (waiting) Promise.resolve(returned).catch(() => undefined)
    else await returned
  }
  return {
    get next() {
      if (take) return { ...opened, taken }
      const orders = ordersOf(source).map(({ seed, pass }) => ({ seed, pass }))
      return { sequence: shuffleSequence(), orders, taken: 0 }
    },
    async open(steps, from, stops = () => false) {
      if (from !== undefined) checkSameData(from.data, {})
      if (!take) await begin(from)
      let step = from?.step ?? 0
      return {
        steps: stepsPerEpoch ?? (sharded ? undefined : size),
        data: { ...opened, taken: taken - step },
        next: async () => {
          if (step === stepsPerEpoch) return undefined
          const columns = await take!()
          if (columns === undefined) {
            take = undefined
            if (step === 0 || stepsPerEpoch !== undefined) throw ranDry(step, stepsPerEpoch, passes)
            return undefined
          }
          step++
          taken++
          const { x, y, sampleWeight, part } = columns
          return (how) => {
            steps.ask(stops())
            return steps.onBatch[how]({ x, y, sampleWeight }, classWeight, false, part)
          }
        },
        end: () => (stepsPerEpoch === undefined || restarts ? close() : undefined),
      }
    },
    close,
  }
}

/** Of the shuffles in a data.Dataset; setting them repeats its passes. */
function ordersOf(stream: unknown): readonly ShuffleState[] {
  return stream instanceof Dataset ? stream.orders : []
}

/** Throws where a run goes on with other data than it had. */
function checkSameData(before: DataPosition, now: DataPosition): void {
  if (before.rows === now.rows && before.batchSize === now.batchSize) return
  const told = ({ rows, batchSize }: DataPosition): string =>
    rows === undefined ? 'a source of batches' : `${rows} rows, ${batchSize} per step`
  throw new WeftError('ERR_ARGUMENT', `fit: the training in the backup was on ${told(before)}; this one is on ${told(now)}`, {
    hint: 'Go on with the data and batchSize of that training, or remove the backup',
  })
}

const endsEarly = (had: number, wanted: number): WeftError =>
  new WeftError('ERR_ARGUMENT', `fit: the source of batches ended after ${had}; the training that goes on had taken ${wanted} from it`, {
    hint: 'Go on with the data of that training, or remove the backup',
  })

function ranDry(step: number, wanted: number | undefined, passes: number): WeftError {
  const asked = wanted === undefined ? 'an epoch needs at least one' : `${wanted} steps per epoch were asked for`
  return new WeftError('ERR_ARGUMENT', `the source of batches ran dry after ${step} in pass ${passes}; ${asked}`, {
    hint: 'Pass a function that returns a new iterable for each epoch, or a data.Dataset with repeat()',
  })
}
