// weftjs key: a new API key for weftjs serve. The key is shown once; the file has its hash.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { systemError } from '../core/system_error.js'
import { parse, UsageError } from './command.js'

export const usage = 'key <id> --roles predict,explain,read,admin [--models a,b] [--expires 2030-01-01] [--file keys.json]'
export const summary = 'makes an API key for serve, prints it, and writes its hash to the file'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { roles: { type: 'string' }, models: { type: 'string' }, expires: { type: 'string' }, file: { type: 'string' } },
  })
  const [id] = positionals
  const { roles, models, expires, file = 'keys.json' } = values
  if (id === undefined || positionals.length > 1) throw new UsageError(`key takes one id, got ${positionals.length}`)
  if (roles === undefined) throw new UsageError('--roles is missing')
  const [{ createApiKey, readApiKeys }, { realPlace }, { inTurn }] = await Promise.all([
    import('../serve/index.js'),
    import('../io/folder.js'),
    import('../io/turns.js'),
  ])
  const { key, entry } = createApiKey({
    id,
    roles: roles.split(',') as never,
    ...(models !== undefined && { models: models.split(',') }),
    ...(expires !== undefined && { expires }),
  })
  if (Date.parse(entry.expires ?? '9999') <= Date.now())
    throw new WeftError('ERR_ARGUMENT', `API key '${id}' would have expired already: ${expires}`, { hint: 'Give a later date' })
  const add = async (place: string): Promise<void> => {
    const keys = existsSync(place) ? readApiKeys(readFileSync(place, 'utf8'), file) : []
    if (keys.some((one) => one.id === id)) throw new UsageError(`${file} has a key '${id}' already`)
    // a server that reads it meanwhile finds the old file or the new one
    rmSync(`${place}.new`, { force: true })
    writeFileSync(`${place}.new`, `${JSON.stringify({ keys: [...keys, entry] }, undefined, 2)}\n`, { mode: 0o600 })
    renameSync(`${place}.new`, place)
  }
  try {
    const place = await realPlace(path.resolve(file), { makes: false })
    // a key that another process adds meanwhile is not lost
    await inTurn(place, () => add(place), { lock: true })
  } catch (error) {
    throw systemError(`key: ${file} cannot be written`, error, 'ERR_ARGUMENT')
  }
  console.log(key)
  return 0
}
