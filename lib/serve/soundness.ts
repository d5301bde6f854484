// Soundness: whether batches of a model are computed at all. Some failures in a row make it unsound; a batch that
// succeeds, of a client or of its own, makes it sound again.
import { WeftError } from '../core/error.js'
import { type Clock, systemClock } from './clock.js'

/** Failures in a row that are no accident of one request. */
const MOST_FAILURES = 3
const PROBE_MS = 1000

/** What a request, or a lack of memory for it, may cause. */
const OF_REQUESTS: ReadonlySet<string> = new Set([
  'ERR_ARGUMENT',
  'ERR_SHAPE',
  'ERR_DTYPE',
  'ERR_DATA',
  'ERR_OUT_OF_MEMORY',
  'ERR_UNAVAILABLE',
])

export class Soundness {
  private failures = 0
  private stopProbe: (() => void) | undefined
  private closed = false

  /** `probe` computes a batch. */
  constructor(
    private readonly probe: () => unknown,
    private readonly clock: Pick<Clock, 'after'> = systemClock,
  ) {}

  get isSound(): boolean {
    return this.failures < MOST_FAILURES
  }

  /** Follows a batch. */
  watch<T>(compute: () => T | Promise<T>): T | Promise<T> {
    try {
      const batch = compute()
      if (!(batch instanceof Promise)) return this.succeeded(batch)
      return batch.then(
        (value) => this.succeeded(value),
        (error: unknown) => this.judge(error),
      )
    } catch (error) {
      return this.judge(error)
    }
  }

  private succeeded<T>(value: T): T {
    this.failures = 0
    return value
  }

  private judge(error: unknown): never {
    if (!(error instanceof WeftError && OF_REQUESTS.has(error.code))) this.failed()
    throw error
  }

  close(): void {
    this.closed = true
    this.stopProbe?.()
  }

  private failed(): void {
    this.failures++
    // a balancer sends nothing to what is not ready: it has to find out by itself
    if (!this.isSound && !this.closed) this.stopProbe ??= this.clock.after(PROBE_MS, () => void this.tryAgain())
  }

  private async tryAgain(): Promise<void> {
    this.stopProbe = undefined
    if (this.isSound || this.closed) return
    try {
      await this.watch(this.probe)
    } catch (error) {
      // it computes; the sample is what it does not like
      if (error instanceof WeftError && OF_REQUESTS.has(error.code)) this.failures = 0
    }
  }
}
