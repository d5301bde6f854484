// Limits: the most that a request may ask for, and a connection may take. They are checked before memory is taken.
import { integer } from '../../core/checks.js'
import type { OptionTable } from '../../core/options.js'

export interface Limits {
  /** Bytes of a body, also after it was inflated, and of the values of a request. Default 64 MiB. */
  bodyBytes?: number
  /** Nesting of JSON. Default 100. */
  jsonDepth?: number
  /** Axes of a tensor. Default 16. */
  axes?: number
  /** Inputs of a request, and outputs it asks for. Default 1024. */
  tensors?: number
  /** Bytes of all bodies that are being answered; beyond that ERR_OVERLOADED. Default 1 GiB. */
  inFlightBytes?: number
  /** Milliseconds in which a request must have arrived. Default 30,000. */
  arrivalMs?: number
  /** Milliseconds after which a connection that nothing is asked on is closed. Default 72,000. */
  idleMs?: number
  /** Milliseconds after which a connection takes no more requests. Default an hour. */
  connectionAgeMs?: number
  /** Connections at once; more are closed as they come. Default 10,000. */
  connections?: number
}

export const LIMITS: OptionTable<Limits> = {
  bodyBytes: 'integer',
  jsonDepth: 'integer',
  axes: 'integer',
  tensors: 'integer',
  inFlightBytes: 'integer',
  arrivalMs: 'integer',
  idleMs: 'integer',
  connectionAgeMs: 'integer',
  connections: 'integer',
}

export const DEFAULT_LIMITS: Required<Limits> = {
  bodyBytes: 1 << 26,
  jsonDepth: 100,
  axes: 16,
  tensors: 1024,
  inFlightBytes: 2 ** 30,
  arrivalMs: 30_000,
  idleMs: 72_000,
  connectionAgeMs: 3_600_000,
  connections: 10_000,
}

export function limitsOf(what: string, given: Limits = {}): Required<Limits> {
  const limits = { ...DEFAULT_LIMITS, ...given }
  for (const [name, value] of Object.entries(limits)) integer(what, name, value, 1)
  return limits
}
