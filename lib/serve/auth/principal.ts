// Principal: who asks, and what they may. Every route and method names the roles it is for; nothing is for all.
import { WeftError } from '../../core/error.js'
import { named } from '../protocol/tensors.js'
import type { Rate } from './rates.js'

/**
 * predict: ask models. explain: ask why they answer so. read: statistics, metrics, the index. admin: load and unload.
 * None of them includes another.
 */
export type Role = 'predict' | 'explain' | 'read' | 'admin'
export const ROLES: readonly Role[] = ['predict', 'explain', 'read', 'admin']

export class Principal {
  constructor(
    readonly id: string,
    private readonly roles: ReadonlySet<Role>,
    /** Undefined: all models. */
    private readonly models?: ReadonlySet<string>,
    /** Its own limit of requests; undefined: that of the server. */
    readonly rate?: Rate,
  ) {}

  /** Whether the model is there for them. */
  sees(model: string): boolean {
    return this.models === undefined || this.models.has(model)
  }

  /**
   * Throws ERR_FORBIDDEN unless they have one of the roles, and the model is theirs. `model` undefined: what concerns
   * all models.
   */
  demand(roles: readonly Role[], model: string | undefined, ofAll: boolean): void {
    if (!roles.some((role) => this.roles.has(role)))
      throw new WeftError('ERR_FORBIDDEN', `these credentials lack the role ${roles.map((role) => `'${role}'`).join(' or ')}`)
    if (model !== undefined && !this.sees(model))
      throw new WeftError('ERR_FORBIDDEN', `these credentials are not for ${named('model', model)}`)
    if (ofAll && this.models !== undefined) throw new WeftError('ERR_FORBIDDEN', 'these credentials are for some models alone')
  }
}

/** Where no credentials were set up: the server then listens on the loopback interface alone, unless told otherwise. */
export const anyone: Principal = new Principal('anyone', new Set(ROLES))

/** What was not answered, and to whom. */
export interface Refusal {
  readonly principal: string | undefined
  readonly address: string | undefined
  /** Route or method. */
  readonly asked: string
  readonly model: string | undefined
  readonly code: string
}

export interface Authenticator {
  /** Everybody is let in: no credentials are asked for. */
  readonly isOpen?: boolean
  /** Throws ERR_UNAUTHENTICATED unless the headers prove who asks. */
  authenticate(headers: CredentialHeaders): Principal | Promise<Principal>
  /** Throws ERR_OVERLOADED where they ask more often than they may. `roles`: those that what is asked is for. */
  admit?(principal: Principal, roles: readonly Role[]): void
  /** Told of requests that were refused for who asks, or how often. */
  refused?(refusal: Refusal): void
  close(): void
}

export interface CredentialHeaders {
  readonly authorization?: string | undefined
  readonly apiKey?: string | undefined
  /** Where the request comes from. */
  readonly address?: string | undefined
}

export const open: Authenticator = { isOpen: true, authenticate: () => anyone, close: () => undefined }

export const unauthenticated = (): WeftError =>
  new WeftError('ERR_UNAUTHENTICATED', 'no valid credentials', { hint: "Send the header 'Authorization: Bearer <key>'" })

const REFUSALS: ReadonlySet<unknown> = new Set(['ERR_UNAUTHENTICATED', 'ERR_FORBIDDEN'])

/** Tells of a request that failed for who asked. */
export function refuse(authenticator: Authenticator, error: unknown, facts: Omit<Refusal, 'code'>): void {
  const { code } = error as { code?: string }
  if (code !== undefined && REFUSALS.has(code)) authenticator.refused?.({ ...facts, code })
}
