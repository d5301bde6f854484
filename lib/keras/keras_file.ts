// loadKeras: .keras files of Keras 3: a zip of config.json, metadata.json and model.weights.h5.
import type { Unzipped, UnzipFileFilter } from 'fflate'
import { device as currentDevice, resolveDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { jsonObject, RegularFile } from '../io/regular_file.js'
import type { AnyModel } from '../model/model.js'
import { readHdf5 } from './hdf5.js'
import { makeModel, unmade } from './made.js'
import { StackedRnnCells } from '../layers/recurrent/rnn.js'
import { groupName, theirClass } from './names.js'
import type { Placed } from './calls.js'
import { assignAll, type Assignment, assignmentsOf, type StoredValue } from './weights.js'

export interface LoadKerasOptions {
  /** Where the weights go. Default: the current device. */
  device?: string
}
const OPTIONS: OptionTable<LoadKerasOptions> = { device: 'string' }

const CONFIG = 'config.json'
const WEIGHTS = 'model.weights.h5'
const METADATA = 'metadata.json'
/** Largest file that is read. */
const MOST_BYTES = 4 * 2 ** 30
/** How many times its size a file may take when it is unpacked; Keras does not compress. */
const MOST_TIMES = 32

/**
 * The model in a .keras file of Keras 3 (a path or a file: URL): sequential and functional models, models inside of
 * models, with their weights. It predicts what it predicts there; compile() it to train it on.
 * Throws ERR_FORMAT where the file is not as the format says, and for a model with parts that are not supported, all of
 * which it names. Nothing in the file is executed: Lambda layers and classes of the user's own are refused.
 */
export async function loadKeras(place: Place, options: LoadKerasOptions = {}): Promise<AnyModel> {
  checkCall('loadKeras(file, options)', arguments, OPTIONS)
  const file = pathOf('loadKeras', place, 'file')
  const device = resolveDevice(options.device ?? currentDevice())
  const { parts, size } = await partsOf(file)
  const json = jsonObject(text(file, parts, CONFIG), `${file}: ${CONFIG}`)
  const metadata = parts[METADATA] === undefined ? {} : jsonObject(text(file, parts, METADATA), `${file}: ${METADATA}`)
  const { keras_version: version } = metadata
  if (typeof version === 'string' && !/^3\./.test(version))
    throw new WeftError('ERR_FORMAT', `${file} was written by Keras ${version.slice(0, 20)}; files of Keras 3 are read`, {
      hint: "Load it with Keras 3 and save it again: keras.saving.load_model(path).save('model.keras')",
    })
  const weights = parts[WEIGHTS]!
  const textBytes = parts[CONFIG]!.length
  const bytes = Uint8Array.from(weights).buffer
  const values = (await readHdf5(`${file}: ${WEIGHTS}`, bytes)).map(
    ({ path, shape, values }): StoredValue => ({ name: path, shape, values: () => values }),
  )
  const weightBytes = values.reduce((sum, value) => sum + 4 * value.values().length, 0)
  if (weightBytes > size * MOST_TIMES) throw tooLarge(file)
  const built = makeModel(json, { what: file, dialect: 'keras3', weightBytes, textBytes, device })
  try {
    const used = new Set<StoredValue>()
    const assignments = built.layers.flatMap((placed): Assignment[] => {
      const own = groupsOf(placed).flatMap((group) => inOrder(values, group))
      for (const value of own) used.add(value)
      return assignmentsOf(file, placed, own)
    })
    const left = values.filter((value) => value.name.includes('vars/') && isWeight(value.name) && !used.has(value))
    if (left.length > 0)
      throw new WeftError(
        'ERR_FORMAT',
        `${file} has weights that no layer of the model takes: ${left
          .slice(0, 5)
          .map(({ name }) => name)
          .join(', ')}`,
      )
    assignAll(assignments)
    return built.model
  } catch (error) {
    built.model.dispose()
    throw unmade(error, file)
  }
}

/** The files in the zip, by name: no other is unpacked, and none is written anywhere. */
async function partsOf(file: string): Promise<{ parts: Record<string, Uint8Array>; size: number }> {
  return RegularFile.use(file, async (opened) => {
    const { size } = opened
    if (size > MOST_BYTES) throw tooLarge(file)
    const whole = new Uint8Array(size)
    await opened.read(whole, 0)
    if (whole[0] === 0x89 && whole[1] === 0x48)
      throw new WeftError('ERR_FORMAT', `${file} is a Keras model in HDF5, the format before Keras 3`, {
        hint: "Load it with Keras 3 and save it again: keras.saving.load_model(path).save('model.keras')",
      })
    let left = size * MOST_TIMES
    const seen = new Set<string>()
    const parts = await unzip(file, whole, ({ name, originalSize }) => {
      if (name !== CONFIG && name !== WEIGHTS && name !== METADATA) return false
      if (seen.has(name)) throw new WeftError('ERR_FORMAT', `${file} has two files named ${name}`)
      seen.add(name)
      left -= originalSize
      if (left < 0) throw tooLarge(file)
      return true
    })
    for (const name of [CONFIG, WEIGHTS])
      if (parts[name] === undefined) throw new WeftError('ERR_FORMAT', `${file} has no ${name}: it is no .keras file of Keras 3`)
    return { parts, size }
  })
}

const tooLarge = (file: string): WeftError =>
  new WeftError('ERR_FORMAT', `${file} unpacks to more than ${MOST_TIMES} times its size, or is larger than ${MOST_BYTES} bytes`)

async function unzip(file: string, whole: Uint8Array, filter: UnzipFileFilter): Promise<Unzipped> {
  const { unzipSync } = await import('fflate')
  try {
    return unzipSync(whole, { filter })
  } catch (error) {
    if (error instanceof WeftError) throw error
    throw new WeftError('ERR_FORMAT', `${file} is not a zip file that can be read: ${String((error as Error).message).slice(0, 100)}`)
  }
}

function text(file: string, parts: Readonly<Record<string, Uint8Array>>, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(parts[name])
  } catch {
    throw new WeftError('ERR_FORMAT', `${file}: ${name} is not UTF-8 text`)
  }
}

/** Parts of layers in the order in which their weights are listed; Keras saves them by the names of their fields. */
const FIELDS: readonly string[] = [
  'cell',
  'cells',
  'forward_layer',
  'backward_layer',
  'layer',
  '_query_dense',
  'query_dense',
  '_key_dense',
  'key_dense',
  '_value_dense',
  'value_dense',
  '_output_dense',
  'output_dense',
]

/** States of random numbers, which are made anew here, are no weights. */
const isWeight = (path: string): boolean =>
  !path.split('/').some((part) => part.startsWith('seed_generator')) && !path.startsWith('optimizer/')

/** Where the weights of a layer are: of cells on top of each other one place after the other. */
function groupsOf({ layer, group }: Placed): string[] {
  const { cell } = layer as unknown as { cell?: unknown }
  if (!(cell instanceof StackedRnnCells)) return [group]
  const used = new Map<string, number>()
  return cell.cells.map(({ className }) => {
    const kind = groupName(theirClass(className))
    const count = used.get(kind) ?? 0
    used.set(kind, count + 1)
    return `${group}/cell/cells/${count === 0 ? kind : `${kind}_${count}`}`
  })
}

/** The weights of the layer at a place in the file, in Keras' order. */
function inOrder(values: readonly StoredValue[], group: string): StoredValue[] {
  const rank = (path: string): readonly (number | string)[] =>
    path
      .split('/')
      .map((part) =>
        FIELDS.includes(part) ? FIELDS.indexOf(part) : /^\d+$/.test(part) ? Number(part) : part === 'vars' ? -1 : ordinal(part),
      )
  return values
    .filter(({ name }) => name.startsWith(`${group}/`) && isWeight(name))
    .map((value) => ({ value, key: rank(value.name.slice(group.length + 1)) }))
    .sort((a, b) => compare(a.key, b.key))
    .map(({ value }) => value)
}

/** 'lstm_cell', 'lstm_cell_1', ...: their place in a list. */
const ordinal = (part: string): string => {
  const [, name = part, count = '0'] = /^(.*?)(?:_(\d+))?$/.exec(part) ?? []
  return `${count.padStart(9, '0')} ${name}`
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]!, b[i]!]
    if (x === y) continue
    if (typeof x === typeof y) return x < y ? -1 : 1
    return typeof x === 'number' ? -1 : 1
  }
  return a.length - b.length
}
