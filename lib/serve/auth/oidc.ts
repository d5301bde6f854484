// Oidc: tokens of an identity provider (JSON Web Tokens), checked with its published keys.
import { createHash } from 'node:crypto'
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { WeftError } from '../../core/error.js'
import { checkOptions, type OptionTable, show } from '../../core/options.js'
import { isRecord } from '../../core/tree.js'
import { isLoopback } from '../security.js'
import { type Authenticator, type CredentialHeaders, Principal, ROLES, type Role, unauthenticated } from './principal.js'

export interface OidcOptions {
  /** The `iss` of its tokens: 'https://login.example.com/realm'. */
  issuer: string
  /** The `aud` that a token must be for. */
  audience: string
  /** Where its keys are. Default: as <issuer>/.well-known/openid-configuration says. */
  jwks?: string
  /** The claim with the roles, dots for claims inside of claims. Default 'roles'. */
  rolesClaim?: string
  /** Roles of this server by values of that claim: { 'ml-users': ['predict'] }. Default: they have the same names. */
  roles?: Record<string, Role[]>
  /** The claim with the models that the token is for. Without that claim in the token: all. Default 'models'. */
  modelsClaim?: string
}

const OIDC: OptionTable<OidcOptions> = {
  issuer: 'string',
  audience: 'string',
  jwks: 'string',
  rolesClaim: 'string',
  roles: 'object',
  modelsClaim: 'string',
}
/** Signatures of key pairs. Those with a shared secret could be made with a public key. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const TOLERANCE_SECONDS = 30
const FETCH_MS = 5000
const LONGEST_TOKEN = 16_384
/** A token that was checked is not checked again for so long. */
const KNOWN_MS = 30_000
const MOST_KNOWN = 10_000

interface Known {
  readonly principal: Principal
  readonly until: number
}

export function checkOidc(value: OidcOptions): void {
  checkOptions('serve: auth.oidc', value, OIDC)
  for (const name of ['issuer', 'audience'] as const)
    if (!value[name]) throw new WeftError('ERR_ARGUMENT', `serve: auth.oidc needs ${name}`)
  for (const name of ['issuer', 'jwks'] as const) if (value[name] !== undefined) checkAddress(`auth.oidc.${name}`, value[name])
  for (const [claim, roles] of Object.entries(value.roles ?? {}))
    if (!Array.isArray(roles) || roles.some((role) => !ROLES.includes(role)))
      throw new WeftError('ERR_ARGUMENT', `serve: auth.oidc.roles: ${show(claim)} gives some of ${ROLES.join(', ')}, got ${show(roles)}`)
}

function checkAddress(what: string, value: unknown): URL {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))) return url
  throw new WeftError('ERR_ARGUMENT', `serve: ${what} is an https: address, got ${show(value)}`)
}

export class Oidc implements Authenticator {
  private keys: JWTVerifyGetKey | undefined
  private readonly known = new Map<string, Known>()

  constructor(
    private readonly options: OidcOptions,
    private readonly failed: (error: unknown) => void,
    private readonly now: () => number = Date.now,
  ) {
    checkOidc(options)
  }

  async authenticate({ authorization, apiKey }: CredentialHeaders): Promise<Principal> {
    if (authorization === undefined || apiKey !== undefined || authorization.length > LONGEST_TOKEN) throw unauthenticated()
    const token = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i.exec(authorization)?.[1]
    if (token === undefined) throw unauthenticated()
    const name = createHash('sha256').update(token).digest('base64')
    const known = this.known.get(name)
    if (known !== undefined && known.until > this.now()) return known.principal
    const payload = await this.verify(token)
    const principal = this.principalOf(payload)
    if (this.known.size >= MOST_KNOWN) this.known.clear()
    this.known.set(name, { principal, until: Math.min(this.now() + KNOWN_MS, payload.exp! * 1000) })
    return principal
  }

  close(): void {
    this.known.clear()
  }

  private async verify(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.options
    try {
      this.keys ??= createRemoteJWKSet(await this.address(), { timeoutDuration: FETCH_MS })
      const { payload } = await jwtVerify(token, this.keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: TOLERANCE_SECONDS,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(this.now()),
      })
      return payload
    } catch (error) {
      // what is wrong with the token is its own fault; all else is that of the provider, and nobody is let in
      if (error instanceof errors.JOSEError && !PROVIDER_FAULTS.has(error.code)) throw unauthenticated()
      this.failed(error)
      throw new WeftError('ERR_UNAVAILABLE', 'the identity provider cannot be asked for its keys', { cause: error })
    }
  }

  /** Where the keys are. */
  private async address(): Promise<URL> {
    const { issuer, jwks } = this.options
    if (jwks !== undefined) return new URL(jwks)
    const at = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const reply = await fetch(at, { redirect: 'error', signal: AbortSignal.timeout(FETCH_MS) })
    const found: unknown = reply.ok ? await reply.json() : undefined
    if (!isRecord(found) || found['issuer'] !== issuer)
      throw new WeftError('ERR_FORMAT', `${at} is not the configuration of ${issuer} (status ${reply.status})`)
    return checkAddress('jwks_uri', found['jwks_uri'])
  }

  private principalOf(payload: JWTPayload): Principal {
    const { rolesClaim = 'roles', modelsClaim = 'models', roles: map } = this.options
    const claimed = listOf(claimOf(payload, rolesClaim))
    const roles = claimed.flatMap((value) => (map === undefined ? [value as Role] : Object.hasOwn(map, value) ? map[value]! : []))
    const models = claimOf(payload, modelsClaim)
    const id = payload.sub!.replace(/[^\x21-\x7e]/g, '?').slice(0, 128)
    return new Principal(
      id,
      new Set(roles.filter((role) => ROLES.includes(role))),
      models === undefined ? undefined : new Set(listOf(models)),
    )
  }
}

const PROVIDER_FAULTS: ReadonlySet<string> = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'])

function claimOf(payload: JWTPayload, path: string): unknown {
  let value: unknown = payload
  for (const part of path.split('.')) value = isRecord(value) && Object.hasOwn(value, part) ? value[part] : undefined
  return value
}

/** A list of texts, or texts separated by blanks. */
const listOf = (value: unknown): string[] =>
  typeof value === 'string'
    ? value.split(' ').filter(Boolean)
    : Array.isArray(value)
      ? value.filter((item) => typeof item === 'string')
      : []

/** API keys and tokens together: a key begins with 'weft_'. */
export class KeysAndTokens implements Authenticator {
  constructor(
    private readonly keys: Authenticator,
    private readonly tokens: Authenticator,
  ) {}

  authenticate(headers: CredentialHeaders): Principal | Promise<Principal> {
    const isKey = headers.apiKey !== undefined || /^Bearer +weft_/i.test(headers.authorization ?? '')
    return (isKey ? this.keys : this.tokens).authenticate(headers)
  }

  close(): void {
    this.keys.close()
    this.tokens.close()
  }
}
