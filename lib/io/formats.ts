// The formats of models that are read and written: one row each. Whoever asks brings the library that does it.
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { type Verbosity, whileWorking } from '../core/progress_bar.js'
import { isRecord } from '../core/tree.js'
import { recognize } from './foreign.js'
import { jsonOf } from './json_file.js'
import { isSealed } from './published.js'
import type { AnyModel } from '../model/model.js'

type Library = typeof import('../index.js')

export interface LoadForeignOptions {
  device?: string
  verbose?: Verbosity
}

export interface Format {
  readonly name: string
  /** What it is called in messages. */
  readonly label: string
  /** Whether a place holds it. */
  readonly holds: (place: Place) => boolean
  /** Whether a name asks for it as the format to write. */
  readonly ends?: RegExp
  /** Undefined: a format without a structure, as weights alone are. */
  readonly load?: (library: Library, file: string, options?: LoadForeignOptions) => Promise<AnyModel>
  readonly save?: (library: Library, model: AnyModel, file: string) => Promise<void>
}

/** What is known of a file or folder before it is loaded. */
export interface Place {
  readonly path: string
  readonly folder: boolean
  /** Names in a folder. */
  readonly names: ReadonlySet<string>
  /** The description of a model, where there is one: model.json, config.json, or the file itself. */
  readonly json: Record<string, unknown> | undefined
}

/** Loads what shows nothing by itself. */
const shown = <T>(file: string, options: LoadForeignOptions = {}, load: (rest: { device?: string }) => Promise<T>): Promise<T> => {
  const { verbose, ...rest } = options
  return whileWorking(`loading ${file}`, verbose, () => load(rest))
}

const isTfjs = ({ json }: Place): boolean => isRecord(json?.['modelTopology']) || Array.isArray(json?.['weightsManifest'])

export const FORMATS: readonly Format[] = [
  {
    name: 'weft',
    label: 'saved model of Weft',
    holds: ({ folder, json }) => folder && json?.['format'] === 'weft model',
    load: (library, file, options) => library.loadModel(file, options),
    save: (_, model, file) => model.save(file),
  },
  {
    name: 'tfjs',
    label: 'layers model of TensorFlow.js',
    holds: isTfjs,
    ends: /(^|[\\/])model\.json$/,
    load: (library, file, options) => shown(file, options, (rest) => library.loadTfjs(file, rest)),
    save: (_, model, file) => model.exportTfjs(path.basename(file) === 'model.json' ? path.dirname(file) : file),
  },
  {
    name: 'keras',
    label: 'file of Keras 3',
    holds: ({ path: file, folder }) => !folder && /\.keras$/i.test(file),
    load: (library, file, options) => shown(file, options, (rest) => library.loadKeras(file, rest)),
  },
  {
    name: 'onnx',
    label: 'ONNX file',
    holds: ({ path: file, folder }) => !folder && /\.onnx$/i.test(file),
    ends: /\.onnx$/i,
    load: (library, file, options) => library.importOnnx(file, options),
    save: (_, model, file) => model.exportOnnx(file),
  },
  {
    name: 'huggingface',
    label: 'folder of Hugging Face',
    holds: ({ folder, json }) => folder && (typeof json?.['model_type'] === 'string' || Array.isArray(json?.['architectures'])),
    load: async (library, file, options) => {
      const { model, tokenizer } = await library.loadPretrained(file, options)
      if (tokenizer !== undefined) model.assets = { ...model.assets, tokenizer }
      return model
    },
    save: (library, model, file) => library.savePretrained(model as never, file),
  },
  {
    name: 'safetensors',
    label: 'safetensors file',
    holds: ({ path: file }) => /\.safetensors$/i.test(file),
    ends: /\.safetensors$/i,
    save: (_, model, file) => model.saveWeights(file),
  },
]

/** The format of what is at a place. ERR_FORMAT where it is none of them, or nothing. */
export async function formatOf(file: string): Promise<Format> {
  const place = await look(file)
  const found = FORMATS.find((format) => format.holds(place))
  if (found) return found
  const other = await recognize(file)
  if (other) throw new WeftError('ERR_FORMAT', `${file} is ${other.what}`, { hint: other.hint })
  throw new WeftError('ERR_FORMAT', `${file} is no model in a format that is known`, {
    hint: `Known are: ${FORMATS.map(({ label }) => label).join(', ')}`,
  })
}

async function look(file: string): Promise<Place> {
  const facts = await stat(file).catch(() => undefined)
  if (facts === undefined) throw new WeftError('ERR_FORMAT', `there is no model at ${file}`)
  const folder = facts.isDirectory()
  const names = new Set(folder ? await readdir(file).catch((): string[] => []) : [])
  // a save that is under way has its files one level below for a moment
  const described = folder
    ? ['model.json', '.weft-commit/model.json', 'config.json'].map((name) => path.join(file, name))
    : /\.json$/i.test(file)
      ? [file]
      : []
  let json: Record<string, unknown> | undefined
  for (const candidate of described) json ??= await jsonOf(candidate)
  return { path: file, folder, names, json }
}

/** Endings of formats that nothing here writes. */
const OTHERS = /\.(keras|h5|hdf5|pb|pbtxt|pt|pth|ckpt|tflite|bin|npz|npy|txt|json|zip)$/i

/** The format to write: by its name, or by the ending of the file; a folder is a saved model of Weft. */
export function formatToWrite(file: string, name: string | undefined): Format {
  if (name !== undefined) {
    const found = FORMATS.find((format) => format.name === name)
    if (found?.save) return found
    const known = FORMATS.filter(({ save }) => save).map((format) => format.name)
    throw new WeftError('ERR_ARGUMENT', `convert: '${name}' is not a format that is written; there are ${known.join(', ')}`)
  }
  const found = FORMATS.find(({ ends }) => ends?.test(file))
  if (found === undefined && OTHERS.test(file))
    throw new WeftError('ERR_ARGUMENT', `convert: files such as ${path.basename(file)} are not written`, {
      hint: 'Name a folder, or add --to weft for a folder of that name',
    })
  return found ?? FORMATS[0]!
}

/** Loads a model of another program. */
export type LoadForeign = (library: Library, options?: LoadForeignOptions) => Promise<AnyModel>

/**
 * The model of another program at a place: a file, a folder of one, or a folder with one .keras or .onnx file.
 * Undefined where it is a saved model of Weft, or nothing that is known.
 */
export async function foreignModel(place: string): Promise<LoadForeign | undefined> {
  const names = await readdir(place).catch(() => undefined)
  if (names?.some((name) => OWN.has(name)) || (await isSealed(place))) return undefined
  const only = names?.filter((name) => /\.(keras|onnx)$/i.test(name)) ?? []
  // an exported model may have the config.json of what it was made of beside it
  const isDescribed =
    names?.includes('model.json') || (names?.includes('config.json') && names.some((name) => name.includes('.safetensors')))
  const file = only.length === 1 && !isDescribed ? path.join(place, only[0]!) : place
  const format = await formatOf(file).catch(() => undefined)
  const load = format === FORMATS[0] ? undefined : format?.load
  return load && ((library, options) => load(library, file, options))
}
/** What a saved model of Weft has, whole or while it is being saved to. */
const OWN: ReadonlySet<string> = new Set(['weights.safetensors', '.weft-commit'])
