// Data for calibration, accuracy and distillation: arrays, { x, y }, or a source of batches.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { isRecord, mapTree } from '../core/tree.js'
import { batchColumns, freeOwned, isStream, type ModelData, openStream, type StreamSource, toColumns, type Tree } from '../model/feed.js'
import type { AnyModel } from '../model/model.js'
import { slice } from '../ops/index.js'

/** Inputs, inputs with targets, or a source of batches such as a data.Dataset. */
export type CompressData = ModelData | { readonly x: ModelData; readonly y?: ModelData | undefined } | StreamSource

/** The parts of data that is no source of batches. */
export function partsOf(data: CompressData): { x: ModelData; y: ModelData | undefined } {
  if (isRecord(data) && Object.hasOwn(data, 'x') && !(data instanceof Tensor)) {
    const { x, y } = data as { x: ModelData; y?: ModelData }
    return { x, y }
  }
  return { x: data as ModelData, y: undefined }
}

const BATCH = 64

/**
 * Calls `visit` with the inputs of a model in batches, of at most `rows` rows in all. ERR_ARGUMENT where there are
 * none.
 */
export async function eachBatch(
  what: string,
  model: AnyModel,
  data: CompressData,
  rows: number,
  visit: (x: Tree) => Promise<void>,
): Promise<void> {
  let seen = 0
  if (isStream(data)) {
    const iterator = await openStream(data as StreamSource)
    for (let { value, done } = await iterator.next(); !done && seen < rows; { value, done } = await iterator.next()) {
      const x = value instanceof Tensor ? value : batchColumns(model.forms, value as never).x
      seen += firstOf(x).shape[0]!
      await visit(x)
    }
    await iterator.return?.()
  } else {
    const owned: Tensor[] = []
    try {
      const columns = toColumns(model.forms, partsOf(data).x, undefined, undefined, owned)
      const most = Math.min(rows, columns.rows)
      for (; seen < most; seen += BATCH) {
        const count = Math.min(BATCH, most - seen)
        await visit(mapTree(columns.x, (t) => slice(t, [seen, ...t.shape.slice(1).map(() => 0)], [count, ...t.shape.slice(1)])) as Tree)
      }
    } finally {
      freeOwned(owned)
    }
  }
  if (seen === 0) throw new WeftError('ERR_ARGUMENT', `${what}: data has no rows, got ${show(data)}`)
}

function firstOf(x: Tree): Tensor {
  if (x instanceof Tensor) return x
  return (Array.isArray(x) ? x[0] : Object.values(x)[0]) as Tensor
}
