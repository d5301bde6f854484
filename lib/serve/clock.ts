// Clock: the time that scheduling goes by. Tests put their own in its place.
import { Chain } from './chain.js'

export interface Clock {
  /** Milliseconds since some moment. */
  now(): number
  /** Calls fn once the time is over, unless the returned function is called before. */
  after(milliseconds: number, fn: () => void): () => void
  /** The same for limits, which mostly are not reached. They do not keep the process alive. */
  deadline(milliseconds: number, fn: () => void): () => void
  /** Calls fn when what has arrived so far was read: requests of one turn of the event loop then share a batch. */
  soon(fn: () => void): void
}

/** Node cannot wait longer in one timer. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * Limits of one length, in the order in which they end. One timer serves all of them and stays while they come and go:
 * a timer of Node for each request costs more than the rest of its way through the queue.
 */
class Limits {
  private readonly pending = new Chain<{ readonly end: number; readonly fn: () => void }>()
  private isArmed = false

  constructor(private readonly milliseconds: number) {}

  add(fn: () => void): () => void {
    const limit = this.pending.add({ end: performance.now() + this.milliseconds, fn })
    this.arm(this.milliseconds)
    return () => void this.pending.remove(limit)
  }

  private arm(milliseconds: number): void {
    if (this.isArmed) return
    this.isArmed = true
    setTimeout(() => this.fire(), Math.ceil(milliseconds)).unref()
  }

  private fire(): void {
    const now = performance.now()
    try {
      // a limit that is added meanwhile ends after those that wait, and sets no timer
      for (let limit = this.pending.first; limit !== undefined && limit.end <= now; limit = this.pending.first) {
        this.pending.removeFirst()
        limit.fn()
      }
    } finally {
      this.isArmed = false
      const { first } = this.pending
      if (first !== undefined) this.arm(Math.max(0, first.end - now))
    }
  }
}

/** By length. Clients may ask for any: those that are many share a timer. */
const limits = new Map<number, Limits>()
const MOST_LENGTHS = 16

export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, fn) {
    const timer = setTimeout(fn, Math.min(milliseconds, LONGEST_MS))
    return () => clearTimeout(timer)
  },
  deadline(milliseconds, fn) {
    let found = limits.get(milliseconds)
    if (found === undefined) {
      if (limits.size === MOST_LENGTHS || milliseconds > LONGEST_MS) return systemClock.after(milliseconds, fn)
      limits.set(milliseconds, (found = new Limits(milliseconds)))
    }
    return found.add(fn)
  },
  soon: (fn) => void setImmediate(fn),
}
