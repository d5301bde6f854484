// Rates: how often each may ask. A bucket of requests that fills up evenly, and is emptied by one with each.
import { WeftError } from '../../core/error.js'
import { checkOptions, type OptionTable, show } from '../../core/options.js'
import { type Clock, systemClock } from '../clock.js'

export interface Rate {
  /** Requests for inference in a second, on average. */
  requestsPerSecond: number
  /** Requests that may come at once after a pause. Default as many as in a second, at least 1. */
  burst?: number
}

const RATE: OptionTable<Rate> = { requestsPerSecond: 'number', burst: 'number' }

export function checkRate(what: string, value: unknown): Rate {
  checkOptions(what, value ?? null, RATE)
  const rate = value as Rate
  for (const [name, number] of Object.entries(rate))
    if (!(typeof number === 'number' && number > 0 && Number.isFinite(number)))
      throw new WeftError('ERR_ARGUMENT', `${what}: ${name} is a number above 0, got ${show(number)}`)
  if (rate.requestsPerSecond === undefined) throw new WeftError('ERR_ARGUMENT', `${what}: requestsPerSecond is missing`)
  return rate
}

interface Bucket {
  left: number
  at: number
  readonly rate: Rate
}

const sizeOf = ({ requestsPerSecond, burst = Math.max(1, requestsPerSecond) }: Rate): number => burst
/** Buckets at once. Beyond it the full ones are dropped, then the oldest. */
const MOST = 10_000

export class Rates {
  private readonly buckets = new Map<string, Bucket>()

  constructor(private readonly clock: Pick<Clock, 'now'> = systemClock) {}

  get size(): number {
    return this.buckets.size
  }

  /** Takes one request out of the bucket of this name. False: it is empty. */
  take(name: string, rate: Rate): boolean {
    const bucket = this.filled(name, rate)
    if (bucket.left < 1) return false
    bucket.left--
    return true
  }

  private filled(name: string, rate: Rate): Bucket {
    const now = this.clock.now()
    const found = this.buckets.get(name)
    if (found === undefined || found.rate !== rate) {
      this.makeRoom(now)
      const made = { left: sizeOf(rate), at: now, rate }
      this.buckets.set(name, made)
      return made
    }
    found.left = Math.min(sizeOf(rate), found.left + ((now - found.at) / 1000) * rate.requestsPerSecond)
    found.at = now
    return found
  }

  private makeRoom(now: number): void {
    if (this.buckets.size < MOST) return
    for (const [name, { left, at, rate }] of this.buckets)
      if (left + ((now - at) / 1000) * rate.requestsPerSecond >= sizeOf(rate)) this.buckets.delete(name)
    for (const name of this.buckets.keys()) {
      if (this.buckets.size < MOST) return
      this.buckets.delete(name)
    }
  }
}
