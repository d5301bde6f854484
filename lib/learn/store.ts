// Saved estimators: a folder with model.json (kind, parameters, what was learned) and weights.safetensors (its typed
// arrays, bit for bit).
import { createHash } from 'node:crypto'
import path from 'node:path'
import { isTypedArray } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import type { TypedArray } from '../core/host.js'
import { show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { checkDepth, isRecord } from '../core/tree.js'
import type { Tensor } from '../core/tensor.js'
import { findFolder, MODEL_FILE, replaceFolder, WEIGHTS_FILE, withFiles, writeNew } from '../io/folder.js'
import { jsonText } from '../io/manifest.js'
import { parseSafetensors, type StoredTensor, writeSafetensors } from '../io/safetensors.js'

const FORMAT = 'weft estimator'
const VERSION = 1
/** Marks in JSON: a typed array in the other file, and a number that JSON does not know. */
const [ARRAY, NUMBER] = ['$array', '$number']

type Saved = null | boolean | number | string | Saved[] | { [name: string]: Saved }

/** The value as JSON; typed arrays go into `arrays`. Functions are left out. */
function toJson(value: unknown, arrays: Map<string, TypedArray>, depth = 0): Saved | undefined {
  checkDepth(depth)
  if (value === undefined || typeof value === 'function') return undefined
  if (typeof value === 'number' && !Number.isFinite(value)) return { [NUMBER]: String(value) }
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') return value
  if (isTypedArray(value)) {
    const name = String(arrays.size)
    arrays.set(name, value)
    return { [ARRAY]: name }
  }
  if (Array.isArray(value)) return value.map((item) => toJson(item, arrays, depth + 1) ?? null)
  if (!isRecord(value)) throw new WeftError('ERR_ARGUMENT', `save: ${show(value)} cannot be saved`)
  const entries = Object.entries(value).map(([name, item]) => [name, toJson(item, arrays, depth + 1)] as const)
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, Saved] => entry[1] !== undefined))
}

/** The value that toJson() described. */
function fromJson(value: unknown, arrays: ReadonlyMap<string, TypedArray>, depth = 0): unknown {
  checkDepth(depth)
  if (Array.isArray(value)) return value.map((item) => fromJson(item, arrays, depth + 1))
  if (!isRecord(value)) return value
  if (Object.hasOwn(value, NUMBER)) return Number(value[NUMBER])
  if (Object.hasOwn(value, ARRAY)) {
    const found = arrays.get(String(value[ARRAY]))
    if (found === undefined) throw new WeftError('ERR_FORMAT', `load: ${WEIGHTS_FILE} has no array ${show(value[ARRAY])}`)
    return found
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fromJson(item, arrays, depth + 1)]))
}

/** The value as JSON alone, for the assets of a network; typed arrays become lists. */
export const plainJson = (value: unknown): unknown => toJson(listed(value), new Map())
/** The value that plainJson() described. */
export const fromPlainJson = (value: unknown): unknown => fromJson(value, new Map())

function listed(value: unknown): unknown {
  if (isTypedArray(value)) return Array.from(value as Float64Array, Number)
  if (Array.isArray(value)) return value.map(listed)
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([name, own]) => [name, listed(own)])) : value
}

/** A typed array as a tensor on the host. */
function asTensor(values: TypedArray): Tensor {
  if (values instanceof Float64Array) return tensor(values, { dtype: 'float64', device: 'cpu' })
  return tensor(values, { device: 'cpu' })
}

/** The typed array of a stored tensor. */
function arrayOf(name: string, { dtype, bytes }: StoredTensor): TypedArray {
  const copy = bytes.slice().buffer
  if (dtype === 'float64') return new Float64Array(copy)
  if (dtype === 'float32') return new Float32Array(copy)
  if (dtype === 'int32') return new Int32Array(copy)
  if (dtype === 'uint8') return new Uint8Array(copy)
  throw new WeftError('ERR_FORMAT', `load: array ${show(name)} of ${WEIGHTS_FILE} is ${dtype}, which no model has`)
}

const checksum = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex')

/** Writes a folder with what is stored. What was there is replaced as a whole, and stays where anything fails. */
export async function saveEstimator(what: string, place: Place, stored: object): Promise<void> {
  const folder = pathOf(what, place)
  const arrays = new Map<string, TypedArray>()
  const model = toJson(stored, arrays)!
  const tensors = new Map([...arrays].map(([name, values]) => [name, asTensor(values)]))
  try {
    await replaceFolder(folder, async (fresh) => {
      const weights = await writeSafetensors(path.join(fresh, WEIGHTS_FILE), tensors, { format: FORMAT })
      const text = JSON.stringify(model)
      const content = { format: FORMAT, version: VERSION, model, sha256: checksum(text), weights }
      await writeNew(path.join(fresh, MODEL_FILE), (handle) => handle.writeFile(jsonText(content)))
    })
  } finally {
    for (const t of tensors.values()) t.dispose()
  }
}

/** What saveEstimator() wrote. ERR_FORMAT unless the folder holds an estimator of this format, whole. */
export async function readEstimator(what: string, place: Place): Promise<unknown> {
  const folder = await findFolder(pathOf(what, place))
  return await withFiles(folder, [MODEL_FILE, WEIGHTS_FILE], async (files) => {
    const file = files.get(MODEL_FILE)!
    const json = await file.json()
    if (json['format'] !== FORMAT)
      throw new WeftError('ERR_FORMAT', `${file.path} does not describe a saved model of weftjs/learn`, {
        hint: json['format'] === 'weft model' ? "It is a network: load it with loadModel() of 'weftjs'" : 'Give a folder that save() wrote',
      })
    if (json['version'] !== VERSION)
      throw new WeftError('ERR_FORMAT', `${file.path} has version ${show(json['version'])} of the format, this weftjs reads ${VERSION}`, {
        hint: 'Update weftjs',
      })
    const weights = files.get(WEIGHTS_FILE)!
    const bytes = new Uint8Array(weights.size)
    await weights.read(bytes, 0)
    const facts = json['weights']
    const damaged = (path: string): WeftError =>
      new WeftError('ERR_FORMAT', `${path} is not as it was saved: its checksum differs`, { hint: 'Save the model again' })
    if (checksum(JSON.stringify(json['model'])) !== json['sha256']) throw damaged(file.path)
    if (!isRecord(facts) || facts['sha256'] !== checksum(bytes)) throw damaged(weights.path)
    const arrays = new Map([...parseSafetensors(bytes, weights.path)].map(([name, stored]) => [name, arrayOf(name, stored)]))
    return fromJson(json['model'], arrays)
  })
}
