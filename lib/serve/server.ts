// serve: models as a service over REST and gRPC.
import type { AddressInfo } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import { setTimeout as pause } from 'node:timers/promises'
import { destination, type Logger, pino } from 'pino'
import { WeftError } from '../core/error.js'
import { integer } from '../core/checks.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import type { LoadOptions } from '../io/index.js'
import type { AnyModel } from '../model/model.js'
import { AuditLog, type AuditOptions } from './audit.js'
import { ApiKeys } from './auth/api_keys.js'
import { Gate } from './auth/gate.js'
import { checkOidc, KeysAndTokens, Oidc, type OidcOptions } from './auth/oidc.js'
import { type Authenticator, open } from './auth/principal.js'
import { checkRate, type Rate } from './auth/rates.js'
import { SCHEDULER_OPTIONS } from './batcher.js'
import { Certificates } from './certificates.js'
import { dashboardRoutes } from './dashboard/routes.js'
import { GrpcServer } from './grpc/server.js'
import { Metrics } from './metrics.js'
import { ModelKeys } from './publishing/model_keys.js'
import { Trust } from './publishing/signed_manifest.js'
import { LIMITS, type Limits, limitsOf } from './protocol/limits.js'
import { Repository } from './repository/repository.js'
import { watch } from './repository/watch.js'
import { restApp, type RestTls } from './rest/app.js'
import { routes } from './rest/routes.js'
import type { SchedulerOptions } from './scheduler.js'
import { checkExposure, type Pem, TLS_VERSION, type TlsOptions } from './security.js'
import { type Control, Service } from './service.js'
import { loadTracing } from './tracing.js'

export interface Listen {
  /** Default 127.0.0.1. */
  host?: string
  /** 0: any free one. */
  port?: number
}

export interface HttpListen extends Listen {
  /** HTTP/2. Default: beside HTTP/1.1 with TLS, not without. True without TLS: HTTP/2 alone (h2c, prior knowledge). */
  http2?: boolean
}

export interface AuthOptions {
  /** A file of API keys: createApiKey(), `npx weftjs key`. */
  apiKeys?: string
  /** An identity provider whose tokens are taken. */
  oidc?: OidcOptions
}

export interface ServeOptions {
  /** A folder <root>/<model>/<version>/ of saved models. */
  repository?: string
  /** Models of this program by name, each as version 1. They stay the program's. */
  models?: Record<string, AnyModel>
  /** Who changes what is served: 'none' (default), 'explicit': clients load and unload; 'watch': the folder does. */
  control?: Control
  /** Names loaded at the start; default all. */
  load?: readonly string[]
  /** Default port 8080; false: no REST. */
  http?: HttpListen | false
  /** Default: no gRPC. */
  grpc?: Listen
  /** Default for all models; serve.json of a model overrides it. */
  batching?: SchedulerOptions
  auth?: AuthOptions
  /** Requests for inference of one key or token in a second; a key may have its own. Default: no limit. */
  rate?: Rate
  /** A record of changes and refusals whose lines are chained by their hashes. Default: none. */
  audit?: AuditOptions
  tls?: TlsOptions
  /** Allows other addresses than the loopback without TLS and authentication, and 'explicit' without authentication. */
  insecure?: boolean
  limits?: Limits
  /** A page with models, latency, batches, errors and drift at /dashboard, for the role 'read'. Default true. */
  dashboard?: boolean
  /** The keys of encrypted models: 'file:model.key', 'env:NAME' or 'command:...'. */
  modelKeys?: readonly string[]
  /** Public Ed25519 keys (PEM, or paths): a version in the repository that none of them has signed is not loaded. */
  signedBy?: readonly string[]
  /** 'info' and so on: JSON lines on stdout; or a pino logger. Never the values of tensors. Default: none. */
  log?: string | Logger
  /** For own layers, losses and metrics, and the device. */
  loading?: LoadOptions
}

const OPTIONS: OptionTable<ServeOptions> = {
  repository: 'string',
  models: 'object',
  control: ['none', 'explicit', 'watch'],
  load: 'list',
  http: 'any',
  grpc: 'object',
  batching: 'object',
  auth: 'object',
  rate: 'object',
  audit: 'object',
  tls: 'object',
  insecure: 'boolean',
  limits: 'object',
  dashboard: 'boolean',
  modelKeys: 'list',
  signedBy: 'list',
  log: 'any',
  loading: 'object',
}
const CLOSE: OptionTable<CloseOptions> = { drainMs: 'integer' }
const LISTEN: OptionTable<Listen> = { host: 'string', port: 'integer' }
const HTTP: OptionTable<HttpListen> = { ...LISTEN, http2: 'boolean' }
const AUTH: OptionTable<AuthOptions> = { apiKeys: 'string', oidc: 'object' }
const AUDIT: OptionTable<AuditOptions> = { file: 'string', key: 'string', inference: 'boolean' }
const TLS: OptionTable<TlsOptions> = { cert: 'string', key: 'string', ca: 'string' }

export interface CloseOptions {
  drainMs?: number
}

export interface Server {
  readonly address: { readonly http: string | undefined; readonly grpc: string | undefined }
  /** Loads what is new in the repository, and takes out what is gone. 'watch' does so by itself. */
  refresh(): Promise<void>
  /**
   * Takes no more requests; resolves when those there are were answered. Before that it answers for `drainMs` longer
   * (default 0) and says that it is not ready, so that balancers ask others.
   */
  close(options?: CloseOptions): Promise<void>
}

const DEFAULT_HTTP_PORT = 8080
const DEFAULT_GRPC_PORT = 8081

/**
 * Starts a server; resolves when all models are loaded and warm. A model that cannot be loaded is logged, and unready.
 */
export async function serve(options: ServeOptions): Promise<Server> {
  checkCall('serve(options)', arguments, OPTIONS)
  check(options)
  const log = loggerOf(options.log)
  const failed = (model: string, err: unknown): void => log.error({ model, err }, 'a model cannot be loaded')
  await loadTracing()
  const closers: (() => Promise<void> | void)[] = []
  try {
    const audit = options.audit && new AuditLog(options.audit, (err) => log.error({ err }, 'the audit log cannot be written'))
    if (audit)
      closers.unshift(() => {
        audit.note({ event: 'stop' })
        log.info({ head: audit.head }, 'the audit log ends')
        audit.close()
      })
    audit?.record({ event: 'start' })
    const metrics = new Metrics()
    const repository = await Repository.open(options.repository, {
      batching: options.batching ?? {},
      load: options.loading ?? {},
      protection: { keys: new ModelKeys(options.modelKeys ?? []), trust: options.signedBy && new Trust(options.signedBy) },
      watch: (served) => metrics.watch(served),
      failed,
      rolledBack: (model, version, reason) => {
        metrics.rolledBack(model)
        log.warn({ model, version, reason }, 'a canary was rolled back')
        audit?.note({ event: 'rollback', model, version, reason })
      },
    })
    metrics.repository = repository
    // first in, last closed: where the start fails
    closers.push(() => repository.close())
    const service = new Service(repository, options.control ?? 'none', limitsOf('serve', options.limits), audit)
    for (const [name, model] of Object.entries(options.models ?? {})) await repository.add(name, model)
    for (const name of options.load ?? (await repository.names()))
      await repository.load(name).catch((error: unknown) => failed(name, error))
    const authenticator = new Gate(authenticatorOf(options, log), { rate: options.rate, audit })
    closers.push(() => authenticator.close())
    const tls =
      options.tls && new Certificates(options.tls, (err) => log.error({ err }, 'the new certificates cannot be used; the old ones stay'))
    closers.push(() => tls?.close())
    const shared = { service, authenticator, log, dashboard: options.dashboard ?? true, ...(tls ? { tls } : {}) }
    const http = options.http === false ? undefined : await listenHttp(shared, options.http ?? {}, metrics, closers)
    const grpc = options.grpc === undefined ? undefined : await listenGrpc(shared, options.grpc, closers)
    closers.push(() => service.close())
    if (options.control === 'watch') closers.push(watch(repository, log))
    log.info({ http, grpc, models: repository.ready().map(({ name, version }) => `${name}/${version}`) }, 'ready')
    return { address: { http, grpc }, refresh: () => repository.refresh(), close: (closing) => drained(service, closers, closing) }
  } catch (error) {
    await closeAll(closers)
    throw error
  }
}

async function drained(service: Service, closers: (() => Promise<void> | void)[], options: CloseOptions = {}): Promise<void> {
  checkOptions('close', options, CLOSE)
  const milliseconds = integer('close', 'drainMs', options.drainMs ?? 0, 0, 3_600_000)
  service.leave()
  if (milliseconds > 0) await pause(milliseconds)
  await closeAll(closers)
}

/**
 * In the reverse order: what waits for its batch is answered before connections are closed. A second call does nothing.
 */
async function closeAll(closers: (() => Promise<void> | void)[]): Promise<void> {
  for (let close = closers.pop(); close; close = closers.pop()) await close()
}

function check(options: ServeOptions): void {
  const { http, grpc, auth, tls, insecure = false } = options
  if (options.repository === undefined && options.models === undefined)
    throw new WeftError('ERR_ARGUMENT', 'serve: there is nothing to serve', {
      hint: "Write serve({ repository: './models' }) or serve({ models: { digits: net } })",
    })
  if (http !== undefined && http !== false) checkOptions('serve: http', http, HTTP)
  checkOptions('serve: grpc', grpc, LISTEN)
  checkOptions('serve: auth', auth, AUTH)
  checkOptions('serve: tls', tls, TLS)
  checkOptions('serve: batching', options.batching, SCHEDULER_OPTIONS)
  checkOptions('serve: limits', options.limits, LIMITS)
  if (auth !== undefined && auth.apiKeys === undefined && auth.oidc === undefined)
    throw new WeftError('ERR_ARGUMENT', 'serve: auth needs apiKeys or oidc', { hint: "Write auth: { apiKeys: 'keys.json' }" })
  if (auth?.oidc !== undefined) checkOidc(auth.oidc)
  if (options.rate !== undefined) checkRate('serve: rate', options.rate)
  checkOptions('serve: audit', options.audit, AUDIT)
  if (options.audit !== undefined && options.audit.file === undefined)
    throw new WeftError('ERR_ARGUMENT', 'serve: audit needs file', { hint: "Write audit: { file: 'audit.jsonl' }" })
  if (tls !== undefined && (tls.cert === undefined || tls.key === undefined))
    throw new WeftError('ERR_ARGUMENT', 'serve: tls needs cert and key')
  if (options.control === 'explicit' && auth === undefined && !insecure)
    throw new WeftError('ERR_ARGUMENT', "serve: control: 'explicit' lets clients load and unload models, and auth is missing", {
      hint: "Write auth: { apiKeys: 'keys.json' }",
    })
  for (const listen of [http === false ? undefined : (http ?? {}), grpc]) {
    if (listen === undefined) continue
    if (listen.port !== undefined) integer('serve', 'port', listen.port, 0, 65_535)
    checkExposure(listen.host ?? LOOPBACK, { tls: tls !== undefined, auth: auth !== undefined, insecure })
  }
}

const LOOPBACK = '127.0.0.1'
/** Connections that wait to be taken while the process is busy. */
const BACKLOG = 4096

function authenticatorOf({ auth }: ServeOptions, log: Logger): Authenticator {
  const { apiKeys, oidc } = auth ?? {}
  const keys =
    apiKeys === undefined
      ? undefined
      : new ApiKeys(apiKeys, (err) => log.error({ err }, 'the file of API keys cannot be read; the keys stay as they were'))
  const tokens = oidc && new Oidc(oidc, (err) => log.error({ err }, 'the identity provider cannot be asked'))
  if (keys && tokens) return new KeysAndTokens(keys, tokens)
  return keys ?? tokens ?? open
}

function loggerOf(log: string | Logger | undefined): Logger {
  if (log === undefined) return pino({ level: 'silent' })
  if (typeof log === 'string') return pino({ level: log, name: 'weft' }, destination({ dest: 1, sync: false }))
  if (typeof log.info === 'function') return log
  throw new WeftError('ERR_ARGUMENT', `serve: log is a level or a pino logger, got ${show(log)}`)
}

interface Shared {
  readonly service: Service
  readonly authenticator: Authenticator
  readonly log: Logger
  readonly dashboard: boolean
  readonly tls?: Certificates
}

async function listenHttp(shared: Shared, listen: HttpListen, metrics: Metrics, closers: (() => Promise<void> | void)[]): Promise<string> {
  const { host = LOOPBACK, port = DEFAULT_HTTP_PORT, http2 = shared.tls !== undefined } = listen
  const contextOf = (pem: Pem): RestTls => ({ ...pem, ...TLS_VERSION, ...(pem.ca ? { requestCert: true, rejectUnauthorized: true } : {}) })
  const { tls: certificates, ...rest } = shared
  const app = restApp({
    ...rest,
    ...(certificates ? { tls: contextOf(certificates.current) } : {}),
    http2,
    routes: [...routes(shared.service, () => metrics.text()), ...(shared.dashboard ? dashboardRoutes(shared.service, metrics) : [])],
  })
  certificates?.follow((pem) => (app.server as unknown as TlsServer).setSecureContext(contextOf(pem)))
  closers.push(() => app.close())
  await app.listen({ host, port, backlog: BACKLOG }).catch((cause: unknown) => {
    throw cannotListen(host, port, cause)
  })
  const { port: bound } = app.server.address() as AddressInfo
  return urlOf(certificates ? 'https' : 'http', host, bound)
}

async function listenGrpc(shared: Shared, listen: Listen, closers: (() => Promise<void> | void)[]): Promise<string> {
  const { host = LOOPBACK, port = DEFAULT_GRPC_PORT } = listen
  const server = new GrpcServer(shared)
  closers.push(() => server.close())
  const bound = await server.listen(host, port).catch((cause: unknown) => {
    throw cannotListen(host, port, cause)
  })
  return urlOf(shared.tls ? 'grpcs' : 'grpc', host, bound)
}

const cannotListen = (host: string, port: number, cause: unknown): WeftError =>
  new WeftError('ERR_STATE', `serve: cannot listen on ${host}:${port}: ${(cause as Error).message}`, {
    cause,
    hint: 'Is another server there? Choose another port; 0 is any free one',
  })

const urlOf = (scheme: string, host: string, port: number): string => `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`

export { DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT }
