// Gate: who asks, how often they may, and a record of those who were refused.
import { WeftError } from '../../core/error.js'
import type { AuditLog } from '../audit.js'
import { type Clock, systemClock } from '../clock.js'
import type { Authenticator, CredentialHeaders, Principal, Refusal, Role } from './principal.js'
import { type Rate, Rates } from './rates.js'

/** Wrong credentials from one address: more are answered with 429. Right ones are taken nevertheless. */
const FAILURES: Rate = { requestsPerSecond: 0.5, burst: 20 }
/** Refusals that are written down. */
const RECORDED: Rate = { requestsPerSecond: 10, burst: 100 }

export class Gate implements Authenticator {
  private readonly rates: Rates
  private unrecorded = 0

  constructor(
    private readonly inner: Authenticator,
    private readonly options: { readonly rate?: Rate | undefined; readonly audit?: AuditLog | undefined } = {},
    clock: Pick<Clock, 'now'> = systemClock,
  ) {
    this.rates = new Rates(clock)
  }

  get isOpen(): boolean {
    return this.inner.isOpen ?? false
  }

  authenticate(headers: CredentialHeaders): Principal | Promise<Principal> {
    try {
      const principal = this.inner.authenticate(headers)
      return principal instanceof Promise ? principal.catch((error: unknown) => this.refuse(error, headers)) : principal
    } catch (error) {
      return this.refuse(error, headers)
    }
  }

  private refuse(error: unknown, { address = '' }: CredentialHeaders): never {
    const wrong = (error as { code?: unknown }).code === 'ERR_UNAUTHENTICATED'
    if (wrong && !this.rates.take(`from ${address}`, FAILURES))
      throw new WeftError('ERR_OVERLOADED', 'too many requests with wrong credentials came from there')
    throw error
  }

  admit({ id, rate = this.options.rate }: Principal, roles: readonly Role[]): void {
    if (rate === undefined || roles.length !== 1 || roles[0] !== 'predict' || this.rates.take(`of ${id}`, rate)) return
    throw new WeftError('ERR_OVERLOADED', `more than ${rate.requestsPerSecond} requests a second with these credentials`, {
      hint: 'Try again later',
    })
  }

  refused({ principal, address, asked, model, code }: Refusal): void {
    const { audit } = this.options
    if (audit === undefined) return
    if (!this.rates.take('recorded', RECORDED)) {
      this.unrecorded++
      return
    }
    const before = this.unrecorded === 0 ? {} : { unrecorded: this.unrecorded }
    this.unrecorded = 0
    audit.note({ event: 'refused', actor: principal, address, asked, model, code, ...before })
  }

  close(): void {
    this.inner.close()
  }
}
