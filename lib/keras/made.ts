// A model made from the description in a file of Keras or TensorFlow.js, within what the file can hold.
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { whileLoading } from '../layers/loading.js'
import { isTooDeep } from '../io/schema.js'
import { Issues, type Dialect, type Json } from './layers.js'
import { type Built, readModel } from './topology.js'

/** Weights beyond those of the file that may be made before the difference is found, so that its error can name it. */
const SLACK_BYTES = 1 << 20

export interface Source {
  /** Names the file in errors. */
  readonly what: string
  readonly dialect: Dialect
  /** Bytes of the weights in the file, as float32. */
  readonly weightBytes: number
  /** Bytes of the description. */
  readonly textBytes: number
  readonly device: string
}

/**
 * The model that { class_name, config } describes, with weights that have no values yet. ERR_FORMAT with everything
 * that is not supported.
 */
export function makeModel(json: Json, { what, dialect, weightBytes, textBytes, device }: Source): Built {
  if (isTooDeep(json)) throw new WeftError('ERR_FORMAT', `${what} is nested too deep`)
  const issues = new Issues()
  let built: Built | undefined
  try {
    const limits = { bytes: weightBytes + SLACK_BYTES, layers: 1000 + textBytes / 16 }
    built = withDevice(device, () => whileLoading(limits, () => readModel(json, { dialect, issues })))
  } catch (error) {
    throw unmade(error, what)
  }
  if (issues.list.length > 0) {
    const shown = issues.list.slice(0, MOST_SHOWN).map((issue) => issue.slice(0, 160))
    const rest = issues.list.length - shown.length
    throw new WeftError('ERR_FORMAT', `${what} needs what is not supported: ${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`)
  }
  if (built === undefined || !built.model.built) {
    built?.model.dispose()
    throw new WeftError('ERR_FORMAT', `${what}: the model does not say which shape its inputs have, so it has no weights yet`)
  }
  return built
}
const MOST_SHOWN = 10
const MOST_MESSAGE = 1000

/** Errors of making a model from a file are faults of the file, save those of the machine. */
export function unmade(error: unknown, what: string): unknown {
  if (error instanceof WeftError && ['ERR_OUT_OF_MEMORY', 'ERR_NO_DEVICE', 'ERR_DEVICE', 'ERR_CUDA'].includes(error.code)) return error
  const reason = error instanceof Error ? error.message : String(error)
  const message = reason.includes(what) ? reason : `${what}: ${reason}`
  return new WeftError('ERR_FORMAT', message.length > MOST_MESSAGE ? `${message.slice(0, MOST_MESSAGE)}...` : message, { cause: error })
}
