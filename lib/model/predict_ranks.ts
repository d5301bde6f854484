// Predictions over ranks: each rank of a distributed run computes its batches, and all get the outputs of every row.
import { WeftError } from '../core/error.js'
import { Tensor } from '../core/tensor.js'
import { isRecord, isTensor, joinTrees, mapTree } from '../core/tree.js'
import { allGather } from '../distributed/collectives.js'
import { concat, slice, zeros } from '../ops/index.js'
import { isStream, leaves, type Tree } from './feed.js'
import type { Meeting } from './meeting.js'
import type { AnyModel } from './model.js'
import type { PredictOptions } from './predict.js'

/** Rows of the whole result, in order: `rows` of them from one rank, behind those that came from it before. */
export interface Segment {
  readonly rank: number
  readonly rows: number
}

/** Where batches of so many rows are computed: neighbours by the same rank. */
export function segmentsOf(rows: number, batchSize: number, size: number): Segment[] {
  const batches = Math.ceil(rows / batchSize)
  const end = (rank: number): number => Math.min(rows, Math.floor((batches * rank) / size) * batchSize)
  return Array.from({ length: size }, (_, rank) => ({ rank, rows: end(rank + 1) - end(rank) }))
}

/** Rows [begin, end) of those that this rank computes. */
export function ownRows(segments: readonly Segment[], rank: number): [begin: number, end: number] {
  const before = segments.slice(0, rank).reduce((sum, { rows }) => sum + rows, 0)
  return [before, before + segments[rank]!.rows]
}

/** ERR_SHAPE unless the model gives a row for each row that it is given: only such rows can be put in order. */
export function checkRows(outputs: Tree, rows: number): void {
  for (const [name, t] of leaves('output', outputs))
    if (t.shape[0] !== rows)
      throw new WeftError(
        'ERR_SHAPE',
        `predict: ${rows} rows gave the output ${name} of shape [${t.shape}]: they cannot be computed by several ranks`,
        {
          shapes: [t.shape],
          hint: 'Write distributed.alone(() => model.predict(x)): every rank then computes all rows',
        },
      )
}

/**
 * Whether the other ranks wait in a call of predict that was refused here, as far as its arguments tell: rows of one
 * batch are computed by every rank alone.
 */
export function othersMeet(model: AnyModel, x: unknown, given: unknown): boolean {
  const { sharded, gather, batchSize } = (isRecord(given) ? given : {}) as PredictOptions
  if (gather === 'none') return false
  if (sharded === true) return gather === 'all'
  if (model.keepsStates) return false
  if (isStream(x)) return true
  // one input, or the first of several
  const first = isRecord(x) ? Object.values(x)[0] : Array.isArray(x) && x[0] instanceof Tensor ? x[0] : x
  const rows = first instanceof Tensor ? (first.shape[0] ?? 0) : Number((first as ArrayLike<unknown> | undefined)?.length)
  return rows > (Number.isInteger(batchSize) && batchSize! > 0 ? batchSize! : 32)
}

/** The rows without any: what a rank has that computed none. `like`: outputs of some rows. */
export const noRows = (like: Tree): Tree => mapTree(like, (t) => slice(t, [0], [0])) as Tree

/** Calls may overlap; what they gather goes through one after the other, in the order of the calls. */
let last: Promise<unknown> = Promise.resolve()
export function inOrderOfCalls<T>(): (work: () => Promise<T>) => Promise<T> {
  const before = last
  let end = (): void => undefined
  last = new Promise<void>((resolve) => void (end = resolve))
  return async (work) => {
    await before
    try {
      return await work()
    } finally {
      end()
    }
  }
}

/**
 * The outputs of all rows on every rank.
 * @param own those that this rank computed
 * @param segments of which rows of which rank the whole is made
 */
export function gathered(own: Tree, segments: readonly Segment[], { size }: Meeting): Tree {
  const counts = new Array<number>(size).fill(0)
  for (const { rank, rows } of segments) counts[rank]! += rows
  const most = Math.max(...counts)
  const whole = (t: Tensor): Tensor => {
    const missing = most - t.shape[0]!
    const filler = zeros([missing, ...t.shape.slice(1)], { dtype: t.dtype, device: t.device })
    // [size * most, ...]
    const all = allGather(missing === 0 ? t : concat([t, filler], 0))
    const taken = new Array<number>(size).fill(0)
    const parts = joinedNeighbours(segments).map(({ rank, rows }) => {
      const begin = rank * most + taken[rank]!
      taken[rank]! += rows
      return slice(all, [begin], [rows])
    })
    const result = parts.length === 1 ? parts[0]! : concat(parts, 0)
    for (const used of [filler, ...(parts.length === 1 ? [] : parts), all]) used.dispose()
    return result
  }
  return joinTrees([own], isTensor, ([t]) => whole(t!)) as Tree
}

/** Segments of the same rank that follow each other as one, and none without rows. */
function joinedNeighbours(segments: readonly Segment[]): Segment[] {
  const joined: Segment[] = []
  for (const { rank, rows } of segments) {
    if (rows === 0) continue
    const before = joined.at(-1)
    if (before?.rank === rank) joined[joined.length - 1] = { rank, rows: before.rows + rows }
    else joined.push({ rank, rows })
  }
  return joined
}
