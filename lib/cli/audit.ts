// weftjs audit: follows the chain of an audit log of serve.
import { parse, UsageError } from './command.js'

export const usage = 'audit <audit.jsonl> [--key audit.key] [--head hash]'
export const summary = 'checks that no line of an audit log was changed, taken out or put in'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { key: { type: 'string' }, head: { type: 'string' } },
  })
  const [file] = positionals
  if (file === undefined || positionals.length > 1) throw new UsageError(`audit takes one file, got ${positionals.length}`)
  const { verifyAudit } = await import('../serve/audit.js')
  const { lines, head, broken } = await verifyAudit({ file, ...(values.key !== undefined && { key: values.key }) }, values.head)
  if (broken) {
    console.error(`${file}: line ${broken.line} is broken: ${broken.why}`)
    return 1
  }
  console.log(`${file}: ${lines} lines, whole; the last hash is ${head}`)
  return 0
}
