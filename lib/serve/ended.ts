// How requests and batches end: what statistics, metrics and traces are made from.

export type Outcome = 'success' | 'failure' | 'rejected' | 'timeout' | 'cancelled'

/** Time of the parts of a run, in milliseconds. */
export interface Timing {
  readonly inputMs: number
  readonly inferMs: number
  readonly outputMs: number
}

/** How a request ended. */
export interface Ended {
  readonly outcome: Outcome
  readonly rows: number
  readonly totalMs: number
  readonly queueMs: number
  /** Of the batch it ran in; undefined where it did not succeed. */
  readonly timing?: Timing | undefined
}

/** What statistics and metrics are made from. */
export interface Observer {
  ended?(facts: Ended): void
  /** A batch was computed. */
  computed?(rows: number, timing: Timing): void
  /** There will be no more: what was observed is closed. */
  closed?(): void
}
