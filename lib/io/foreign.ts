// Models of other programs: what a place holds that is no saved model of ours, told by its files.
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { isRecord } from '../core/tree.js'
import { jsonOf } from './json_file.js'
import { FORMAT } from './manifest.js'
import { isSealed } from './published.js'

/** Whole models in HDF5 are not read; Keras 3 reads them, and writes what is. */
const FROM_HDF5 =
  "In Python, with Keras 3: keras.saving.load_model('model.h5').save('model.keras'). loadKeras('model.keras') reads that, and so do weftjs publish and weftjs convert"

const BY_ENDING: readonly (readonly [ending: string, what: string, hint?: string])[] = [
  ['.keras', 'a Keras model', "Write loadKeras('model.keras')"],
  ['.weights.h5', 'a Keras file of weights alone', "Save the whole model in Python: model.save('model.keras')"],
  ['.h5', 'a Keras model in HDF5', FROM_HDF5],
  ['.hdf5', 'a Keras model in HDF5', FROM_HDF5],
  ['.onnx', 'an ONNX model', "Write importOnnx('model.onnx')"],
  ['.gguf', 'a GGUF model'],
  ['.tflite', 'a TensorFlow Lite model'],
  ['.pt', 'a PyTorch file'],
  ['.pth', 'a PyTorch file'],
  ['.safetensors', 'a file of weights alone'],
]

/** What the place holds, and what to do; undefined when nothing is known about it. */
export async function recognize(place: string): Promise<{ what: string; hint: string } | undefined> {
  const facts = await stat(place).catch(() => undefined)
  if (facts === undefined) return undefined
  if (facts.isFile()) return fileKind(place)
  if (!facts.isDirectory()) return undefined
  const names = new Set(await readdir(place).catch((): string[] => []))
  if (await isSealed(place))
    return {
      what: 'an encrypted model',
      hint: 'Load it with its key: loadPublished(folder, { modelKeys }) of weftjs/serve, or weftjs serve --model-key',
    }
  // a save that was under way has its files one level below
  for (const name of ['.weft-commit/model.json', 'model.json']) {
    const json = await jsonOf(path.join(place, name))
    if (json?.['format'] === FORMAT) return undefined
    if (json && isTfjs(json)) return foreign('a TensorFlow.js model', "Write loadTfjs('model.json')")
  }
  if (names.has('saved_model.pb')) return foreign('a TensorFlow SavedModel')
  if (names.has('config.json')) {
    const config = await jsonOf(path.join(place, 'config.json'))
    if (config && (typeof config['model_type'] === 'string' || Array.isArray(config['architectures'])))
      return foreign('a Hugging Face model', "Write loadPretrained('folder')")
  }
  const several = [...names].filter((name) => /\.(keras|onnx)$/i.test(name)).sort()
  if (several.length > 1 && !names.has('model.json'))
    return foreign(
      `a folder with ${several.length} models in it: ${several.slice(0, 5).join(', ')}`,
      'Name one file, or give each a folder',
    )
  const only = BY_ENDING.find(([ending]) => [...names].some((name) => name.endsWith(ending)))
  return only && !names.has('model.json') ? { what: `a folder with ${only[1]} in it`, hint: only[2] ?? NO_IMPORT } : undefined
}

const NO_IMPORT =
  'loadModel() loads what save() wrote; loadKeras(), loadTfjs(), importOnnx() and loadPretrained() load models of other programs'
const foreign = (what: string, hint: string = NO_IMPORT): { what: string; hint: string } => ({ what, hint })

async function fileKind(file: string): Promise<{ what: string; hint: string } | undefined> {
  const known = BY_ENDING.find(([ending]) => file.toLowerCase().endsWith(ending))
  if (known) return foreign(known[1], known[2])
  if (path.extname(file) !== '.json') return undefined
  const json = await jsonOf(file)
  if (json === undefined) return undefined
  if (json['format'] === FORMAT)
    return { what: 'the file of a saved model, and models are loaded by their folder', hint: `Write loadModel('${path.dirname(file)}')` }
  if (isTfjs(json)) return foreign('a TensorFlow.js model', "Write loadTfjs('model.json')")
  if (path.basename(file) === 'config.json' && typeof json['model_type'] === 'string')
    return foreign('a Hugging Face model', "Write loadPretrained('folder')")
  return undefined
}

const isTfjs = (json: Record<string, unknown>): boolean => isRecord(json['modelTopology']) || Array.isArray(json['weightsManifest'])
