// The figures of the dashboard: every version that the asker may see, since it was loaded. The page takes differences.
import type { Principal } from '../auth/principal.js'
import type { InputDrift } from '../drift/monitor.js'
import type { Buckets } from '../distribution.js'
import type { Metrics } from '../metrics.js'
import type { VersionState } from '../repository/repository.js'
import type { Service } from '../service.js'

export interface DashboardVersion {
  readonly name: string
  readonly version?: string
  readonly state?: VersionState
  readonly reason?: string
  readonly labels: readonly string[]
  /** The rest is there for versions that are ready. */
  readonly requests?: number
  readonly failures?: number
  readonly waiting?: number
  /** Seconds. */
  readonly latency?: Buckets
  /** Rows. */
  readonly batch?: Buckets
  readonly drift?: readonly InputDrift[]
}

export interface DashboardData {
  readonly server: { readonly name: string; readonly version: string; readonly ready: boolean }
  /** Milliseconds since 1970. */
  readonly time: number
  readonly models: readonly DashboardVersion[]
}

export async function dashboardData(service: Service, metrics: Metrics, principal: Principal): Promise<DashboardData> {
  const { name, version } = service.metadata()
  const { repository } = service
  const index = await service.index(principal, false)
  const served = new Map(repository.ready().map((one) => [`${one.name}/${one.version}`, one]))
  // models of the program are not in the folder, and are in the index all the same
  const models = index.map((entry): DashboardVersion => {
    const labels = entry.version === undefined ? [] : repository.labelsOf(entry.name, Number(entry.version))
    const key = `${entry.name}/${entry.version}`
    const one = served.get(key)
    if (one === undefined || entry.state !== 'READY') return { ...entry, labels }
    const { success, fail } = one.statistics.totals.inference_stats
    return {
      ...entry,
      labels,
      requests: success.count,
      failures: fail.count,
      waiting: one.waiting,
      ...metrics.buckets(one.name, one.version),
      drift: one.drift?.report() ?? [],
    }
  })
  return { server: { name, version, ready: service.isReady }, time: Date.now(), models }
}
