// weftjs backup: a snapshot of a repository.
import { parse, UsageError } from './command.js'

export const usage = 'backup <repository> <backups> [--full] [--sign signing.pem]'
export const summary = 'keeps a repository as a snapshot; what earlier ones have is not stored again, and read again with --full'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { full: { type: 'boolean' }, sign: { type: 'string' } },
  })
  const [repository, backups] = positionals
  if (repository === undefined || backups === undefined || positionals.length > 2)
    throw new UsageError(`backup takes a repository and a folder of backups, got ${positionals.length}`)
  const { backup } = await import('../serve/index.js')
  const { snapshot, files, bytes, stored, damaged, skipped } = await backup(repository, backups, {
    ...(values.full && { full: true }),
    ...(values.sign !== undefined && { sign: values.sign }),
  })
  console.log(`snapshot ${snapshot}: ${files} files of ${bytes} bytes, ${stored} of them new`)
  for (const name of skipped) console.error(`left out, not a file: ${name}`)
  for (const name of damaged) console.error(`damaged in the repository: ${name}`)
  return damaged.length > 0 ? 1 : 0
}
