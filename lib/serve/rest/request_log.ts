// The log line of a request: never values.
import type { Logger } from 'pino'
import type { Principal } from '../auth/principal.js'

export interface Finished {
  readonly id: string
  readonly method: string
  /** As the router has it; undefined where it has none. */
  readonly route: string | undefined
  readonly status: number
  /** When it came, by performance.now(). */
  readonly begin: number
  readonly principal: Principal | undefined
  readonly model: string | undefined
  readonly version: string | undefined
  readonly failure: unknown
  readonly trace?: { readonly traceId: string; readonly spanId: string } | undefined
}

export function logRequest(log: Logger, { id, method, route, status, begin, principal, model, version, failure, trace }: Finished): void {
  log.info(
    {
      requestId: id,
      ...trace,
      method,
      route,
      status,
      ms: Math.round((performance.now() - begin) * 1000) / 1000,
      key: principal?.id,
      model: model?.slice(0, 128),
      version,
      code: (failure as { code?: string } | undefined)?.code,
    },
    'request',
  )
}
