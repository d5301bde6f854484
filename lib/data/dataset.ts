// Dataset: a lazy, re-iterable pipeline of samples; host values until batch(), Tensors from there on.
import { checkFunction, integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { nextSeed } from '../core/random.js'
import { shownAs } from '../core/shown.js'
import { type BatchOf, collate, type Dtypes } from './collate.js'
import { ahead, filtered, type ShareOfBatch, shares, someOf, type Wanted } from './dataset_passes.js'
import { draws, permutation } from './shuffle.js'

/** Where elements come from. Every call of `open` starts a new pass. */
export interface Source<T> {
  /** Number of elements, when it is known before a pass. */
  readonly size: number | undefined
  open(): AsyncIterator<T, void>
  /** Sources with random access read their elements in the order asked for, some or all of them. */
  openIn?(order: Uint32Array): AsyncIterator<T, void>
  /** A pass over those elements alone whose places are wanted; the others are made as far as they have to be. */
  openSome?(wanted: Wanted): AsyncIterator<T, void>
  /**
   * Of batches: a pass over the part of each that one of `size` ranks has; undefined where some rank would have none.
   */
  openShare?(rank: number, size: number): AsyncIterator<ShareOfBatch, void> | undefined
  /** dtypes that plain numbers of the samples had where they came from. */
  readonly dtypes?: Dtypes
  /** The orders of the shuffles in the pipeline, the first one first. */
  readonly orders?: readonly ShuffleOrder[]
}

/** Where a shuffle is: the seed of its orders, and the number of the next pass. */
export interface ShuffleOrder {
  seed: number
  pass: number
}

export interface ShuffleOptions {
  /** Default: drawn from setSeed's sequence. The same seed gives the same orders, pass by pass. */
  seed?: number
  /** Elements held to choose the next from. Default: all where their number is known, else 10,000. */
  bufferSize?: number
  /** A new order on every pass. Default: true. */
  reshuffleEachIteration?: boolean
}

const SHUFFLE_OPTIONS: OptionTable<ShuffleOptions> = { bufferSize: 'integer', seed: 'number', reshuffleEachIteration: 'boolean' }

export interface BatchOptions {
  /** Leaves out a last batch that is short. Default: false. */
  dropRemainder?: boolean
}

const BATCH_OPTIONS: OptionTable<BatchOptions> = { dropRemainder: 'boolean' }

const UNKNOWN_SIZE_BUFFER = 10_000
/** Elements that prefetch() may ask for ahead: each is held in memory. */
const MOST_AHEAD = 1 << 16

/**
 * Made by data.from, data.csv and data.generator. Every method returns a new Dataset; nothing is read before iteration.
 */
export class Dataset<T> implements AsyncIterable<T> {
  private readonly source: Source<T>

  constructor(source: Source<T>) {
    this.source = source
  }

  /** Number of elements of a pass, where it is known; Infinity for an endless repeat. */
  get size(): number | undefined {
    return this.source.size
  }

  /** @internal Of the shuffles in the pipeline: setting them repeats the passes that followed. */
  get orders(): readonly ShuffleOrder[] {
    return this.source.orders ?? []
  }

  [Symbol.asyncIterator](): AsyncIterator<T, void> {
    return this.source.open()
  }

  /** @internal A pass over this rank's part of each batch, where the pipeline can make it without the other parts. */
  openShare(rank: number, size: number): AsyncIterator<ShareOfBatch, void> | undefined {
    return this.source.openShare?.(rank, size)
  }

  /**
   * Elements in random order, a new one on every pass. With fewer than all in the buffer the order is only locally
   * random.
   */
  shuffle(options: ShuffleOptions = {}): Dataset<T> {
    checkCall('shuffle(options)', arguments, SHUFFLE_OPTIONS)
    const { size } = this.source
    const known = size !== undefined && Number.isFinite(size)
    const bufferSize = integer('shuffle', 'bufferSize', options.bufferSize ?? (known ? Math.max(1, size) : UNKNOWN_SIZE_BUFFER), 1)
    const seed = options.seed ?? nextSeed()
    if (!Number.isFinite(seed)) throw new WeftError('ERR_ARGUMENT', `shuffle: seed must be a number, got ${seed}`)
    const again = options.reshuffleEachIteration ?? true
    const order: ShuffleOrder = { seed, pass: 0 }
    const { source } = this
    const open = (): AsyncIterator<T, void> => {
      const draw = draws(order.seed, again ? order.pass++ : 0)
      if (source.openIn && known && bufferSize >= size) return source.openIn(permutation(size, draw))
      return shuffled(source, bufferSize, draw)
    }
    const openSome = (wanted: Wanted): AsyncIterator<T, void> => {
      if (!(source.openIn && known && bufferSize >= size)) return filtered(open(), wanted)
      return source.openIn(permutation(size, draws(order.seed, again ? order.pass++ : 0)).filter((_, place) => wanted(place)))
    }
    return new Dataset<T>({ ...passedOn(source), size, open, openSome, orders: [...this.orders, order] })
  }

  /** Elements put through `fn(element, index)`, which may be async. */
  map<R>(fn: (element: T, index: number) => R | Promise<R>): Dataset<R> {
    checkCall('map(fn)', arguments)
    checkFunction('map', fn)
    const { source } = this
    return new Dataset<R>({
      size: source.size,
      ...passedOn(source),
      async *open() {
        let index = 0
        for await (const element of pass(source)) yield await fn(element, index++)
      },
      async *openSome(wanted) {
        let index = 0
        for await (const element of { [Symbol.asyncIterator]: () => someOf(source, wanted) }) {
          while (!wanted(index)) index++
          yield await fn(element, index++)
        }
      },
    })
  }

  /** The elements for which `fn(element, index)`, which may be async, is true. */
  filter(fn: (element: T, index: number) => boolean | Promise<boolean>): Dataset<T> {
    checkCall('filter(fn)', arguments)
    checkFunction('filter', fn)
    const { source } = this
    return this.stage(undefined, async function* () {
      let index = 0
      for await (const element of pass(source)) if (await fn(element, index++)) yield element
    })
  }

  /** The first `n` elements. */
  take(n: number): Dataset<T> {
    checkCall('take(n)', arguments)
    integer('take', 'n', n, 0)
    const { source } = this
    return this.stage(source.size === undefined ? undefined : Math.min(n, source.size), async function* () {
      if (n === 0) return
      let taken = 0
      for await (const element of pass(source)) {
        yield element
        if (++taken >= n) return
      }
    })
  }

  /** All elements but the first `n`. */
  skip(n: number): Dataset<T> {
    checkCall('skip(n)', arguments)
    integer('skip', 'n', n, 0)
    const { source } = this
    return this.stage(source.size === undefined ? undefined : Math.max(0, source.size - n), async function* () {
      let skipped = 0
      for await (const element of pass(source)) if (skipped++ >= n) yield element
    })
  }

  /** All elements `times` times over; without `times`, endlessly. */
  repeat(times: number = Number.POSITIVE_INFINITY): Dataset<T> {
    checkCall('repeat(times)', arguments)
    if (times !== Number.POSITIVE_INFINITY) integer('repeat', 'times', times, 0)
    const { source } = this
    const size = source.size === undefined ? undefined : source.size === 0 ? 0 : times === 0 ? 0 : source.size * times
    return this.stage(size, async function* () {
      for (let time = 0; time < times; time++) {
        let empty = true
        for await (const element of pass(source)) {
          empty = false
          yield element
        }
        if (empty) return // an endless repeat of nothing would never return
      }
    })
  }

  /** Keeps the elements of the first whole pass in memory; later passes read them from there. */
  cache(): Dataset<T> {
    checkCall('cache()', arguments)
    const { source } = this
    let kept: T[] | undefined
    return this.stage(source.size, async function* () {
      if (kept) {
        yield* kept
        return
      }
      const seen: T[] = []
      for await (const element of pass(source)) {
        seen.push(element)
        yield element
      }
      kept = seen
    })
  }

  /**
   * Joins `size` samples { x, y?, sampleWeight? } at a time to Tensors with a leading batch axis; the last batch may be
   * short.
   */
  batch(size: number, options: BatchOptions = {}): Dataset<BatchOf<T>> {
    checkCall('batch(size, options)', arguments, BATCH_OPTIONS)
    integer('batch', 'size', size, 1)
    const { source } = this
    const { dropRemainder = false } = options
    const batches = source.size === undefined ? undefined : dropRemainder ? Math.floor(source.size / size) : Math.ceil(source.size / size)
    const openShare = (rank: number, ranks: number): AsyncIterator<ShareOfBatch, void> | undefined => {
      // the rows of the last batch have to be known; a rank without rows anywhere would have nothing to compute with
      if (source.size === undefined || !Number.isFinite(source.size) || Math.min(size, source.size) < ranks) return undefined
      return shares(source, { all: dropRemainder ? batches! * size : source.size, size, rank, ranks })
    }
    return new Dataset<BatchOf<T>>({
      size: batches,
      ...(source.orders && { orders: source.orders }),
      openShare,
      async *open() {
        let samples: T[] = []
        for await (const sample of pass(source)) {
          samples.push(sample)
          if (samples.length < size) continue
          yield (await collate(samples, source.dtypes ?? {})) as BatchOf<T>
          samples = []
        }
        if (samples.length > 0 && !dropRemainder) yield (await collate(samples, source.dtypes ?? {})) as BatchOf<T>
      },
    })
  }

  /**
   * Asks for up to `n` elements, at most 65,536, before they are needed, so that reading and mapping go on while a step
   * runs.
   */
  prefetch(n: number = 2): Dataset<T> {
    checkCall('prefetch(n)', arguments)
    integer('prefetch', 'n', n, 1, MOST_AHEAD)
    const { source } = this
    const openShare = (rank: number, ranks: number): AsyncIterator<ShareOfBatch, void> | undefined => {
      const own = source.openShare?.(rank, ranks)
      return own && ahead(own, n)
    }
    return new Dataset<T>({ size: source.size, open: () => ahead(source.open(), n), openShare, ...passedOn(source) })
  }

  /**
   * The elements at the places index, index + count, index + 2·count, ...: those of one of `count` readers. fit of
   * several ranks does without it: each takes its rows of the batches.
   */
  shard(count: number, index: number): Dataset<T> {
    checkCall('shard(count, index)', arguments)
    integer('shard', 'count', count, 1)
    integer('shard', 'index', index, 0, count - 1)
    const { source } = this
    const size = source.size === undefined ? undefined : Math.max(0, Math.ceil((source.size - index) / count))
    return this.stage(size, () => someOf(source, (place) => place % count === index))
  }

  /** All elements of one pass. */
  async toArray(): Promise<T[]> {
    if (this.size === Number.POSITIVE_INFINITY)
      throw new WeftError('ERR_ARGUMENT', 'toArray: this Dataset repeats endlessly', { hint: 'Use take(n) first' })
    const elements: T[] = []
    for await (const element of this) elements.push(element)
    return elements
  }

  /** The next stage of the pipeline, whose elements are still those of this one. */
  private stage(size: number | undefined, open: () => AsyncIterator<T, void>): Dataset<T> {
    return new Dataset<T>({ size, open, ...passedOn(this.source) })
  }
}

/** What the stages of a pipeline pass on. */
shownAs<Dataset<unknown>>(
  Dataset.prototype,
  ({ size }) => `Dataset of ${size ?? 'an unknown number of'} elements`,
  'for await (const x of dataset) JSON.stringify(x)',
)

const passedOn = ({ dtypes, orders }: Source<unknown>): Pick<Source<never>, 'dtypes' | 'orders'> => ({
  ...(dtypes && { dtypes }),
  ...(orders && { orders }),
})

const pass = <T>(source: Source<T>): AsyncIterable<T> => ({ [Symbol.asyncIterator]: () => source.open() })

async function* shuffled<T>(source: Source<T>, bufferSize: number, draw: (bound: number) => number): AsyncGenerator<T, void> {
  const buffer: T[] = []
  for await (const element of pass(source)) {
    if (buffer.length < bufferSize) {
      buffer.push(element)
      continue
    }
    const chosen = draw(bufferSize)
    yield buffer[chosen]!
    buffer[chosen] = element
  }
  for (const i of permutation(buffer.length, draw)) yield buffer[i]!
}
