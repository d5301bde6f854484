// Metrics for Prometheus under the names of Triton, so that its dashboards work; histograms are ours.
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { driftMetrics } from './drift/metrics.js'
import type { Observer, Outcome } from './scheduler.js'
import type { Repository } from './repository/repository.js'
import type { ServedModel } from './served_model.js'

const REASONS: Readonly<Record<Exclude<Outcome, 'success'>, string>> = {
  rejected: 'REJECTED',
  timeout: 'REJECTED',
  cancelled: 'CANCELED',
  failure: 'BACKEND',
}

const FAILURES: readonly string[] = [...new Set(Object.values(REASONS))]

const MODEL = ['model', 'version'] as const
/** Seconds. */
const LATENCIES = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

/** A histogram: how many values are above the bound before and not above their own; the last ones above all bounds. */
export interface Buckets {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
  readonly count: number
}

export class Metrics {
  private readonly registry = new Registry()
  /** By model and version. */
  private readonly counters: Counter<'model' | 'version'>[] = []
  /** Set once there is a repository to look at. */
  repository: Repository | undefined
  private readonly success = this.counter('nv_inference_request_success', 'Number of successful inference requests')
  private readonly failure = new Counter({
    name: 'nv_inference_request_failure',
    help: 'Number of failed inference requests',
    labelNames: [...MODEL, 'reason'],
    registers: [this.registry],
  })
  private readonly rows = this.counter('nv_inference_count', 'Number of inferences: rows of successful requests')
  private readonly batches = this.counter('nv_inference_exec_count', 'Number of batches computed')
  private readonly requestTime = this.counter('nv_inference_request_duration_us', 'Cumulative duration of requests, microseconds')
  private readonly queueTime = this.counter('nv_inference_queue_duration_us', 'Cumulative time of requests in the queue, microseconds')
  private readonly inputTime = this.counter('nv_inference_compute_input_duration_us', 'Cumulative time of gathering inputs, microseconds')
  private readonly inferTime = this.counter('nv_inference_compute_infer_duration_us', 'Cumulative time of computing, microseconds')
  private readonly outputTime = this.counter(
    'nv_inference_compute_output_duration_us',
    'Cumulative time of scattering outputs, microseconds',
  )
  private readonly latency = new Histogram({
    name: 'weft_inference_request_duration_seconds',
    help: 'Duration of successful requests',
    labelNames: MODEL,
    buckets: LATENCIES,
    registers: [this.registry],
  })
  private readonly batchSize = new Histogram({
    name: 'weft_inference_batch_size',
    help: 'Rows of the batches computed',
    labelNames: MODEL,
    buckets: SIZES,
    registers: [this.registry],
  })

  /** How many observers there are of a version: while it is replaced, two. */
  private readonly watched = new Map<string, number>()
  private readonly rollbacks = new Counter({
    name: 'weft_canary_rollbacks_total',
    help: 'Number of canaries that were rolled back',
    labelNames: ['model'],
    registers: [this.registry],
  })

  constructor() {
    const repository = (): Repository | undefined => this.repository
    driftMetrics(this.registry, () => repository()?.ready() ?? [])
    new Gauge({
      name: 'nv_inference_pending_request_count',
      help: 'Number of requests that wait for a batch',
      labelNames: MODEL,
      registers: [this.registry],
      collect() {
        this.reset()
        for (const { name, version, waiting } of repository()?.ready() ?? []) this.set({ model: name, version }, waiting)
      },
    })
    new Gauge({
      name: 'weft_canary_requests',
      help: 'Requests of the canary that is tried out: answered, failed, compared and different',
      labelNames: ['model', 'kind'],
      registers: [this.registry],
      collect() {
        this.reset()
        for (const { name, counts } of repository()?.rollouts ?? [])
          for (const [kind, count] of Object.entries(counts)) this.set({ model: name, kind }, count as number)
      },
    })
  }

  rolledBack(model: string): void {
    this.rollbacks.inc({ model })
  }

  /** What is told of a served version. Only versions that exist make series: names of requests never do. */
  watch({ name, version }: ServedModel): Observer {
    const labels = { model: name, version }
    const key = JSON.stringify([name, version])
    this.watched.set(key, (this.watched.get(key) ?? 0) + 1)
    // from the start, so that a rate can be taken of the first request
    this.success.inc(labels, 0)
    for (const reason of FAILURES) this.failure.inc({ ...labels, reason }, 0)
    return {
      ended: ({ outcome, rows, totalMs, queueMs, timing }) => {
        if (outcome !== 'success') {
          this.failure.inc({ ...labels, reason: REASONS[outcome] })
          return
        }
        this.success.inc(labels)
        this.rows.inc(labels, rows)
        this.requestTime.inc(labels, totalMs * 1000)
        this.queueTime.inc(labels, queueMs * 1000)
        this.latency.observe(labels, totalMs / 1000)
        if (timing === undefined) return
        this.inputTime.inc(labels, timing.inputMs * 1000)
        this.inferTime.inc(labels, timing.inferMs * 1000)
        this.outputTime.inc(labels, timing.outputMs * 1000)
      },
      computed: (rows) => {
        this.batches.inc(labels)
        this.batchSize.observe(labels, rows)
      },
      closed: () => {
        const left = this.watched.get(key)! - 1
        if (left > 0) this.watched.set(key, left)
        else this.forget(key, labels)
      },
    }
  }

  /** Series of a version that is served no more: whoever loads versions for years would have them all. */
  private forget(key: string, labels: { model: string; version: string }): void {
    this.watched.delete(key)
    for (const counter of [...this.counters, this.latency, this.batchSize]) counter.remove(labels)
    for (const reason of FAILURES) this.failure.remove({ ...labels, reason })
  }

  async text(): Promise<{ type: string; text: string }> {
    return { type: this.registry.contentType, text: await this.registry.metrics() }
  }

  /** The histograms of a version, named 'model/version'. */
  async buckets(): Promise<{ latency: (key: string) => Buckets; batch: (key: string) => Buckets }> {
    const [latency, batch] = [await bucketsOf(this.latency, LATENCIES), await bucketsOf(this.batchSize, SIZES)]
    return { latency, batch }
  }

  private counter(name: string, help: string): Counter<'model' | 'version'> {
    const counter = new Counter({ name, help, labelNames: MODEL, registers: [this.registry] })
    this.counters.push(counter)
    return counter
  }
}

async function bucketsOf(histogram: Histogram<'model' | 'version'>, bounds: readonly number[]): Promise<(key: string) => Buckets> {
  const found = new Map<string, { counts: number[]; sum: number; count: number }>()
  for (const { labels, value, metricName } of (await histogram.get()).values) {
    const key = `${labels.model}/${labels.version}`
    let one = found.get(key)
    if (one === undefined) found.set(key, (one = { counts: new Array<number>(bounds.length + 1).fill(0), sum: 0, count: 0 }))
    if (metricName?.endsWith('_sum')) one.sum = value
    else if (metricName?.endsWith('_count')) one.count = value
    // each bucket counts those below it too
    else {
      const { le } = labels as { le?: number | string }
      one.counts[le === '+Inf' ? bounds.length : bounds.indexOf(Number(le))] = value
    }
  }
  return (key) => {
    const { counts, sum, count } = found.get(key) ?? { counts: new Array<number>(bounds.length + 1).fill(0), sum: 0, count: 0 }
    return { bounds, counts: counts.map((value, i) => value - (counts[i - 1] ?? 0)), sum, count }
  }
}
