// Scalers as steps: those of `data`, which can be saved and loaded as models are once weftjs/learn is there.
import { MinMaxScaler, Scaler, StandardScaler } from '../../data/scalers.js'
import { RobustScaler } from '../../data/robust_scaler.js'
import { WeftError } from '../../core/error.js'
import type { Place } from '../../core/place.js'
import { register, type State, type Stored } from '../estimator.js'
import { saveEstimator } from '../store.js'

declare module '../../data/scalers.js' {
  interface Scaler {
    /** Saves options and what was learned in a folder; load() of 'weftjs/learn' reads it. ERR_STATE before fit(). */
    save(folder: Place): Promise<void>
    /** @internal */
    stored(): Stored
    /** @internal */
    restore(state: State | undefined): void
  }
}

const isFitted = (scaler: Scaler): boolean => ((scaler.toJSON() as { factor: number[] }).factor ?? []).length > 0

Scaler.prototype.stored = function (): Stored {
  return { kind: this.kind, params: this.getParams(), state: isFitted(this) ? this.toJSON() : undefined }
}
Scaler.prototype.restore = function (state: State | undefined): void {
  if (state !== undefined) this.adopt(state)
}
Scaler.prototype.save = async function (folder: Place): Promise<void> {
  if (!isFitted(this))
    throw new WeftError('ERR_STATE', `${this.kind}: save before the scaler was fitted`, { hint: 'Write await scaler.fit(X) first' })
  await saveEstimator(`${this.kind}.save`, folder, this.stored())
}

register('standardScaler', () => new StandardScaler() as never)
register('minMaxScaler', (params: object) => new MinMaxScaler(params) as never)
register('robustScaler', (params: object) => new RobustScaler(params) as never)

export { minMaxScaler, standardScaler } from '../../data/scalers.js'
export { robustScaler } from '../../data/robust_scaler.js'
