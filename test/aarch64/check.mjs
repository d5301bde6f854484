// Repeats what the tests run on the CPU device with the kernels for 64-bit ARM, which qemu executes: NEON vectors, one
// thread and two. The addon needs a node of that processor, so a runner without node repeats exported programs.
// Usage: node test/aarch64/check.mjs [part of a test's path ...]; without arguments those of TESTS. The addon,
// TypeScript and the runner are built first. The last line is "N passed, N failed, N skipped": all programs together
// are a pass, each program that differs is a failure.
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { buildAll, output } from '../../scripts/build.mjs'
import { build, folder, missing, NEEDED } from '../../scripts/linux-arm64.mjs'

const root = path.join(import.meta.dirname, '..', '..')
const programs = path.join(folder, 'programs')
const PROCESSES = 2
/** Test files whose programs are repeated. */
const TESTS = ['ops/', 'core/state', 'core/fault', 'layers/layers']
/**
 * Those that are left out unless they are named. Their rows take long, and layers run convolutions, recurrence and
 * arithmetic as well. Operands rounded to bfloat16 are another processor's.
 */
const LONG = ['ops/arithmetic', 'ops/conv', 'ops/coverage', 'ops/products', 'ops/products_bfloat16', 'ops/recurrent', 'ops/recurrent_ways']

const sum = { passed: 0, failed: 0, skipped: 0 }
const fail = (line) => {
  sum.failed++
  console.log(line)
}

/** Calls work for every item, a few at a time. */
async function each(items, work) {
  const left = [...items]
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: PROCESSES }, worker))
}

/** The seconds that work takes, in words. */
async function timed(what, work) {
  const begin = performance.now()
  const result = await work()
  console.log(`${what}: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  return result
}

/** Writes what the tests compute to files. */
async function exportPrograms(parts, named) {
  rmSync(programs, { recursive: true, force: true })
  mkdirSync(programs, { recursive: true })
  const files = ['core', 'layers', 'model', 'ops']
    .flatMap((part) => readdirSync(path.join(root, 'test', part)).map((file) => `${part}/${file}`))
    // what is computed of values that nobody asks for need not agree
    .filter((file) => file.endsWith('.test.ts') && !file.endsWith('hostile.test.ts') && parts.some((part) => file.includes(part)))
    .filter((file) => named || !LONG.includes(file.replace('.test.ts', '')))
  if (files.length === 0) fail(`no test file matches ${parts.join(' ')}`)
  await each(files, async (file) => {
    const script = path.join(root, 'dist', 'test', file.replace(/\.ts$/, '.js'))
    const hook = ['--expose-gc', '--import', path.join(root, 'dist', 'test', 'cuda-on-cpu', 'export.js')]
    const env = {
      ...process.env,
      WEFT_EXPORT_PROGRAMS: programs,
      WEFT_EXPORT_FLOAT64: '1',
      WEFT_DEVICE: 'cpu',
      WEFT_SEED: '1',
      NO_COLOR: '1',
    }
    const { status, text } = await output(process.execPath, [...hook, script], { env })
    if (status !== 0) fail(`FAIL export of ${file}: exit code ${status}\n${text.trimEnd()}`)
  })
}

/** Runs all programs, each process its share. */
async function replay() {
  const before = sum.failed
  await each(
    Array.from({ length: PROCESSES }, (_, i) => i),
    async (i) => {
      const env = { ...process.env, WEFT_THREADS: '2', WEFT_CPU_LEVEL: '' }
      const args = [path.join(folder, 'aarch64_runner'), '--shard', `${i}/${PROCESSES}`, programs]
      const { status, text } = await output('qemu-aarch64', args, { env })
      const end = /^(\d+) programs, (\d+) failed$/m.exec(text)
      const wrong = end ? Number(end[2]) : 1
      if (status !== 0 || wrong > 0) {
        sum.failed += Math.max(1, wrong)
        console.log(text.trimEnd().split('\n').slice(0, 100).join('\n'))
      }
      if (end) console.log(`${i}: ${end[0]}`)
    },
  )
  if (sum.failed === before) sum.passed++
}

async function main() {
  const lacking = missing({ ...NEEDED, 'qemu-user': 'qemu-aarch64' })
  if (lacking) {
    sum.skipped++
    console.log(`skipped: needs ${lacking} (kernels for 64-bit ARM)`)
    return
  }
  for (const problem of await buildAll()) fail(`FAIL ${problem}`)
  if (sum.failed > 0) return
  const parts = process.argv.slice(2)
  const problem = await timed('built for linux-arm64', () => build('aarch64_runner', ['-DWEFT_RUNNER=ON']))
  if (problem) return fail(`FAIL build for linux-arm64\n${problem}`)
  await timed('exported', () => exportPrograms(parts.length > 0 ? parts : TESTS, parts.length > 0))
  await timed(`${readdirSync(programs).length} programs on qemu-aarch64`, replay)
}

await main()
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exitCode = sum.failed > 0 || sum.passed + sum.skipped === 0 ? 1 : 0
