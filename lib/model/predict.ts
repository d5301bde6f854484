// predict: the model's outputs for every row. Calls may overlap: nothing on the device is shared but the weights.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import type { OptionTable } from '../core/options.js'
import { concat } from '../ops/index.js'
import { Tensor } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { ascending, checkCount, checkSignal } from './evaluate.js'
import {
  batchColumns,
  checkEnds,
  deviceOf,
  freeOwned,
  isStream,
  openStream,
  type StreamSource,
  toColumns,
  type Tree,
  type ModelData,
} from './feed.js'
import type { AnyModel } from './model.js'
import { type Launch, pipeline } from './pipeline.js'

export interface PredictOptions {
  /** Rows per step. Default 32. */
  batchSize?: number
  /** Batches taken of a source; default all. */
  steps?: number
  signal?: AbortSignal
}

export const PREDICT_OPTIONS: OptionTable<PredictOptions> = { batchSize: 'integer', steps: 'integer', signal: 'any' }

export async function predict(model: AnyModel, x: ModelData | StreamSource, options: PredictOptions): Promise<Tree> {
  checkSignal('predict', options.signal)
  const { signal } = options
  const batchSize = checkCount('predict', 'batchSize', options.batchSize ?? 32)
  signal?.throwIfAborted()
  if (options.steps !== undefined && !isStream(x))
    throw new WeftError('ERR_ARGUMENT', 'predict: steps goes with a source of batches, arrays are taken whole', { hint: 'Slice x instead' })
  const owned: Tensor[] = []
  const parts: Tree[] = []
  try {
    const next = isStream(x)
      ? await fromStream(model, x, options.steps)
      : fromRows(model, toColumns(model.forms, x, undefined, undefined, owned), batchSize, owned)
    for await (const part of pipeline({ next, depth: 4, signal })) parts.push(part)
    if (parts.length === 0) throw new WeftError('ERR_ARGUMENT', 'predict: the source gave no batch')
    return parts.length === 1 ? parts[0]! : joined(parts)
  } finally {
    freeOwned(owned)
  }
}

function fromRows(model: AnyModel, { x, rows }: { x: Tree; rows: number }, batchSize: number, owned: Tensor[]): () => Launch<Tree> {
  const inference = model.inference()
  if (rows <= batchSize) {
    let done = false
    return () => {
      if (done) return undefined
      done = true
      return () => inference.onBatch.submit(x)
    }
  }
  const device = deviceOf(x)
  const order = tensor(ascending(0, rows), { device })
  owned.push(order)
  let begin = 0
  return () => {
    if (begin >= rows) return undefined
    const cursor = tensor(Int32Array.of(begin), { device })
    const size = Math.min(batchSize, rows - begin)
    begin += size
    return () => {
      const run = inference.onRows.submit(x, order, cursor, size)
      cursor.dispose()
      return run
    }
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
    return () => inference.onBatch.submit(x)
  }
}

/** The parts' rows one after the other, in each output. */
function joined(parts: readonly Tree[]): Tree {
  const [first] = parts
  const join = (list: readonly Tensor[]): Tensor => {
    const whole = concat(list, 0)
    for (const part of list) part.dispose()
    return whole
  }
  if (first instanceof Tensor) return join(parts as readonly Tensor[])
  if (Array.isArray(first)) return first.map((_, i) => join(parts.map((part) => (part as Tensor[])[i]!)))
  return Object.fromEntries(
    Object.keys(isRecord(first) ? first : {}).map((key) => [key, join(parts.map((part) => (part as Record<string, Tensor>)[key]!))]),
  )
}
