// CSV files: what the format allows, what goes wrong in practice, and that a large file is streamed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chronologicalSplit, csv, minMaxScaler, windows } from '../../lib/data/index.js'
import type { Tensor } from '../../lib/index.js'
import { rejects, throws } from '../expect.js'

const folder = mkdtempSync(path.join(tmpdir(), 'weft-csv-'))
let files = 0
const write = (text: string | Uint8Array, extension = 'csv'): string => {
  const file = path.join(folder, `${files++}.${extension}`)
  writeFileSync(file, text)
  return file
}
test.after(() => rmSync(folder, { recursive: true }))

test('rows become samples; the label column becomes y', async () => {
  const file = write('a,b,y\n1,2.5,0\n-3,4e2,1\n')
  const expected = [
    { x: [1, 2.5], y: 0 },
    { x: [-3, 400], y: 1 },
  ]
  const dataset = csv(file, { label: 'y' })
  assert.equal(await dataset.toArray(), expected)
  assert.equal(await dataset.toArray(), expected, 'a second pass reads the file again')
  assert.equal(await csv(pathToFileURL(file), { label: 'y' }).toArray(), expected)
  assert.equal(await csv(file).toArray(), [{ x: [1, 2.5, 0] }, { x: [-3, 400, 1] }])
  assert.equal(await csv(file, { label: ['b', 'y'] }).toArray(), [
    { x: [1], y: [2.5, 0] },
    { x: [-3], y: [400, 1] },
  ])
  assert.equal(await csv(file, { label: 'y', columns: ['b'] }).toArray(), [
    { x: [2.5], y: 0 },
    { x: [400], y: 1 },
  ])
  assert.equal(await csv(file, { label: 'y', sampleWeight: 'b' }).toArray(), [
    { x: [1], y: 0, sampleWeight: 2.5 },
    { x: [-3], y: 1, sampleWeight: 400 },
  ])
})

test('batches are Tensors', async () => {
  const [batch] = await csv(write('a,b,y\n1,2,0\n3,4,1\n'), { label: 'y' }).batch(8).toArray()
  assert.equal(await (batch!.x as Tensor).array(), [
    [1, 2],
    [3, 4],
  ])
  assert.equal(await (batch!.y as Tensor).array(), [0, 1])
})

test('quoted fields, CRLF, a byte order mark, blanks, blank lines and other delimiters', async () => {
  assert.equal(await csv(write('\ufeff"a","b, or ""c""",y\r\n"1", 2 ,"3"\r\n\r\n4,5,6'), { label: 'b, or "c"' }).toArray(), [
    { x: [1, 3], y: 2 },
    { x: [4, 6], y: 5 },
  ])
  assert.equal(await csv(write('a;y\n1;2\n'), { delimiter: ';', label: 'y' }).toArray(), [{ x: [1], y: 2 }])
})

test('files without a header, or with names given', async () => {
  const file = write('1,2\n3,4\n')
  assert.equal(await csv(file, { header: false, label: 'column1' }).toArray(), [
    { x: [1], y: 2 },
    { x: [3], y: 4 },
  ])
  assert.equal(await csv(file, { header: ['a', 'b'], label: 'a' }).toArray(), [
    { x: [2], y: 1 },
    { x: [4], y: 3 },
  ])
})

test('gzipped files are unpacked', async () => {
  assert.equal(await csv(write(gzipSync('a,y\n1,2\n'), 'csv.gz'), { label: 'y' }).toArray(), [{ x: [1], y: 2 }])
})

test('missing values: an error that names the place, skipped rows, or a number', async () => {
  const file = write('a,b,y\n1,2,0\n3,,1\n5,NA,1\n7,8,?\n')
  await rejects('ERR_DATA', /line 3: column 'b' has no value.*missing/, csv(file, { label: 'y' }).toArray())
  assert.equal(await csv(file, { label: 'y', missing: 'skip' }).toArray(), [{ x: [1, 2], y: 0 }])
  assert.equal(
    (await csv(file, { label: 'y', missing: -1 }).toArray()).map((sample) => [...sample.x, sample.y]),
    [
      [1, 2, 0],
      [3, -1, 1],
      [5, -1, 1],
      [7, 8, -1],
    ],
  )
  await rejects('ERR_DATA', /'NA', which is not a number/, csv(file, { missing: 0, missingValues: ['', '?'] }).toArray())
})

test('windows do not reach over rows that were left out', async () => {
  // rows 3 and 4 of ten, and row 8, have no value
  const lines = Array.from({ length: 10 }, (_, i) => ([3, 4, 8].includes(i) ? `${i},\n` : `${i},${10 * i}\n`))
  const rows = await csv(write(`a,b\n${lines.join('')}`), { missing: 'skip' }).toArray()
  const series = rows.map(({ x }) => x)
  assert.is(series.length, 7)
  const begins = async (part: readonly number[][], options: object = {}): Promise<number[][]> => {
    const { x, y } = windows(part, { timesteps: 2, target: 0, ...options })
    const steps = (await x.array()) as number[][][]
    return steps.map((window, i) => [...window.map(([a]) => a!), ...((y.arraySync() as number[][])[i] as number[])])
  }
  assert.equal(await begins(series), [
    [0, 1, 2],
    [5, 6, 7],
  ])
  assert.equal(await begins(series, { timesteps: 1 }), [
    [0, 1],
    [1, 2],
    [5, 6],
    [6, 7],
  ])
  assert.equal(await begins(series, { timesteps: 1, stride: 2 }), [
    [0, 1],
    [6, 7],
  ])
  // the marks stay with rows that were split and scaled
  const { train, test: last } = chronologicalSplit(series, { test: 3 })
  const scaler = await minMaxScaler({ range: [0, 90] }).fit(series)
  assert.is((await begins(train)).length, 1)
  assert.is(windows(scaler.transform(series), { timesteps: 2 }).x.shape[0], 2)
  assert.equal(await begins(last, { timesteps: 1 }), [[6, 7]])
  throws('ERR_SHAPE', /left out before 2 of them.*missing: 0/, () => windows(series, { timesteps: 3 }))
  // without gaps nothing changes
  const whole = await csv(write(`a,b\n${lines.join('')}`), { missing: 0 }).toArray()
  assert.is(
    windows(
      whole.map(({ x }) => x),
      { timesteps: 3 },
    ).x.shape[0],
    7,
  )
})

test('an empty field is missing whatever counts as missing; numbers are decimal; names that are used are unique', async () => {
  const blank = write('a,y\n1,0\n,1\n   ,1\n')
  for (const missingValues of [['NA'], []]) {
    await rejects('ERR_DATA', /column 'a' has no value/, csv(blank, { label: 'y', missingValues }).toArray())
    assert.equal(await csv(blank, { label: 'y', missing: 'skip', missingValues }).toArray(), [{ x: [1], y: 0 }])
  }
  for (const text of ['0x10', '0b1', '0o7', '1_000', '1e', '.', '1 2'])
    await rejects('ERR_DATA', /not a number/, csv(write(`a,b\n1,2\n${text},1\n`)).toArray())
  assert.equal(await csv(write('a,b,c,d,e\n+1,-.5,2.,1e-3,Infinity\n')).toArray(), [{ x: [1, -0.5, 2, 0.001, Number.POSITIVE_INFINITY] }])
  await rejects('ERR_FORMAT', /two columns are named 'y'/, csv(write('y,a,y\n1,2,3\n'), { label: 'y' }).toArray())
  assert.equal(await csv(write('1,2,3\n'), { label: 'l', header: ['y', 'a', 'l'] }).toArray(), [{ x: [1, 2], y: 3 }])
})

test('rows and files have limits', async () => {
  const long = write(`a,b\n1,${'2'.repeat(5000)}\n`)
  await rejects('ERR_FORMAT', /a row has more than 1000 bytes.*maxLineBytes/, csv(long, { maxLineBytes: 1000 }).toArray())
  const rows = '1,2\n'.repeat(1000)
  await rejects('ERR_FORMAT', /more than 1000 bytes.*maxBytes/, csv(write(`a,b\n${rows}`), { maxBytes: 1000 }).toArray())
  const packed = write(gzipSync(`a,b\n${rows}`), 'csv.gz')
  await rejects('ERR_FORMAT', /more than 1000 bytes unpacked/, csv(packed, { maxBytes: 1000 }).toArray())
  assert.is((await csv(packed).toArray()).length, 1000)
  throws('ERR_ARGUMENT', /maxBytes must be at least 1/, () => csv(packed, { maxBytes: 0 }))
})

test('categories become numbers; without them the error names the column', async () => {
  const file = write('color,size,kind\nred,1,cat\nblue,2,dog\n')
  await rejects('ERR_DATA', /line 2: column 'color' has 'red'.*categories/, csv(file).toArray())
  const categories = { color: ['red', 'green', 'blue'], kind: { dog: 10, cat: 20 } }
  assert.equal(await csv(file, { label: 'kind', categories }).toArray(), [
    { x: [0, 1], y: 20 },
    { x: [2, 2], y: 10 },
  ])
  await rejects(
    'ERR_DATA',
    /unknown category 'dog'.*Known: cat/,
    csv(file, { columns: ['size', 'kind'], categories: { kind: ['cat'] } }).toArray(),
  )
  assert.equal(await csv(file, { columns: ['size'] }).toArray(), [{ x: [1] }, { x: [2] }], 'columns that are not used need not be numbers')
})

test('mistakes in calls and files are typed errors', async () => {
  const file = write('alpha,beta\n1,2\n')
  throws('ERR_ARGUMENT', /no file/, () => csv(path.join(folder, 'none.csv')))
  throws('ERR_ARGUMENT', /data\.csv: unknown option 'labels'.*'label'/, () => csv(file, { labels: 'y' } as object))
  throws('ERR_ARGUMENT', /missing must be/, () => csv(file, { missing: 'drop' as 'skip' }))
  await rejects('ERR_ARGUMENT', /'bet'.*Did you mean 'beta'/, csv(file, { label: 'bet' }).toArray())
  await rejects('ERR_ARGUMENT', /'gamma'/, csv(file, { categories: { gamma: [] } }).toArray())
  await rejects('ERR_FORMAT', /line 3: 3 fields, but there are 2 columns/, csv(write('a,b\n1,2\n1,2,3\n')).toArray())
  await rejects('ERR_FORMAT', /[Qq]uote/, csv(write('a,b\n1,"2\n')).toArray())
  await rejects('ERR_FORMAT', /empty/, csv(write('')).toArray())
  await rejects('ERR_FORMAT', /./, csv(write('not gzip', 'csv.gz')).toArray())
  await rejects('ERR_FORMAT', /./, csv(write(gzipSync('a,b\n1,2\n'.repeat(1000)).subarray(0, 20), 'csv.gz')).toArray())
  await rejects('ERR_FORMAT', /./, csv(folder).toArray())
})

test('a large file is read as a stream and can be left early', async () => {
  const rows = 300_000
  const file = write(`a,b,c,y\n${'0.123456,1.5,-2.25,1\n'.repeat(rows)}`)
  let n = 0
  let most = 0
  const before = process.memoryUsage().rss
  for await (const sample of csv(file, { label: 'y' })) {
    n += sample.y as number
    if ((n & 1023) === 0) most = Math.max(most, process.memoryUsage().rss - before)
  }
  assert.is(n, rows)
  assert.ok(most < 100e6, `${most} bytes more than before`)
  assert.is((await csv(file, { label: 'y' }).take(3).toArray()).length, 3)
  assert.is((await csv(file, { label: 'y' }).shuffle({ seed: 1, bufferSize: 100 }).batch(32).take(2).prefetch().toArray()).length, 2)
})

test('a packed file of one endless row ends at the longest row, without being unpacked', async () => {
  const bomb = write(gzipSync(`a,b\n1,${'2'.repeat(1 << 27)}`), 'csv.gz')
  const began = process.memoryUsage().rss
  await rejects('ERR_FORMAT', /a row has more than 16777216 bytes/, csv(bomb).toArray())
  assert.ok(process.memoryUsage().rss - began < 400e6)
})

test.run()
