// Keys that models are encrypted with: 256 bits from a file, the environment or a command, never kept anywhere else.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'

export interface ModelKey {
  /** Names the key in files and errors, and tells nothing of it: a hash of its 256 random bits. */
  readonly id: string
  readonly key: Buffer
}

const COMMAND_MS = 30_000
const MOST_OUTPUT = 1 << 16
const EXAMPLE = "Write one: openssl rand -base64 32 > model.key; then give 'file:model.key'"

/**
 * The key that a text names: 'file:model.key', 'env:NAME' or 'command:vault kv get ...' (run by the shell). What is
 * there is 32 bytes, or their hexadecimal or base64 text. ERR_ARGUMENT where it is neither.
 */
export function readModelKey(source: string): ModelKey {
  const [, kind, where] = /^(file|env|command):(.+)$/s.exec(typeof source === 'string' ? source : '') ?? []
  if (kind === undefined || where === undefined)
    throw new WeftError('ERR_ARGUMENT', `a model key is named by 'file:path', 'env:NAME' or 'command:...', got ${show(source)}`, {
      hint: EXAMPLE,
    })
  const bytes = kind === 'file' ? ofFile(where) : kind === 'env' ? ofEnvironment(where) : ofCommand(where)
  const key = decode(bytes)
  if (key === undefined)
    throw new WeftError('ERR_ARGUMENT', `the model key of ${kind}:${where} is not 32 bytes, nor their hexadecimal or base64 text`, {
      hint: EXAMPLE,
    })
  return { id: createHash('sha256').update('weft model key').update(key).digest('hex').slice(0, 16), key }
}

function ofFile(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `the model key file ${file} cannot be read`, { cause, hint: EXAMPLE })
  }
}

function ofEnvironment(name: string): Buffer {
  const value = process.env[name]
  if (value === undefined) throw new WeftError('ERR_ARGUMENT', `the model key: the environment has no variable ${name}`)
  return Buffer.from(value)
}

/** What the command prints is in no error. */
function ofCommand(command: string): Buffer {
  const { status, stdout, error } = spawnSync(command, {
    shell: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: COMMAND_MS,
    maxBuffer: MOST_OUTPUT,
  })
  if (status === 0) return stdout
  const reason = error ? ((error as NodeJS.ErrnoException).code ?? 'it cannot be run') : `exit code ${status}`
  throw new WeftError('ERR_ARGUMENT', `the command for the model key failed: ${reason}`)
}

function decode(bytes: Buffer): Buffer | undefined {
  const text = bytes.toString('latin1').trim()
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return Buffer.from(text, 'base64url')
  // 32 digits are 16 bytes in hexadecimal, and no key
  return bytes.length === 32 && !/^[0-9a-f]{32}$/i.test(text) ? bytes : undefined
}

/** The keys that a server has: the one it seals with, and those before it while keys change. */
export class ModelKeys {
  private keys: ReadonlyMap<string, ModelKey>

  constructor(private readonly sources: readonly string[]) {
    this.keys = this.read()
  }

  /** The key of that id; one that is missing is looked for again at its source. ERR_STATE where it is not there. */
  find(id: string): ModelKey {
    if (!this.keys.has(id) && this.sources.length > 0) this.keys = this.read()
    const found = this.keys.get(id)
    if (found) return found
    const have = this.keys.size === 0 ? 'no model key was given' : `the keys given are ${[...this.keys.keys()].join(', ')}`
    throw new WeftError('ERR_STATE', `the model is encrypted with the key ${id}, and ${have}`, {
      hint: 'Give its key: modelKeys, or --model-key',
    })
  }

  private read(): Map<string, ModelKey> {
    return new Map(this.sources.map(readModelKey).map((key) => [key.id, key]))
  }
}
