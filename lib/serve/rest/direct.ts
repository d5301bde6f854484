// Direct: requests for inference over HTTP/1.1 are answered before the router and its hooks, which cost more than a
// small model does. What they must pass is the same: the name of the server, who asks, their role, rates and limits.
// Requests of any other kind, and those with a trace, go on to the router.
import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { WeftError } from '../../core/error.js'
import { type Authenticator, type CredentialHeaders, type Principal, type Role, refuse as blame } from '../auth/principal.js'
import { Disconnection } from '../cancellation.js'
import { RequestReader } from '../protocol/request_reader.js'
import type { Service } from '../service.js'
import { statusOf } from '../status.js'
import { isTracing } from '../tracing.js'
import type { Connections } from './connections.js'
import type { HostCheck } from './hosts.js'
import { type Answered, answerInference, JSON_TYPE, refusalOf } from './infer.js'
import { type Finished, logRequest } from './request_log.js'

export interface DirectOptions {
  readonly service: Service
  readonly authenticator: Authenticator
  readonly log: Logger
  readonly connections: Connections
  readonly host: HostCheck | undefined
  readonly idOf: (request: IncomingMessage) => string
}

const INFER = /^\/v2\/models\/([A-Za-z0-9._-]{1,128})(?:\/versions\/([A-Za-z0-9._-]{1,128}))?\/infer$/
const TYPE = /^[A-Za-z0-9.+-]+\/[A-Za-z0-9.+-]+$/
const LENGTH = /^[1-9]\d{0,14}$/
const ROLES: readonly Role[] = ['predict']
/** Paths whose model is known without looking: clients ask for few. */
const MOST_PATHS = 256

/** Bytes of replies that are sent as one text. */
const LONGEST_TEXT = 8192

interface Target {
  readonly model: string
  readonly version: string | undefined
}

/** What an error is to a client. */
interface Told {
  readonly http: number
  readonly headers: Readonly<OutgoingHttpHeaders>
  readonly body: string
}

/** A request on its way through. */
interface Exchange extends Target {
  readonly request: IncomingMessage
  readonly reply: ServerResponse
  readonly id: string
  readonly begin: number
  principal?: Principal
  failure?: unknown
}

export class Direct {
  private readonly paths = new Map<string, Target>()
  /** Of errors that are one for all requests. */
  private readonly told = new WeakMap<WeftError, Told>()
  private readonly reader: RequestReader

  constructor(private readonly options: DirectOptions) {
    this.reader = new RequestReader(options.service.limits)
  }

  /** Stands before the server's own listener. Called before the server listens. */
  guard(server: Server): void {
    const listeners = server.listeners('request') as ((request: IncomingMessage, reply: ServerResponse) => void)[]
    server.removeAllListeners('request')
    server.on('request', (request, reply) => {
      const target = this.targetOf(request)
      if (target !== undefined) this.take(request, reply, target)
      else for (const listener of listeners) listener.call(server, request, reply)
    })
  }

  /** Undefined: a request for the router. */
  private targetOf({ method, url = '', httpVersionMajor, headers }: IncomingMessage): Target | undefined {
    if (method !== 'POST' || httpVersionMajor >= 2) return undefined
    let target = this.paths.get(url)
    if (target === undefined) {
      const [, model, version] = INFER.exec(url) ?? []
      if (model === undefined) return undefined
      if (this.paths.size === MOST_PATHS) this.paths.clear()
      this.paths.set(url, (target = { model, version }))
    }
    const type = headers['content-type']
    const isPlain =
      headers['transfer-encoding'] === undefined &&
      (type === undefined || TYPE.test(type)) &&
      LENGTH.test(headers['content-length'] ?? '') &&
      Number(headers['content-length']) <= this.options.service.limits.bodyBytes &&
      headers['traceparent'] === undefined &&
      !isTracing()
    return isPlain ? target : undefined
  }

  private take(request: IncomingMessage, reply: ServerResponse, { model, version }: Target): void {
    const { host, authenticator, idOf, log } = this.options
    const exchange: Exchange = { request, reply, model, version, id: idOf(request), begin: performance.now() }
    if (log.isLevelEnabled?.('info') !== false) reply.on('close', () => logRequest(log, this.finished(exchange)))
    try {
      host?.(request.headers)
      const principal = authenticator.authenticate(new Credentials(request))
      if (principal instanceof Promise)
        principal.then((known) => this.admit(exchange, known)).catch((error: unknown) => this.refuse(exchange, error))
      else this.admit(exchange, principal)
    } catch (error) {
      this.refuse(exchange, error)
    }
  }

  /** Throws where the request is refused for itself; else it is answered once its body is there. */
  private admit(exchange: Exchange, principal: Principal): void {
    const { service, authenticator } = this.options
    const { request, reply, model, version } = exchange
    exchange.principal = principal
    principal.demand(ROLES, model, false)
    authenticator.admit?.(principal, ROLES)
    // a server that has too much to do does not read what it will not answer
    const refusal = refusalOf(service, model, version)
    if (refusal !== undefined) {
      exchange.failure = refusal
      let told = this.told.get(refusal)
      if (told === undefined) this.told.set(refusal, (told = toldOf(refusal)))
      this.tell(exchange, told)
      return
    }
    const length = Number(request.headers['content-length'])
    const release = service.hold(length)
    const signal = new Disconnection()
    // it comes once
    reply.on('close', () => {
      release()
      if (!reply.writableFinished) signal.abort()
    })
    const { headers } = request
    collect(request, length, (body) => {
      answerInference(service, this.reader, { model, version, headers, body, principal, signal, trace: undefined }).then(
        (answered) => this.send(exchange, answered),
        (error: unknown) => this.refuse(exchange, error),
      )
    })
  }

  /**
   * Header, JSON and values go in one write: small ones as one text, which costs a system call less memory than pieces;
   * large ones without being copied together.
   */
  private send(exchange: Exchange, { headers, json, parts }: Answered): void {
    const { reply } = exchange
    this.writeHead(exchange, 200, headers)
    const text = asText(json, parts, headers['content-length'] as number)
    if (text !== undefined) {
      reply.end(text, 'latin1')
      return
    }
    reply.cork()
    if (json !== '') reply.write(json)
    for (const part of parts) reply.write(part)
    reply.end()
  }

  private writeHead({ request, reply, id }: Exchange, status: number, headers: OutgoingHttpHeaders): void {
    const { connections, service } = this.options
    headers['x-request-id'] = id
    if (connections.ends(request.socket, service.isDraining)) headers['connection'] = 'close'
    reply.writeHead(status, headers)
  }

  private refuse(exchange: Exchange, error: unknown): void {
    const { authenticator, log } = this.options
    const { request, id, principal, model } = exchange
    exchange.failure = error
    blame(authenticator, error, {
      principal: principal?.id,
      address: request.socket.remoteAddress,
      asked: `POST ${routeOf(exchange)}`,
      model,
    })
    const told = toldOf(error)
    if (told.http >= 500) log.error({ requestId: id, err: error }, 'a request failed')
    this.tell(exchange, told)
  }

  private tell(exchange: Exchange, { http, headers, body }: Told): void {
    this.writeHead(exchange, http, { ...headers })
    exchange.reply.end(body)
  }

  private finished(exchange: Exchange): Finished {
    const { id, reply, begin, principal, model, version, failure } = exchange
    return { id, method: 'POST', route: routeOf(exchange), status: reply.statusCode, begin, principal, model, version, failure }
  }
}

const routeOf = ({ version }: Target): string =>
  version === undefined ? '/v2/models/:model/infer' : '/v2/models/:model/versions/:version/infer'

function toldOf(error: unknown): Told {
  const { http, message, retryAfter } = statusOf(error)
  const body = JSON.stringify({ error: message })
  const headers: OutgoingHttpHeaders = { 'content-type': JSON_TYPE, 'content-length': Buffer.byteLength(body) }
  if (http === 401) headers['www-authenticate'] = 'Bearer'
  if (retryAfter !== undefined) headers['retry-after'] = `${retryAfter}`
  // the rest of a body that is too large is not read
  if (http === 413) headers['connection'] = 'close'
  return { http, headers, body }
}

/** A reply as one text with a character for each byte; undefined where it is large. */
function asText(json: string, parts: readonly Uint8Array[], length: number): string | undefined {
  if (length > LONGEST_TEXT) return undefined
  let text = json
  for (const { buffer, byteOffset, byteLength } of parts) text += Buffer.from(buffer, byteOffset, byteLength).toString('latin1')
  return text.length === length ? text : undefined
}

/** Calls `done` with the body, once as many bytes of it are there as its header says. */
function collect(request: IncomingMessage, length: number, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  let received = 0
  request.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received < length) chunks.push(chunk)
    else done(chunks.length === 0 ? chunk : Buffer.concat([...chunks, chunk], received))
  })
  // what comes from now on is passed on at once, instead of in a later tick
  request.read(0)
}

/** What a request says of who asks; read where it is asked for. */
class Credentials implements CredentialHeaders {
  constructor(private readonly request: IncomingMessage) {}

  get authorization(): string | undefined {
    return this.request.headers.authorization
  }
  get apiKey(): string | undefined {
    const key = this.request.headers['x-api-key']
    return Array.isArray(key) ? key.join() : key
  }
  get address(): string | undefined {
    return this.request.socket.remoteAddress
  }
}
