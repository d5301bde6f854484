// loadTfjs: layers models of TensorFlow.js: model.json, and weights in shards beside it.
import path from 'node:path'
import { stat } from 'node:fs/promises'
import { device as currentDevice, resolveDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { type Shape, sizeOf } from '../core/spec.js'
import { isRecord } from '../core/tree.js'
import { RegularFile } from '../io/regular_file.js'
import type { AnyModel } from '../model/model.js'
import type { Json } from './layers.js'
import { makeModel, unmade } from './made.js'
import { halfToFloat } from './half.js'
import { assignAll, assignmentsOf, bytesOfAll, type StoredValue, valuesOf } from './weights.js'

export interface LoadTfjsOptions {
  /** Where the weights go. Default: the current device. */
  device?: string
}
const OPTIONS: OptionTable<LoadTfjsOptions> = { device: 'string' }

/**
 * The layers model of TensorFlow.js in a model.json (a path or a file: URL), or in the folder that holds one: with its
 * weights, also where they are quantized (uint8, uint16, float16). It predicts what it predicts there; compile() it to
 * train it on.
 * Throws ERR_FORMAT where a file is missing or not as the format says, and for a model with parts that are not
 * supported, all of which it names. Code in a file is never run. Graph models (of SavedModels) are no layers models.
 */
export async function loadTfjs(place: Place, options: LoadTfjsOptions = {}): Promise<AnyModel> {
  checkCall('loadTfjs(file, options)', arguments, OPTIONS)
  const wanted = pathOf('loadTfjs', place, 'file')
  const device = resolveDevice(options.device ?? currentDevice())
  const facts = await stat(wanted).catch(() => undefined)
  const file = facts?.isDirectory() ? path.join(wanted, 'model.json') : wanted
  const { json, size } = await RegularFile.use(file, async (opened) => ({ json: await opened.json(), size: opened.size }))
  const topology = topologyOf(file, json)
  const values = await valuesIn(file, json['weightsManifest'])
  const built = makeModel(topology, { what: file, dialect: 'tfjs', weightBytes: bytesOfAll(values), textBytes: size, device })
  try {
    const assignments = built.layers.flatMap((placed) => assignmentsOf(file, placed, valuesOf(placed.name, values)))
    checkAllUsed(file, values, new Set(assignments.map(([, value]) => value)))
    assignAll(assignments)
    return built.model
  } catch (error) {
    built.model.dispose()
    throw unmade(error, file)
  }
}

function checkAllUsed(file: string, values: readonly StoredValue[], used: ReadonlySet<StoredValue>): void {
  const left = values.filter((value) => !used.has(value) && !/\/count(:0)?$/.test(value.name)).map(({ name }) => name)
  if (left.length > 0)
    throw new WeftError('ERR_FORMAT', `${file} has weights that no layer of the model takes: ${left.slice(0, 5).join(', ')}`)
}

function topologyOf(file: string, json: Json): Json {
  if (json['format'] === 'graph-model' || isRecord(json['signature']))
    throw new WeftError('ERR_FORMAT', `${file} is a graph model of TensorFlow.js, not a layers model`, {
      hint: 'Convert the Keras model itself: tensorflowjs_converter --input_format=keras, or load the .keras file with loadKeras()',
    })
  const topology = json['modelTopology'] ?? (typeof json['class_name'] === 'string' ? json : undefined)
  if (!isRecord(topology)) throw new WeftError('ERR_FORMAT', `${file} has no modelTopology: it is no model of TensorFlow.js`)
  const inner = topology['model_config']
  return isRecord(inner) ? inner : topology
}

/** How the numbers of a weight lie in the file. */
interface Stored {
  readonly name: string
  readonly shape: Shape
  readonly bytes: number
  readonly decode: (bytes: Uint8Array) => Float32Array
}

/** The weights, with their values as they are asked for. */
async function valuesIn(file: string, manifest: unknown): Promise<StoredValue[]> {
  if (manifest === undefined || manifest === null) return []
  if (!Array.isArray(manifest)) throw new WeftError('ERR_FORMAT', `${file}: weightsManifest is not a list`)
  const found: StoredValue[] = []
  const names = new Set<string>()
  for (const group of manifest as unknown[]) {
    if (!isRecord(group) || !Array.isArray(group['paths']) || !Array.isArray(group['weights']))
      throw new WeftError('ERR_FORMAT', `${file}: a group of weightsManifest is not { paths, weights }`)
    const list = group['weights'].map((weight: unknown) => storedOf(file, weight))
    const wanted = list.reduce((sum, one) => sum + one.bytes, 0)
    const bytes = await shards(file, group['paths'], wanted)
    let at = 0
    for (const { name, shape, bytes: length, decode } of list) {
      if (names.has(name)) throw new WeftError('ERR_FORMAT', `${file} has two weights named ${show(name)}`)
      names.add(name)
      const part = bytes.subarray(at, at + length)
      found.push({ name, shape, values: () => decode(part) })
      at += length
    }
  }
  return found
}

/** The files of a group, joined; ERR_FORMAT unless they have `wanted` bytes. */
async function shards(file: string, paths: readonly unknown[], wanted: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  const wrong = (had: string): WeftError =>
    new WeftError('ERR_FORMAT', `${file}: its weights take ${wanted} bytes, the files ${show(paths)} have ${had}`)
  for (const name of paths) {
    // weights lie beside model.json: no name leads out of its folder
    if (typeof name !== 'string' || name === '' || path.isAbsolute(name) || /[\\\0:]/.test(name) || name.split('/').includes('..'))
      throw new WeftError('ERR_FORMAT', `${file}: ${show(name)} does not name a file beside it`)
    const bytes = await RegularFile.use(path.join(path.dirname(file), name), async (opened) => {
      if (opened.size > wanted - size) throw wrong('more')
      const whole = new Uint8Array(opened.size)
      await opened.read(whole, 0)
      return whole
    })
    parts.push(bytes)
    size += bytes.length
  }
  if (size !== wanted) throw wrong(String(size))
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

/** Values as they lie in the file, at a multiple of their size. */
const aligned = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer

const DECODERS: Readonly<Record<string, { bytes: number; read: (bytes: Uint8Array) => ArrayLike<number> }>> = {
  float32: { bytes: 4, read: (bytes) => new Float32Array(aligned(bytes)) },
  int32: { bytes: 4, read: (bytes) => new Int32Array(aligned(bytes)) },
  uint8: { bytes: 1, read: (bytes) => bytes },
  bool: { bytes: 1, read: (bytes) => bytes },
  uint16: { bytes: 2, read: (bytes) => new Uint16Array(aligned(bytes)) },
  float16: { bytes: 2, read: (bytes) => Float32Array.from(new Uint16Array(aligned(bytes)), halfToFloat) },
}

function storedOf(file: string, weight: unknown): Stored {
  const { name, shape, dtype, quantization } = isRecord(weight) ? weight : {}
  const wrong = (why: string): WeftError => new WeftError('ERR_FORMAT', `${file}: the weight ${show(name)} ${why}`)
  if (typeof name !== 'string' || name === '' || name.length > 10_000) throw wrong('has no name')
  const isExtent = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0
  if (!Array.isArray(shape) || shape.length > 16 || !shape.every(isExtent)) throw wrong(`has the shape ${show(shape)}`)
  const size = sizeOf(shape as Shape)
  if (!Number.isSafeInteger(size)) throw wrong(`has the shape ${show(shape)}`)
  if (quantization === undefined || quantization === null) {
    const decoder = dtype === 'float32' || dtype === 'int32' || dtype === 'bool' ? DECODERS[dtype] : undefined
    if (decoder === undefined) throw wrong(`is ${show(dtype)}, which is not supported`)
    return { name, shape: shape as Shape, bytes: size * decoder.bytes, decode: (bytes) => Float32Array.from(decoder.read(bytes)) }
  }
  const { dtype: kept, scale, min } = isRecord(quantization) ? quantization : {}
  const decoder = kept === 'uint8' || kept === 'uint16' || kept === 'float16' ? DECODERS[kept] : undefined
  if (decoder === undefined) throw wrong(`is quantized as ${show(kept)}, which is not supported`)
  if (kept === 'float16')
    return { name, shape: shape as Shape, bytes: size * decoder.bytes, decode: (bytes) => Float32Array.from(decoder.read(bytes)) }
  if (typeof scale !== 'number' || typeof min !== 'number') throw wrong('is quantized without a scale and a minimum')
  const whole = dtype === 'int32'
  const value = (q: number): number => (whole ? Math.round(q * scale + min) : q * scale + min)
  return { name, shape: shape as Shape, bytes: size * decoder.bytes, decode: (bytes) => Float32Array.from(decoder.read(bytes), value) }
}
