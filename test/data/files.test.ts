// Files of rows whose values have types: JSON lines and Parquet.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { parquetMetadata } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runsOf } from '../../lib/data/parquet_runs.js'
import { data, type Tensor, WeftError } from '../../lib/index.js'
import { rejects, throws } from '../expect.js'

const folder = mkdtempSync(path.join(tmpdir(), 'weft-files-'))
let files = 0
function write(contents: string | Uint8Array, ending = '.jsonl'): string {
  const file = path.join(folder, `${files++}${ending}`)
  writeFileSync(file, contents)
  return file
}
const lines = (...values: unknown[]): string => write(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
test.after(() => rmSync(folder, { recursive: true }))

const people = [
  { age: 3, city: 'Bonn', about: 'a\nb', since: '1970-01-03', member: true, tags: ['x'], left: 'yes' },
  { age: 4.5, city: 'Kiel', about: '', since: '1970-01-02T12:00:00Z', member: false, tags: [], left: 'no' },
]
const kinds = { age: 'number', city: 'category', since: 'date', member: 'boolean', about: 'string', left: 'boolean' } as const
const samples = [
  { x: [3, 0, 2, 1], y: 1, strings: { about: 'a\nb' } },
  { x: [4.5, 1, 1.5, 0], y: 0, strings: { about: '' } },
]

test('jsonLines: the values as they are, on every pass', async () => {
  const rows: data.Dataset<{ a: number; b?: unknown }> = data.jsonLines(write('\ufeff{"a":1}\r\n\n{"a":2,"b":{"c":[null]}}'))
  const expected = [{ a: 1 }, { a: 2, b: { c: [null] } }]
  assert.equal(await rows.toArray(), expected)
  assert.equal(await rows.toArray(), expected)
  assert.equal(await data.jsonLines(lines(1, 'a', [2], null)).toArray(), [1, 'a', [2], null])
  const packed = write(gzipSync('{"a":1}\n'.repeat(1000)), '.jsonl.gz')
  assert.is((await data.jsonLines(packed).toArray()).length, 1000)
})

test('jsonLines: columns by what they hold, as in CSV files', async () => {
  const dataset = data.jsonLines(lines(...people), { label: 'left', columns: kinds })
  assert.equal(await dataset.toArray(), samples)
  assert.equal(dataset.categories, { city: ['Bonn', 'Kiel'] })
  const file = lines({ a: 1, y: 2, w: 3, b: '7.5' }, { b: 4, w: 1, y: 0, a: 2 })
  assert.equal(await data.jsonLines(file, { label: ['y'], sampleWeight: 'w' }).toArray(), [
    { x: [1, 7.5], y: [2], sampleWeight: 3 },
    { x: [2, 4], y: [0], sampleWeight: 1 },
  ])
  const [batch] = await data
    .jsonLines(file, { columns: ['b'], label: 'y' })
    .batch(2)
    .toArray()
  assert.equal(await (batch!.x as Tensor).array(), [[7.5], [4]])
})

test('jsonLines: missing values, by rule and by column', async () => {
  const file = lines({ a: 1, s: 'u' }, { a: null }, { s: 'v' }, { a: 4, s: null })
  await rejects('ERR_DATA', /line 2: column 'a' has no value/, data.jsonLines(file, { columns: ['a'] }).toArray())
  assert.equal(await data.jsonLines(file, { columns: ['a'], missing: -1 }).toArray(), [{ x: [1] }, { x: [-1] }, { x: [-1] }, { x: [4] }])
  const columns = { a: 'number', s: 'string' } as const
  assert.equal(await data.jsonLines(file, { columns, missing: 'skip' }).toArray(), [{ x: [1], strings: { s: 'u' } }])
  const filled = await data.jsonLines(file, { columns, missing: { a: 0, s: 'none' } }).toArray()
  assert.equal(
    filled.map(({ strings }) => strings!['s']),
    ['u', 'none', 'v', 'none'],
  )
  await rejects('ERR_DATA', /line 2: column 's' has no value/, data.jsonLines(file, { columns, missing: { a: 0 } }).toArray())
  // rows left out are gaps of a series
  const series = await data
    .jsonLines(lines({ a: 1 }, { a: 2 }, { a: null }, { a: 3 }, { a: 4 }), { columns: ['a'], missing: 'skip' })
    .map(({ x }) => x)
    .toArray()
  assert.is(data.windows(series, { timesteps: 1 }).x.shape[0], 2)
})

test('jsonLines: errors name the line', async () => {
  const take = (file: string, options: data.JsonLinesOptions = {}): Promise<unknown[]> => data.jsonLines(file, options).toArray()
  await rejects('ERR_FORMAT', /line 3: no JSON value/, take(write('{"a":1}\n\n{"a":}\n')))
  await rejects('ERR_FORMAT', /line 1: no JSON value/, take(write('[\n{"a":1}\n]\n')))
  await rejects('ERR_DATA', /line 2: \[1\] is no record/, take(lines({ a: 1 }, [1]), { label: 'a' }))
  await rejects('ERR_DATA', /line 2: column 'a' holds a list/, take(lines({ a: 1 }, { a: [1] }), { columns: ['a'] }))
  await rejects('ERR_DATA', /line 2: column 'a' has 'x', which is not a number/, take(lines({ a: 1 }, { a: 'x' }), { columns: ['a'] }))
  await rejects('ERR_DATA', /line 2: a field 'c', which the first line/, take(lines({ a: 1, y: 1 }, { c: 1, y: 1 }), { label: 'y' }))
  await rejects('ERR_FORMAT', /the file is empty/, take(write('\n'), { columns: ['a'] }))
  await rejects('ERR_FORMAT', /a row has more than 100 bytes/, take(lines('x'.repeat(200)), { maxLineBytes: 100 }))
  await rejects('ERR_FORMAT', /more than 50 bytes/, take(lines(1, 'x'.repeat(60)), { maxBytes: 50 }))
  // a column that no line has is a slip, whatever stands for missing values
  await rejects('ERR_ARGUMENT', /unknown column 'aeg'/, take(lines({ age: 1 }, { age: 2 }), { columns: ['aeg'], missing: 0 }))
  assert.equal(await take(lines({ b: 1 }, { a: 2, b: 1 }), { columns: ['a'], missing: 0 }), [{ x: [0] }, { x: [2] }])
  // names of Object.prototype are no columns
  await rejects('ERR_ARGUMENT', /unknown column 'toString'/, take(lines({ a: 1 }), { columns: ['toString'], missing: 0 }))
  assert.equal(await take(write('{"__proto__":1}\n'), { columns: ['__proto__'] }), [{ x: [1] }])
})

test('jsonLines: what does not fit is refused', () => {
  const file = lines({ a: 1 })
  throws('ERR_ARGUMENT', /no file/, () => data.jsonLines(path.join(folder, 'none')))
  throws('ERR_ARGUMENT', /missing says how rows become samples/, () => data.jsonLines(file, { missing: 0 }))
  throws('ERR_ARGUMENT', /label is the name/, () => data.jsonLines(file, { label: 1 as never }))
  throws('ERR_ARGUMENT', /delimiter/, () => data.jsonLines(file, { delimiter: ',' } as never))
})

test('lines are cut where pieces of the file meet', async () => {
  const rows = Array.from({ length: 3000 }, (_, i) => ({ i, text: 'äöü'.repeat(i % 97) }))
  assert.equal(await data.jsonLines(lines(...rows)).toArray(), rows)
})

test('a pass that ends early lets go of the file, and reads no more than it needs', async () => {
  const file = write(`${'{"a":1}\n'.repeat(200_000)}{`)
  for (let i = 0; i < 5; i++) assert.is((await data.jsonLines(file).take(3).toArray()).length, 3)
})

type Column = Parameters<typeof parquetWriteBuffer>[0]['columnData'][number]
const table = (columnData: Column[], options: object = {}): string =>
  write(new Uint8Array(parquetWriteBuffer({ columnData, ...options })), '.parquet')

test('parquet: records as they are, and columns by what they hold', async () => {
  const column = (name: keyof (typeof people)[number], type: string): Column =>
    ({ name, data: people.map((one) => one[name]), type }) as Column
  const since = people.map(({ since }) => new Date(since))
  const file = table([
    column('age', 'DOUBLE'),
    column('city', 'STRING'),
    column('about', 'STRING'),
    { name: 'since', data: since, type: 'TIMESTAMP' },
    column('member', 'BOOLEAN'),
    column('left', 'STRING'),
    { name: 'id', data: [2n ** 60n, 2n], type: 'INT64' },
    { name: 'tags', data: people.map(({ tags }) => tags), type: 'JSON' },
  ])
  const dataset = data.parquet(file, { label: 'left', columns: kinds })
  assert.equal(await dataset.toArray(), samples)
  assert.equal(await dataset.toArray(), samples, 'on every pass')
  assert.equal(dataset.categories, { city: ['Bonn', 'Kiel'] })
  const records: data.Dataset<(typeof people)[number]> = data.parquet(file)
  assert.equal(
    await records.toArray(),
    people.map((one, i) => ({
      age: one.age,
      city: one.city,
      about: one.about,
      since: since[i],
      member: one.member,
      left: one.left,
      id: [2n ** 60n, 2n][i],
      tags: one.tags,
    })),
  )
  assert.equal(await data.parquet(file, { columns: { id: 'category' } }).toArray(), [{ x: [0] }, { x: [1] }])
  await rejects('ERR_DATA', /row 1: column 'tags' holds a list/, data.parquet(file, { columns: ['tags'] }).toArray())
  await rejects('ERR_ARGUMENT', /unknown column 'agee'/, data.parquet(file, { columns: ['agee'], missing: 0 }).toArray())
  await rejects('ERR_DATA', /row 1: column 'city' has 'Bonn'/, data.parquet(file, { label: 'left', columns: ['age', 'city'] }).toArray())
})

test('parquet: row groups one after another, and missing values', async () => {
  const values = Array.from({ length: 1000 }, (_, i) => (i % 100 === 7 ? null : i))
  const file = table([{ name: 'v', data: values, type: 'INT32', nullable: true }], { rowGroupSize: 64 })
  await rejects('ERR_DATA', /row 8: column 'v' has no value/, data.parquet(file, { columns: ['v'] }).toArray())
  const kept = await data.parquet(file, { columns: ['v'], missing: 'skip' }).toArray()
  assert.equal(
    kept.map(({ x }) => x[0]!),
    values.filter((value) => value !== null),
  )
  const series = kept.map(({ x }) => x)
  assert.is(data.windows(series, { timesteps: 98 }).x.shape[0], 9, 'none reaches over a row that was left out')
})

test('parquet: columns that are packed', async () => {
  const numbers = Array.from({ length: 500 }, (_, i) => i % 10)
  for (const codec of ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD'] as const) {
    const pack = { GZIP: gzipSync, BROTLI: brotliCompressSync, ZSTD: storedZstandard } as Record<string, (b: Uint8Array) => Uint8Array>
    const file = table([{ name: 'v', data: numbers, type: 'INT32' }], { codec, compressors: pack })
    const found = await data.parquet(file, { columns: ['v'] }).toArray()
    assert.equal(
      found.map(({ x }) => x[0]),
      numbers,
      codec,
    )
  }
})

/** A Zstandard frame (RFC 8878) with one raw block. */
function storedZstandard(bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 1 + 4 + 3)
  header.writeUInt32LE(0xfd2fb528, 0)
  header[4] = 0xa0 // a single segment, whose size has four bytes
  header.writeUInt32LE(bytes.length, 5)
  header.writeUIntLE(1 | (bytes.length << 3), 9, 3) // the last block, raw
  return Buffer.concat([header, bytes])
}

test('parquet: damaged files and what does not fit', async () => {
  await rejects('ERR_FORMAT', /parquet/, data.parquet(write('no such file', '.parquet')).toArray())
  await rejects('ERR_FORMAT', /./, data.parquet(write('', '.parquet')).toArray())
  const whole = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'v', data: [1, 2, 3], type: 'INT32' }] }))
  await rejects('ERR_FORMAT', /./, data.parquet(write(whole.subarray(0, whole.length - 20), '.parquet')).toArray())
  throws('ERR_ARGUMENT', /no file/, () => data.parquet(path.join(folder, 'none')))
  throws('ERR_ARGUMENT', /is no file/, () => data.parquet(folder))
  throws('ERR_ARGUMENT', /sampleWeight says how rows/, () => data.parquet(write(whole, '.parquet'), { sampleWeight: 'v' }))
})

test('parquet: a page whose header makes up sizes or counts', async () => {
  const values = Array.from({ length: 100 }, (_, i) => `w${i}`)
  const whole = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'v', data: values, type: 'STRING' }], codec: 'UNCOMPRESSED' }))
  // where the header of the first page has its fields: 4 bytes of the file come before it
  const fields = { unpacked: 7, packed: 10, values: 14, rows: 19, definition: 24, repetition: 25 }
  const damaged = (at: number, ...bytes: number[]): string => {
    const file = Uint8Array.from(whole)
    file.set(bytes, at)
    return write(file, '.parquet')
  }
  for (const [at, bytes, message] of [
    [fields.packed, [0xb1, 0], /column 'v' has -25 bytes/],
    [fields.packed, [0xfe, 0x7f], /column 'v' has 8191 bytes/],
    [fields.unpacked, [0xfe, 0x7f], /column 'v' has 8191 unpacked bytes, and \d{3} are possible/],
    [fields.values, [0xfe, 0x7f], /column 'v' has 8191 values, and 100 are possible/],
    [fields.rows, [0xfe, 0x7f], /column 'v' has 8191 rows/],
    [fields.definition, [0x7f], /column 'v' has -64 bytes of levels/],
    [fields.repetition, [0x25], /column 'v' has undefined bytes of levels/], // the number of the next field
  ] as const)
    await rejects('ERR_FORMAT', message, data.parquet(damaged(at, ...bytes)).toArray())
})

test('parquet: a column whose size unpacked is stated too small is read, as several writers do it', async () => {
  const values = Array.from({ length: 300 }, (_, i) => `word ${i % 3}`)
  for (const codec of ['SNAPPY', 'GZIP'] as const) {
    const options = { columnData: [{ name: 'v', data: values, type: 'STRING' } as const], codec, compressors: { GZIP: gzipSync } }
    const whole = Buffer.from(parquetWriteBuffer(options))
    const { total_uncompressed_size: size } = parquetMetadata(new Uint8Array(whole).buffer).row_groups[0]!.columns[0]!.meta_data!
    assert.ok(size >= 64n && size < 8192n, 'two bytes hold it')
    // the field before it has the type of this one: an i64, zigzag, behind the number of the field
    const zigzag = 2 * Number(size)
    const at = whole.lastIndexOf(Uint8Array.of(0x16, (zigzag & 127) | 128, zigzag >> 7, 0x16))
    assert.ok(at > 0)
    for (const stated of [0, 20]) {
      whole.set([(2 * stated) | 128, 0], at + 1)
      const found = await data.parquet<{ v: string }>(write(whole, '.parquet')).toArray()
      assert.equal(
        found.map(({ v }) => v),
        values,
        `${codec}, ${stated}`,
      )
    }
  }
})

test('parquet: which runs claim more values than there are', () => {
  const run = (header: number, bytes = 0): Uint8Array => {
    const varint = header < 128 ? [header] : [(header & 127) | 128, header >> 7]
    return Uint8Array.of(...varint, ...new Uint8Array(bytes))
  }
  const [packed, repeated] = [(groups: number) => 2 * groups + 1, (times: number) => 2 * times]
  assert.is(runsOf(run(repeated(10), 1), 1, 10).overlong, undefined)
  assert.is(runsOf(run(repeated(11), 1), 1, 10).overlong, 11)
  assert.is(runsOf(run(packed(2), 2), 1, 10).overlong, undefined, 'filled up to eight')
  assert.is(runsOf(run(packed(32), 32), 1, 2).overlong, undefined, 'a whole block of 256, as DuckDB writes it')
  assert.is(runsOf(run(packed(32), 96), 3, 2).overlong, undefined)
  assert.is(runsOf(run(packed(32), 31), 1, 2).overlong, 256, 'whose bytes are not there')
  assert.is(runsOf(run(packed(32), 95), 3, 2).overlong, 256)
  assert.is(runsOf(run(packed(32)), 0, 2).overlong, undefined, 'no bits')
  assert.is(runsOf(run(packed(33)), 0, 2).overlong, 264)
  assert.is(runsOf(run(repeated(3)), 0, 2).overlong, 3)
  assert.is(runsOf(run(repeated(0), 1), 1, 2).missing, 2, 'a run of none')
  assert.is(runsOf(run(packed(1), 1), 1, 10).missing, 2)
  assert.is(runsOf(run(packed(2), 2), 1, 10).missing, 0)
})

test('parquet: levels that end before the values do are refused', async () => {
  // the package would take the bytes of the values for runs, and might fill an array until the process ends
  const values = [null, null, 1, 2, 3, 4]
  const column = { name: 'v', data: values, type: 'INT32', nullable: true } as const
  const whole = new Uint8Array(parquetWriteBuffer({ columnData: [column], codec: 'UNCOMPRESSED', statistics: false }))
  const levels = Buffer.from(whole).indexOf(Uint8Array.of(3, 0b111100)) // one packed group
  assert.ok(levels > 0)
  whole.set([0, 0], levels)
  await rejects('ERR_FORMAT', /column 'v' has 6 values without a level/, data.parquet(write(whole, '.parquet')).toArray())
})

test('parquet: whatever byte is damaged, a file is read or refused', async () => {
  const columns: Column[] = [
    { name: 'v', data: [1, null, 3, 4, null], type: 'INT32', nullable: true },
    { name: 'w', data: ['a', 'b', 'a', 'b', 'a'], type: 'STRING' },
  ]
  const whole = new Uint8Array(parquetWriteBuffer({ columnData: columns, codec: 'UNCOMPRESSED', statistics: false }))
  for (let at = 0; at < whole.length; at++)
    for (const byte of [whole[at]! ^ 1, whole[at]! ^ 0x30, 255]) {
      const bytes = Uint8Array.from(whole)
      bytes[at] = byte
      const found = await data
        .parquet(write(bytes, '.parquet'))
        .toArray()
        .catch((error: unknown) => error)
      if (!(found instanceof WeftError)) assert.ok(Array.isArray(found), `byte ${at} is ${byte}: ${String(found)}`)
    }
})

test('parquet: a package that is not installed is named', () => {
  const file = table([{ name: 'v', data: [1], type: 'INT32' }], { codec: 'ZSTD', compressors: { ZSTD: storedZstandard } })
  /** What a program is told in which an import of the package fails. */
  const without = (name: string): string => {
    const resolve = `export function resolve(found, context, next) {
      if (found !== '${name}') return next(found, context)
      throw Object.assign(new Error('none'), { code: 'ERR_MODULE_NOT_FOUND' })
    }`
    const code = `
      import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(resolve)}))
      const { data } = await import(${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)})
      await data.parquet(${JSON.stringify(file)}, { columns: ['v'] }).toArray().catch(({ code, message }) => console.log(code, message))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
    return stdout + stderr
  }
  assert.match(
    without('hyparquet'),
    /^ERR_ARGUMENT .*read by the package hyparquet, which is not installed\. Run: npm install hyparquet\n$/,
  )
  assert.match(without('hyparquet-compressors'), /^ERR_ARGUMENT .*ZSTD .*hyparquet-compressors, which is not installed/)
})

test.run()
