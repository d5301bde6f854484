// serve: models as a service over REST and gRPC.
import type { AddressInfo } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import { setTimeout as pause } from 'node:timers/promises'
import { destination, type Logger, pino } from 'pino'
import { WeftError } from '../core/error.js'
import { integer } from '../core/checks.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import { warnOnce } from '../core/warnings.js'
import { AuditLog } from './audit.js'
import { ApiKeys } from './auth/api_keys.js'
import { Gate } from './auth/gate.js'
import { KeysAndTokens, Oidc } from './auth/oidc.js'
import { type Authenticator, open } from './auth/principal.js'
import { watchCertificates } from './certificates.js'
import { dashboardRoutes } from './dashboard/routes.js'
import { explainLimits } from './explanation.js'
import { Metrics } from './metrics.js'
import { ModelKeys } from './publishing/model_keys.js'
import { Trust } from './publishing/signed_manifest.js'
import { limitsOf } from './protocol/limits.js'
import { Repository } from './repository/repository.js'
import { watch } from './repository/watch.js'
import { restApp, type RestTls } from './rest/app.js'
import { hostCheck } from './rest/hosts.js'
import { routes } from './rest/routes.js'
import { type Pem, TLS_VERSION } from './security.js'
import { checkServe, LOOPBACK, SERVE_OPTIONS, type Listen, type ServeOptions } from './serve_options.js'
import { Service } from './service.js'
import { loadTracing } from './tracing.js'
import type { WatchedFiles } from './watched_files.js'

const CLOSE: OptionTable<CloseOptions> = { drainMs: 'integer' }

export interface CloseOptions {
  drainMs?: number
}

export interface Server {
  readonly address: { readonly http: string | undefined; readonly grpc: string | undefined }
  /**
   * False once the device of a model has failed for good, as a GPU may: only a new process can compute on it. The
   * endpoint /v2/health/live says so as well, and `weftjs serve` then ends with 1.
   */
  readonly isLive: boolean
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
  checkCall('serve(options)', arguments, SERVE_OPTIONS)
  checkServe(options)
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
    const service = new Service(
      repository,
      options.control ?? 'none',
      limitsOf('serve', options.limits),
      audit,
      explainLimits(options.explain),
    )
    for (const [name, model] of Object.entries(options.models ?? {})) await repository.add(name, model)
    const known = await repository.names()
    const given = new Set(Object.keys(options.models ?? {}))
    const wanted = options.load?.filter((name) => !given.has(name)) ?? known
    for (const name of wanted)
      if (!known.includes(name))
        throw new WeftError('ERR_ARGUMENT', `serve: load names ${show(name)}, which the repository does not have`, {
          hint: known.length > 0 ? `It has ${known.slice(0, 10).join(', ')}` : 'It is empty',
        })
    for (const name of wanted) await repository.load(name).catch((error: unknown) => failed(name, error))
    if (repository.ready().length === 0) log.warn({ repository: options.repository }, 'no model is served')
    const authenticator = new Gate(authenticatorOf(options, log), { rate: options.rate, audit })
    closers.push(() => authenticator.close())
    const tls =
      options.tls && watchCertificates(options.tls, (err) => log.error({ err }, 'the new certificates cannot be used; the old ones stay'))
    closers.push(() => tls?.close())
    const shared = { service, authenticator, log, dashboard: options.dashboard ?? true, ...(tls ? { tls } : {}) }
    const http = options.http === false ? undefined : await listenHttp(shared, options, metrics, closers)
    const grpc = options.grpc === undefined ? undefined : await listenGrpc(shared, options.grpc, closers)
    closers.push(() => service.close())
    if (options.control === 'watch') closers.push(watch(repository, log))
    log.info({ http, grpc, models: repository.ready().map(({ name, version }) => `${name}/${version}`) }, 'ready')
    return {
      address: { http, grpc },
      get isLive() {
        return service.isLive
      },
      refresh: () => repository.refresh(),
      close: (closing) => drained(service, closers, closing),
    }
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

/** Connections that wait to be taken while the process is busy. */
const BACKLOG = 4096

function authenticatorOf({ auth }: ServeOptions, log: Logger): Authenticator {
  const { apiKeys, oidc } = auth ?? {}
  const keys =
    apiKeys === undefined
      ? undefined
      : new ApiKeys(
          apiKeys,
          (err) => log.error({ err }, 'the file of API keys cannot be read; the keys stay as they were'),
          (reason) => {
            if (log.isLevelEnabled('warn')) log.warn(`${reason}; it opens nothing`)
            else warnOnce('WEFT_API_KEY', `${reason}; it opens nothing`, reason)
          },
        )
  const tokens = oidc && new Oidc(oidc, (err) => log.error({ err }, 'the identity provider cannot be asked'))
  if (keys && tokens) return new KeysAndTokens(keys, tokens)
  return keys ?? tokens ?? open
}

const LEVELS: readonly string[] = [...Object.keys(pino.levels.values), 'silent']

function loggerOf(log: string | Logger | undefined): Logger {
  if (log === undefined) return pino({ level: 'silent' })
  if (typeof log === 'string') {
    if (!LEVELS.includes(log))
      throw new WeftError('ERR_ARGUMENT', `serve: log is one of ${LEVELS.join(', ')}, or a pino logger, got ${show(log)}`)
    return pino({ level: log, name: 'weft' }, destination({ dest: 1, sync: false }))
  }
  if (typeof log.info === 'function') return log
  throw new WeftError('ERR_ARGUMENT', `serve: log is a level or a pino logger, got ${show(log)}`)
}

interface Shared {
  readonly service: Service
  readonly authenticator: Authenticator
  readonly log: Logger
  readonly dashboard: boolean
  readonly tls?: WatchedFiles<Pem>
}

async function listenHttp(
  shared: Shared,
  { http: listen, hosts, auth, insecure = false }: ServeOptions,
  metrics: Metrics,
  closers: (() => Promise<void> | void)[],
): Promise<string> {
  const { host = LOOPBACK, port = DEFAULT_HTTP_PORT, http2 = shared.tls !== undefined } = (listen || undefined) ?? {}
  const check = hostCheck(host, hosts, auth !== undefined || insecure)
  const contextOf = (pem: Pem): RestTls => ({ ...pem, ...TLS_VERSION, ...(pem.ca ? { requestCert: true, rejectUnauthorized: true } : {}) })
  const { tls: certificates, ...rest } = shared
  const app = restApp({
    ...rest,
    ...(certificates ? { tls: contextOf(certificates.current) } : {}),
    http2,
    ...(check ? { host: check } : {}),
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
  // takes a fifth of the time in which a server starts
  const { GrpcServer } = await import('./grpc/server.js')
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
