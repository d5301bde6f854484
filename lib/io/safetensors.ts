// safetensors: reads and writes the file format for named tensors (8-byte header length, JSON header, raw little-endian
// data).
import { createHash, type Hash } from 'node:crypto'
import { device as currentDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { fillFrom } from '../core/create.js'
import { bytesOf, type DType, type Shape, sizeOf } from '../core/spec.js'
import { allocate, type Tensor } from '../core/tensor.js'
import { keep, type Kept } from '../core/keep.js'
import { type Sink, type WriteNew, writeNew } from './folder.js'
import { CHUNK_BYTES, RegularFile } from './regular_file.js'
import { FOREIGN_TYPES } from './foreign_types.js'

const NAMES: Readonly<Record<DType, string>> = {
  bool: 'BOOL',
  uint8: 'U8',
  int8: 'I8',
  int32: 'I32',
  int64: 'I64',
  float16: 'F16',
  bfloat16: 'BF16',
  float32: 'F32',
  float64: 'F64',
}
const DTYPES: ReadonlyMap<string, DType> = new Map(Object.entries(NAMES).map(([dtype, name]) => [name, dtype as DType]))

/** Longest header that is read, as in the reference reader. */
const MOST_HEADER_BYTES = 100_000_000
const METADATA = '__metadata__'
/** Chunks that are read or hashed at once: while one is hashed, a second is there or on its way, and a third. */
const MOST_AHEAD = 3

/** A tensor in a file that was read. */
export interface StoredTensor {
  readonly dtype: DType
  readonly shape: Shape
  /** Little-endian values, row-major. */
  readonly bytes: Uint8Array
}

/** Size and checksum of what was written. */
export interface Written {
  readonly bytes: number
  readonly sha256: string
}

/** Writes tensors in the given order, as they are now, and flushes them to the disk. */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<Written> {
  const values = new Map([...tensors].map(([name, t]) => [name, keep(t)]))
  try {
    return await writeKept(file, values, metadata)
  } finally {
    for (const kept of values.values()) kept.release()
  }
}

/** The same for values that were kept before. They pass through one chunk of memory. */
export async function writeKept(
  file: string,
  tensors: ReadonlyMap<string, Kept>,
  metadata?: Readonly<Record<string, string>>,
  create: WriteNew = writeNew,
): Promise<Written> {
  const header: [string, unknown][] = metadata ? [[METADATA, metadata]] : []
  let offset = 0
  for (const [name, t] of tensors) {
    if (name === METADATA) throw new WeftError('ERR_ARGUMENT', `safetensors: a tensor cannot be named ${METADATA}`)
    const end = offset + sizeOf(t.shape) * bytesOf(t.dtype)
    header.push([name, { dtype: NAMES[t.dtype], shape: t.shape, data_offsets: [offset, end] }])
    offset = end
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)))
  // spaces at the end put the data at a multiple of 8
  const begin = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  begin.writeBigUInt64LE(BigInt(begin.length - 8))
  json.copy(begin, 8)
  const hash = createHash('sha256')
  await create(file, async (sink) => {
    await writeAll(sink, begin, hash)
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(0, ...[...tensors.values()].map((t) => t.bytes))))
    for (const t of tensors.values()) {
      for (let at = 0; at < t.bytes; at += chunk.length) {
        const part = chunk.subarray(0, Math.min(chunk.length, t.bytes - at))
        await t.read(at, part)
        await writeAll(sink, part, hash)
      }
    }
  })
  return { bytes: begin.length + offset, sha256: hash.digest('hex') }
}

/** Writes all bytes, and adds them to the checksum. */
export async function writeAll(sink: Sink, bytes: Uint8Array, hash: Hash): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES)
    const { bytesWritten } = await sink.write(chunk)
    hash.update(chunk.subarray(0, bytesWritten))
    at += bytesWritten
  }
}

/** The tensors of a file by name. ERR_FORMAT when anything in it is not as the format says. */
export async function readSafetensors(file: string): Promise<Map<string, StoredTensor>> {
  return RegularFile.use(file, async (opened) => {
    const stored = await SafetensorsFile.read(opened)
    const found = new Map<string, StoredTensor>()
    await stored.readAll(async ({ name, dtype, shape, from, to }, at, size) => {
      if (at === 0) found.set(name, { dtype, shape, bytes: new Uint8Array(to - from) })
      return found.get(name)!.bytes.subarray(at, at + size)
    })
    return new Map([...stored.tensors.keys()].map((name) => [name, found.get(name)!]))
  })
}

/** The same for a file in memory; `what` names it in errors. */
export function parseSafetensors(bytes: Uint8Array, what: string): Map<string, StoredTensor> {
  const begin = beginOf(bytes.subarray(0, 8), bytes.length, what)
  const data = bytes.subarray(begin)
  const tensors = parseHeader(bytes.subarray(8, begin), data.length, what)
  return new Map([...tensors].map(([name, { dtype, shape, from, to }]) => [name, { dtype, shape, bytes: data.subarray(from, to) }]))
}

/** A file whose header was read: the values are read when they are asked for, part by part. */
export class SafetensorsFile {
  private readonly file: RegularFile
  private readonly begin: Uint8Array
  /** What the file holds, by name, in the header's order. */
  readonly tensors: ReadonlyMap<string, Entry>
  /** Bytes of all values. */
  readonly bytes: number

  private constructor(file: RegularFile, begin: Uint8Array, tensors: ReadonlyMap<string, Entry>) {
    this.file = file
    this.begin = begin
    this.tensors = tensors
    this.bytes = file.size - begin.length
  }

  get path(): string {
    return this.file.path
  }

  /**
   * Reads the header.
   * @param foreign also takes the types that no dtype here has, such as U16: see `Entry.type`
   */
  static async read(file: RegularFile, foreign = false): Promise<SafetensorsFile> {
    const length = Buffer.alloc(Math.min(8, file.size))
    await file.read(length, 0)
    const begin = Buffer.allocUnsafe(beginOf(length, file.size, file.path))
    await file.read(begin, 0)
    return new SafetensorsFile(file, begin, parseHeader(begin.subarray(8), file.size - begin.length, file.path, foreign))
  }

  /** The texts beside the tensors. */
  get metadata(): Record<string, string> {
    const header = JSON.parse(new TextDecoder().decode(this.begin.subarray(8))) as Record<string, unknown>
    return Object.hasOwn(header, METADATA) ? (header[METADATA] as Record<string, string>) : {}
  }

  /** Fills `target` with the bytes of a tensor from `at` on. */
  readPart({ from }: Entry, at: number, target: Uint8Array): Promise<void> {
    return this.file.read(target, this.begin.length + from + at)
  }
  /** The same, while the caller waits. */
  readPartSync({ from }: Entry, at: number, target: Uint8Array): void {
    this.file.readSync(target, this.begin.length + from + at)
  }
  close(): Promise<void> {
    return this.file.close()
  }

  /**
   * Reads the values in the order they lie in, in chunks. Returns the checksum of the file. Chunks whose memory is
   * their own are read while the one before them is hashed.
   * @param target gives the memory for `size` bytes of a tensor, from its byte `at` on; also once for one without bytes
   * @param then called when that memory has been filled; the memory of the next chunk has been asked for by then
   */
  async readAll(
    target: (entry: Entry, at: number, size: number) => Promise<Uint8Array>,
    then?: (entry: Entry, at: number, chunk: Uint8Array) => Promise<void>,
    checksum = false,
  ): Promise<string> {
    const hash = createHash('sha256').update(this.begin)
    const parts = this.parts()
    let part = parts.next().value
    /** Memory for `part`, while what has it is in use. */
    let memory: Uint8Array | undefined
    const chunks: { part: Part; bytes: Uint8Array; reading: Promise<void> }[] = []
    const readAhead = async (): Promise<void> => {
      while (part !== undefined && chunks.length < MOST_AHEAD) {
        const bytes: Uint8Array = memory ?? (await target(part.entry, part.at, part.size))
        memory = bytes
        if (chunks.some((chunk) => overlap(chunk.bytes, bytes))) return
        const reading = this.file.read(bytes, this.begin.length + part.entry.from + part.at)
        reading.catch(() => undefined) // is awaited later
        chunks.push({ part, bytes, reading })
        memory = undefined
        part = parts.next().value
      }
    }
    try {
      for (await readAhead(); chunks.length > 0; await readAhead()) {
        const { part: done, bytes, reading } = chunks[0]!
        await reading
        await readAhead()
        if (checksum) hash.update(bytes)
        await then?.(done.entry, done.at, bytes)
        chunks.shift()
      }
      return checksum ? hash.digest('hex') : ''
    } finally {
      // who asked for the memory may free it now
      await Promise.allSettled(chunks.map(({ reading }) => reading))
    }
  }

  /** The chunks of all tensors, in the order they lie in. */
  private *parts(): Generator<Part, undefined> {
    for (const entry of inOrder(this.tensors.values())) {
      const bytes = entry.to - entry.from
      let at = 0
      do {
        // cut at even places of the file: what is stored in pieces of its own is then read in whole ones
        const size = Math.min(CHUNK_BYTES - ((this.begin.length + entry.from + at) % CHUNK_BYTES), bytes - at)
        yield { entry, at, size }
        at += size
      } while (at < bytes)
    }
  }
}

/** `size` bytes of a tensor, from its byte `at` on. */
interface Part {
  readonly entry: Entry
  readonly at: number
  readonly size: number
}

const overlap = (a: Uint8Array, b: Uint8Array): boolean =>
  a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length

/** Where the data begin: after the header, whose length is in the first 8 bytes. */
function beginOf(first: Uint8Array, size: number, what: string): number {
  if (first.length < 8) throw wrong(what, `${size} bytes, the length of the header alone takes 8`)
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true)
  if (length > MOST_HEADER_BYTES) throw wrong(what, `a header of ${length} bytes`)
  if (8 + Number(length) > size) throw wrong(what, `a header of ${length} bytes in a file of ${size}`)
  return 8 + Number(length)
}

const wrong = (what: string, reason: string): WeftError => new WeftError('ERR_FORMAT', `${what}: not a whole safetensors file: ${reason}`)

function parseHeader(bytes: Uint8Array, size: number, what: string, foreign = false): Map<string, Entry> {
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    // what is no header may be the content of any file, which no error shows
    throw wrong(what, 'the header is not JSON')
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw wrong(what, 'the header is not an object')
  const found = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, entry]) => checkEntry(name, entry, size, foreign, (reason) => wrong(what, reason)))
  checkCoverage(found, size, (reason) => wrong(what, reason))
  return new Map(found.map((entry) => [entry.name, entry]))
}

const inOrder = (entries: Iterable<Entry>): Entry[] => [...entries].sort((a, b) => a.from - b.from || a.to - b.to)

/** A tensor in a file: its place in the data, in bytes. */
export interface Entry {
  readonly name: string
  /** The type as the file writes it. */
  readonly type: string
  /** The dtype of that type; of a foreign type the one that its values are widened to. */
  readonly dtype: DType
  readonly shape: Shape
  readonly from: number
  readonly to: number
}

function checkEntry(name: string, entry: unknown, size: number, foreign: boolean, wrong: (reason: string) => WeftError): Entry {
  const {
    dtype: type,
    shape,
    data_offsets: offsets,
  } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>
  const other = foreign && typeof type === 'string' ? FOREIGN_TYPES.get(type) : undefined
  const dtype = other?.dtype ?? (typeof type === 'string' ? DTYPES.get(type) : undefined)
  if (dtype === undefined || typeof type !== 'string') throw wrong(`tensor '${name}' has the unknown dtype ${show(type)}`)
  const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0
  if (!Array.isArray(shape) || !shape.every(isCount)) throw wrong(`tensor '${name}' has the shape ${show(shape)}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw wrong(`tensor '${name}' has the offsets ${show(offsets)}`)
  const [from, to] = offsets as [number, number]
  if (from > to || to > size) throw wrong(`tensor '${name}' lies at ${from} to ${to} of ${size} bytes of data`)
  if (to - from !== sizeOf(shape) * (other?.bytes ?? bytesOf(dtype)))
    throw wrong(`tensor '${name}' of ${type} [${shape}] has ${to - from} bytes`)
  return { name, type, dtype, shape, from, to }
}

/** Tensors must fill the data without gaps or overlaps, so that a file cannot hide or alias bytes. */
function checkCoverage(found: readonly Entry[], size: number, wrong: (reason: string) => WeftError): void {
  let end = 0
  for (const { name, from, to } of inOrder(found)) {
    if (from !== end) throw wrong(`tensor '${name}' begins at ${from}, where ${end} is expected`)
    end = to
  }
  if (end !== size) throw wrong(`${size} bytes of data, the tensors take ${end}`)
}

/** The stored values on a device. */
export function toTensor(stored: StoredTensor, where: string = currentDevice()): Tensor {
  const t = allocate(stored.shape, stored.dtype, where)
  fillFrom(t, stored.bytes)
  return t
}
