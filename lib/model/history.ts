// History: the figures of each epoch of one call of fit.
import type { Logs } from './step.js'

export class History {
  /** Figures by key, one per epoch: { loss, accuracy, val_loss, ... }. */
  readonly history: Record<string, number[]> = {}
  /** Numbers of the epochs. */
  readonly epoch: number[] = []

  /** @internal */
  add(epoch: number, logs: Logs): void {
    this.epoch.push(epoch)
    for (const [key, value] of Object.entries(logs)) {
      this.history[key] ??= []
      this.history[key].push(value)
    }
  }
}
