// weftjs publish: a saved model as a new version of a repository.
import { parse, UsageError } from './command.js'

export const usage =
  'publish <model> <repository> [--name digits] [--version 4] [--sign signing.pem] [--model-key file:model.key] [--label stable]'
export const summary = 'puts a saved model into a repository as a new version, signed with --sign and encrypted with --model-key'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      version: { type: 'string' },
      sign: { type: 'string' },
      'model-key': { type: 'string' },
      label: { type: 'string' },
    },
  })
  const [model, repository] = positionals
  if (model === undefined || repository === undefined || positionals.length > 2)
    throw new UsageError(`publish takes the folder of a model and that of a repository, got ${positionals.length}`)
  const { version, sign, label, name, 'model-key': modelKey } = values
  if (version !== undefined && !/^[1-9]\d*$/.test(version)) throw new UsageError(`--version is a number, got '${version}'`)
  const { publish } = await import('../serve/index.js')
  const published = await publish(model, repository, {
    ...(name !== undefined && { name }),
    ...(version !== undefined && { version: Number(version) }),
    ...(sign !== undefined && { sign }),
    ...(modelKey !== undefined && { modelKey }),
    ...(label !== undefined && { label }),
  })
  const facts = [
    published.signedBy && `signed by ${published.signedBy}`,
    published.encryptedWith && `encrypted with ${published.encryptedWith}`,
  ].filter(Boolean)
  console.log(`${published.name}/${published.version} is published${facts.length > 0 ? `: ${facts.join(', ')}` : ''}`)
  return 0
}
