// load: a saved estimator of any kind.
import { checkCall, type OptionTable } from '../core/options.js'
import type { Place } from '../core/place.js'
import type { Estimator } from './estimator.js'
import { reviveStored } from './estimator.js'
import { readEstimator } from './store.js'

export interface LoadOptions {
  /** Parameters that replace the saved ones: functions of yours, such as a kernel, are not saved. */
  params?: object
}
const LOAD_OPTIONS: OptionTable<LoadOptions> = { params: 'object' }

/**
 * The estimator that save() wrote, with what it has learned: its predictions are bit for bit the same.
 * ERR_FORMAT where the folder holds none, or a damaged one.
 */
export async function load<T = Estimator>(folder: Place, options: LoadOptions = {}): Promise<T> {
  checkCall('load(folder, options)', arguments, LOAD_OPTIONS)
  return reviveStored(await readEstimator('load', folder), options.params) as unknown as T
}
