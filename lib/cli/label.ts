// weftjs label: a label of a model goes to another version.
import { parse, UsageError } from './command.js'

export const usage = 'label <repository> <model> <label> <version>'
export const summary = "moves a label, as 'stable', to a version of a repository: also back, which is a rollback"

export async function run(args: string[]): Promise<number> {
  const { positionals } = parse({ args, allowPositionals: true, options: {} })
  const [repository, model, label, version] = positionals
  if (repository === undefined || model === undefined || label === undefined || version === undefined || positionals.length > 4)
    throw new UsageError(`label takes a repository, a model, a label and a version, got ${positionals.length}`)
  if (!/^[1-9]\d*$/.test(version)) throw new UsageError(`a version is a number, got '${version}'`)
  const { labelVersion } = await import('../serve/publishing/publish.js')
  await labelVersion(repository, model, label, Number(version))
  console.log(`${label} of ${model} is version ${version}`)
  return 0
}
