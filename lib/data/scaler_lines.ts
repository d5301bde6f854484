// Lines of scalers: what they learn of each feature, and its form in saved files.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'

/**
 * Statistics of a scaler: scaled = (value - center) · factor + origin, for each feature. The center goes first, so that
 * nothing cancels.
 */
export interface Line {
  readonly center: number
  readonly factor: number
  readonly origin: number
}

export const listOf = (json: unknown, what: string, name: string): number[] => {
  const list = (json as Record<string, unknown> | null)?.[name]
  if (Array.isArray(list) && list.every((value) => typeof value === 'number' && Number.isFinite(value))) return list
  throw new WeftError('ERR_FORMAT', `${what}: a saved scaler has a list of numbers '${name}', got ${show(json)}`)
}

export const columnsOf = (lines: readonly Line[]): object => ({
  center: lines.map(({ center }) => center),
  factor: lines.map(({ factor }) => factor),
  origin: lines.map(({ origin }) => origin),
})

/** The lines of a saved scaler. Files of earlier versions have factor and offset: value · factor + offset. */
export function linesFrom(json: unknown, what: string): Line[] {
  const factors = listOf(json, what, 'factor')
  const earlier = Array.isArray((json as { offset?: unknown } | null)?.offset)
  const origins = listOf(json, what, earlier ? 'offset' : 'origin')
  const centers = earlier ? factors.map(() => 0) : listOf(json, what, 'center')
  if (origins.length !== factors.length || centers.length !== factors.length)
    throw new WeftError('ERR_FORMAT', `${what}: a saved scaler has as many factors as origins and centers`)
  const lines = factors.map((factor, i): Line => ({ center: centers[i]!, factor, origin: origins[i]! }))
  // a deviation is taken from the mean
  return earlier && what === 'standardScaler' ? lines.map(({ factor, origin }) => ({ center: -origin / factor, factor, origin: 0 })) : lines
}
