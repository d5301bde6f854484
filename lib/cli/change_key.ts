// weftjs change-key: the encrypted models of a repository under a new key.
import { parse, UsageError } from './command.js'

export const usage = 'change-key <repository> --old file:old.key [--old ...] --new file:new.key'
export const summary = 'gives the encrypted models of a repository a new key; their files and signatures stay as they are'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { old: { type: 'string', multiple: true }, new: { type: 'string' } },
  })
  const [repository] = positionals
  if (repository === undefined || positionals.length > 1) throw new UsageError(`change-key takes one repository, got ${positionals.length}`)
  if (values.old === undefined || values.new === undefined) throw new UsageError('--old and --new are missing')
  const { changeModelKey } = await import('../serve/index.js')
  const { changed, unchanged } = await changeModelKey(repository, values.old, values.new)
  console.log(`${changed.length} versions have the new key now, ${unchanged.length} had it before`)
  return 0
}
