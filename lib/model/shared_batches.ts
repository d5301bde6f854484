// Shared batches: those of a stream that every rank of a distributed run reads, or of which each reads its parts.
import { WeftError } from '../core/error.js'
import type { Part } from '../core/share.js'
import type { Tensor } from '../core/tensor.js'
import { mapTree } from '../core/tree.js'
import { Dataset } from '../data/dataset.js'
import type { ShareOfBatch } from '../data/dataset_passes.js'
import { slice } from '../ops/index.js'
import type { Columns } from './feed.js'
import type { Meeting } from './meeting.js'
import { partOf } from './sharded.js'

/** A batch; with a part: the rows of it that this rank has. */
export interface TakenBatch extends Columns {
  readonly part?: Part | undefined
}

/**
 * This rank's rows of each batch of a data.Dataset, where they can be made without those of the other ranks; the
 * pipeline is then worked through for them alone.
 */
export function ownBatches(stream: unknown, { rank, size }: Meeting): AsyncIterator<ShareOfBatch, void> | undefined {
  return stream instanceof Dataset ? stream.openShare(rank, size) : undefined
}

/**
 * The next batches of a pass, until all ranks come to its end. They tell each other of every batch, unless these lie
 * in memory: none waits for a step that another one never does.
 * @param sizes batches of the pass on each rank, null where it is not known
 * @param read the next batch of this rank, undefined at its end
 * @throws ERR_DISTRIBUTED where the batches are not the same, though nobody said that they are parts
 */
export function sharedBatches(
  meeting: Meeting,
  sharded: boolean,
  sizes: readonly (number | null)[],
  inMemory: boolean,
  read: () => Promise<TakenBatch | undefined>,
): () => Promise<TakenBatch | undefined> {
  const { what, rank } = meeting
  if (!sharded) {
    const other = sizes.findIndex((size) => size !== sizes[0])
    if (other > 0 && sizes[0] !== null && sizes[other] !== null)
      throw apart(what, `the source has ${sizes[0]} batches on rank 0 and ${sizes[other]} on rank ${other}`)
    // batches in memory: no rank can fail to read one
    if (inMemory && other < 0) return read
  }
  let step = -1
  /** A row for a rank that has no more. */
  let spare: Columns | undefined
  return async () => {
    step++
    for (;;) {
      let own: TakenBatch | undefined
      const said = await meeting.saying(async () => {
        own = await read()
        if (own !== undefined && own.rows > 0) spare ??= firstRow(own)
        return { rows: own?.part?.total ?? own?.rows ?? null, ready: spare !== undefined }
      })
      const rows = said.map((one) => one.rows)
      if (rows.every((count) => count === null)) return undefined
      if (!sharded) {
        const other = rows.findIndex((count) => count !== rows[0])
        if (other < 0) return own
        const told = (r: number): string => `${rows[r] === null ? 'no batch' : `${rows[r]} rows`} on rank ${r}`
        throw apart(what, `batch ${step} of the source is ${told(0)} and ${told(other)}`)
      }
      const counts = rows.map((count) => count ?? 0)
      if (counts.every((count) => count === 0)) continue
      const empty = said.findIndex(({ ready }) => !ready)
      if (empty >= 0)
        throw new WeftError('ERR_ARGUMENT', `${what}: the source of batches of rank ${empty} has no row`, {
          hint: 'Each rank needs rows of its own',
        })
      return { ...(counts[rank]! > 0 ? own! : spare!), part: partOf(counts, rank) }
    }
  }
}

const apart = (what: string, why: string): WeftError =>
  new WeftError('ERR_DISTRIBUTED', `${what}: the ranks do not have the same batches: ${why}`, {
    hint: 'Every rank passes the same source; one that has a source of its own writes { sharded: true }',
  })

function firstRow(columns: Columns): Columns {
  const cut = (t: Tensor): Tensor => slice(t, [0], [1])
  const { x, y, sampleWeight } = columns
  return {
    x: mapTree(x, cut) as Columns['x'],
    y: y && (mapTree(y, cut) as Columns['y']),
    sampleWeight: sampleWeight && cut(sampleWeight),
    rows: 1,
  }
}
