// Passes over a Dataset: over some of its elements, over those that are asked for ahead, and over the rows of its
// batches that one of several ranks has.
import { WeftError } from '../core/error.js'
import type { Part } from '../core/share.js'
import { collate } from './collate.js'
import type { Source } from './dataset.js'

/** Whether the element at a place is wanted. */
export type Wanted = (place: number) => boolean

/** Rows of a batch that one rank has: `part` says which. */
export interface ShareOfBatch {
  readonly batch: unknown
  readonly part: Part
}

/** A pass over the elements whose places are wanted. */
export function someOf<T>(source: Source<T>, wanted: Wanted): AsyncIterator<T, void> {
  if (source.openSome) return source.openSome(wanted)
  if (source.openIn && source.size !== undefined)
    return source.openIn(Uint32Array.from({ length: source.size }, (_, place) => place).filter((place) => wanted(place)))
  return filtered(source.open(), wanted)
}

export async function* filtered<T>(iterator: AsyncIterator<T, void>, wanted: Wanted): AsyncGenerator<T, void> {
  let place = 0
  for await (const element of { [Symbol.asyncIterator]: () => iterator }) if (wanted(place++)) yield element
}

interface Sharing {
  /** Samples of all batches, and of one. */
  readonly all: number
  readonly size: number
  readonly rank: number
  readonly ranks: number
}

/** This rank's samples of each batch, joined; of a batch that has none for it, its first sample of the pass. */
export async function* shares<T>(source: Source<T>, { all, size, rank, ranks }: Sharing): AsyncGenerator<ShareOfBatch, void> {
  const partAt = (begin: number): Part => {
    const total = Math.min(size, all - begin)
    const [least, more] = [Math.floor(total / ranks), total % ranks]
    return { begin: rank * least + Math.min(rank, more), rows: least + (rank < more ? 1 : 0), total }
  }
  const wanted = (place: number): boolean => {
    if (place >= all) return false
    const at = place % size
    const { begin, rows } = partAt(place - at)
    return at >= begin && at < begin + rows
  }
  const samples = someOf(source, wanted)
  let spare: T | undefined
  try {
    for (let begin = 0; begin < all; begin += size) {
      const part = partAt(begin)
      const own: T[] = []
      while (own.length < part.rows) {
        const { value, done } = await samples.next()
        if (done) throw new WeftError('ERR_DATA', `batch: the Dataset says that it has ${source.size} samples, and has fewer`)
        own.push(value)
      }
      spare ??= own[0]
      yield { batch: await collate(own.length > 0 ? own : [spare!], source.dtypes ?? {}), part }
    }
  } finally {
    await samples.return?.()
  }
}

/** Asks for up to `n` elements before they are needed. */
export async function* ahead<E>(iterator: AsyncIterator<E, void>, n: number): AsyncGenerator<E, void> {
  const asked: Promise<IteratorResult<E, void>>[] = []
  const ask = (): void => {
    const next = iterator.next()
    next.catch(() => {}) // a failure is reported when its turn comes, not as an unhandled rejection
    asked.push(next)
  }
  try {
    for (let i = 0; i < n; i++) ask()
    for (;;) {
      const result = await asked.shift()!
      if (result.done) return
      ask()
      yield result.value
    }
  } finally {
    await iterator.return?.()
  }
}
