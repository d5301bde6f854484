// What gRPC calls say beside their messages: headers that came, and the status of what failed.
import * as grpc from '@grpc/grpc-js'
import type { CredentialHeaders } from '../auth/principal.js'
import { statusOf } from '../status.js'
import { isTracing, RequestTrace } from '../tracing.js'

/** All values of a header, joined: two credentials are none. */
function header(metadata: grpc.Metadata, name: string): string | undefined {
  const values = metadata.get(name)
  return values.length === 0 ? undefined : values.join()
}

export function failureOf(error: unknown): Partial<grpc.StatusObject> & Error {
  const { grpc: code, message, retryAfter } = statusOf(error)
  const metadata = new grpc.Metadata()
  if (retryAfter !== undefined) metadata.set('retry-after', String(retryAfter))
  return Object.assign(new Error(message), { code, details: message, metadata })
}

/** The credentials of a call, and where it comes from; read where they are asked for. */
export class CallCredentials implements CredentialHeaders {
  constructor(private readonly call: Pick<grpc.ServerUnaryCall<unknown, unknown>, 'metadata' | 'getPeer'>) {}

  get authorization(): string | undefined {
    return header(this.call.metadata, 'authorization')
  }
  get apiKey(): string | undefined {
    return header(this.call.metadata, 'x-api-key')
  }
  get address(): string {
    return addressOf(this.call.getPeer())
  }
}

/** The host of 'host:port': every connection has another port. */
const addressOf = (peer: string): string => peer.replace(/:\d+$/, '')

/** Goes on with the trace that a call belongs to. */
export function traceOf(name: string, { metadata }: { readonly metadata: grpc.Metadata }): RequestTrace | undefined {
  const traceparent = header(metadata, 'traceparent')
  if (traceparent === undefined && !isTracing()) return undefined
  const headers = { traceparent, tracestate: header(metadata, 'tracestate') }
  return RequestTrace.begin(name, headers, { 'rpc.system': 'grpc' })
}
