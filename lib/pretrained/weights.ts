// Weights of loaded models: which tensor of a file is which weight, and the values read into place.
import type { Buffer } from '../core/buffer.js'
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { finished, lastTicket } from '../core/flights.js'
import { castTo } from '../core/read.js'
import { bytesOf, type DType, isFloat, sameShape } from '../core/spec.js'
import { allocate, type Variable } from '../core/tensor.js'
import { bytesOnHost, uploadPart } from '../core/transfer.js'
import { FOREIGN_TYPES } from '../io/foreign_types.js'
import { CHUNK_BYTES } from '../io/regular_file.js'
import type { Entry, SafetensorsFile } from '../io/safetensors.js'
import type { TensorFile } from '../io/tensor_files.js'

/** What a model says of its names. */
export interface NamedWeights {
  fileWeights(): Map<string, Variable>
  readonly aliases: Readonly<Record<string, string>>
  readonly prefix: string
  /** Tensors that are no weights. */
  readonly buffers: RegExp
  /** Tensors of heads that this model may lack. */
  readonly otherHeads: RegExp | undefined
}

/** Which tensor is which weight. */
export interface Matched {
  /** Names of the file, in its order, with the weight that each stands for. Several may stand for one. */
  readonly names: ReadonlyMap<string, Variable>
  /** Weights that the file does not have, by name. */
  readonly missing: readonly string[]
  /** Tensors of heads that the model lacks. */
  readonly unused: readonly string[]
}

/** Names of old files. */
const renamed = (name: string): string =>
  name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias')

/** Finds the weight of each tensor. ERR_FORMAT that lists all tensors which are none of the model's. */
export function matchNames(file: TensorFile, what: string, model: NamedWeights): Matched {
  const weights = model.fileWeights()
  const { prefix, aliases } = model
  const find = (name: string): Variable | undefined => {
    const modern = renamed(name)
    const stripped = modern.startsWith(prefix) ? modern.slice(prefix.length) : undefined
    for (const form of [modern, `${prefix}${modern}`, ...(stripped === undefined ? [] : [stripped])]) {
      const meant = Object.hasOwn(aliases, form) ? aliases[form]! : form
      const weight = weights.get(meant)
      if (weight) return weight
    }
    return undefined
  }
  const names = new Map<string, Variable>()
  const unused: string[] = []
  const strangers: string[] = []
  for (const name of file.names) {
    const weight = find(name)
    if (weight) names.set(name, weight)
    else if (model.otherHeads?.test(renamed(name))) unused.push(name)
    else if (!model.buffers.test(name)) strangers.push(name)
  }
  if (strangers.length > 0) {
    throw new WeftError(
      'ERR_FORMAT',
      `${what} has ${strangers.length} tensors that a model of its config does not have: ${listed(strangers)}`,
      {
        hint: 'Is config.json that of these weights?',
      },
    )
  }
  const found = new Set(names.values())
  const missing = [...weights].filter(([, weight]) => !found.has(weight)).map(([name]) => name)
  for (const [name, weight] of names) {
    const { entry } = file.find(name)
    if (!sameShape(entry.shape, weight.shape))
      throw new WeftError('ERR_FORMAT', `${what}: '${name}' has shape [${entry.shape}], config.json makes it [${weight.shape}]`, {
        shapes: [entry.shape, weight.shape],
      })
    if (!isFloat(entry.dtype) || FOREIGN_TYPES.has(entry.type))
      throw new WeftError('ERR_FORMAT', `${what}: '${name}' is ${entry.type}; weights of F16, BF16, F32 and F64 are read`, {
        hint: 'Quantized weights are not supported',
      })
  }
  return { names, missing, unused }
}

export const listed = (names: readonly string[]): string =>
  `${names.slice(0, 8).join(', ')}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`

/** Reads the values of the file into the weights, in the order they lie in, through one chunk where dtypes differ. */
export async function fillWeights(file: TensorFile, names: ReadonlyMap<string, Variable>): Promise<void> {
  // nobody else has the model yet, so that its memory may be written to once the runs that made it are done
  await finished(lastTicket())
  const parts = [...names].map(([name, weight]) => ({ ...file.find(name), weight }))
  const order = new Map([...new Set(parts.map((part) => part.file))].map((one, i) => [one, i]))
  parts.sort((a, b) => order.get(a.file)! - order.get(b.file)! || a.entry.from - b.entry.from)
  const done = new Set<Variable>()
  for (const { file: from, entry, weight } of parts) {
    if (done.has(weight)) continue
    done.add(weight)
    await fillOne(from, entry, weight)
  }
}

async function fillOne(file: SafetensorsFile, entry: Entry, weight: Variable): Promise<void> {
  const buffer = weight.held()
  const [each, own] = [bytesOf(entry.dtype), bytesOf(weight.dtype)]
  const count = Math.floor(CHUNK_BYTES / each)
  const values = (entry.to - entry.from) / each
  for (let at = 0; at < values; at += count) {
    const n = Math.min(count, values - at)
    if (entry.dtype === weight.dtype && buffer.device === 0) {
      await file.readPart(entry, at * each, buffer.view().subarray(at * each, (at + n) * each))
      continue
    }
    const bytes = new Uint8Array(n * each)
    await file.readPart(entry, at * each, bytes)
    await put(buffer, at * own, await converted(bytes, n, entry.dtype, weight.dtype))
  }
}

async function put(buffer: Buffer, at: number, bytes: Uint8Array): Promise<void> {
  if (buffer.device === 0) buffer.view().set(bytes, at)
  else await uploadPart(buffer, at, bytes)
}

/** Values of one dtype as those of another. */
async function converted(bytes: Uint8Array, count: number, from: DType, to: DType): Promise<Uint8Array> {
  if (from === to) return bytes
  const { source, result } = withDevice('cpu', () => {
    const source = allocate([count], from, 'cpu')
    source.held().view().set(bytes)
    return { source, result: castTo(source, to) }
  })
  const made = await bytesOnHost(result.held())
  source.dispose()
  const copy = made.slice()
  result.dispose()
  return copy
}
