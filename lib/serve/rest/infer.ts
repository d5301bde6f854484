// A request for inference whose body is there: read, computed, and encoded as it was asked for.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { Principal } from '../auth/principal.js'
import type { Disconnection } from '../cancellation.js'
import { rawRequest } from '../protocol/match.js'
import { headerLength } from '../protocol/request.js'
import type { RequestReader } from '../protocol/request_reader.js'
import { type EncodedReply, encodeReply, joined } from '../protocol/response.js'
import type { WeftError } from '../../core/error.js'
import type { Service } from '../service.js'
import type { RequestTrace } from '../tracing.js'
import { deflate, inflate, wantedEncoding } from './body.js'

export interface Inference {
  readonly model: string
  readonly version: string | undefined
  readonly headers: IncomingHttpHeaders
  /** As it came over the wire; its bytes are counted as held. */
  readonly body: Uint8Array
  readonly principal: Principal
  readonly signal: Disconnection
  readonly trace: RequestTrace | undefined
}

export interface Answered extends EncodedReply {
  /** With the length of the content. */
  readonly headers: OutgoingHttpHeaders
}

const LEAST_COMPRESSED = 1024
export const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * What refuses the request whatever its body says: called before it is read. Throws where it is not the queue of the
 * model that does.
 */
export const refusalOf = (service: Service, model: string, version: string | undefined): WeftError | undefined =>
  service.target(model, version).noRoom()

export async function answerInference(service: Service, reader: RequestReader, asked: Inference): Promise<Answered> {
  const packing = asked.headers['content-encoding']
  const encoded = packing === undefined ? await computed(service, reader, asked, asked.body) : await unpacked(service, reader, asked)
  const { json, parts } = encoded
  let length = Buffer.byteLength(json)
  const headers: OutgoingHttpHeaders =
    parts.length === 0
      ? { 'content-type': JSON_TYPE }
      : { 'content-type': 'application/octet-stream', 'inference-header-content-length': length }
  for (const part of parts) length += part.length
  const encoding = length < LEAST_COMPRESSED ? undefined : wantedEncoding(asked.headers['accept-encoding'] as string | undefined)
  if (encoding === undefined) {
    headers['content-length'] = length
    return { headers, json, parts }
  }
  const body = await deflate(joined(encoded), encoding)
  return {
    headers: { ...headers, 'content-length': body.length, 'content-encoding': encoding, vary: 'accept-encoding' },
    json: '',
    parts: [body],
  }
}

async function unpacked(service: Service, reader: RequestReader, asked: Inference): Promise<EncodedReply> {
  const { body: packed, headers } = asked
  const body = await inflate(packed, headers['content-encoding'], service.limits.bodyBytes)
  const release = service.hold(Math.max(0, body.length - packed.length))
  try {
    return await computed(service, reader, asked, body)
  } finally {
    release()
  }
}

async function computed(
  service: Service,
  reader: RequestReader,
  { model, version, headers, principal, signal, trace }: Inference,
  body: Uint8Array,
): Promise<EncodedReply> {
  const served = service.target(model, version)
  const given = headers['inference-header-content-length']
  const length = headerLength(given, body.length)
  const request = length === 0 && given !== undefined ? rawRequest(served.signature, body) : reader.read(body, length)
  return encodeReply(await service.infer(served, request, signal, principal, trace))
}
