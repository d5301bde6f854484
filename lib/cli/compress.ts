// weftjs compress: a smaller model of a saved one, and what that cost.
import path from 'node:path'
import { WeftError } from '../core/error.js'
import type { CompressData } from '../compress/data.js'
import { parse, UsageError } from './command.js'

export const usage: string =
  'compress <model> <out> [--quantize int8|int4|bfloat16|float16] [--method static|dynamic|weightOnly] [--group-size <n>] ' +
  '[--skip <layers>] [--prune <share>] [--structured channels|2:4] [--data <file or data set>] [--epochs <n>]'
export const summary =
  'writes a smaller model, and prints size, latency and accuracy before and after; --data: a safetensors file with x and y, or a name as fashionMnist'

type Library = typeof import('../index.js')

const OPTIONS = {
  quantize: { type: 'string' },
  method: { type: 'string' },
  'group-size': { type: 'string' },
  skip: { type: 'string' },
  prune: { type: 'string' },
  structured: { type: 'string' },
  data: { type: 'string' },
  epochs: { type: 'string' },
} as const

function numberOf(name: string, text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new UsageError(`--${name} takes a number, got '${text}'`)
  return value
}

/** Data sets of images and classes that a name stands for. */
const SETS = ['fashionMnist', 'mnist', 'cifar10'] as const

/** The data to calibrate and train on, and those to measure on. */
async function dataOf(library: Library, place: string): Promise<{ data: CompressData; validationData?: CompressData }> {
  const set = SETS.find((name) => name === place)
  if (set) {
    const { train, test } = await library.datasets[set]()
    return { data: train, validationData: test }
  }
  const file = await library.safetensors.open(place)
  const { names } = file
  if (!names.includes('x'))
    throw new WeftError('ERR_ARGUMENT', `compress: ${place} has no tensor x; it has ${names.slice(0, 8).join(', ') || 'none'}`, {
      hint: 'Write one with safetensors.save(file, { x, y })',
    })
  return { data: names.includes('y') ? { x: file.get('x'), y: file.get('y') } : { x: file.get('x') } }
}

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({ args, options: OPTIONS, allowPositionals: true })
  const [from, to] = positionals
  if (from === undefined || to === undefined || positionals.length > 2)
    throw new UsageError(`compress takes a model and a place to write to, got ${positionals.length}`)
  if (path.resolve(from) === path.resolve(to))
    throw new UsageError(`compress: ${to} is the model itself, which would be lost; name another place`)
  if (values.quantize === undefined && values.prune === undefined) throw new UsageError('compress takes --quantize, --prune or both')
  if (values.quantize === undefined && (values.method ?? values['group-size'] ?? values.skip) !== undefined)
    throw new UsageError('--method, --group-size and --skip go with --quantize')
  if (values.prune === undefined && values.structured !== undefined) throw new UsageError('--structured goes with --prune')
  const { formatOf, formatToWrite } = await import('../io/formats.js') // with the addon, which other commands do without
  const source = await formatOf(from)
  const target = formatToWrite(to, undefined)
  if (!source.load) throw new WeftError('ERR_ARGUMENT', `compress: ${from} is a ${source.label}, which has weights but no structure`)
  const library = await import('../index.js')
  const { compress } = await import('../compress/index.js')
  const model = await source.load(library, from)
  const { quantize: kind } = values
  const bits = kind === 'int4' ? { bits: 4 } : {}
  const details = {
    ...(values.method === undefined ? {} : { method: values.method }),
    ...(values['group-size'] === undefined ? {} : { groupSize: numberOf('group-size', values['group-size']) }),
    ...(values.skip === undefined ? {} : { skip: values.skip.split(',') }),
  }
  const whole = Object.keys(details).length === 0 ? kind : { to: kind === 'int4' ? 'int8' : kind, ...bits, ...details }
  const pruning = values.prune === undefined ? undefined : numberOf('prune', values.prune)
  const { model: small, report } = await compress(model, {
    ...(kind === undefined ? {} : { quantize: whole }),
    ...(pruning === undefined
      ? {}
      : { prune: values.structured === undefined ? pruning : { sparsity: pruning, structured: values.structured } }),
    ...(values.data === undefined ? {} : await dataOf(library, values.data)),
    ...(values.epochs === undefined ? {} : { epochs: numberOf('epochs', values.epochs) }),
  } as Parameters<typeof compress>[1])
  await target.save!(library, small, to)
  console.log(String(report))
  console.log(`${from} (${source.label}) is written to ${to} (${target.label})`)
  return 0
}
