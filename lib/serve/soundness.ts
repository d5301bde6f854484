// Soundness: whether batches of a model are computed at all. Some failures in a row make it unsound; a batch that
// succeeds, of a client or of its own, makes it sound again. A device that fails for good does not come back in this
// process: then only a new process helps.
import { WeftError } from '../core/error.js'
import { type Clock, systemClock } from './clock.js'

/** Failures in a row that are no accident of one request. */
const MOST_FAILURES = 3
const PROBE_MS = 1000
/** A device that failed fails every run from then on. So long is no accident. */
const LOST_MS = 5000

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
  /** Since when every batch has failed by the device. */
  private failingSince: number | undefined
  private stopProbe: (() => void) | undefined
  private closed = false

  /** `probe` computes a batch. */
  constructor(
    private readonly probe: () => unknown,
    private readonly clock: Pick<Clock, 'after' | 'now'> = systemClock,
  ) {}

  get isSound(): boolean {
    return this.failures < MOST_FAILURES
  }

  /** Whether the device does not come back. */
  get isLost(): boolean {
    return !this.isSound && this.failingSince !== undefined && this.clock.now() - this.failingSince >= LOST_MS
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
    this.failingSince = undefined
    return value
  }

  private judge(error: unknown): never {
    const code = error instanceof WeftError ? error.code : undefined
    if (code === undefined || !OF_REQUESTS.has(code)) {
      this.failed()
      // since it became unsound: from then on a batch is tried each second
      this.failingSince = code === 'ERR_CUDA' && !this.isSound ? (this.failingSince ?? this.clock.now()) : undefined
    }
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
      if (error instanceof WeftError && OF_REQUESTS.has(error.code)) {
        this.failures = 0
        this.failingSince = undefined
      }
    }
  }
}
