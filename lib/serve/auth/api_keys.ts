// API keys: random, kept as hashes in a file, read again when the file changes.
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { WeftError } from '../../core/error.js'
import { checkOptions, type OptionTable, show } from '../../core/options.js'
import { type Authenticator, type CredentialHeaders, Principal, ROLES, type Role, unauthenticated } from './principal.js'
import { MODEL_NAME } from '../repository/settings.js'
import { WatchedFiles } from '../watched_files.js'
import { checkRate, type Rate } from './rates.js'

/** A key as the file has it: { "keys": [...] }. */
export interface ApiKeyEntry {
  /** Named in logs. */
  id: string
  /** 'sha256:' and the hash in hexadecimal. Keys have 256 random bits, so that a fast hash is enough. */
  hash: string
  roles: Role[]
  /** The models it is for. Default all. */
  models?: string[]
  /** ISO 8601; the key is refused from then on. */
  expires?: string
  /** How often it may ask, in place of the server's limit. */
  rate?: Rate
}

const ENTRY: OptionTable<ApiKeyEntry> = { id: 'string', hash: 'string', roles: 'list', models: 'list', expires: 'string', rate: 'object' }
const KEY = /^weft_[A-Za-z0-9_-]{43}$/
const HASH = /^sha256:[0-9a-f]{64}$/

const hashOf = (key: string): string => `sha256:${createHash('sha256').update(key).digest('hex')}`

/** A new key, which is shown once, and what is written to the file. */
export function createApiKey(entry: Omit<ApiKeyEntry, 'hash'>): { key: string; entry: ApiKeyEntry } {
  const key = `weft_${randomBytes(32).toString('base64url')}`
  const made = { ...entry, hash: hashOf(key) }
  const wrong = refusal(checkEntry(made))
  if (wrong !== undefined) throw new WeftError('ERR_ARGUMENT', wrong)
  return { key, entry: made }
}

function checkEntry(value: unknown): ApiKeyEntry {
  checkOptions('an API key', value ?? null, ENTRY)
  const { id, hash, roles, models, expires, rate } = value as ApiKeyEntry
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id ?? ''))
    throw new WeftError('ERR_ARGUMENT', `an API key has an id of letters, digits, '.', '_' and '-', got ${show(id)}`)
  if (!HASH.test(hash ?? '')) throw new WeftError('ERR_ARGUMENT', `API key '${id}': hash is 'sha256:' and 64 hexadecimal digits`)
  if (!Array.isArray(roles) || roles.length === 0 || roles.some((role) => !ROLES.includes(role)))
    throw new WeftError('ERR_ARGUMENT', `API key '${id}': roles are some of ${ROLES.join(', ')}, got ${show(roles)}`)
  if (models?.some((model) => typeof model !== 'string'))
    throw new WeftError('ERR_ARGUMENT', `API key '${id}': models are names of models, got ${show(models)}`)
  if (expires !== undefined && Number.isNaN(Date.parse(expires)))
    throw new WeftError('ERR_ARGUMENT', `API key '${id}': expires is a date, got ${show(expires)}`)
  if (rate !== undefined) checkRate(`API key '${id}': rate`, rate)
  return value as ApiKeyEntry
}

/** Why a key is refused that is for models which no model can be; the others of its file are not. */
const refusal = ({ id, models }: ApiKeyEntry): string | undefined =>
  models?.every((model) => MODEL_NAME.test(model)) === false
    ? `API key '${id}': models are names of models, without patterns, got ${show(models)}`
    : undefined

interface Known {
  readonly principal: Principal
  readonly expires: number
}

const CHECK_MS = 500

export class ApiKeys implements Authenticator {
  private readonly keys: WatchedFiles<ReadonlyMap<string, Known>>

  /**
   * ERR_FORMAT where the file is not as it should be. `failed` is told when it is not later on; the keys stay as they
   * were. `refused` is told of a key that opens nothing, each time that the file is read.
   */
  constructor(
    file: string,
    failed: (error: unknown) => void,
    refused: (reason: string) => void,
    private readonly now: () => number = Date.now,
  ) {
    this.keys = new WatchedFiles([file], () => read(file, refused), failed, CHECK_MS)
  }

  /** Reads the file again if it was changed. */
  refresh(): void {
    this.keys.refresh()
  }

  authenticate({ authorization, apiKey }: CredentialHeaders): Principal {
    const bearer = authorization === undefined ? undefined : (/^Bearer +(\S+)$/i.exec(authorization.slice(0, 200))?.[1] ?? '')
    const key = bearer ?? apiKey
    // both, or none: it is not clear who asks
    if (key === undefined || (bearer !== undefined && apiKey !== undefined) || !KEY.test(key)) throw unauthenticated()
    // found by its hash: how long that takes tells nothing of the key
    const known = this.keys.current.get(hashOf(key))
    if (known === undefined || known.expires <= this.now()) throw unauthenticated()
    return known.principal
  }

  close(): void {
    this.keys.close()
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `the file of API keys ${file} cannot be read`, {
      cause,
      hint: 'Write one: npx weftjs key <id> --roles predict --file keys.json',
    })
  }
}

/**
 * The keys of a file's text. ERR_FORMAT that names the file where it is not as it should be. A key whose `models` are
 * no names is among them; a server refuses that one.
 */
export function readApiKeys(text: string, file: string): ApiKeyEntry[] {
  try {
    const { keys, ...rest } = JSON.parse(text) as { keys: unknown }
    if (!Array.isArray(keys) || Object.keys(rest).length > 0) throw new WeftError('ERR_ARGUMENT', 'it is { "keys": [...] }')
    return keys.map(checkEntry)
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `the file of API keys ${file}: ${(cause as Error).message}`, { cause })
  }
}

function read(file: string, refused: (reason: string) => void): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>()
  for (const entry of readApiKeys(textOf(file), file)) {
    const { id, hash, roles, models, expires, rate } = entry
    const wrong = refusal(entry)
    if (wrong === undefined) {
      const principal = new Principal(id, new Set(roles), models && new Set(models), rate)
      known.set(hash, { principal, expires: expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires) })
    } else refused(wrong)
  }
  return known
}
