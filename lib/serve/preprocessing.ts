// Preprocessing: what the assets saved with a model make of requests and answers. Texts become ids, features are
// brought to one scale, scores get labels.
import { WeftError } from '../core/error.js'
import { checkOptions, type OptionTable } from '../core/options.js'
import { Scaler } from '../data/scalers.js'
import type { AnyModel } from '../model/model.js'
import {
  aligned,
  eachBytes,
  invalid,
  joinBytes,
  named,
  type Signature,
  sizeOfShape,
  type TensorSpec,
  tooLarge,
  type WireTensor,
} from './protocol/tensors.js'
import { type TextCodec, textCodecOf } from './text_codec.js'

/** assets.serving of a model: which of its assets are for what. */
interface ServingAssets {
  /** A tokenizer or text vectorization. Default 'tokenizer', where there is one. */
  tokenizer?: string
  /** Where short texts are filled and long ones cut. Default 'pre' for tokenizers of words, else 'post'. */
  padding?: 'pre' | 'post'
  truncating?: 'pre' | 'post'
  /** A scaler that the values of the model's only input go through. Default none: clients send scaled values. */
  scaler?: string
  /** A scaler that is undone on the model's only output. Default none. */
  targetScaler?: string
  /** A list of names of the classes. Default 'names' or 'labels', where there is one. */
  names?: string
}

const SERVING: OptionTable<ServingAssets> = {
  tokenizer: 'string',
  padding: ['pre', 'post'],
  truncating: ['pre', 'post'],
  scaler: 'string',
  targetScaler: 'string',
  names: 'string',
}

/** Characters of the texts of a request: tokenizers work on the JavaScript thread. */
const MOST_TEXT = 1 << 20
const LABEL = 'label'
const TEXT_INPUTS: readonly string[] = ['tokenIds', 'ids', 'x']

interface Labels {
  readonly names: readonly string[]
  /** The output whose scores they are for. */
  readonly index: number
}

export class Preprocessing {
  /** Undefined where the model has no tokenizer. */
  readonly text: TextCodec | undefined
  /** The input that takes texts as BYTES. */
  readonly textInput: TensorSpec | undefined
  private readonly scaler: Scaler | undefined
  private readonly targetScaler: Scaler | undefined
  private readonly labels: Labels | undefined

  /** ERR_FORMAT for assets.serving that does not fit the model. */
  constructor(model: AnyModel, signature: Signature) {
    const assets = (model.assets ?? {}) as Record<string, unknown>
    const serving = servingOf(model.name, assets['serving'])
    const find = (key: 'tokenizer' | 'scaler' | 'targetScaler' | 'names', defaults: readonly string[]): unknown => {
      const wanted = serving[key]
      if (wanted === undefined) return defaults.map((name) => assets[name]).find((asset) => asset !== undefined)
      if (Object.hasOwn(assets, wanted)) return assets[wanted]
      throw misfit(model.name, `${key} is '${wanted}', and the model has no such asset`)
    }
    this.text = textCodecOf(find('tokenizer', ['tokenizer']), serving)
    if (serving.tokenizer !== undefined && this.text === undefined) throw misfit(model.name, `'${serving.tokenizer}' is no tokenizer`)
    this.textInput = this.text && textInputOf(signature)
    this.scaler = scalerOf(model.name, find('scaler', []), signature.inputs)
    this.targetScaler = scalerOf(model.name, find('targetScaler', []), signature.outputs)
    this.labels = labelsOf(find('names', ['names', 'labels']), signature)
    if (serving.names !== undefined && this.labels === undefined)
      throw misfit(model.name, `'${serving.names}' is no list of names for one of the outputs`)
  }

  /** Outputs beside those of the model. */
  get outputs(): readonly TensorSpec[] {
    return this.labels ? [{ name: LABEL, datatype: 'BYTES', shape: [-1] }] : []
  }

  /** The inputs as the model takes them. */
  inputs(given: readonly WireTensor[]): readonly WireTensor[] {
    const { textInput, text, scaler } = this
    if (scaler === undefined && (textInput === undefined || !given.some(({ datatype }) => datatype === 'BYTES'))) return given
    return given.map((tensor) => {
      if (textInput && text && tensor.name === textInput.name && tensor.datatype === 'BYTES') return idsOf(text, textInput, tensor)
      return scaler && tensor.datatype === 'FP32' ? scaled(tensor, (rows) => scaler.transform(rows)) : tensor
    })
  }

  /** An output of the model as clients get it. */
  output(tensor: WireTensor): WireTensor {
    const { targetScaler } = this
    return targetScaler && tensor.datatype === 'FP32' ? scaled(tensor, (rows) => targetScaler.inverseTransform(rows)) : tensor
  }

  /** The labels of a request's rows. `score(index)`: the bytes of an output of the model. */
  label(outputs: readonly { readonly shape: readonly number[]; readonly bytes: Uint8Array }[]): WireTensor {
    const { names, index } = this.labels!
    const { shape, bytes } = outputs[index]!
    const own = aligned(bytes, 4)
    const scores = new Float32Array(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / 4)
    const [rows, width] = [shape[0]!, shape[1]!]
    const texts = Array.from({ length: rows }, (_, row) => {
      if (width === 1) return names[scores[row]! > 0.5 ? 1 : 0]!
      let best = 0
      for (let i = 1; i < width; i++) if (scores[row * width + i]! > scores[row * width + best]!) best = i
      return names[best]!
    })
    const utf8 = new TextEncoder()
    return { name: LABEL, datatype: 'BYTES', shape: [rows], bytes: joinBytes(texts.map((text) => utf8.encode(text))) }
  }
}

const misfit = (model: string, what: string): WeftError =>
  new WeftError('ERR_FORMAT', `${model}: assets.serving: ${what}`, { hint: 'Correct assets.serving, and save the model again' })

function servingOf(model: string, value: unknown): ServingAssets {
  if (value === undefined) return {}
  try {
    checkOptions('assets.serving', value ?? null, SERVING)
    return value as ServingAssets
  } catch (error) {
    throw misfit(model, (error as Error).message)
  }
}

/** The input that ids go to; undefined where it is not clear which. */
function textInputOf({ inputs }: Signature): TensorSpec | undefined {
  const flat = inputs.filter(({ shape }) => shape.length === 2)
  return TEXT_INPUTS.map((name) => flat.find((spec) => spec.name === name)).find(Boolean) ?? (flat.length === 1 ? flat[0] : undefined)
}

function scalerOf(model: string, asset: unknown, specs: readonly TensorSpec[]): Scaler | undefined {
  if (asset === undefined) return undefined
  if (!(asset instanceof Scaler)) throw misfit(model, 'a scaler is one of standardScaler() and minMaxScaler()')
  if (specs.length !== 1 || specs[0]!.datatype !== 'FP32') throw misfit(model, 'a scaler is for one input or output, of FP32')
  return asset
}

/** Names that are as many as an output has scores; two for a single score. */
function labelsOf(asset: unknown, { outputs }: Signature): Labels | undefined {
  if (!Array.isArray(asset) || asset.length === 0 || !asset.every((name) => typeof name === 'string')) return undefined
  const width = asset.length === 2 ? [2, 1] : [asset.length]
  const fits = outputs.map(({ datatype, shape }) => datatype === 'FP32' && shape.length === 2 && width.includes(shape[1]!))
  const index = fits.indexOf(true)
  if (index < 0 || fits.lastIndexOf(true) !== index || outputs.some(({ name }) => name === LABEL)) return undefined
  return { names: asset as string[], index }
}

/** Texts as rows of ids, of the length that the input has, or that of the longest text. */
function idsOf(text: TextCodec, { name, datatype, shape: wanted }: TensorSpec, { shape, bytes }: WireTensor): WireTensor {
  const what = named('input', name)
  const rows = sizeOfShape(shape)
  if (shape.length === 0 || rows !== shape[0]) throw invalid(`${what}: texts have shape [n] or [n, 1], got [${shape}]`)
  const texts: string[] = []
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let characters = 0
  eachBytes(bytes, (element) => {
    try {
      texts.push(utf8.decode(element))
    } catch {
      throw invalid(`${what}: text ${texts.length} is not UTF-8`)
    }
    characters += texts.at(-1)!.length
    if (characters > MOST_TEXT) throw tooLarge(`${what}: the texts have more than ${MOST_TEXT} characters`)
  })
  const lists = texts.map((one) => text.encode(one))
  const length = wanted[1]! >= 0 ? wanted[1]! : lists.reduce((most, list) => Math.max(most, list.length), 1)
  const values = datatype === 'FP32' ? new Float32Array(rows * length) : new Int32Array(rows * length)
  for (const [row, list] of lists.entries()) values.set(text.fit(list, length), row * length)
  return { name, datatype, shape: [rows, length], bytes: new Uint8Array(values.buffer) }
}

/** Values through a scaler, whose features are along the last axis. */
function scaled(tensor: WireTensor, transform: (rows: number[][]) => readonly (readonly number[])[]): WireTensor {
  const { shape, bytes } = tensor
  const own = aligned(bytes, 4)
  const values = new Float32Array(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / 4)
  const width = shape.at(-1) ?? 1
  if (values.length === 0 || width === 0) return tensor
  const rows = Array.from({ length: values.length / width }, (_, row) => Array.from(values.subarray(row * width, (row + 1) * width)))
  return { ...tensor, bytes: new Uint8Array(Float32Array.from(transform(rows).flat()).buffer) }
}
