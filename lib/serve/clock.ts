// Clock: the time that scheduling goes by. Tests put their own in its place.

export interface Clock {
  /** Milliseconds since some moment. */
  now(): number
  /** Calls fn once the time is over, unless the returned function is called before. */
  after(milliseconds: number, fn: () => void): () => void
  /** Calls fn when what has arrived so far was read: requests of one turn of the event loop then share a batch. */
  soon(fn: () => void): void
}

/** Node cannot wait longer in one timer. */
const LONGEST_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, fn) {
    const timer = setTimeout(fn, Math.min(milliseconds, LONGEST_MS))
    return () => clearTimeout(timer)
  },
  soon: (fn) => void setImmediate(fn),
}
