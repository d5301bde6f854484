// weftjs key: a new API key for weftjs serve. The key is shown once; the file has its hash.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { UsageError } from './command.js'

export const usage = 'key <id> --roles predict,explain,read,admin [--models a,b] [--expires 2030-01-01] [--file keys.json]'
export const summary = 'makes an API key for serve, prints it, and writes its hash to the file'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { roles: { type: 'string' }, models: { type: 'string' }, expires: { type: 'string' }, file: { type: 'string' } },
  })
  const [id] = positionals
  const { roles, models, expires, file = 'keys.json' } = values
  if (id === undefined || positionals.length > 1) throw new UsageError(`key takes one id, got ${positionals.length}`)
  if (roles === undefined) throw new UsageError('--roles is missing')
  const { createApiKey, readApiKeys } = await import('../serve/index.js')
  const { key, entry } = createApiKey({
    id,
    roles: roles.split(',') as never,
    ...(models !== undefined && { models: models.split(',') }),
    ...(expires !== undefined && { expires }),
  })
  const keys = existsSync(file) ? readApiKeys(readFileSync(file, 'utf8'), file) : []
  if (keys.some((one) => one.id === id)) throw new UsageError(`${file} has a key '${id}' already`)
  // a server that reads it meanwhile finds the old file or the new one
  writeFileSync(`${file}.new`, `${JSON.stringify({ keys: [...keys, entry] }, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
  console.log(key)
  return 0
}
