// Repeats what the tests run on the CPU device on the emulated GPU, under AddressSanitizer and under the race detector,
// in several orders.
// Usage: node test/cuda-on-cpu/replay.mjs [address] [race] [ptx] [part of a test's path ...]; without arguments all.
// `race ops/cumsum` repeats what that test runs, and the long rows (rows/wide_rows.ts) of the operations it calls. The
// addon, TypeScript and the runners are built first. The last line is "N passed, N failed, N skipped": a pass is all
// programs once in one way, a failure is a program.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { buildAll } from '../../scripts/build.mjs'
import { build } from './build.mjs'
import { buildTranslated } from './ptx/build.mjs'

const root = path.join(import.meta.dirname, '..', '..')
const programs = path.join(root, 'build', 'cuda-on-cpu-programs')
const products = path.join(root, 'build', 'cuda-on-cpu-products')
/** Test folders whose programs are repeated. */
const SOURCES = ['ops', 'layers', 'model', 'core']
const PROCESSES = 2

/**
 * Each way runs all programs, or every `of`-th; over the ways of one build all schedules and both kinds of asynchronous
 * work come up.
 */
const WAYS = {
  address: [
    { schedule: 'forward', async: 'lazy', capability: 90 },
    { schedule: 'backward', async: 'eager', capability: 80, inPlace: true },
    { schedule: 'random:3', async: 'lazy', capability: 75, of: 4 },
    { schedule: 'random:5', async: 'eager', capability: 90, of: 4, inPlace: true },
  ],
  race: [
    { schedule: 'forward', async: 'lazy', capability: 90, inPlace: true },
    { schedule: 'backward', async: 'eager', capability: 80 },
    { schedule: 'random:7', async: 'lazy', capability: 75, of: 4 },
  ],
  ptx: [
    { schedule: 'forward', async: 'lazy', capability: 80 },
    { schedule: 'random:9', async: 'eager', capability: 90 },
  ],
}

/** Runs a command; its output and exit code. */
function run(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output += chunk
      })
    child.on('error', (error) => resolve({ output: error.message, code: -1 }))
    child.on('close', (code) => resolve({ output, code }))
  })
}

/** Calls work for every item, a few at a time. */
async function each(items, work) {
  const left = [...items]
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: PROCESSES }, worker))
}

const sum = { passed: 0, failed: 0, skipped: 0 }
const fail = (line) => {
  sum.failed++
  console.log(line)
}

/** The operations that exported programs call, from the names of their files. */
const operationsIn = (folder) =>
  new Set(readdirSync(folder).flatMap((file) => file.replace(/(\.\.\.)?-[0-9a-f]+\.program$/, '').split('+')))

/**
 * What is computed of values that nobody asks for need not agree, and the worker writes the inputs of core/gather only
 * after they were recorded.
 */
const NOT_REPEATED = /hostile\.test\.ts$|core.gather\.test\.ts$/

/** Writes what the tests compute to files. */
async function exportPrograms() {
  for (const folder of [programs, products]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
  }
  const hook = ['--expose-gc', '--import', path.join(root, 'dist', 'test', 'cuda-on-cpu', 'export.js')]
  const tests = SOURCES.flatMap((folder) => readdirSync(path.join(root, 'test', folder)).map((file) => path.join(folder, file)))
    .filter((file) => file.endsWith('.test.ts') && !NOT_REPEATED.test(file))
    .map((file) => ({ file: file.replace(/\.ts$/, '.js'), to: programs }))
  const chosen = tests.filter(({ file }) => parts.length === 0 || parts.some((part) => file.includes(part)))
  const own = [
    { file: path.join('cuda-on-cpu', 'rows', 'products.js'), to: products },
    { file: path.join('cuda-on-cpu', 'rows', 'wide.js'), to: programs },
  ]
  const write =
    ({ file, to }, only) =>
    async () => {
      // equal weights each time: what rounding does must not change from run to run
      const env = { WEFT_EXPORT_PROGRAMS: to, WEFT_EXPORT_ONLY: only, WEFT_DEVICE: 'cpu', WEFT_SEED: '1', NO_COLOR: '1' }
      const { code, output } = await run(process.execPath, [...hook, path.join(root, 'dist', 'test', file)], env)
      if (code !== 0) fail(`FAIL export of ${file}: exit code ${code}\n${output.trimEnd()}`)
    }
  if (parts.length > 0 && chosen.length === 0) fail(`no test file of ${SOURCES.join(', ')} matches ${parts.join(' ')}`)
  const first = parts.length === 0 ? [...own, ...chosen] : chosen
  await each(first, (source) => write(source, '')())
  if (parts.length > 0 && chosen.length > 0) {
    const operations = [...operationsIn(programs)].join()
    await each(own, (source) => write(source, operations)())
  }
  for (const folder of [programs, products]) console.log(`${readdirSync(folder).length} programs in ${path.relative(root, folder)}`)
}

/** One way through the programs of a folder, cut into as many shards as processes. */
async function replay(kind, runner, folder, way) {
  const { schedule, async, capability, inPlace, of = 1 } = way
  const env = {
    WEFT_EMULATED_SCHEDULE: schedule,
    WEFT_EMULATED_ASYNC: async,
    WEFT_EMULATED_CAPABILITY: String(capability),
    WEFT_EMULATED_ABORT: '1',
    ASAN_OPTIONS: 'detect_leaks=0:detect_stack_use_after_return=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  }
  const begin = performance.now()
  const total = { programs: 0, failed: 0, skipped: 0 }
  await each(
    Array.from({ length: PROCESSES }, (_, i) => i),
    async (i) => {
      const shards = PROCESSES * of
      const args = ['--shard', `${i}/${shards}`, ...(inPlace ? ['--in-place'] : []), folder]
      const { output, code } = await run(runner, args, env)
      const end = /^(\d+) programs, (\d+) failed, (\d+) skipped$/m.exec(output)
      const bad = code !== 0 && !Number(end?.[2]) ? 1 : Number(end?.[2])
      total.programs += Number(end?.[1] ?? 0)
      total.failed += bad
      total.skipped += Number(end?.[3] ?? 0)
      const lines = output.trimEnd().split('\n')
      if (bad > 0)
        console.log(
          lines
            .filter((line) => !line.startsWith('skip '))
            .slice(0, 200)
            .join('\n'),
        )
    },
  )
  const what = `${kind}, sm_${capability}, ${schedule}, ${async}${inPlace ? ', in place' : ''}, ${path.basename(folder)}`
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  console.log(`${total.failed ? 'FAIL' : 'ok  '} ${what} (${total.programs} programs, ${total.skipped} without kernel, ${seconds} s)`)
  if (total.failed > 0) sum.failed += total.failed
  else sum.passed++
}

const has = (tool) => spawnSync(tool, ['--version']).status === 0
const wanted = process.argv.slice(2)
const parts = wanted.filter((word) => !Object.hasOwn(WAYS, word))
const kinds = Object.keys(WAYS).filter((kind) => wanted.length === parts.length || wanted.includes(kind))

for (const problem of await buildAll()) fail(`FAIL ${problem}`)
if (sum.failed === 0) await exportPrograms()
for (const kind of sum.failed === 0 ? kinds : []) {
  const missing = ['cmake', 'g++', ...(kind === 'ptx' ? ['nvcc', 'c++filt'] : [])].find((tool) => !has(tool))
  if (missing) {
    sum.skipped += WAYS[kind].length
    console.log(`skipped: needs ${missing} (${kind})`)
    continue
  }
  if (kind === 'ptx' && readdirSync(products).length === 0) {
    sum.skipped += WAYS[kind].length
    console.log(`skipped: ${parts.join(' ')} calls none of the operations of rows/product_rows.ts, which are what ptx repeats`)
    continue
  }
  const begin = performance.now()
  const { runner, problem } = kind === 'ptx' ? await translated() : await sanitized(kind)
  console.log(`${kind}: ${problem ? 'not ' : ''}built in ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  if (problem) {
    fail(`FAIL build for ${kind}\n${problem}`)
    continue
  }
  for (const way of WAYS[kind]) {
    // a part is small: every way runs all of it
    if (kind !== 'ptx') await replay(kind, runner, programs, parts.length > 0 ? { ...way, of: 1 } : way)
    if (readdirSync(products).length > 0) await replay(kind, runner, products, { ...way, of: 1 })
  }
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0 // not exit(), which would lose what is still on its way to a pipe

async function sanitized(kind) {
  const { folder, problem } = await build(`cuda-on-cpu-${kind}`, 'runner', [`-DWEFT_SANITIZE=${kind}`])
  return folder ? { runner: path.join(folder, 'runner') } : { problem }
}

function translated() {
  return buildTranslated(
    products,
    WAYS.ptx.map(({ capability }) => capability),
  )
}
