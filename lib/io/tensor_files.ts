// The namespace safetensors: files of named tensors, opened at once and read tensor by tensor, in one file or in
// shards.
import path from 'node:path'
import { stat } from 'node:fs/promises'
import { isTypedArray } from '../core/checks.js'
import { fillFrom, tensor } from '../core/create.js'
import { device, resolveDevice } from '../core/device.js'
import { unknownName, WeftError } from '../core/error.js'
import { keep, type Kept } from '../core/keep.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { frozenShape, type Shape } from '../core/spec.js'
import { systemError } from '../core/system_error.js'
import { allocate, Tensor, type TensorLike } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { FOREIGN_TYPES } from './foreign_types.js'
import { RegularFile } from './regular_file.js'
import { replaceFile } from './replace_file.js'
import { type Entry, SafetensorsFile, writeKept } from './safetensors.js'
import { writeNew } from './folder.js'

/** What a file says of a tensor. */
export interface StoredFacts {
  /** As the file writes it: F32, BF16, U16, ... */
  readonly type: string
  readonly shape: Shape
  /** In the file. */
  readonly bytes: number
}

/** Closes files that nobody closed, once nobody can read them any more. */
const forgotten = new FinalizationRegistry<readonly SafetensorsFile[]>((files) => {
  for (const file of files) void file.close().catch(() => undefined)
})

/** Named tensors in a safetensors file, or in the shards of an index. Made by safetensors.open(). */
export class TensorFile {
  /** Names of the tensors, in the order of the files. */
  readonly names: readonly string[]
  /** @internal */
  readonly entries: ReadonlyMap<string, { file: SafetensorsFile; entry: Entry }>
  private readonly files: readonly SafetensorsFile[]
  private closed = false

  /** @internal */
  constructor(files: readonly SafetensorsFile[], entries: ReadonlyMap<string, { file: SafetensorsFile; entry: Entry }>) {
    this.files = files
    this.entries = entries
    this.names = Object.freeze([...entries.keys()])
    forgotten.register(this, files, this)
  }

  /**
   * The texts that stand beside the tensors, such as { format: 'pt' }; those of the first file where there are shards.
   */
  get metadata(): Record<string, string> {
    return this.files[0]!.metadata
  }

  has(name: string): boolean {
    return this.entries.has(name)
  }

  /** Type, shape and size of a tensor, without its values. ERR_ARGUMENT for a name that the file does not have. */
  info(name: string): StoredFacts {
    const { type, shape, from, to } = this.find(name).entry
    return { type, shape, bytes: to - from }
  }

  /**
   * The tensor of a name: its bytes are read now, straight into the tensor's memory. Nothing of the file is kept beside
   * it. Types that no dtype here has are widened: I16 and U16 to int32, U32 and U64 to int64, 8-bit floats to float32.
   * Throws ERR_ARGUMENT for a name that the file does not have, ERR_STATE once the file is closed.
   * @param options device: where the values go; default: the current one
   */
  get(name: string, options: { device?: string } = {}): Tensor {
    checkCall('file.get(name, options)', arguments, GET_OPTIONS)
    const { file, entry } = this.find(name)
    if (this.closed) throw new WeftError('ERR_STATE', `safetensors: ${file.path} is closed`, { hint: 'Open it again' })
    const t = allocate(frozenShape(entry.shape), entry.dtype, options.device === undefined ? device() : resolveDevice(options.device))
    const foreign = FOREIGN_TYPES.get(entry.type)
    const own = t.held()
    if (foreign === undefined && own.device === 0) file.readPartSync(entry, 0, own.view())
    else {
      const bytes = new Uint8Array(entry.to - entry.from)
      file.readPartSync(entry, 0, bytes)
      fillFrom(t, foreign === undefined ? bytes : widened(bytes, entry, own.bytes))
    }
    return t
  }

  /** Closes the file. Tensors that were read stay. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    forgotten.unregister(this)
    for (const file of this.files) await file.close()
  }
  [Symbol.dispose](): void {
    void this.close()
  }

  /** @internal */
  find(name: string): { file: SafetensorsFile; entry: Entry } {
    const found = this.entries.get(name)
    if (found) return found
    const near = unknownName(`tensor of ${this.files[0]?.path ?? 'the file'}`, show(name).slice(1, -1), this.names)
    throw near
  }
}

const GET_OPTIONS: OptionTable<{ device?: string }> = { device: 'string' }

/** The values of a foreign type as those of the dtype that holds them. */
function widened(bytes: Uint8Array, { type, name }: Entry, size: number): Uint8Array {
  const { widen, bytes: each } = FOREIGN_TYPES.get(type)!
  const wide = new Uint8Array(size)
  widen(new DataView(bytes.buffer), bytes.length / each, new DataView(wide.buffer), name)
  return wide
}

/** Opens one file and reads its header. */
async function openOne(file: string): Promise<SafetensorsFile> {
  let opened: RegularFile
  try {
    opened = await RegularFile.open(file)
  } catch (error) {
    throw systemError(`${file} cannot be read`, error, 'ERR_FORMAT')
  }
  try {
    return await SafetensorsFile.read(opened, true)
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** The files that an index lists, and which file has which tensor. */
async function readIndex(index: string): Promise<Map<string, string>> {
  return RegularFile.use(index, async (opened) => {
    const { weight_map: map } = await opened.json()
    const wrong = (why: string): WeftError => new WeftError('ERR_FORMAT', `${index} is not an index of safetensors files: ${why}`)
    if (!isRecord(map)) throw wrong('weight_map is missing')
    return new Map(
      Object.entries(map).map(([name, file]) => {
        // a file elsewhere is not part of the folder
        if (typeof file !== 'string' || file === '' || path.basename(file) !== file || file === '..')
          throw wrong(`'${name.slice(0, 60)}' is in the file ${show(file)}, a name in the same folder is expected`)
        return [name, file]
      }),
    )
  })
}

async function openShards(index: string): Promise<TensorFile> {
  const places = await readIndex(index)
  const files = new Map<string, SafetensorsFile>()
  try {
    const entries = new Map<string, { file: SafetensorsFile; entry: Entry }>()
    for (const [name, part] of places) {
      let file = files.get(part)
      if (!file) files.set(part, (file = await openOne(path.join(path.dirname(index), part))))
      const entry = file.tensors.get(name)
      if (!entry) throw new WeftError('ERR_FORMAT', `${file.path} has no '${name}', which ${index} says is in it`)
      entries.set(name, { file, entry })
    }
    for (const file of files.values())
      for (const name of file.tensors.keys())
        if (entries.get(name)?.file !== file)
          throw new WeftError('ERR_FORMAT', `${file.path} has '${name}', which ${index} does not list there`)
    return new TensorFile([...files.values()], entries)
  } catch (error) {
    for (const file of files.values()) await file.close()
    throw error
  }
}

const INDEX_ENDING = '.safetensors.index.json'

/**
 * Opens a safetensors file, the index of a sharded one (model.safetensors.index.json), or the folder that has either.
 * Only headers are read: `get(name)` reads the values of one tensor. ERR_FORMAT for what is no whole safetensors file.
 */
async function open(place: Place): Promise<TensorFile> {
  checkCall('safetensors.open(path)', arguments)
  const file = pathOf('safetensors.open', place, 'file')
  return openTensors(file)
}

/** @internal */
export async function openTensors(file: string): Promise<TensorFile> {
  const isFolder = await stat(file).then(
    (facts) => facts.isDirectory(),
    () => false,
  )
  if (isFolder) {
    const index = path.join(file, `model${INDEX_ENDING}`)
    const sharded = await stat(index).then(
      () => true,
      () => false,
    )
    return openTensors(sharded ? index : path.join(file, 'model.safetensors'))
  }
  if (file.endsWith('.json')) return openShards(file)
  const opened = await openOne(file)
  return new TensorFile([opened], new Map([...opened.tensors].map(([name, entry]) => [name, { file: opened, entry }])))
}

export interface SafetensorsSaveOptions {
  /** Texts that stand beside the tensors. Default: none. */
  metadata?: Record<string, string>
  /**
   * The most bytes of values in one file. What is more goes into files name-00001-of-00003.safetensors with an index
   * name.safetensors.index.json. Default: one file.
   */
  maxShardBytes?: number
}
const SAVE_OPTIONS: OptionTable<SafetensorsSaveOptions> = { metadata: 'object', maxShardBytes: 'number' }

/**
 * Writes tensors by name, in the order given, with the values they have at the time of the call. The file is written
 * aside and then put in place. Throws ERR_ARGUMENT for a place that cannot be used.
 */
async function save(place: Place, tensors: Readonly<Record<string, TensorLike>>, options: SafetensorsSaveOptions = {}): Promise<void> {
  checkCall('safetensors.save(path, tensors, options)', arguments, SAVE_OPTIONS)
  const file = pathOf('safetensors.save', place, 'file')
  if (!isRecord(tensors))
    throw new WeftError('ERR_ARGUMENT', `safetensors.save: tensors are a record { name: tensor }, got ${show(tensors)}`, {
      hint: "Write safetensors.save('file.safetensors', { weight: tensor })",
    })
  for (const [name, text] of Object.entries(options.metadata ?? {}))
    if (typeof text !== 'string')
      throw new WeftError('ERR_ARGUMENT', `safetensors.save: metadata are texts, '${name}' is ${show(text)}`, {
        hint: 'Write String(value)',
      })
  const values = new Map<string, Kept>()
  const made: Tensor[] = []
  try {
    for (const [name, value] of Object.entries(tensors)) {
      if (!(value instanceof Tensor) && !isTypedArray(value) && !Array.isArray(value))
        throw new WeftError('ERR_ARGUMENT', `safetensors.save: '${name}' is ${show(value)}, not a tensor`)
      const t = value instanceof Tensor ? value : tensor(value)
      if (t !== value) made.push(t)
      values.set(name, keep(t))
    }
    await saveKept('safetensors.save', file, values, options)
  } finally {
    for (const kept of values.values()) kept.release()
    for (const t of made) t.dispose()
  }
}

/** @internal Writes kept values, in shards where they are too large for one file. Returns whether they are. */
export async function saveKept(
  what: string,
  file: string,
  values: ReadonlyMap<string, Kept>,
  { metadata, maxShardBytes = Number.POSITIVE_INFINITY }: SafetensorsSaveOptions,
): Promise<boolean> {
  if (!(maxShardBytes >= 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: maxShardBytes must be a positive number, got ${show(maxShardBytes)}`)
  const shards: Map<string, Kept>[] = [new Map()]
  let bytes = 0
  for (const [name, kept] of values) {
    if (bytes > 0 && bytes + kept.bytes > maxShardBytes) {
      shards.push(new Map())
      bytes = 0
    }
    shards.at(-1)!.set(name, kept)
    bytes += kept.bytes
  }
  const write = (target: string, part: ReadonlyMap<string, Kept>): Promise<void> =>
    replaceFile(what, target, async (fresh) => {
      await writeKept(fresh, part, metadata)
    })
  if (shards.length === 1) {
    await write(file, values)
    return false
  }
  const stem = file.endsWith('.safetensors') ? file.slice(0, -'.safetensors'.length) : file
  const five = (n: number): string => String(n).padStart(5, '0')
  const names = shards.map((_, i) => `${stem}-${five(i + 1)}-of-${five(shards.length)}.safetensors`)
  for (const [i, part] of shards.entries()) await write(names[i]!, part)
  const total = [...values.values()].reduce((sum, kept) => sum + kept.bytes, 0)
  const index = {
    metadata: { total_size: total },
    weight_map: Object.fromEntries(shards.flatMap((part, i) => [...part.keys()].map((name) => [name, path.basename(names[i]!)]))),
  }
  await replaceFile(what, `${stem}${INDEX_ENDING}`, (fresh) =>
    writeNew(fresh, (handle) => handle.writeFile(`${JSON.stringify(index, undefined, 2)}\n`)),
  )
  return true
}

/** Files of named tensors in the format of Hugging Face. */
export const safetensors: {
  readonly open: (place: Place) => Promise<TensorFile>
  readonly save: (place: Place, tensors: Readonly<Record<string, TensorLike>>, options?: SafetensorsSaveOptions) => Promise<void>
} = { open, save }
