// History: the figures of each epoch of one call of fit.
import type { MetricName } from '../metrics/index.js'
import type { Logs } from './step.js'

/** Keys that are there when the metrics were compiled and there is data to validate with. */
type FigureName = `${'' | 'val_'}${'loss' | MetricName}`

export class History {
  /** Figures by key, one per epoch: { loss, accuracy, val_loss, ... }. */
  readonly history: Record<string, number[]> & Record<FigureName, number[]> = {} as Record<FigureName, number[]>
  /** Numbers of the epochs. */
  readonly epoch: number[] = []

  /** @internal */
  add(epoch: number, logs: Logs): void {
    this.epoch.push(epoch)
    for (const [key, value] of Object.entries(logs)) {
      // a figure may be named as what every object inherits
      if (!Object.hasOwn(this.history, key)) this.history[key] = []
      this.history[key]!.push(value)
    }
  }
}
