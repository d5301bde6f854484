// Metrics for Prometheus under the names of Triton, so that its dashboards work; histograms are ours. What is counted
// for each request are plain numbers: series are made of them when somebody asks.
import { Counter, Gauge, Registry } from 'prom-client'
import { driftMetrics } from './drift/metrics.js'
import { type Buckets, Distribution } from './distribution.js'
import type { Repository } from './repository/repository.js'
import type { Ended, Observer, Outcome, Timing } from './ended.js'
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

/** What was counted of a version. Times are sums of microseconds. */
class Counts implements Observer {
  readonly totals = { success: 0, rows: 0, batches: 0, request: 0, queue: 0, input: 0, infer: 0, output: 0 }
  readonly failures: Record<string, number> = Object.fromEntries(FAILURES.map((reason) => [reason, 0]))
  /** Seconds. */
  readonly latency = new Distribution(LATENCIES)
  readonly sizes = new Distribution(SIZES)
  /** Observers: while the version is replaced, two. */
  users = 0

  constructor(
    readonly labels: Readonly<Record<(typeof MODEL)[number], string>>,
    private readonly unused: () => void,
  ) {}

  ended({ outcome, rows, totalMs, queueMs, timing }: Ended): void {
    if (outcome !== 'success') {
      this.failures[REASONS[outcome]]!++
      return
    }
    const { totals } = this
    totals.success++
    totals.rows += rows
    totals.request += totalMs * 1000
    totals.queue += queueMs * 1000
    this.latency.add(totalMs / 1000)
    if (timing === undefined) return
    totals.input += timing.inputMs * 1000
    totals.infer += timing.inferMs * 1000
    totals.output += timing.outputMs * 1000
  }

  computed(rows: number, _timing: Timing): void {
    this.totals.batches++
    this.sizes.add(rows)
  }

  closed(): void {
    if (--this.users === 0) this.unused()
  }
}

type Total = keyof Counts['totals']
const TOTALS: readonly (readonly [total: Total, name: string, help: string])[] = [
  ['success', 'nv_inference_request_success', 'Number of successful inference requests'],
  ['rows', 'nv_inference_count', 'Number of inferences: rows of successful requests'],
  ['batches', 'nv_inference_exec_count', 'Number of batches computed'],
  ['request', 'nv_inference_request_duration_us', 'Cumulative duration of requests, microseconds'],
  ['queue', 'nv_inference_queue_duration_us', 'Cumulative time of requests in the queue, microseconds'],
  ['input', 'nv_inference_compute_input_duration_us', 'Cumulative time of gathering inputs, microseconds'],
  ['infer', 'nv_inference_compute_infer_duration_us', 'Cumulative time of computing, microseconds'],
  ['output', 'nv_inference_compute_output_duration_us', 'Cumulative time of scattering outputs, microseconds'],
]

export class Metrics {
  private readonly registry = new Registry()
  /** Set once there is a repository to look at. */
  repository: Repository | undefined
  /** Of versions that are served, by `keyOf`. Only versions that exist make series: names of requests never do. */
  private readonly versions = new Map<string, Counts>()

  private readonly rollbacks = new Counter({
    name: 'weft_canary_rollbacks_total',
    help: 'Number of canaries that were rolled back',
    labelNames: ['model'],
    registers: [this.registry],
  })

  constructor() {
    const repository = (): Repository | undefined => this.repository
    const versions = (): Iterable<Counts> => this.versions.values()
    for (const [total, name, help] of TOTALS)
      new Counter({
        name,
        help,
        labelNames: MODEL,
        registers: [this.registry],
        collect() {
          this.reset()
          for (const { labels, totals } of versions()) this.inc(labels, totals[total])
        },
      })
    new Counter({
      name: 'nv_inference_request_failure',
      help: 'Number of failed inference requests',
      labelNames: [...MODEL, 'reason'],
      registers: [this.registry],
      collect() {
        this.reset()
        for (const { labels, failures } of versions())
          for (const [reason, count] of Object.entries(failures)) this.inc({ ...labels, reason }, count)
      },
    })
    const distribution = (name: string, help: string, of: (counts: Counts) => Distribution): void => {
      const values = () => [...versions()].flatMap((counts) => of(counts).series(name, counts.labels))
      const metric = { name, help, type: 'histogram', get: async () => ({ name, help, type: 'histogram', values: values() }) }
      this.registry.registerMetric(metric as never)
    }
    distribution('weft_inference_request_duration_seconds', 'Duration of successful requests', ({ latency }) => latency)
    distribution('weft_inference_batch_size', 'Rows of the batches computed', ({ sizes }) => sizes)
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

  /**
   * What is told of a served version. Its series begin at 0, so that a rate can be taken of the first request, and end
   * when it is served no more: whoever loads versions for years would have them all.
   */
  watch({ name, version }: ServedModel): Observer {
    const key = `${name}/${version}`
    let counts = this.versions.get(key)
    if (counts === undefined) this.versions.set(key, (counts = new Counts({ model: name, version }, () => void this.versions.delete(key))))
    counts.users++
    return counts
  }

  async text(): Promise<{ type: string; text: string }> {
    return { type: this.registry.contentType, text: await this.registry.metrics() }
  }

  /** The distributions of a version. */
  buckets(name: string, version: string): { latency: Buckets; batch: Buckets } | undefined {
    const counts = this.versions.get(`${name}/${version}`)
    return counts && { latency: counts.latency.buckets, batch: counts.sizes.buckets }
  }
}
