// Drift as Prometheus metrics. Names of features come from the saved model alone, so that series are bounded.
import { Gauge, type Registry } from 'prom-client'
import type { ServedModel } from '../served_model.js'
import type { FeatureDrift } from './monitor.js'

/** Of versions that were saved with statistics of their training data. */
export function driftMetrics(registry: Registry, ready: () => readonly ServedModel[]): void {
  const gauge = (name: string, help: string, of: (feature: FeatureDrift) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['model', 'version', 'input', 'feature'] as const,
      registers: [registry],
      collect() {
        this.reset()
        for (const { name: model, version, drift } of ready())
          for (const { input, rows, features } of drift?.report() ?? [])
            if (rows > 0) for (const feature of features) this.set({ model, version, input, feature: feature.feature }, of(feature))
      },
    })
  }
  gauge('weft_drift_psi', 'Population stability index of the last rows against the training data', ({ psi }) => psi)
  gauge('weft_drift_missing_share', 'Share of NaN and infinite values in the last rows', ({ missing }) => missing)
  gauge('weft_drift_out_of_range_share', 'Share of the last values outside the range of the training data', ({ outOfRange }) => outOfRange)
  new Gauge({
    name: 'weft_drift_rows',
    help: 'Rows that the other drift metrics are taken from',
    labelNames: ['model', 'version', 'input'] as const,
    registers: [registry],
    collect() {
      this.reset()
      for (const { name: model, version, drift } of ready())
        for (const { input, rows } of drift?.report() ?? []) this.set({ model, version, input }, rows)
    },
  })
}
