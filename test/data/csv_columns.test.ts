// Columns of CSV files by what they hold, missing values by column, and rows from bytes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CsvReader } from '../../lib/data/csv_reader.js'
import { csv, jsonLines } from '../../lib/data/index.js'
import type { Tensor } from '../../lib/index.js'
import { rejects, throws } from '../expect.js'

const folder = mkdtempSync(path.join(tmpdir(), 'weft-columns-'))
let files = 0
const write = (text: string | Uint8Array): string => {
  const file = path.join(folder, `${files++}.csv`)
  writeFileSync(file, text)
  return file
}
test.after(() => rmSync(folder, { recursive: true }))

test('columns by what they hold: numbers, words, texts, dates, booleans', async () => {
  const text =
    'age,city,about,when,flag,y\n3,Bonn,"a, ""b""\nc",1970-01-03,TRUE,yes\n4.5,Kiel,NA,1970-01-02T12:00:00Z,no,no\n5,Bonn,,1970-01-01T01:00+01:00,1,no\n'
  const kinds = { age: 'number', city: 'category', about: 'string', when: 'date', flag: 'boolean', y: 'boolean' } as const
  const dataset = csv(write(text), { label: 'y', columns: kinds })
  const expected = [
    { x: [3, 0, 2, 1], y: 1, strings: { about: 'a, "b"\nc' } },
    { x: [4.5, 1, 1.5, 0], y: 0, strings: { about: 'NA' } },
    { x: [5, 0, 0, 1], y: 0, strings: { about: '' } },
  ]
  assert.equal(await dataset.toArray(), expected)
  assert.equal(dataset.categories, { city: ['Bonn', 'Kiel'] })
  assert.equal(await dataset.toArray(), expected, 'words keep their numbers on the next pass')
  const other = csv(write(text.replace('3,Bonn', '3,Kiel')), { columns: { city: 'category' }, categories: dataset.categories })
  assert.equal(await other.toArray(), [{ x: [1] }, { x: [1] }, { x: [0] }])
  const [batch] = await dataset
    .map(({ x, y }) => ({ x, y }))
    .batch(3)
    .toArray()
  assert.equal((batch!.x as Tensor).shape, [3, 4])
})

test('missing values by column', async () => {
  const file = write('a,b,s\n1,,u\n,2,\n3,4,NA\n')
  const columns = { a: 'number', b: 'category', s: 'string' } as const
  assert.equal(await csv(file, { columns, missing: { a: -1, b: 9, s: 'none' } }).toArray(), [
    { x: [1, 9], strings: { s: 'u' } },
    { x: [-1, 0], strings: { s: 'none' } },
    { x: [3, 1], strings: { s: 'none' } },
  ])
  assert.equal(await csv(file, { columns, missing: { a: 0, b: 'skip' } }).toArray(), [
    { x: [0, 0], strings: { s: '' } },
    { x: [3, 1], strings: { s: 'NA' } },
  ])
  await rejects('ERR_DATA', /line 3: column 'a' has no value/, csv(file, { columns, missing: { b: 0 } }).toArray())
  await rejects('ERR_DATA', /line 3: column 's' has no value/, csv(file, { columns, missing: { a: 0, b: 0, s: 'error' } }).toArray())
  await rejects(
    'ERR_ARGUMENT',
    /missing of 'a' must be 'error', 'skip' or a number, got 'x'/,
    csv(file, { columns, missing: { a: 'x' } }).toArray(),
  )
  await rejects('ERR_ARGUMENT', /missing of 's' must be .* text, got 3/, csv(file, { columns, missing: { s: 3 } }).toArray())
  await rejects('ERR_ARGUMENT', /column .*'z'/, csv(file, { columns, missing: { z: 3 } }).toArray())
  throws('ERR_ARGUMENT', /missing of 'a' must be/, () => csv(file, { missing: { a: true as never } }))
  throws('ERR_ARGUMENT', /record of 'number', 'category'/, () => csv(file, { columns: { a: 'int' as never } }))
  throws('ERR_ARGUMENT', /categories of 'a', whose kind is 'number'/, () => csv(file, { columns, categories: { a: ['x'] } }))
  await rejects('ERR_ARGUMENT', /'s' holds strings, which are no labels/, csv(file, { columns, label: 's' }).toArray())
  // a code for what is missing, which is a number
  assert.equal(await csv(write('a\n1\n-999\n'), { missing: 0, missingValues: ['-999'] }).toArray(), [{ x: [1] }, { x: [0] }])
})

test('what is no date and no boolean', async () => {
  for (const date of ['2023-02-30', '2023-13-01', '1.2.2023', '2023-01-01T25:00', 'x'])
    await rejects(
      'ERR_DATA',
      /line 2: column 'd' has '.*', which is not a date/,
      csv(write(`d\n${date}\n`), { columns: { d: 'date' } }).toArray(),
    )
  await rejects('ERR_DATA', /neither true nor false/, csv(write('d\nmaybe\n'), { columns: { d: 'boolean' } }).toArray())
  const days = csv(write('d\n2000-02-29 06:00:30.25\n1969-12-31T23:30-00:30\n'), { columns: { d: 'date' } })
  assert.equal(await days.toArray(), [{ x: [11016 + (6 * 3600 + 30.25) / 86_400] }, { x: [0] }])
})

test('numbers are those that Number() reads, whatever their form', async () => {
  const texts = ['0', '-0', '007', '1.', '.5', '+2.25', '-.75', '123456789012345', '9007199254740993', '0.1', '0.30000000000000004', '1e-7']
  texts.push(
    '4.35',
    '2.675',
    '1e22',
    '123456.789e3',
    '0.0000001234567890123',
    '179769313486231570000',
    '1.7976931348623157e308',
    'Infinity',
  )
  for (let i = 0; i < 400; i++) texts.push(String((((i * 7919) % 1009) - 500) / 10 ** (i % 12)), (Math.sin(i) * 10 ** (i % 9)).toString())
  const found = await csv(write(`a\n${texts.join('\n')}\n`)).toArray()
  found.forEach(({ x: [value] }, i) => assert.ok(Object.is(value, Number(texts[i])), `'${texts[i]}' became ${value}`))
  for (const wrong of ['0x10', '1.2.3', '--1', '1e', '+', '.', '1_000', '1 2'])
    await rejects('ERR_DATA', /which is not a number/, csv(write(`a\n${wrong}\n`)).toArray())
})

test('rows are the same wherever the pieces of the file end', async () => {
  const text = '\ufeffid,"a, b",c\r\n1,"x ""y""\r\nz",ü\r\n\r\n2,,"€"\r3,"",\n4,"last ""one""",👍'
  const expected = [
    ['id', 'a, b', 'c'],
    ['1', 'x "y"\r\nz', 'ü'],
    ['2', '', '€'],
    ['3', '', ''],
    ['4', 'last "one"', '👍'],
  ]
  const bytes = Buffer.from(text)
  const rowsOf = (sizes: readonly number[]): { rows: string[][]; lines: number[] } => {
    const reader = new CsvReader('file', ',', 1 << 20)
    const [rows, lines]: [string[][], number[]] = [[], []]
    const take = (last: boolean): void => {
      while (reader.next(last)) {
        rows.push(reader.texts())
        lines.push(reader.line)
      }
    }
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length]!
      reader.push(bytes.subarray(at, at + size))
      at += size
      take(false)
    }
    take(true)
    return { rows, lines }
  }
  for (const sizes of [[1000], [1], [2], [3], [5, 1], [7, 2, 11]])
    assert.equal(rowsOf(sizes), { rows: expected, lines: [1, 3, 5, 6, 7] }, `${sizes}`)
})

test('bytes that are no UTF-8 are named by their place, and characters may lie across pieces', async () => {
  const latin = (text: string): string => write(Buffer.from(text, 'latin1'))
  const columns = { a: 'string' } as const
  await rejects('ERR_DATA', /\.csv: byte 6 is no text in UTF-8/, csv(latin('a\ncaf\u00e9\n'), { columns }).toArray())
  await rejects('ERR_DATA', /byte 10 is no text in UTF-8/, jsonLines(latin('{"a":"caf\u00e9"}\n')).toArray())
  // the file ends within a character
  await rejects('ERR_DATA', /byte 4 is/, csv(write(Buffer.from('a\nb\u20ac').subarray(0, 5)), { columns }).toArray())
  // 2 to 4 bytes, at all places around the end of a piece
  for (let shift = 0; shift < 5; shift++) {
    const word = `${'x'.repeat(2 ** 18 - 6 + shift)}\u00e9\u20ac\u{1f600}`
    assert.equal((await csv(write(`a\n${word}\n`), { columns }).toArray())[0]!.strings, { a: word })
  }
})

test('files in UTF-16, another delimiter, and quotes where none may be', async () => {
  const wide = Buffer.from('\ufeffä,b\n1,2\n', 'utf16le')
  assert.equal(await csv(write(wide), { columns: ['ä'] }).toArray(), [{ x: [1] }])
  assert.equal(await csv(write('a||b\n1||"2||3"\n'), { delimiter: '||', columns: { a: 'number', b: 'string' } }).toArray(), [
    { x: [1], strings: { b: '2||3' } },
  ])
  assert.equal(await csv(write('a\tb\n1\t2\n'), { delimiter: '\t' }).toArray(), [{ x: [1, 2] }])
  await rejects('ERR_FORMAT', /line 2: a quote stands within a field/, csv(write('a,b\n1"2,3\n')).toArray())
  await rejects('ERR_FORMAT', /line 3: text follows the closing quote/, csv(write('a,b\n"1\n2"3,4\n')).toArray())
  await rejects('ERR_FORMAT', /line 2: a quote is not closed/, csv(write('a,b\n1,2,"3')).toArray())
  throws('ERR_ARGUMENT', /delimiter is a text without quotes/, () => csv(write('a\n1\n'), { delimiter: '"' }))
})

test.run()
