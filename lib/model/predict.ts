// predict: the model's outputs for every row. Calls may overlap: nothing on the device is shared but the weights.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { finished, finishedNow } from '../core/flights.js'
import type { OptionTable } from '../core/options.js'
import { again, Safe } from '../core/stack.js'
import { Tensor } from '../core/tensor.js'
import { isTensor, joinTrees } from '../core/tree.js'
import { concat } from '../ops/index.js'
import { ascending, checkCount, checkSignal } from './evaluate.js'
import {
  batchColumns,
  checkEnds,
  deviceOf,
  freeOwned,
  isStream,
  leaves,
  openStream,
  type StreamSource,
  toColumns,
  type Tree,
  type ModelData,
} from './feed.js'
import { Meeting, meetToCompute } from './meeting.js'
import type { AnyModel } from './model.js'
import { type Launch, pipeline } from './pipeline.js'
import { checkRows, gathered, inOrderOfCalls, noRows, othersMeet, ownRows, segmentsOf } from './predict_ranks.js'
import { Progress, type Verbosity } from './progress.js'
import { rowsOf } from './step.js'

export interface PredictOptions {
  /** Rows per step. Default 32. */
  batchSize?: number
  /** Batches taken of a source; default all. */
  steps?: number
  signal?: AbortSignal
  /**
   * In a distributed run: x are rows of this rank alone. Default false: every rank passes the same rows, of which each
   * computes its part where they are more than one batch.
   */
  sharded?: boolean
  /**
   * In a distributed run 'all': every rank gets the outputs of all rows, those of rank 0 first. 'none': those that it
   * has computed. Default 'all', and 'none' of sharded rows.
   */
  gather?: 'all' | 'none'
  /**
   * 0: silent, 1: a progress bar, 2: a line, 'auto': 1 on a terminal, else 2. Default: a bar on a terminal where it
   * takes longer than two seconds, taken away at the end. Data that fit one batch show nothing.
   */
  verbose?: Verbosity
}

export const PREDICT_OPTIONS: OptionTable<PredictOptions> = {
  batchSize: 'integer',
  steps: 'integer',
  signal: 'any',
  sharded: 'boolean',
  gather: ['all', 'none'],
  verbose: 'any',
}

/**
 * A promise of the outputs, or the outputs where they are there at once.
 * @param check throws where the arguments are none of predict
 */
export function predict(
  model: AnyModel,
  x: ModelData | StreamSource,
  options: PredictOptions,
  check: () => void,
): Tree | Promise<Tree> | Safe<Tree> {
  const meeting = new Meeting('predict')
  try {
    check()
    return predictions(model, x, options, meeting)
  } catch (error) {
    if (meeting.alone || !othersMeet(model, x, options)) throw error
    return inOrderOfCalls<Tree>()(async () => {
      await meeting.fail(error)
      throw error
    })
  }
}

function predictions(
  model: AnyModel,
  x: ModelData | StreamSource,
  options: PredictOptions,
  meeting: Meeting,
): Tree | Promise<Tree> | Safe<Tree> {
  checkSignal('predict', options.signal)
  const { signal, verbose } = options
  const batchSize = checkCount('predict', 'batchSize', options.batchSize ?? 32)
  signal?.throwIfAborted()
  if (verbose !== undefined) void new Progress(verbose, 1) // refuses what it is not
  const { sharded = false, gather = sharded ? 'none' : 'all' } = options
  // states that go from batch to batch are those of one process
  const shares = !meeting.alone && (sharded ? gather === 'all' : !model.keepsStates)
  if (isStream(x)) {
    if (shares) return streamOverRanks(model, x, options, meeting)
    return fromStream(model, x, options.steps).then((next) => overBatches(next, { signal, verbose, steps: options.steps }))
  }
  if (options.steps !== undefined)
    throw new WeftError('ERR_ARGUMENT', 'predict: steps goes with a source of batches, arrays are taken whole', { hint: 'Slice x instead' })
  const owned: Tensor[] = []
  try {
    const { x: inputs, rows } =
      x instanceof Tensor && x.rank > 0 ? { x, rows: x.shape[0]! } : toColumns(model.forms, x, undefined, undefined, owned)
    if (shares && (sharded || rows > batchSize || gather === 'none'))
      return rowsOverRanks(model, { x: inputs, rows, batchSize, owned: owned.splice(0) }, options, meeting)
    if (rows <= batchSize) {
      const outputs = oneBatch(model, inputs, signal)
      const safe = outputs instanceof Promise && signal === undefined && !model.inference().onBatch.readsValues
      return safe ? new Safe(outputs) : outputs
    }
    return overRows(model, { x: inputs, rows, batchSize, owned: owned.splice(0) }, signal, verbose)
  } finally {
    freeOwned(owned)
  }
}

/** The outputs of data that fits a batch: one native call, and no pipeline around it. */
function oneBatch(model: AnyModel, x: Tree, signal: AbortSignal | undefined): Tree | Promise<Tree> {
  return whenComputed(model.inference().onBatch(x), signal)
}

/** The outputs, once they are there: at once where nothing is left to wait for. */
function whenComputed(outputs: Tree, signal?: AbortSignal): Tree | Promise<Tree> {
  const buffers = outputs instanceof Tensor ? [outputs.held()] : leaves('output', outputs).map(([, t]) => t.held())
  const ticket = buffers.reduce((newest, buffer) => Math.max(newest, buffer.ticket), 0)
  const checked = (): Tree => {
    for (const { fault } of buffers) if (fault !== undefined) throw again(fault)
    signal?.throwIfAborted()
    return outputs
  }
  return signal === undefined && finishedNow(ticket) ? checked() : finished(ticket).then(checked)
}

interface RowsGiven {
  x: Tree
  rows: number
  batchSize: number
  owned: Tensor[]
}

/** The outputs of rows that the ranks share, or that each has of its own. */
async function rowsOverRanks(model: AnyModel, given: RowsGiven, options: PredictOptions, meeting: Meeting): Promise<Tree> {
  const { rank, size } = meeting
  const { sharded = false, gather = 'all' } = options
  const { x, rows, batchSize, owned } = given
  const turn = inOrderOfCalls<Tree>()
  let own: Tree | undefined
  let failure: { error: unknown } | undefined
  const segments = segmentsOf(rows, batchSize, size)
  try {
    const [begin, end] = sharded ? [0, rows] : ownRows(segments, rank)
    // a rank without rows computes one to know their shape
    const least = Math.min(rows, Math.max(end, begin + 1))
    const first = Math.min(begin, Math.max(0, least - 1))
    const verbose = rank === 0 ? options.verbose : 0
    const found =
      rows === 0
        ? await oneBatch(model, x, options.signal)
        : await overRows(model, { ...given, begin: first, rows: least }, options.signal, verbose)
    checkRows(found, Math.max(least - first, 0))
    own = end > begin ? found : noRows(found)
  } catch (error) {
    failure = { error }
    freeOwned(owned)
  }
  if (gather === 'none') {
    await turn(async () => own!)
    if (failure) throw failure.error
    return own!
  }
  return turn(async () => {
    await meetToCompute(meeting, model, () => {
      if (failure) throw failure.error
      return sharded ? {} : { rows, batchSize }
    })
    const counts = sharded ? await meeting.say(rows) : undefined
    // a program that ends behind predict() would leave the exchange, and the others with it
    return whenComputed(gathered(own!, counts?.map((count, from) => ({ rank: from, rows: count })) ?? segments, meeting))
  })
}

/** The outputs of batches that all ranks read, of which each computes every so many; or of streams of their own. */
async function streamOverRanks(model: AnyModel, source: StreamSource, options: PredictOptions, meeting: Meeting): Promise<Tree> {
  const { rank, size } = meeting
  const { sharded = false, gather = 'all', signal } = options
  const turn = inOrderOfCalls<Tree>()
  /** Rows of the batches that were read. */
  const read: number[] = []
  const parts: Tree[] = []
  let failure: { error: unknown } | undefined
  try {
    const take = await fromStream(model, source, options.steps, (rows) => {
      read.push(rows)
      // the first batch of all tells a rank without any what outputs are
      return sharded || read.length === 1 || (read.length - 1) % size === rank
    })
    const progress = new Progress(options.verbose, 1, rank === 0)
    progress.begin(undefined, undefined)
    try {
      for await (const part of pipeline({ next: take, depth: 4, signal })) progress.step(parts.push(part))
      progress.end()
    } finally {
      progress.stop()
    }
    if (parts.length === 0) throw new WeftError('ERR_ARGUMENT', 'predict: the source gave no batch')
    const computed = read.filter((_, batch) => sharded || batch === 0 || batch % size === rank)
    parts.forEach((part, i) => checkRows(part, computed[i]!))
  } catch (error) {
    failure = { error }
  }
  const own = (): Tree => {
    if (failure) throw failure.error
    const [first, ...others] = parts as [Tree, ...Tree[]]
    const list = sharded || rank === 0 ? parts : others
    return list.length === 0 ? noRows(first) : list.length === 1 ? list[0]! : joined(list)
  }
  if (gather === 'none') return turn(async () => own())
  return turn(async () => {
    let mine: Tree | undefined
    await meetToCompute(meeting, model, () => {
      mine = own()
      return sharded ? {} : { batches: read.length, rows: read.reduce((sum, rows) => sum + rows, 0) }
    })
    const counts = sharded ? await meeting.say(read.reduce((sum, rows) => sum + rows, 0)) : undefined
    const segments = counts?.map((rows, from) => ({ rank: from, rows })) ?? read.map((rows, batch) => ({ rank: batch % size, rows }))
    return whenComputed(gathered(mine!, segments, meeting))
  })
}

interface Passing {
  signal: AbortSignal | undefined
  verbose: Verbosity | undefined
  /** How many runs there are, where it is known. */
  steps: number | undefined
}

/** The outputs of all runs, in order, as one. */
async function overBatches(next: () => Launch<Tree> | Promise<Launch<Tree>>, { signal, verbose, steps }: Passing): Promise<Tree> {
  const progress = new Progress(verbose, 1)
  const parts: Tree[] = []
  progress.begin(undefined, steps)
  try {
    for await (const part of pipeline({ next, depth: 4, signal })) progress.step(parts.push(part))
    progress.end()
  } finally {
    progress.stop()
  }
  if (parts.length === 0) throw new WeftError('ERR_ARGUMENT', 'predict: the source gave no batch')
  return parts.length === 1 ? parts[0]! : joined(parts)
}

/** The outputs of more rows than a batch has. Frees `owned` at the end. */
async function overRows(
  model: AnyModel,
  { x, rows, batchSize, owned, begin: from = 0 }: RowsGiven & { begin?: number },
  signal: AbortSignal | undefined,
  verbose: Verbosity | undefined,
): Promise<Tree> {
  try {
    const inference = model.inference()
    const device = deviceOf(x)
    const order = tensor(ascending(0, rows), { device })
    owned.push(order)
    let begin = from
    const next = (): Launch<Tree> => {
      if (begin >= rows) return undefined
      const cursor = tensor(Int32Array.of(begin), { device })
      const size = Math.min(batchSize, rows - begin)
      begin += size
      return (how) => {
        const run = inference.onRows[how](x, order, cursor, size)
        cursor.dispose()
        return run
      }
    }
    return await overBatches(next, { signal, verbose, steps: Math.ceil((rows - from) / batchSize) })
  } finally {
    freeOwned(owned)
  }
}

/** @param takes whether a batch of so many rows is computed here; default: all are */
async function fromStream(
  model: AnyModel,
  source: StreamSource,
  steps: number | undefined,
  takes: (rows: number) => boolean = () => true,
): Promise<() => Promise<Launch<Tree>>> {
  const inference = model.inference()
  if (steps !== undefined) checkCount('predict', 'steps', steps)
  else checkEnds('predict: steps', source)
  const iterator = await openStream(source, steps === undefined ? 'predict: steps' : undefined)
  let step = 0
  return async () => {
    for (;;) {
      if (step++ === steps) {
        await iterator.return?.()
        return undefined
      }
      const { value, done } = await iterator.next()
      if (done) return undefined
      const { x } = value instanceof Tensor ? { x: value } : batchColumns(model.forms, value)
      if (takes(rowsOf(x))) return (how) => inference.onBatch[how](x)
    }
  }
}

/** The parts' rows one after the other, in each output. */
function joined(parts: readonly Tree[]): Tree {
  return joinTrees(parts, isTensor, (list) => {
    const whole = concat(list, 0)
    for (const part of list) part.dispose()
    return whole
  }) as Tree
}
