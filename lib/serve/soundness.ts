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
    private readonly probe: () => Promise<unknown>,
    private readonly clock: Pick<Clock, 'after'> = systemClock,
  ) {}

  get isSound(): boolean {
    return this.failures < MOST_FAILURES
  }

  /** Follows a batch. */
  async watch<T>(batch: Promise<T>): Promise<T> {
    try {
      const value = await batch
      this.failures = 0
      return value
    } catch (error) {
      if (!(error instanceof WeftError && OF_REQUESTS.has(error.code))) this.failed()
      throw error
    }
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
    await this.watch(this.probe()).catch((error: unknown) => {
      // it computes; the sample is what it does not like
      if (error instanceof WeftError && OF_REQUESTS.has(error.code)) this.failures = 0
    })
  }
}
