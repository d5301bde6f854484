// Pending: a request between its arrival and its answer.
import type { AbortListener, Cancellation } from './cancellation.js'
import type { Waiting } from './queue.js'
import type { Ended, Outcome, Timing } from './ended.js'

/** What a request needs of its scheduler. */
export interface Home<I, O> {
  now(): number
  /** It is to be answered with this at once: it leaves the queue if it is there. */
  leave(request: Pending<I, O>, error: unknown, outcome: Outcome): void
  ended(facts: Ended): void
}

export class Pending<I, O> implements Waiting, AbortListener {
  place: Waiting['place']
  /** When it left the queue. */
  started: number | undefined
  isOver = false
  /** Ends its time limit. */
  stopTimer: (() => void) | undefined
  private isFollowing = false

  constructor(
    private readonly home: Home<I, O>,
    readonly input: I,
    readonly rows: number,
    readonly key: string,
    readonly priority: number,
    readonly since: number,
    private readonly signal: Cancellation | undefined,
    private readonly resolve: (result: O) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  /** From now on it ends when the client goes away. */
  follow(): void {
    const { signal } = this
    if (signal === undefined) return
    this.isFollowing = true
    signal.addEventListener('abort', this, { once: true })
  }

  /**
   * The client went away. It is no closure made for each request: with one the short rounds of the collector kept 1 KB
   * of every request until the next long round.
   */
  handleEvent(): void {
    this.home.leave(this, this.signal!.reason, 'cancelled')
  }

  succeed(result: O, timing: Timing): void {
    if (this.isOver) return
    this.end('success', timing)
    this.resolve(result)
  }

  fail(error: unknown, outcome: Outcome): void {
    if (this.isOver) return
    this.end(outcome, undefined)
    this.reject(error)
  }

  private end(outcome: Outcome, timing: Timing | undefined): void {
    this.isOver = true
    this.stopTimer?.()
    if (this.isFollowing) this.signal!.removeEventListener('abort', this)
    const now = this.home.now()
    this.home.ended({ outcome, rows: this.rows, totalMs: now - this.since, queueMs: (this.started ?? now) - this.since, timing })
  }
}
