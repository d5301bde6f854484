// Pages of a Parquet file, checked before they are read: a size or a count that a damaged page makes up would keep the
// reader going for ever, or fill the memory. Format: https://parquet.apache.org/docs/file-format/data-pages/
import { WeftError } from '../core/error.js'
import type { Compressors, Metadata, PageHeader, Parts } from './parquet_package.js'
import { bitsOf, runsOf } from './parquet_runs.js'

type Column = NonNullable<Metadata['row_groups'][number]['columns'][number]['meta_data']>
/** The values of a column in a row group, with the largest levels that its schema allows. */
interface Chunk {
  readonly begin: number
  readonly end: number
  readonly column: Column
  /** Pages are read until all rows are there, and otherwise to the end. */
  readonly flat: boolean
  readonly repetition: number
  readonly definition: number
}

/** The pages of the columns of these names. */
export class PageCheck {
  private readonly path: string
  private readonly parts: Parts
  private readonly compressors: Compressors
  private readonly chunks: Chunk[] = []

  /**
   * ERR_FORMAT where a row group lacks a column, a column lies outside of the file, or one that is no list has another
   * number of values than its row group has rows.
   */
  constructor(path: string, parts: Parts, metadata: Metadata, compressors: Compressors, names: readonly string[], size: number) {
    this.path = path
    this.parts = parts
    this.compressors = { SNAPPY: unpackSnappy(parts), ...compressors }
    const refuse = (name: string, what: string): never => {
      throw new WeftError('ERR_FORMAT', `${path}: column '${name}' ${what}`)
    }
    for (const { columns, num_rows } of metadata.row_groups) {
      const wanted = columns.flatMap(({ meta_data: column }) => (column && names.includes(column.path_in_schema[0]!) ? [column] : []))
      for (const name of names) if (!wanted.some(({ path_in_schema: [top] }) => top === name)) refuse(name, 'is missing in a group of rows')
      for (const column of wanted) {
        const place = parts.getSchemaPath(metadata.schema, column.path_in_schema)
        const name = column.path_in_schema.join('.')
        const repetition = parts.getMaxRepetitionLevel(place)
        if (repetition === 0 && column.num_values !== num_rows) refuse(name, `has ${column.num_values} values for ${num_rows} rows`)
        const begin = Number(column.dictionary_page_offset || column.data_page_offset)
        const end = begin + Number(column.total_compressed_size)
        if (!(begin >= 0 && begin <= end && end <= size)) refuse(name, `lies in bytes ${begin} to ${end}, and the file has ${size}`)
        const flat = parts.isFlatColumn(place)
        this.chunks.push({ begin, end, column, flat, repetition, definition: parts.getMaxDefinitionLevel(place) })
      }
    }
  }

  /** ERR_FORMAT unless the pages of all columns in these bytes of the file, from `begin` on, can be read. */
  check(bytes: ArrayBuffer, begin: number): void {
    const end = begin + bytes.byteLength
    for (const chunk of this.chunks)
      if (begin <= chunk.begin && chunk.end <= end) this.chunk(new Uint8Array(bytes, chunk.begin - begin, chunk.end - chunk.begin), chunk)
  }

  private chunk(bytes: Uint8Array, chunk: Chunk): void {
    const { column } = chunk
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 }
    const within: Within = (what, value, most) => {
      if (value !== undefined && value >= 0 && value <= most) return value
      const name = column.path_in_schema.join('.')
      throw new WeftError('ERR_FORMAT', `${this.path}: a page of column '${name}' has ${value} ${what}, and ${most} are possible at most`)
    }
    for (let left = Number(column.num_values); (left > 0 || !chunk.flat) && reader.offset < bytes.length - 1; ) {
      const header = this.parts.parquetHeader(reader)
      const packed = within('bytes', header.compressed_page_size, bytes.length - reader.offset)
      const size = within('unpacked bytes', header.uncompressed_page_size, Math.floor(packed * (MOST_UNPACKED[column.codec] ?? Infinity)))
      const page = bytes.subarray(reader.offset, reader.offset + packed)
      if (header.type === 'DICTIONARY_PAGE') within('values', header.dictionary_page_header?.num_values, 8 * size)
      else if (header.type === 'DATA_PAGE') left -= this.first(header, page, left, chunk, within)
      else if (header.type === 'DATA_PAGE_V2') left -= this.second(header, page, left, chunk, within)
      reader.offset += packed
    }
  }

  /**
   * The values of a data page of the first version: the levels are packed with the values, each with its size before.
   */
  private first(
    { data_page_header: head, uncompressed_page_size: size }: PageHeader,
    page: Uint8Array,
    left: number,
    chunk: Chunk,
    within: Within,
  ) {
    const count = within('values', head?.num_values, left)
    const most = [chunk.repetition, chunk.definition].filter((level) => level > 0)
    if (most.length === 0 && !hasRuns(head?.encoding)) return count
    let bytes = this.unpack(page, size, chunk)
    for (const level of most) {
      const length = bytes.length < 4 ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
      const end = 4 + within('bytes of levels', length, bytes.length - 4)
      checkLevels(bytes.subarray(4, end), level, count, within)
      bytes = bytes.subarray(end)
    }
    // where a place in a dictionary has no bits, runs of this version are not read
    if (chunk.column.type === 'BOOLEAN' || bytes[0] !== 0) this.values(head?.encoding, bytes, count, chunk, within)
    return count
  }

  /** The values of a data page of the second version: the levels are as they are, before the values. */
  private second(
    { data_page_header_v2: head, uncompressed_page_size }: PageHeader,
    page: Uint8Array,
    left: number,
    chunk: Chunk,
    within: Within,
  ) {
    const count = within('values', head?.num_values, left)
    within('nulls', head?.num_nulls, count)
    within('rows', head?.num_rows, count)
    const repetition = within('bytes of levels', head?.repetition_levels_byte_length, page.length)
    const levels = repetition + within('bytes of levels', head?.definition_levels_byte_length, page.length - repetition)
    for (const [begin, end, level] of [
      [0, repetition, chunk.repetition],
      [repetition, levels, chunk.definition],
    ] as const)
      if (level > 0) checkLevels(page.subarray(begin, end), level, count, within)
    const size = within('unpacked bytes', uncompressed_page_size - levels, uncompressed_page_size)
    if (!hasRuns(head?.encoding)) return count
    const bytes = page.subarray(levels)
    this.values(head?.encoding, head?.is_compressed && size > 0 ? this.unpack(bytes, size, chunk) : bytes, count, chunk, within)
    return count
  }

  /** The runs of values that are places in a dictionary, or bools. */
  private values(encoding: string | undefined, bytes: Uint8Array, count: number, { column }: Chunk, within: Within): void {
    if (!hasRuns(encoding)) return
    const bool = column.type === 'BOOLEAN'
    const width = bool ? 1 : within('bits in a place of its dictionary', bytes[0] ?? 0, 32)
    within('values in a run', runsOf(bytes.subarray(bool ? 4 : 1), width, count).overlong ?? 0, count)
  }

  private unpack(bytes: Uint8Array, size: number, { column: { codec } }: Chunk): Uint8Array {
    return codec === 'UNCOMPRESSED' ? bytes : this.compressors[codec]!(bytes, size)
  }
}

/** The package would go on reading levels in what follows them. */
function checkLevels(bytes: Uint8Array, most: number, count: number, within: Within): void {
  const { overlong, missing } = runsOf(bytes, bitsOf(most), count)
  within('values in a run', overlong ?? 0, count)
  within('values without a level', missing, 0)
}

/**
 * Most bytes that one byte can unpack to. The sizes of whole columns bound nothing: several writers state other ones.
 * Snappy: 3 bytes copy 64. LZ4: a byte of a length stands for 255. DEFLATE: 2 bits copy 258. Zstandard: 4 bytes repeat
 * one byte 128 KiB times. Brotli is unpacked piece by piece, and stops by itself.
 */
const MOST_UNPACKED: Partial<Record<string, number>> = {
  UNCOMPRESSED: 1,
  SNAPPY: 64 / 3,
  LZ4: 255,
  LZ4_RAW: 255,
  GZIP: 1032,
  ZSTD: 2 ** 15,
}

const hasRuns = (encoding: string | undefined): boolean =>
  encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY' || encoding === 'RLE'

function unpackSnappy({ snappyUncompress }: Parts): (bytes: Uint8Array, size: number) => Uint8Array {
  return (bytes, size) => {
    const page = new Uint8Array(size)
    snappyUncompress(bytes, page)
    return page
  }
}

/** Returns a value of a page where it lies in 0 ... most, and throws where not. */
type Within = (what: string, value: number | undefined, most: number) => number
