// AuditLog: who changed what, and who was refused, as lines that are chained by their hashes. A line that is changed,
// taken out or put in breaks the chain from there on.
import { createHash, createHmac } from 'node:crypto'
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { WeftError } from '../core/error.js'
import { systemError } from '../core/system_error.js'

export interface AuditOptions {
  /** JSON lines; it is continued where it is there. */
  file: string
  /**
   * A file with a secret of at least 32 bytes. With it, only who has it can make a chain; without it, whoever writes to
   * the file could make another one.
   */
  key?: string
  /** Whether each inference is recorded: who, which version, and how it ended. Default false. */
  inference?: boolean
}

export interface AuditEvent {
  readonly event: 'start' | 'stop' | 'load' | 'unload' | 'refused' | 'rollback' | 'explain' | 'infer' | 'torn'
  readonly [fact: string]: string | number | boolean | undefined
}

const FIRST = '0'.repeat(64)
const LEAST_KEY = 32
/** Room for the last line of a file: names, routes and codes are short. */
const LAST_BYTES = 65_536
const ENDING = /,"hash":"([0-9a-f]{64})"\}$/

function keyOf(file: string | undefined): Buffer | undefined {
  if (file === undefined) return undefined
  let key: Buffer
  try {
    key = readFileSync(file)
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `audit: the key ${file} cannot be read`, { cause, hint: `Make one: openssl rand 32 > ${file}` })
  }
  if (key.length >= LEAST_KEY) return key
  throw new WeftError('ERR_ARGUMENT', `audit: the key ${file} has ${key.length} bytes, at least ${LEAST_KEY} are needed`)
}

const hashOf = (key: Buffer | undefined, text: string): string =>
  (key ? createHmac('sha256', key) : createHash('sha256')).update(text).digest('hex')

export class AuditLog {
  private readonly file: number
  private readonly key: Buffer | undefined
  private seq = 0
  private last = FIRST

  /** ERR_ARGUMENT where the file or the key cannot be used. `failed` is told when a line cannot be written later on. */
  constructor(
    private readonly options: AuditOptions,
    private readonly failed: (error: unknown) => void,
  ) {
    this.key = keyOf(options.key)
    try {
      this.file = openSync(options.file, 'a+', 0o600)
    } catch (cause) {
      throw new WeftError('ERR_ARGUMENT', `audit: ${options.file} cannot be written`, { cause })
    }
    const torn = this.goOn()
    if (torn > 0) this.note({ event: 'torn', bytes: torn })
  }

  get inference(): boolean {
    return this.options.inference ?? false
  }
  /** The hash of the last line: kept elsewhere it shows that none was cut off at the end. */
  get head(): string {
    return this.last
  }

  /** Writes a line. ERR_UNAVAILABLE where that is not possible: what is to be recorded is then not done. */
  record(event: AuditEvent): void {
    const text = JSON.stringify({ seq: this.seq + 1, time: new Date().toISOString(), ...event, prev: this.last })
    const hash = hashOf(this.key, text)
    const line = Buffer.from(`${text.slice(0, -1)},"hash":"${hash}"}\n`)
    const { size } = fstatSync(this.file)
    try {
      let at = 0
      while (at < line.length) at += writeSync(this.file, line, at)
    } catch (cause) {
      // half of a line would break the chain; where that fails too, the next start cuts it off
      try {
        ftruncateSync(this.file, size)
      } catch (error) {
        this.failed(error)
      }
      throw new WeftError('ERR_UNAVAILABLE', 'the audit log cannot be written', { cause })
    }
    this.seq++
    this.last = hash
  }

  /** The same for what is done already: a failure is told, not thrown. */
  note(event: AuditEvent): void {
    try {
      this.record(event)
    } catch (error) {
      this.failed(error)
    }
  }

  close(): void {
    closeSync(this.file)
  }

  /** Finds where the file ends; the number of bytes of a line that was not written to its end, and is cut off. */
  private goOn(): number {
    const { size } = fstatSync(this.file)
    const bytes = Buffer.alloc(Math.min(size, LAST_BYTES))
    readSync(this.file, bytes, 0, bytes.length, size - bytes.length)
    const end = bytes.lastIndexOf(10) + 1
    const torn = bytes.length - end
    const line = bytes
      .subarray(0, Math.max(0, end - 1))
      .toString()
      .split('\n')
      .at(-1)!
    if (size > torn) {
      const hash = ENDING.exec(line)?.[1]
      const seq = hash === undefined ? undefined : (JSON.parse(line) as { seq: unknown }).seq
      if (hash === undefined || !Number.isSafeInteger(seq))
        throw new WeftError('ERR_FORMAT', `audit: ${this.options.file} is no audit log`, { hint: 'Name another file' })
      this.seq = seq as number
      this.last = hash
    }
    if (torn > 0) ftruncateSync(this.file, size - torn)
    return torn
  }
}

export interface AuditVerdict {
  readonly lines: number
  readonly head: string
  /** The first line that is not as it was written, and why. */
  readonly broken?: { readonly line: number; readonly why: string }
}

/** The lines of a file, which is closed however that ends. */
async function* linesOf(file: string): AsyncGenerator<string> {
  try {
    const handle = await open(file)
    try {
      let rest = ''
      for await (const text of handle.createReadStream({ encoding: 'utf8', autoClose: false }) as AsyncIterable<string>) {
        const lines = text.split('\n')
        lines[0] = rest + lines[0]!
        rest = lines.pop()!
        for (const line of lines) yield line.replace(/\r$/, '')
      }
      if (rest !== '') yield rest
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw systemError(`audit: ${file} cannot be read`, error, 'ERR_ARGUMENT')
  }
}

/** Follows the chain of a file from its first line to the last. */
export async function verifyAudit({ file, key: keyFile }: Pick<AuditOptions, 'file' | 'key'>, head?: string): Promise<AuditVerdict> {
  const key = keyOf(keyFile)
  let lines = 0
  let last = FIRST
  const broken = (why: string): AuditVerdict => ({ lines, head: last, broken: { line: lines + 1, why } })
  for await (const line of linesOf(file)) {
    const hash = ENDING.exec(line)?.[1]
    if (hash === undefined) return broken('it has no hash at its end')
    const text = line.replace(ENDING, '}')
    if (hashOf(key, text) !== hash) return broken('its hash is not that of its text, or the key is another one')
    const { seq, prev } = JSON.parse(text) as { seq: unknown; prev: unknown }
    if (prev !== last || seq !== lines + 1) return broken('it does not follow the line before it')
    last = hash
    lines++
  }
  if (head !== undefined && head !== last) return broken(`the log ends with ${last}, and not with the hash that was kept`)
  return { lines, head: last }
}
