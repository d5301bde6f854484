// The scaler that toJSON() described, of any class.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { RobustScaler } from './robust_scaler.js'
import { MinMaxScaler, type Scaler, StandardScaler } from './scalers.js'

const CLASSES = { StandardScaler, MinMaxScaler, RobustScaler }

/** @internal */
export function scalerFromJson(json: unknown): Scaler {
  const { className } = (json ?? {}) as { className?: unknown }
  if (typeof className === 'string' && Object.hasOwn(CLASSES, className)) return CLASSES[className as keyof typeof CLASSES].fromJSON(json)
  throw new WeftError('ERR_FORMAT', `unknown scaler ${show(className)}`)
}
