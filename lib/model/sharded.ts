// Sharded data: each rank of a distributed run has rows of its own, and a batch is made of rows of all of them.
import type { Part } from '../core/share.js'
import { world } from '../distributed/world.js'

/**
 * How many of its rows each rank has given when the batches so far hold `taken` rows: in proportion to what it has, by
 * the method of Sainte-Laguë, which never takes a row back. Row i of n has the place (i + 1/2) / n, the smaller rank
 * first.
 * @param counts rows of each rank
 */
export function rowsGiven(counts: readonly number[], taken: number): number[] {
  const all = counts.reduce((sum, count) => sum + count, 0)
  const given = counts.map((count) => Math.min(count, Math.max(0, Math.floor((count * taken) / all + 0.5))))
  let sum = given.reduce((so, count) => so + count, 0)
  while (sum !== taken) {
    const less = sum < taken
    let best = -1
    let place = 0
    counts.forEach((count, rank) => {
      const row = less ? given[rank]! : given[rank]! - 1
      if (row < 0 || row >= count) return
      const own = (row + 0.5) / count
      if (best >= 0 && (less ? own >= place : own < place)) return
      best = rank
      place = own
    })
    given[best]! += less ? 1 : -1
    sum += less ? 1 : -1
  }
  return given
}

/** The rows that `rank` adds to a batch of which each rank adds so many: those of lower ranks come first. */
export function partOf(counts: readonly number[], rank: number): Part {
  const before = (end: number): number => counts.slice(0, end).reduce((sum, count) => sum + count, 0)
  const part = { begin: before(rank), rows: counts[rank]!, total: before(counts.length) }
  // GPUs record a step that they have run before, and all ranks do it at once
  return world().engine === 'nccl' ? { ...part, of: counts.join() } : part
}

/** The part of `rank` in step `step` of an epoch. */
export function partOfStep(counts: readonly number[], rank: number, batchSize: number, step: number): Part {
  const all = counts.reduce((sum, count) => sum + count, 0)
  const before = rowsGiven(counts, Math.min(all, step * batchSize))
  const after = rowsGiven(counts, Math.min(all, (step + 1) * batchSize))
  return partOf(
    after.map((count, i) => count - before[i]!),
    rank,
  )
}
