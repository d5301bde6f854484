// Pending: a request between its arrival and its answer.
import type { Cancellation } from './cancellation.js'
import type { Waiting } from './queue.js'
import type { Ended, Outcome, Timing } from './ended.js'

/** What a request needs of its scheduler. */
export interface Home<I, O> {
  now(): number
  /** It is to be answered with this at once: it leaves the queue if it is there. */
  leave(request: Pending<I, O>, error: unknown, outcome: Outcome): void
  ended(facts: Ended): void
}

export class Pending<I, O> implements Waiting {
  place: Waiting['place']
  /** When it left the queue. */
  started: number | undefined
  isOver = false
  /** Ends its time limit. */
  stopTimer: (() => void) | undefined
  private onAbort: (() => void) | undefined

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
    this.onAbort = () => this.home.leave(this, signal.reason, 'cancelled')
    signal.addEventListener('abort', this.onAbort, { once: true })
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
    if (this.onAbort !== undefined) this.signal!.removeEventListener('abort', this.onAbort)
    const now = this.home.now()
    this.home.ended({ outcome, rows: this.rows, totalMs: now - this.since, queueMs: (this.started ?? now) - this.since, timing })
  }
}
