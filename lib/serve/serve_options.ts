// What serve is told, and whether it can be so.
import type { Logger } from 'pino'
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkOptions, type OptionTable } from '../core/options.js'
import type { LoadOptions } from '../io/index.js'
import type { AnyModel } from '../model/model.js'
import type { AuditOptions } from './audit.js'
import { checkOidc, type OidcOptions } from './auth/oidc.js'
import { checkRate, type Rate } from './auth/rates.js'
import { SCHEDULER_OPTIONS } from './batcher.js'
import { LIMITS, type Limits } from './protocol/limits.js'
import { checkHosts } from './rest/hosts.js'
import { type ExplainLimits, explainLimits } from './explanation.js'
import type { SchedulerOptions } from './scheduler.js'
import { checkExposure, type TlsOptions } from './security.js'
import type { Control } from './service.js'

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
  /**
   * Names and addresses that requests over HTTP may be addressed to (the header Host), beside those of the loopback and
   * the one the server is bound to; '*': any. Others get 403. Default: any; on the loopback, without `auth` and
   * `insecure`, none: pages on the web could ask the server through a browser on this machine.
   */
  hosts?: readonly string[]
  limits?: Limits
  /** Explanations of answers at /v2/models/.../explain, for the role 'explain'. Default false: no such route. */
  explain?: boolean | ExplainLimits
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

export const SERVE_OPTIONS: OptionTable<ServeOptions> = {
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
  hosts: 'list',
  limits: 'object',
  explain: 'any',
  dashboard: 'boolean',
  modelKeys: 'list',
  signedBy: 'list',
  log: 'any',
  loading: 'object',
}
const LISTEN: OptionTable<Listen> = { host: 'string', port: 'integer' }
const HTTP: OptionTable<HttpListen> = { ...LISTEN, http2: 'boolean' }
const AUTH: OptionTable<AuthOptions> = { apiKeys: 'string', oidc: 'object' }
const AUDIT: OptionTable<AuditOptions> = { file: 'string', key: 'string', inference: 'boolean' }
const TLS: OptionTable<TlsOptions> = { cert: 'string', key: 'string', ca: 'string' }

export const LOOPBACK = '127.0.0.1'

/** ERR_ARGUMENT for what contradicts itself, or opens the server to others without protection. */
export function checkServe(options: ServeOptions): void {
  const { http, grpc, auth, tls, insecure = false } = options
  if (options.repository === undefined && options.models === undefined)
    throw new WeftError('ERR_ARGUMENT', 'serve: there is nothing to serve', {
      hint: "Write serve({ repository: './models' }) or serve({ models: { digits: net } })",
    })
  if (http === false && grpc === undefined)
    throw new WeftError('ERR_ARGUMENT', 'serve: without REST and gRPC nobody can ask it', { hint: 'Write grpc: {} beside http: false' })
  if (options.repository === undefined) checkNoRepository(options)
  if (http !== undefined && http !== false) checkOptions('serve: http', http, HTTP)
  checkOptions('serve: grpc', grpc, LISTEN)
  checkOptions('serve: auth', auth, AUTH)
  checkOptions('serve: tls', tls, TLS)
  checkOptions('serve: batching', options.batching, SCHEDULER_OPTIONS)
  checkOptions('serve: limits', options.limits, LIMITS)
  if (auth !== undefined && auth.apiKeys === undefined && auth.oidc === undefined)
    throw new WeftError('ERR_ARGUMENT', 'serve: auth needs apiKeys or oidc', { hint: "Write auth: { apiKeys: 'keys.json' }" })
  if (auth?.oidc !== undefined) checkOidc(auth.oidc)
  explainLimits(options.explain)
  if (options.hosts !== undefined) checkHosts(options.hosts)
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

/** ERR_ARGUMENT for what says something of the versions in a repository, where there is none. */
function checkNoRepository(options: ServeOptions): void {
  const names = (['load', 'loading', 'modelKeys', 'signedBy'] as const).filter((name) => options[name] !== undefined)
  const needing = options.control === 'watch' ? ["control: 'watch'", ...names] : names
  if (needing.length === 0) return
  throw new WeftError('ERR_ARGUMENT', `serve: ${needing.join(', ')} is for the models of a repository, and there is none`, {
    hint: "Write repository: './models', or leave it out: models of the program are served as they are",
  })
}
