// Statistics of a served version, as the protocol's statistics extension shows them. Times are sums of nanoseconds.
import type { Ended, Observer, Timing } from './ended.js'

export interface Duration {
  count: number
  ns: number
}

/** Statistics of batches of one size. */
export interface BatchStatistics {
  readonly batch_size: number
  readonly compute_input: Duration
  readonly compute_infer: Duration
  readonly compute_output: Duration
}

export interface ModelStatistics {
  readonly name: string
  readonly version: string
  /** Milliseconds since 1970; 0: none yet. */
  last_inference: number
  /** Rows of requests that succeeded. */
  inference_count: number
  /** Batches. */
  execution_count: number
  readonly inference_stats: Readonly<
    Record<'success' | 'fail' | 'queue' | 'compute_input' | 'compute_infer' | 'compute_output' | 'cache_hit' | 'cache_miss', Duration>
  >
  readonly batch_stats: BatchStatistics[]
}

const none = (): Duration => ({ count: 0, ns: 0 })
function add(duration: Duration, milliseconds: number): void {
  duration.count++
  duration.ns += Math.round(milliseconds * 1e6)
}

export class Statistics implements Observer {
  readonly totals: ModelStatistics

  constructor(name: string, version: string) {
    this.totals = {
      name,
      version,
      last_inference: 0,
      inference_count: 0,
      execution_count: 0,
      inference_stats: {
        success: none(),
        fail: none(),
        queue: none(),
        compute_input: none(),
        compute_infer: none(),
        compute_output: none(),
        cache_hit: none(),
        cache_miss: none(),
      },
      batch_stats: [],
    }
  }

  ended({ outcome, rows, totalMs, queueMs, timing }: Ended): void {
    const stats = this.totals.inference_stats
    if (outcome !== 'success' || timing === undefined) {
      add(stats.fail, totalMs)
      return
    }
    this.totals.inference_count += rows
    this.totals.last_inference = Date.now()
    add(stats.success, totalMs)
    add(stats.queue, queueMs)
    addTiming(stats, timing)
  }

  computed(rows: number, timing: Timing): void {
    this.totals.execution_count++
    const sizes = this.totals.batch_stats
    let size = sizes.find(({ batch_size }) => batch_size === rows)
    if (size === undefined) {
      sizes.push((size = { batch_size: rows, compute_input: none(), compute_infer: none(), compute_output: none() }))
      sizes.sort((a, b) => a.batch_size - b.batch_size)
    }
    addTiming(size, timing)
  }
}

function addTiming(to: Omit<BatchStatistics, 'batch_size'>, { inputMs, inferMs, outputMs }: Timing): void {
  add(to.compute_input, inputMs)
  add(to.compute_infer, inferMs)
  add(to.compute_output, outputMs)
}
