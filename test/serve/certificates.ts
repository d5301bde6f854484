// Certificates for tests, made with openssl where it is there.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export const hasOpenssl: boolean = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

export interface Pair {
  readonly cert: string
  readonly key: string
}

const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' })

/** An authority, and what it signs: files in the folder, by name. */
export class Authority {
  constructor(
    private readonly folder: string,
    readonly name: string,
  ) {
    const { cert, key } = this.files(name)
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', key, '-out', cert)
  }

  get cert(): string {
    return readFileSync(this.files(this.name).cert, 'utf8')
  }

  files(name: string): Pair {
    return { cert: path.join(this.folder, `${name}.pem`), key: path.join(this.folder, `${name}.key`) }
  }

  /** A certificate for 127.0.0.1 and localhost; `expired`: of yesterday. */
  issue(name: string, { expired = false }: { expired?: boolean } = {}): Pair {
    const { cert, key } = this.files(name)
    const request = path.join(this.folder, `${name}.csr`)
    const extensions = path.join(this.folder, `${name}.ext`)
    writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', key, '-out', request)
    const authority = this.files(this.name)
    const days = expired ? ['-days', '-1'] : ['-days', '2']
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      authority.cert,
      '-CAkey',
      authority.key,
      '-CAcreateserial',
      ...days,
      '-extfile',
      extensions,
      '-out',
      cert,
    )
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  }
}
