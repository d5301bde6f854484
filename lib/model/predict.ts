// predict: the model's outputs for every row. Calls may overlap: nothing on the device is shared but the weights.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { finished, finishedNow } from '../core/flights.js'
import type { OptionTable } from '../core/options.js'
import { again } from '../core/stack.js'
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
import type { AnyModel } from './model.js'
import { type Launch, pipeline } from './pipeline.js'
import { Progress, type Verbosity } from './progress.js'

export interface PredictOptions {
  /** Rows per step. Default 32. */
  batchSize?: number
  /** Batches taken of a source; default all. */
  steps?: number
  signal?: AbortSignal
  /**
   * 0: silent, 1: a progress bar, 2: a line, 'auto': 1 on a terminal, else 2. Default: a bar on a terminal where it
   * takes longer than two seconds, taken away at the end. Data that fit one batch show nothing.
   */
  verbose?: Verbosity
}

export const PREDICT_OPTIONS: OptionTable<PredictOptions> = { batchSize: 'integer', steps: 'integer', signal: 'any', verbose: 'any' }

/** A promise of the outputs, or the outputs where they are there at once. */
export function predict(model: AnyModel, x: ModelData | StreamSource, options: PredictOptions): Tree | Promise<Tree> {
  checkSignal('predict', options.signal)
  const { signal, verbose } = options
  const batchSize = checkCount('predict', 'batchSize', options.batchSize ?? 32)
  signal?.throwIfAborted()
  if (verbose !== undefined) void new Progress(verbose, 1) // refuses what it is not
  if (isStream(x)) return fromStream(model, x, options.steps).then((next) => overBatches(next, { signal, verbose, steps: options.steps }))
  if (options.steps !== undefined)
    throw new WeftError('ERR_ARGUMENT', 'predict: steps goes with a source of batches, arrays are taken whole', { hint: 'Slice x instead' })
  const owned: Tensor[] = []
  try {
    const { x: inputs, rows } =
      x instanceof Tensor && x.rank > 0 ? { x, rows: x.shape[0]! } : toColumns(model.forms, x, undefined, undefined, owned)
    if (rows <= batchSize) return oneBatch(model, inputs, signal)
    return overRows(model, { x: inputs, rows, batchSize, owned: owned.splice(0) }, signal, verbose)
  } finally {
    freeOwned(owned)
  }
}

/** The outputs of data that fits a batch: one native call, and no pipeline around it. */
function oneBatch(model: AnyModel, x: Tree, signal: AbortSignal | undefined): Tree | Promise<Tree> {
  const outputs = model.inference().onBatch(x)
  const buffers = outputs instanceof Tensor ? [outputs.held()] : leaves('output', outputs).map(([, t]) => t.held())
  const ticket = buffers.reduce((newest, buffer) => Math.max(newest, buffer.ticket), 0)
  const checked = (): Tree => {
    for (const { fault } of buffers) if (fault !== undefined) throw again(fault)
    signal?.throwIfAborted()
    return outputs
  }
  return signal === undefined && finishedNow(ticket) ? checked() : finished(ticket).then(checked)
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
  { x, rows, batchSize, owned }: { x: Tree; rows: number; batchSize: number; owned: Tensor[] },
  signal: AbortSignal | undefined,
  verbose: Verbosity | undefined,
): Promise<Tree> {
  try {
    const inference = model.inference()
    const device = deviceOf(x)
    const order = tensor(ascending(0, rows), { device })
    owned.push(order)
    let begin = 0
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
    return await overBatches(next, { signal, verbose, steps: Math.ceil(rows / batchSize) })
  } finally {
    freeOwned(owned)
  }
}

async function fromStream(model: AnyModel, source: StreamSource, steps: number | undefined): Promise<() => Promise<Launch<Tree>>> {
  const inference = model.inference()
  if (steps !== undefined) checkCount('predict', 'steps', steps)
  else checkEnds('predict: steps', source)
  const iterator = await openStream(source, steps === undefined ? 'predict: steps' : undefined)
  let step = 0
  return async () => {
    if (step++ === steps) {
      await iterator.return?.()
      return undefined
    }
    const { value, done } = await iterator.next()
    if (done) return undefined
    const { x } = value instanceof Tensor ? { x: value } : batchColumns(model.forms, value)
    return (how) => inference.onBatch[how](x)
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
