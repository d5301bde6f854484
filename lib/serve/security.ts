// Where the server may listen, and under which certificate.
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import { WeftError } from '../core/error.js'

export interface TlsOptions {
  /** PEM, or the path of a file with it. Files are read again when they change. */
  cert: string
  key: string
  /** Certificates that clients must have been signed by. Given: clients without one are refused. */
  ca?: string
}

/** Older versions are broken. */
export const TLS_VERSION = { minVersion: 'TLSv1.2' } as const

export interface Pem {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca?: Buffer
}

/** Whether the text is a certificate or key itself, rather than the path of one. */
export const isPem = (value: string): boolean => value.includes('-----BEGIN ')

/** The certificates, read. */
export function pemOf({ cert, key, ca }: TlsOptions): Pem {
  const read = (name: string, value: string): Buffer => {
    if (isPem(value)) return Buffer.from(value)
    try {
      return readFileSync(value)
    } catch (cause) {
      throw new WeftError('ERR_ARGUMENT', `serve: tls.${name} is neither PEM nor a file that can be read: ${value}`, { cause })
    }
  }
  const pem = { cert: read('cert', cert), key: read('key', key), ...(ca === undefined ? {} : { ca: read('ca', ca) }) }
  try {
    createSecureContext(pem)
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `serve: tls cannot be used: ${(cause as Error).message}`, { cause })
  }
  return pem
}

/** Whether others than this machine's programs cannot reach the address. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1'
}

/** Throws ERR_ARGUMENT for an address that others reach, unless it is protected, or meant not to be. */
export function checkExposure(host: string, { tls, auth, insecure }: { tls: boolean; auth: boolean; insecure: boolean }): void {
  if (isLoopback(host) || insecure || (tls && auth)) return
  const missing = [tls ? '' : 'tls', auth ? '' : 'auth'].filter(Boolean).join(' or ')
  throw new WeftError('ERR_ARGUMENT', `serve: ${host} is reached from other machines, without ${missing}`, {
    hint:
      'Give tls: { cert, key } and auth: { apiKeys: file }; or insecure: true where a gateway or the network protects the server. ' +
      'On the command line: --cert cert.pem --key key.pem --keys keys.json; or --insecure',
  })
}
