// safetensors: reads and writes the file format for named tensors (8-byte header length, JSON header, raw little-endian data).
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { device as currentDevice } from '../core/device.js'
import { bytesOnHost } from '../core/program.js'
import { WeftError } from '../core/error.js'
import { bytesOf, type DType, type Shape, sizeOf } from '../core/op.js'
import { fillFrom } from '../core/create.js'
import { allocate, type Tensor } from '../core/tensor.js'

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

/** A tensor in a file that was read. */
export interface StoredTensor {
  readonly dtype: DType
  readonly shape: Shape
  /** Little-endian values, row-major. */
  readonly bytes: Uint8Array
}

/** Writes tensors in the given order, and flushes them to the disk. The tensors must not change meanwhile. */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const header: Record<string, unknown> = metadata ? { [METADATA]: metadata } : {}
  let offset = 0
  for (const [name, t] of tensors) {
    if (name === METADATA) throw new WeftError('ERR_ARGUMENT', `safetensors: a tensor cannot be named ${METADATA}`)
    const end = offset + sizeOf(t.shape) * bytesOf(t.dtype)
    header[name] = { dtype: NAMES[t.dtype], shape: t.shape, data_offsets: [offset, end] }
    offset = end
  }
  const json = Buffer.from(JSON.stringify(header))
  // spaces at the end put the data at a multiple of 8
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ')
  json.copy(padded)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  const handle = await open(file, 'wx')
  try {
    await writeAll(handle, length)
    await writeAll(handle, padded)
    for (const t of tensors.values()) {
      await writeAll(handle, await bytesOnHost(t.held()))
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten
}

/** The tensors of a file by name. ERR_FORMAT when anything in it is not as the format says. */
export async function readSafetensors(file: string): Promise<Map<string, StoredTensor>> {
  return parseSafetensors(await readFile(file), file)
}

/** The same for a file in memory; `what` names it in errors. */
export function parseSafetensors(bytes: Uint8Array, what: string): Map<string, StoredTensor> {
  const wrong = (reason: string): WeftError => new WeftError('ERR_FORMAT', `${what}: not a whole safetensors file: ${reason}`)
  if (bytes.length < 8) throw wrong(`${bytes.length} bytes, the length of the header alone takes 8`)
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  if (length > MOST_HEADER_BYTES) throw wrong(`a header of ${length} bytes`)
  const begin = 8 + Number(length)
  if (begin > bytes.length) throw wrong(`a header of ${length} bytes in a file of ${bytes.length}`)
  const data = bytes.subarray(begin)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, begin)))
  } catch (cause) {
    throw wrong(`the header is not JSON (${(cause as Error).message})`)
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw wrong('the header is not an object')
  const found = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, entry]) => ({ name, ...checkEntry(name, entry, data.length, wrong) }))
  checkCoverage(found, data.length, wrong)
  return new Map(found.map(({ name, dtype, shape, from, to }) => [name, { dtype, shape, bytes: data.subarray(from, to) }]))
}

interface Entry {
  dtype: DType
  shape: Shape
  from: number
  to: number
}

function checkEntry(name: string, entry: unknown, size: number, wrong: (reason: string) => WeftError): Entry {
  const {
    dtype: type,
    shape,
    data_offsets: offsets,
  } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>
  const dtype = typeof type === 'string' ? DTYPES.get(type) : undefined
  if (dtype === undefined) throw wrong(`tensor '${name}' has the unknown dtype ${JSON.stringify(type)}`)
  const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0
  if (!Array.isArray(shape) || !shape.every(isCount)) throw wrong(`tensor '${name}' has the shape ${JSON.stringify(shape)}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw wrong(`tensor '${name}' has the offsets ${JSON.stringify(offsets)}`)
  const [from, to] = offsets as [number, number]
  if (from > to || to > size) throw wrong(`tensor '${name}' lies at ${from} to ${to} of ${size} bytes of data`)
  if (to - from !== sizeOf(shape) * bytesOf(dtype)) throw wrong(`tensor '${name}' of ${type} [${shape}] has ${to - from} bytes`)
  return { dtype, shape, from, to }
}

/** Tensors must fill the data without gaps or overlaps, so that a file cannot hide or alias bytes. */
function checkCoverage(found: readonly (Entry & { name: string })[], size: number, wrong: (reason: string) => WeftError): void {
  let end = 0
  for (const { name, from, to } of [...found].sort((a, b) => a.from - b.from || a.to - b.to)) {
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
