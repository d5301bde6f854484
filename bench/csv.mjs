// data.csv beside readline with split(), and beside pandas' C parser (Debian: python3-pandas): rows of 20 columns of
// numbers per second, of the same file, in one run, interleaved; medians.
//   node bench/csv.mjs [--rows 300000] [--rounds 3]
import { spawnSync } from 'node:child_process'
import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { once } from 'node:events'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { data } from '../dist/lib/index.js'

const { values } = parseArgs({ options: { rows: { type: 'string', default: '300000' }, rounds: { type: 'string', default: '3' } } })
const [ROWS, ROUNDS] = [Number(values.rows), Number(values.rounds)]
const COLUMNS = 20
const PYTHON = '/usr/bin/python3'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-csv-'))
const file = path.join(folder, 'table.csv')

/** A file of numbers of the kinds that tables have: whole ones, two decimals, six decimals. */
async function make() {
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const out = createWriteStream(file)
  const kinds = [() => String(Math.floor(random() * 1000)), () => (random() * 200 - 100).toFixed(2), () => random().toFixed(6)]
  out.write(`${Array.from({ length: COLUMNS }, (_, i) => `c${i}`).join(',')}\n`)
  for (let row = 0; row < ROWS; row++) {
    const line = `${Array.from({ length: COLUMNS }, (_, i) => kinds[i % 3]()).join(',')}\n`
    if (!out.write(line)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'finish')
}

/** Each gives the sum of all values, as a check, and the seconds it took. */
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
try {
  const times = new Map()
  const note = (name, sum, seconds) => {
    times.set(name, [...(times.get(name) ?? []), seconds])
    expected ??= sum
    // batches are float32
    if (!(Math.abs(sum - expected) < 1e-5 * Math.abs(expected))) throw new Error(`${name}: the sum is ${sum}, not ${expected}`)
  }
  let expected
  let version = ''
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
    const [sum, seconds, found] = stdout.trim().split(' ')
    version = found
    note(`pandas ${version}, C parser`, Number(sum), Number(seconds))
  }
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1]
  console.log(
    `${ROWS} rows of ${COLUMNS} numbers, ${(statSync(file).size / 2 ** 20).toFixed(0)} MiB; node ${process.version}, ${os.cpus()[0].model}`,
  )
  const base = ROWS / median(times.get('data.csv'))
  for (const [name, list] of times) {
    const rate = ROWS / median(list)
    console.log(`${name.padEnd(28)} ${Math.round(rate).toLocaleString('en').padStart(10)} rows/s   ${(rate / base).toFixed(2)} of data.csv`)
  }
  if (!hasPandas) console.log('pandas: skipped, needs the package python3-pandas')
} finally {
  rmSync(folder, { recursive: true })
}
