// data.csv beside readline with split(), and beside pandas' C parser (Debian: python3-pandas): rows of 20 columns of
// numbers per second, of the same file, in one run, interleaved; medians. Sums of all values must agree.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { data } from '../dist/lib/index.js'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'

const options = readOptions({ rows: { type: 'string', default: '300000' }, rounds: { type: 'string', default: '3' } })
const [ROWS, ROUNDS] = options.quick ? [30_000, 1] : [Number(options.rows), Number(options.rounds)]
const COLUMNS = 20
const PYTHON = '/usr/bin/python3'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-csv-'))
const [file, lines] = ['table.csv', 'table.jsonl'].map((name) => path.join(folder, name))
const columns = Array.from({ length: COLUMNS }, (_, i) => `c${i}`)

/** A file of numbers of the kinds that tables have: whole ones, two decimals, six decimals. */
async function make() {
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const out = createWriteStream(file)
  const json = createWriteStream(lines)
  const kinds = [() => String(Math.floor(random() * 1000)), () => (random() * 200 - 100).toFixed(2), () => random().toFixed(6)]
  out.write(`${columns.join(',')}\n`)
  for (let row = 0; row < ROWS; row++) {
    const fields = columns.map((_, i) => kinds[i % 3]())
    if (!out.write(`${fields.join(',')}\n`)) await once(out, 'drain')
    if (!json.write(`{${columns.map((name, i) => `"${name}":${fields[i]}`).join(',')}}\n`)) await once(json, 'drain')
  }
  await Promise.all([out, json].map((stream) => once(stream.end(), 'finish')))
}

/** Each gives the sum of all values. */
const readers = {
  async 'data.csv'() {
    let sum = 0
    for await (const { x } of data.csv(file)) for (let i = 0; i < COLUMNS; i++) sum += x[i]
    return sum
  },
  async 'data.csv, batches of 1,024'() {
    let sum = 0
    for await (const { x } of data.csv(file).batch(1024)) for (const value of await x.data()) sum += value
    return sum
  },
  async 'data.jsonLines'() {
    let sum = 0
    for await (const { x } of data.jsonLines(lines, { columns })) for (let i = 0; i < COLUMNS; i++) sum += x[i]
    return sum
  },
  async 'readline, split'() {
    let sum = 0
    let first = true
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
      if (first) {
        first = false
        continue
      }
      const x = line.split(',').map(Number)
      for (let i = 0; i < COLUMNS; i++) sum += x[i]
    }
    return sum
  },
}

const PANDAS = `
import sys, time, pandas
begin = time.perf_counter()
total = float(pandas.read_csv(sys.argv[1], engine='c').to_numpy().sum())
print(total, time.perf_counter() - begin, pandas.__version__)
`
const hasPandas = existsSync(PYTHON) && spawnSync(PYTHON, ['-c', 'import pandas']).status === 0

await make()
const report = new Report(
  `CSV: rows of ${COLUMNS} numbers per second, ${ROWS} rows, ${(statSync(file).size / 2 ** 20).toFixed(0)} MiB, median of ${ROUNDS} interleaved rounds`,
  options,
)
try {
  const times = new Map()
  let expected
  const note = (name, sum, seconds) => {
    if (!times.has(name)) {
      expected ??= sum
      // batches are float32
      report.check(name, relativeDifference([sum], [expected]), name.includes('batches') ? 1e-5 : 1e-9)
    }
    times.set(name, [...(times.get(name) ?? []), seconds])
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, read] of Object.entries(readers)) {
      const begin = performance.now()
      const sum = await read()
      note(name, sum, (performance.now() - begin) / 1000)
    }
    if (!hasPandas) continue
    const { stdout, stderr, status } = spawnSync(PYTHON, ['-c', PANDAS, file], {
      encoding: 'utf8',
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    })
    if (status !== 0) throw new Error(stderr)
    const [sum, seconds, version] = stdout.trim().split(' ')
    note(`pandas ${version}, C parser`, Number(sum), Number(seconds))
  }
  if (!hasPandas) report.note('pandas: skipped, needs the package python3-pandas')
  const rates = new Map([...times].map(([name, list]) => [name, ROWS / list.sort((a, b) => a - b)[list.length >> 1]]))
  const own = rates.get('data.csv')
  for (const [name, rate] of rates) {
    const ratio = own / rate
    if (name.startsWith('data.'))
      report.row({ name, measured: rate, unit: 'rows/s', value: rate, ...(name === 'data.csv' && { goal: 300_000 }) })
    else report.row({ name: `data.csv against ${name}`, measured: own, unit: 'rows/s', peer: rate, peerName: name, value: ratio })
  }
  report.finish()
} finally {
  rmSync(folder, { recursive: true })
}
