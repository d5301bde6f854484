// weftjs convert: a model from one format into another.
import { WeftError } from '../core/error.js'
import { parse, UsageError } from './command.js'

export const usage = 'convert <from> <to> [--to <format>]'
export const summary =
  'writes a model in another format: by the ending of <to> (.onnx, .safetensors, model.json of TensorFlow.js), else as a folder of Weft'

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({ args, options: { to: { type: 'string' } }, allowPositionals: true })
  const [from, to] = positionals
  if (from === undefined || to === undefined || positionals.length > 2)
    throw new UsageError(`convert takes two places, got ${positionals.length}`)
  const { formatOf, formatToWrite } = await import('../io/formats.js') // with the addon, which other commands do without
  const source = await formatOf(from)
  const target = formatToWrite(to, values.to)
  if (!source.load)
    throw new WeftError('ERR_ARGUMENT', `convert: ${from} is a ${source.label}, which has weights but no structure`, {
      hint: 'Make the model and call loadWeights(file)',
    })
  const library = await import('../index.js')
  const model = await source.load(library, from)
  await target.save!(library, model, to)
  console.log(`${from} (${source.label}) is written to ${to} (${target.label})`)
  return 0
}
