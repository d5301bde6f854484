// Scheduler: dynamic batching. A batch is cut when an instance is free, as large as what is waiting. maxDelayMs holds a
// batch back only while no request in the queue is older than that.
import { WeftError } from '../core/error.js'
import { integer } from '../core/checks.js'
import { show } from '../core/options.js'
import { Arrivals } from './arrivals.js'
import type { Cancellation } from './cancellation.js'
import { type Clock, systemClock } from './clock.js'
import type { Ended, Observer, Outcome, Timing } from './ended.js'
import { Overlap } from './overlap.js'
import { type Home, Pending } from './pending.js'
import { Queue } from './queue.js'

export interface SchedulerOptions {
  /** Most rows in a batch. A request with more is refused. Default 32. */
  maxBatchSize?: number
  /** How long a batch that is not full waits for more requests. Default 0: it goes as soon as an instance is free. */
  maxDelayMs?: number
  /** Most requests waiting; one more is refused with ERR_OVERLOADED. Default 1024. */
  maxQueueSize?: number
  /** Default limit from arrival to answer; later: ERR_TIMEOUT. Default 30,000; 0: none. */
  timeoutMs?: number
  /** Batches computed at once. Default 1. */
  instances?: number
  /** Number of priorities, 1 is the highest. Default 1. */
  priorityLevels?: number
  /** Priority of requests that name none. Default the middle one. */
  defaultPriority?: number
}

export interface SubmitOptions {
  /** Ends the request: it is taken out of the queue, or its result is dropped. Rejects with signal.reason. */
  signal?: AbortSignal
  /** 1 is the highest; 0 the default. */
  priority?: number
  /** Limit from arrival to answer in place of the scheduler's; 0: none. */
  timeoutMs?: number
}

/** A batch's results, one for each request, in order. */
export interface Computed<O> {
  readonly results: readonly O[]
  readonly timing: Timing
}

/** Computes a batch. What is there at once need not be waited for. */
export type Execute<I, O> = (batch: readonly I[]) => Computed<O> | Promise<Computed<O>>

const DONE = Promise.resolve()

/** A turn of the event loop that batches do not wait for. */
const LONG_TURN_MS = 1

/** Faults of single requests: the others of the batch are run again without them. */
const DIVIDING: ReadonlySet<unknown> = new Set(['ERR_DATA', 'ERR_OUT_OF_MEMORY'])

export class Scheduler<I, O> implements Home<I, O> {
  readonly maxBatchSize: number
  readonly maxDelayMs: number
  private readonly maxQueueSize: number
  private readonly timeoutMs: number
  private readonly instances: number
  private readonly levels: number
  private readonly defaultPriority: number
  private readonly queue: Queue<Pending<I, O>>
  private readonly overlap: Overlap
  private readonly arrivals = new Arrivals()
  private computingRows = 0
  private running = 0
  private closing = false
  private pumping = false
  private pumpingSince = 0
  private wake: (() => void) | undefined
  private full: WeftError | undefined
  private readonly idle: (() => void)[] = []

  constructor(
    private readonly name: string,
    options: SchedulerOptions,
    private readonly execute: Execute<I, O>,
    private readonly observer: Observer = {},
    private readonly clock: Clock = systemClock,
    /**
     * Looks whether batches are done that are computed elsewhere, one after the other. Given: a batch that waits for no
     * more requests goes while the one before it is computed, and who computes it need not wait for this thread.
     */
    private readonly look?: () => void,
  ) {
    const whole = (key: keyof SchedulerOptions, value: number, least: number, most?: number): number =>
      integer(name, key, value, least, most)
    this.maxBatchSize = whole('maxBatchSize', options.maxBatchSize ?? 32, 1, 65_536)
    this.maxQueueSize = whole('maxQueueSize', options.maxQueueSize ?? 1024, 1)
    this.instances = whole('instances', options.instances ?? 1, 1, 64)
    this.levels = whole('priorityLevels', options.priorityLevels ?? 1, 1, 1000)
    this.defaultPriority = whole('defaultPriority', options.defaultPriority ?? Math.ceil(this.levels / 2), 1, this.levels)
    this.maxDelayMs = duration(name, 'maxDelayMs', options.maxDelayMs ?? 0)
    this.timeoutMs = duration(name, 'timeoutMs', options.timeoutMs ?? 30_000)
    this.queue = new Queue(this.levels)
    this.overlap = new Overlap(this.maxBatchSize)
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.queue.size
  }
  /** Batches being computed. */
  get computing(): number {
    return this.running
  }

  /** Resolves with the result of the request. `key`: only requests of one key share a batch. */
  submit(
    input: I,
    rows: number,
    key: string,
    options: Omit<SubmitOptions, 'signal'> & { readonly signal?: Cancellation } = {},
  ): Promise<O> {
    return new Promise<O>((resolve, reject) => {
      const { signal, timeoutMs } = options
      const priority = this.priorityOf(options.priority)
      const request = new Pending<I, O>(this, input, rows, key, priority, this.clock.now(), signal, resolve, reject)
      if (signal?.aborted) return request.fail(signal.reason, 'cancelled')
      const refused = this.refusal(rows)
      if (refused) return request.fail(refused, 'rejected')
      const limit = timeoutMs === undefined ? this.timeoutMs : duration(this.name, 'timeoutMs', timeoutMs)
      if (limit > 0) request.stopTimer = this.clock.deadline(limit, () => this.leave(request, this.late(limit, request), 'timeout'))
      request.follow()
      this.queue.add(request)
      this.overlap.inFlight(this.queue.rows + this.computingRows)
      this.arrivals.came()
      if (this.running >= this.instances) {
        this.look?.()
        if (this.goesAhead) this.pump()
      } else {
        if (this.pumping ? this.goesNow(request.since) : this.arrivals.isAlone) this.pump()
        this.pumpSoon()
      }
    })
  }

  /** Whether the batch is not to wait for what else has arrived. */
  private goesNow(now: number): boolean {
    const { rows } = this.queue
    if (this.maxDelayMs === 0 && rows < this.maxBatchSize) return rows >= this.overlap.rows
    // under load a turn of the event loop is long, and instances are not to wait for its end
    return rows >= this.maxBatchSize && now - this.pumpingSince > LONG_TURN_MS
  }

  /** Whether a batch goes though no instance is free. */
  private get goesAhead(): boolean {
    return this.look !== undefined && this.running === this.instances && this.queue.rows >= this.enough
  }

  now(): number {
    return this.clock.now()
  }

  ended(facts: Ended): void {
    this.observer.ended?.(facts)
  }

  leave(request: Pending<I, O>, error: unknown, outcome: Outcome): void {
    this.queue.remove(request)
    request.fail(error, outcome)
    this.settleIdle()
  }

  /**
   * ERR_OVERLOADED where the queue is full: what is asked then need not be read. It counts as a request. It is one
   * error for all, and is not thrown: to follow the stack takes longer than to refuse.
   */
  noRoom(): WeftError | undefined {
    if (this.running > 0) this.look?.()
    if (this.queue.size < this.maxQueueSize) return undefined
    this.observer.ended?.({ outcome: 'rejected', rows: 0, totalMs: 0, queueMs: 0 })
    return (this.full ??= this.fullness())
  }

  /** Takes no more requests; resolves when those there are were answered. */
  close(): Promise<void> {
    this.closing = true
    this.wake?.()
    this.wake = undefined
    this.pumpSoon()
    return new Promise((resolve) => {
      this.idle.push(resolve)
      this.settleIdle()
    })
  }

  private priorityOf(asked: number | undefined): number {
    if (asked === undefined || asked === 0) return this.defaultPriority
    return integer(this.name, 'priority', asked, 0, this.levels)
  }

  private refusal(rows: number): WeftError | undefined {
    if (this.closing) return new WeftError('ERR_UNAVAILABLE', `${this.name}: it is being closed and takes no more requests`)
    if (rows > this.maxBatchSize)
      return new WeftError('ERR_ARGUMENT', `${this.name}: the request has ${rows} rows, maxBatchSize is ${this.maxBatchSize}`, {
        hint: 'Send the rows in several requests',
      })
    return this.fullness()
  }

  private fullness(): WeftError | undefined {
    if (this.queue.size < this.maxQueueSize) return undefined
    return new WeftError('ERR_OVERLOADED', `${this.name}: ${this.maxQueueSize} requests are waiting, and no more are taken`, {
      hint: 'Try again later',
    })
  }

  private late(limit: number, { started }: Pending<I, O>): WeftError {
    const where = started !== undefined ? 'while it was being computed' : 'while it was waiting'
    return new WeftError('ERR_TIMEOUT', `${this.name}: the request was not answered within ${limit} ms; the time ended ${where}`)
  }

  private pumpSoon(): void {
    if (this.pumping) return
    this.pumping = true
    this.pumpingSince = this.clock.now()
    this.clock.soon(() => {
      this.pumping = false
      this.arrivals.turnEnded()
      this.pump()
    })
  }

  /** Starts batches while instances are free, and one more that waits for no more requests. */
  private pump(): void {
    while (this.running < this.instances || this.goesAhead) {
      const cut = this.queue.next(this.maxBatchSize)
      if (cut === undefined || (!cut.full && cut.rows < this.enough && this.running >= this.instances)) return
      const wait = cut.full || this.closing || this.maxDelayMs === 0 ? 0 : this.queue.oldest + this.maxDelayMs - this.clock.now()
      if (wait > 0) {
        this.wake ??= this.clock.after(wait, () => {
          this.wake = undefined
          this.pump()
        })
        return
      }
      this.start(cut.batch, cut.rows)
    }
  }

  private start(batch: readonly Pending<I, O>[], rows: number): void {
    const now = this.clock.now()
    this.overlap.cut()
    for (const request of batch) {
      this.queue.remove(request)
      request.started = now
    }
    this.running++
    this.computingRows += rows
    const computing = this.compute(batch.some(({ isOver }) => isOver) ? batch.filter(({ isOver }) => !isOver) : batch)
    void (computing ?? DONE).then(() => {
      this.running--
      this.computingRows -= rows
      // Who was answered may ask again at once. What is waiting goes with that, once it was read, unless it is enough.
      if (this.closing || this.queue.rows >= this.enough) this.pump()
      else if (this.queue.size > 0) this.clock.soon(() => this.pumpSoon())
      this.settleIdle()
    })
  }

  /** Rows that do not wait for more. */
  private get enough(): number {
    return this.maxDelayMs === 0 ? this.overlap.rows : this.maxBatchSize
  }

  /** Never throws or rejects: each request has its own result or error. Undefined: all of them have it. */
  private compute(requests: readonly Pending<I, O>[]): Promise<void> | undefined {
    if (requests.length === 0) return undefined
    try {
      const computed = this.execute(requests.map(({ input }) => input))
      if (computed instanceof Promise)
        return computed.then((value) => this.answer(requests, value)).catch((error: unknown) => this.failed(requests, error))
      this.answer(requests, computed)
      return undefined
    } catch (error) {
      return this.failed(requests, error)
    }
  }

  private answer(requests: readonly Pending<I, O>[], { results, timing }: Computed<O>): void {
    let rows = 0
    for (const request of requests) rows += request.rows
    this.overlap.computed(timing.inferMs)
    this.observer.computed?.(rows, timing)
    for (let i = 0; i < requests.length; i++) requests[i]!.succeed(results[i]!, timing)
  }

  private async failed(requests: readonly Pending<I, O>[], error: unknown): Promise<void> {
    if (requests.length > 1 && DIVIDING.has((error as { code?: unknown }).code)) {
      const half = requests.length >> 1
      for (const part of [requests.slice(0, half), requests.slice(half)]) await this.compute(part.filter(({ isOver }) => !isOver))
    } else for (const request of requests) request.fail(error, 'failure')
  }

  private settleIdle(): void {
    if (!this.closing || this.running > 0 || this.queue.size > 0) return
    for (const resolve of this.idle.splice(0)) resolve()
  }
}

function duration(what: string, name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) return value
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a number of milliseconds, at least 0, got ${show(value)}`)
}
