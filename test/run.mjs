// Runs every test file in a process of its own, then those of ON_DEVICES again on an emulated CUDA device, and ends with one plain line:
// "N passed, N failed, N skipped". Usage: node test/run.mjs [--cpu | --cuda] [part of a path ...]; --cpu, --cuda: only there.
// With WEFT_DEVICE set everything runs on that device, once. Exits 1 when a test failed, a file ran none, or no file matched.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { buildEmulated } from './cuda-on-cpu/build.mjs'

/** What does not depend on the device is tested once. */
const ON_DEVICES = /^(core\/(devices|fault|fuzz|grad|state)|io\/model|layers\/(layers|models|values|weights)|model\/|ops\/(?!errors))/
/** What compares devices needs two. */
const TWO_DEVICES = /\/devices\.test/
const root = path.join(import.meta.dirname, '..')
const FILE_LIMIT_MS = Number(process.env.WEFT_TEST_LIMIT_MS ?? 15 * 60_000)

// by source, so that compiled tests whose source is gone are not run
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
const [onlyCpu, onlyCuda] = ['--cpu', '--cuda'].map((flag) => process.argv.includes(flag))
const files = readdirSync(path.join(root, 'test'), { recursive: true })
  .filter((file) => file.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .map((file) => file.replace(/\.ts$/, '.js'))
  .sort()

/** Runs one compiled file; resolves with what uvu counted and how the process ended. */
function run(file, environment) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--expose-gc', path.join(root, 'dist', 'test', file)], {
      cwd: root,
      env: { ...process.env, ...environment, NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const keep = (chunk) => {
      output += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, FILE_LIMIT_MS)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const count = (name) => Number(new RegExp(`^\\s*${name}:\\s+(\\d+)\\s*$`, 'm').exec(output)?.[1] ?? 0)
      const [total, passed, skipped] = [count('Total'), count('Passed'), count('Skipped')]
      let ending = code === 0 ? '' : `exit code ${code}`
      if (signal) ending = `ended by ${signal}`
      if (late) ending = `still running after ${FILE_LIMIT_MS / 60_000} minutes`
      resolve({ output, passed, skipped, failed: total - passed, ran: total + skipped > 0, ending })
    })
  })
}

const sum = { passed: 0, failed: 0, skipped: 0 }
const broken = []

/** Runs the files one after the other; `label` says where. */
async function runAll(list, label, environment) {
  for (const file of list) {
    const begin = performance.now()
    const result = await run(file, environment)
    const reasons = result.output.split('\n').filter((line) => line.startsWith('skipped: '))
    let problem = result.failed > 0 ? `${result.failed} failed` : result.ending
    if (!problem && !result.ran) problem = 'ran no test (is test.run() missing?)'
    // a file that broke without a failed test is one failure
    sum.failed += problem && result.failed === 0 ? 1 : result.failed
    sum.passed += result.passed
    sum.skipped += result.skipped
    const seconds = ((performance.now() - begin) / 1000).toFixed(1)
    const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : ''
    console.log(`${problem ? 'FAIL' : 'ok  '} ${label}${file} (${result.passed} passed${skipped}, ${seconds} s)`)
    for (const reason of reasons) console.log(`     ${reason}`)
    if (problem) {
      broken.push(`${label}${file}: ${problem}`)
      console.log(result.output.trimEnd().replace(/^/gm, '     '))
    }
  }
}

if (process.env['WEFT_DEVICE']) await runAll(files, `${process.env['WEFT_DEVICE']} `, {})
else {
  const again = onlyCpu ? [] : files.filter((file) => ON_DEVICES.test(file))
  // first, because some tests of the CPU's pass look at the library too
  const emulated = again.length > 0 || files.some((file) => file.startsWith('cli/')) ? buildEmulated() : {}
  if (!onlyCuda) await runAll(onlyCpu ? files : files.filter((file) => !TWO_DEVICES.test(file)), '', { WEFT_DEVICE: 'cpu' })
  if (emulated.library) await runAll(again, 'cuda ', { WEFT_DEVICE: 'cuda', WEFT_CUDA_LIBRARY: emulated.library })
  if (emulated.problem) broken.push(`the emulated CUDA device could not be built: ${emulated.problem}`), sum.failed++
}
if (files.length === 0) broken.push(`no test file matches ${wanted.join(' ') || 'test/**/*.test.ts'}`)
for (const line of broken) console.log(line)
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exit(broken.length > 0 || sum.passed === 0 ? 1 : 0)
