// Event files: what TensorBoard reads. A file is a row of records: the length (uint64), a checksum of it, the data, a
// checksum of them. Data are protobuf messages `Event` of tensorflow/core/util/event.proto and framework/summary.proto.
import { type FileHandle, open } from 'node:fs/promises'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { Histogram, Summary } from './histogram.js'

/** CRC-32C (Castagnoli), by a table of bytes. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** The checksum of a record: rotated by 15 bits and offset, so that it may itself be part of data with checksums. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

function record(data: Uint8Array): Uint8Array {
  const made = new Uint8Array(16 + data.length)
  const view = new DataView(made.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc(made.subarray(0, 8)), true)
  made.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc(data), true)
  return made
}

function writeHistogram(writer: BinaryWriter, { min, max, count, sum, sumOfSquares, limits, counts }: Histogram): void {
  ;[min, max, count, sum, sumOfSquares].forEach((value, i) => void writer.tag(i + 1, WireType.Bit64).double(value))
  for (const [field, list] of [
    [6, limits],
    [7, counts],
  ] as const) {
    writer.tag(field, WireType.LengthDelimited).fork()
    for (const value of list) writer.double(value)
    writer.join()
  }
}

/** One Event message: a version, or figures of a step. */
function event(seconds: number, step: number | undefined, content: string | readonly Summary[]): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.Bit64).double(seconds)
  if (step !== undefined) writer.tag(2, WireType.Varint).int64(step)
  if (typeof content === 'string') return writer.tag(3, WireType.LengthDelimited).string(content).finish()
  writer.tag(5, WireType.LengthDelimited).fork()
  for (const { tag, value } of content) {
    writer.tag(1, WireType.LengthDelimited).fork()
    writer.tag(1, WireType.LengthDelimited).string(tag)
    if (typeof value === 'number') writer.tag(2, WireType.Bit32).float(value)
    else {
      writer.tag(5, WireType.LengthDelimited).fork()
      writeHistogram(writer, value)
      writer.join()
    }
    writer.join()
  }
  return writer.join().finish()
}

/** A file that events are appended to. */
export class EventFile {
  private readonly handle: FileHandle
  private constructor(handle: FileHandle) {
    this.handle = handle
  }
  /** A new file, with the version that readers look for. */
  static async create(path: string, seconds: number): Promise<EventFile> {
    const file = new EventFile(await open(path, 'wx'))
    await file.handle.appendFile(record(event(seconds, undefined, 'brain.Event:2')))
    return file
  }
  async write(seconds: number, step: number, summaries: readonly Summary[]): Promise<void> {
    await this.handle.appendFile(record(event(seconds, step, summaries)))
  }
  close(): Promise<void> {
    return this.handle.close()
  }
}
