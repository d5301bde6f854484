// weftjs restore: a repository as a snapshot has it.
import { parse, UsageError } from './command.js'

export const usage = 'restore <backups> <repository> [--snapshot id] [--signed-by signing.pub] [--check]'
export const summary = 'brings a repository back from its newest snapshot, compared file by file; --check tries it and changes nothing'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { snapshot: { type: 'string' }, 'signed-by': { type: 'string', multiple: true }, check: { type: 'boolean' } },
  })
  const [backups, repository] = positionals
  if (backups === undefined || repository === undefined || positionals.length > 2)
    throw new UsageError(`restore takes a folder of backups and a repository, got ${positionals.length}`)
  const { restore } = await import('../serve/index.js')
  const { snapshot, files, bytes, previous, damaged } = await restore(backups, repository, {
    ...(values.snapshot !== undefined && { snapshot: values.snapshot }),
    ...(values['signed-by'] && { signedBy: values['signed-by'] }),
    ...(values.check && { check: true }),
  })
  console.log(`snapshot ${snapshot}: ${files} files of ${bytes} bytes ${values.check ? 'can be restored' : 'are restored'}`)
  if (previous !== undefined) console.log(`what was there before: ${previous}`)
  for (const name of damaged) console.error(`damaged when it was backed up: ${name}`)
  return damaged.length > 0 ? 1 : 0
}
