// Certificates: those of the server, read again when their files change.
import { statSync } from 'node:fs'
import { type Pem, pemOf, type TlsOptions } from './security.js'

const CHECK_MS = 1000

export class Certificates {
  private pem: Pem
  private stamp: string
  private readonly users = new Set<(pem: Pem) => void>()
  private readonly timer: NodeJS.Timeout

  /** ERR_ARGUMENT where they cannot be used. `failed` is told when they cannot later on; the old ones stay. */
  constructor(
    private readonly options: TlsOptions,
    failed: (error: unknown) => void,
  ) {
    this.stamp = stampOf(options)
    this.pem = pemOf(options)
    this.timer = setInterval(() => {
      try {
        this.refresh()
      } catch (error) {
        failed(error)
      }
    }, CHECK_MS).unref()
  }

  get current(): Pem {
    return this.pem
  }

  /** Calls fn with what is read later on. New connections get the new certificate; those there are stay. */
  follow(fn: (pem: Pem) => void): void {
    this.users.add(fn)
  }

  /** Reads the files again if one was changed. */
  refresh(): void {
    const stamp = stampOf(this.options)
    if (stamp === this.stamp) return
    // half of a pair may be new: the other half changes the stamp again
    this.stamp = stamp
    this.pem = pemOf(this.options)
    for (const use of this.users) use(this.pem)
  }

  close(): void {
    clearInterval(this.timer)
  }
}

/** What differs when a file was written or replaced. PEM given as text never does. */
function stampOf({ cert, key, ca }: TlsOptions): string {
  return [cert, key, ca ?? '']
    .map((value) => {
      if (value === '' || value.includes('-----BEGIN ')) return ''
      const stat = statSync(value, { throwIfNoEntry: false })
      return stat === undefined ? 'none' : `${stat.mtimeMs} ${stat.size} ${stat.ino}`
    })
    .join('|')
}
