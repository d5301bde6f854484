// figure: what a metric says after batches of three rows; and the mean that it is held against.
import { tensor } from '../../lib/index.js'
import type { Metric, UpdateOptions } from '../../lib/metrics/index.js'

/** The figure after batches of three rows. */
export async function figure(
  metric: Metric,
  y: readonly unknown[],
  p: readonly unknown[],
  weights?: readonly number[],
  options: UpdateOptions = {},
): Promise<number> {
  for (let at = 0; at < y.length; at += 3) {
    const sampleWeight = weights?.slice(at, at + 3)
    metric.update(tensor(y.slice(at, at + 3) as number[]), tensor(p.slice(at, at + 3) as number[]), {
      ...options,
      ...(sampleWeight ? { sampleWeight } : {}),
    })
  }
  return metric.result().item()
}
export const weightedMean = (values: readonly number[], weights: readonly number[]): number =>
  values.reduce((sum, value, i) => sum + value * weights[i]!, 0) / weights.reduce((a, b) => a + b, 0)
