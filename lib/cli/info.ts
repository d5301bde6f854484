// weftjs info: the summary of a saved model.
import { parseArgs } from 'node:util'
import { UsageError } from './command.js'

export const usage = 'info <model> [--json]'
export const summary = 'prints the summary of a saved model'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { json: { type: 'boolean' } }, allowPositionals: true })
  const [folder] = positionals
  if (folder === undefined || positionals.length > 1) throw new UsageError(`info takes the folder of one model, got ${positionals.length}`)
  const [{ loadModel }, { ComposedModel }] = await Promise.all([import('../index.js'), import('../model/composed.js')])
  const model = await loadModel(folder)
  if (values.json) {
    const weights = model.weights.map(({ name, shape, dtype }) => ({ name, shape, dtype }))
    console.log(
      JSON.stringify(
        { name: model.name, layers: model.layers.map(({ name }) => name), parameters: model.countParams(), weights },
        undefined,
        2,
      ),
    )
    return 0
  }
  if (model instanceof ComposedModel) model.summary({ print: (line: string) => console.log(line) })
  const assets = Object.keys(model.assets)
  if (assets.length > 0) console.log(`Assets: ${assets.join(', ')}`)
  return 0
}
