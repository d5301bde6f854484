// The HTTP server: fastify with the routes of the protocol. Who asks is known before anything else is looked at.
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders, Server as HttpServer } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { SecureContextOptions } from 'node:tls'
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify'
import type { Logger } from 'pino'
import { type Authenticator, type CredentialHeaders, type Principal, refuse as blame } from '../auth/principal.js'
import { authorizationOf, challengeOf } from '../dashboard/routes.js'
import { Disconnection } from '../cancellation.js'
import type { Service } from '../service.js'
import { statusOf } from '../status.js'
import { isTracing, RequestTrace } from '../tracing.js'
import { Connections, MOST_STREAMS } from './connections.js'
import { Direct } from './direct.js'
import type { HostCheck } from './hosts.js'
import type { Parameters, Route } from './routes.js'
import { logRequest } from './request_log.js'

export type RestTls = SecureContextOptions & { requestCert?: boolean; rejectUnauthorized?: boolean }

export interface RestOptions {
  readonly service: Service
  readonly routes: readonly Route[]
  readonly authenticator: Authenticator
  readonly log: Logger
  readonly tls?: RestTls
  /** HTTP/2 beside HTTP/1.1 with TLS; without TLS HTTP/2 alone. */
  readonly http2?: boolean
  /** Absent: whatever name the server is asked under. */
  readonly host?: HostCheck
}

/** A route as the router has it. */
export interface RegisteredRoute {
  readonly method: string
  readonly url: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** All routes there are. */
    readonly registered: readonly RegisteredRoute[]
  }
  interface FastifyRequest {
    asked: Context | null
  }
}

/** How long a request that does not arrive may be noticed late. */
const LATEST_CHECK_MS = 5000
const UNTYPED = 'application/octet-stream'
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/

/** What a request carries beside what it asks. */
export interface Context {
  principal?: Principal | undefined
  readonly begin: number
  trace?: RequestTrace | undefined
  failure?: unknown
  client?: Disconnection | undefined
}
const NONE = { principal: undefined, trace: undefined, failure: undefined, client: undefined }

export function restApp({ service, routes, authenticator, log, tls, http2 = false, host }: RestOptions): FastifyInstance {
  const { limits } = service
  const transport = {
    connectionsCheckingInterval: Math.min(LATEST_CHECK_MS, limits.arrivalMs),
    settings: { maxConcurrentStreams: MOST_STREAMS },
  }
  const app = Fastify({
    ...(tls ? { https: { ...tls, ...transport, allowHTTP1: true } } : { http: transport }),
    ...(http2 ? { http2, http2SessionTimeout: limits.idleMs } : {}),
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.arrivalMs,
    connectionTimeout: 0,
    keepAliveTimeout: limits.idleMs,
    ...(http2 ? {} : { forceCloseConnections: 'idle' }),
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 512, caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false },
    genReqId: requestIdOf,
    frameworkErrors: (error, _request, reply) => void refuse(reply as unknown as FastifyReply, error),
  } as FastifyServerOptions) as unknown as FastifyInstance

  // what fastify sets for HTTP/1.1 servers alone
  const server = app.server as HttpServer
  Object.assign(server, { headersTimeout: limits.arrivalMs, requestTimeout: limits.arrivalMs, keepAliveTimeout: limits.idleMs })
  const connections = new Connections(server, limits)

  new Direct({ service, authenticator, log, connections, host, idOf: requestIdOf }).guard(server)

  const registered: RegisteredRoute[] = []
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) registered.push({ method: one, url })
  })
  app.decorate('registered', registered)
  app.decorateRequest('asked', null)

  // bodies are bytes, whatever they say they are
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

  // also for paths that nobody knows: strangers learn nothing from 404
  app.addHook('onRequest', (request, reply, done) => {
    const context: Context = { begin: performance.now(), ...NONE }
    request.asked = context
    reply.header('x-request-id', request.id)
    const enter = (principal: Principal): void => {
      context.principal = principal
      traceOf(context, request, reply)
      context.client = follow(service, request, reply)
      // fastify leaves a body of which no header tells unread
      if (request.headers['content-type'] === undefined && streamsBody(request.raw)) request.raw.headers['content-type'] = UNTYPED
      connections.arriving(request)
    }
    try {
      host?.(request.headers)
      const principal = authenticator.authenticate(new Credentials(request))
      if (principal instanceof Promise) {
        principal.then(enter).then(() => done(), done)
        return
      }
      enter(principal)
    } catch (error) {
      done(error as Error)
      return
    }
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    connections.answering(request, reply, service.isDraining)
    done(null, payload)
  })
  // before the server stops to listen, which waits for the connections to end
  app.addHook('preClose', async () => {
    const stop = connections.close()
    app.server.once('close', stop)
  })
  app.addHook('onResponse', (request, reply, done) => {
    done()
    const { principal, begin, failure, trace } = request.asked ?? { begin: performance.now(), ...NONE }
    const { model, version } = request.params as Parameters
    // what is not written need not be put together
    if (log.isLevelEnabled?.('info') === false && trace === undefined) return
    logRequest(log, {
      id: request.id,
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      begin,
      principal,
      model,
      version,
      failure,
      trace: trace?.ids,
    })
    trace?.end({ 'http.response.status_code': reply.statusCode }, reply.statusCode >= 500)
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const context = request.asked
    if (context) context.failure = error
    const { model } = request.params as Parameters
    const asked = `${request.method} ${request.routeOptions.url ?? 'an unknown path'}`
    blame(authenticator, error, { principal: context?.principal?.id, address: request.ip, asked, model: model?.slice(0, 128) })
    const { http } = refuse(reply, error)
    if (http >= 500) log.error({ requestId: request.id, err: error }, 'a request failed')
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'there is no such endpoint' }))

  for (const route of routes) {
    app.route<{ Params: Parameters }>({
      method: route.method,
      url: route.url,
      // before the body is read
      onRequest: (request, _reply, done) => {
        try {
          const principal = request.asked!.principal!
          principal.demand(route.roles, request.params.model, route.ofAll ?? false)
          authenticator.admit?.(principal, route.roles)
          route.admit?.(request.params.model ?? '', request.params.version)
        } catch (error) {
          done(error as Error)
          return
        }
        done()
      },
      handler: async (request, reply) => {
        const { model, version } = request.params
        const { principal, trace, client } = request.asked!
        const answer = await route.answer({
          request,
          reply,
          principal: principal!,
          model: model ?? '',
          version,
          signal: client!,
          trace,
        })
        return answer === undefined ? reply : reply.type('application/json').send(JSON.stringify(answer))
      },
    })
  }
  return app
}

/** Goes on with the trace that the request belongs to; of requests whose sender is known. */
function traceOf(context: Context, request: FastifyRequest, reply: FastifyReply): void {
  const { method, headers } = request
  if (headers['traceparent'] === undefined && !isTracing()) return
  const route = request.routeOptions.url ?? 'unknown'
  const header = (name: string): string | undefined => (typeof headers[name] === 'string' ? headers[name] : undefined)
  const attributes = { 'http.request.method': method, 'http.route': route }
  context.trace = RequestTrace.begin(
    `${method} ${route}`,
    { traceparent: header('traceparent'), tracestate: header('tracestate') },
    attributes,
  )
  if (context.trace) reply.header('traceresponse', context.trace.traceparent)
}

function requestIdOf({ headers }: { readonly headers: IncomingHttpHeaders }): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

/** What a request says of who asks; read where it is asked for. */
class Credentials implements CredentialHeaders {
  constructor(private readonly request: FastifyRequest) {}

  get authorization(): string | undefined {
    const { authorization } = this.request.headers
    return authorization === undefined ? undefined : authorizationOf(this.request.routeOptions.url, authorization)
  }
  get apiKey(): string | undefined {
    const key = this.request.headers['x-api-key']
    return Array.isArray(key) ? key.join() : key
  }
  get address(): string {
    return this.request.ip
  }
}

/**
 * Follows the connection until the reply is out, or the client gone. Counts the bytes of the body before it is read, as
 * far as its length is known.
 */
function follow(service: Service, { headers, raw }: FastifyRequest, reply: FastifyReply): Disconnection {
  const { bodyBytes } = service.limits
  const open = headers['transfer-encoding'] !== undefined || (headers['content-length'] === undefined && streamsBody(raw))
  const bytes = open ? bodyBytes : Number(headers['content-length'] ?? 0)
  const release = bytes > 0 ? service.hold(Math.min(bytes, bodyBytes)) : undefined
  const client = new Disconnection()
  reply.raw.once('close', () => {
    release?.()
    if (!reply.raw.writableFinished) client.abort()
  })
  return client
}

/** Whether a body of no given length follows the headers of an HTTP/2 request. */
function streamsBody(raw: FastifyRequest['raw']): boolean {
  return raw.httpVersionMajor >= 2 && !(raw as unknown as Http2ServerRequest).stream.endAfterHeaders
}

/** Answers with what the error is to a client. */
function refuse(reply: FastifyReply, error: unknown): { http: number } {
  const { http, message, retryAfter } = statusOf(error)
  // what fastify itself refuses: bodies that are too large, broken paths and headers
  const own = (error as Partial<FastifyError>).code?.startsWith('FST_') ? (error as FastifyError).statusCode : undefined
  const status = own !== undefined && own >= 400 && own < 500 ? own : http
  if (status === 401) reply.header('www-authenticate', challengeOf(reply.request.routeOptions?.url))
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  // the rest of a body that is too large is not read
  if (status === 413 && reply.request.raw.httpVersionMajor < 2) reply.header('connection', 'close')
  reply.code(status).type('application/json')
  reply.send(JSON.stringify({ error: own === status ? fastifyMessage(status) : message }))
  return { http: status }
}

const FASTIFY_MESSAGES: Readonly<Record<number, string>> = {
  413: 'the body is too large',
  415: 'the header Content-Type is not understood',
}
const fastifyMessage = (status: number): string => FASTIFY_MESSAGES[status] ?? 'the request is not understood'
