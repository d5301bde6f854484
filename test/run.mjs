// Builds what has changed, runs every test file in a process of its own, and those of ON_DEVICES again on an emulated
// CUDA device. The last line is "N passed, N failed, N skipped"; before it every failure is told again. One file more
// than there are cores runs at a time (WEFT_TEST_JOBS), since files of servers wait for much of their time; what takes
// longest goes first.
// Usage: node test/run.mjs [--cpu | --cuda] [--wide] [part of a path ...]
//   --cpu, --cuda: only there
//   --wide: also every long row of the CUDA kernels
//   --times: keeps how long each file took, in times.json
// With WEFT_DEVICE set everything runs on that device, once. Exits 1 when a test failed, a file ran none, or no file
// matched.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { buildAll } from '../scripts/build.mjs'
import { buildEmulated } from './cuda-on-cpu/build.mjs'
import { failedTests, lastLines } from './failures.mjs'

/** What does not depend on the device is tested once. */
const ON_DEVICES = /^(core\/(devices|fault|fuzz|grad|keep|state)|io\/model|layers\/(layers|models|values|weights)|model\/|ops\/(?!errors))/
/** What compares devices needs two. */
const TWO_DEVICES = /\/devices\.test/
/** What looks at the emulated library from the CPU's pass. */
const LOOKS_AT_LIBRARY = /^cli\/|^distributed\/(collectives|gpus|launchers_gpus|rendezvous)\./
const root = path.join(import.meta.dirname, '..')
const timesFile = path.join(import.meta.dirname, 'times.json')
const FILE_LIMIT_MS = Number(process.env.WEFT_TEST_LIMIT_MS ?? 15 * 60_000)
/** How long the processes that a file started may hold its output when it has ended. */
const LEFT_LIMIT_S = 10
const JOBS = Number(process.env.WEFT_TEST_JOBS ?? availableParallelism() + 1)

const flag = (name) => process.argv.includes(`--${name}`)
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
// by source, so that compiled tests whose source is gone are not run
const files = readdirSync(path.join(root, 'test'), { recursive: true })
  .filter((file) => file.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .map((file) => file.replace(/\.ts$/, '.js'))
  .sort()
/** Seconds of each file at some earlier time: only the order follows from them. */
const times = JSON.parse(readFileSync(timesFile, 'utf8'))

/** The files that run now, by their label and name. */
const running = new Map()

/** Ends a file's process and all that it started: they are a group. */
function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

/** Runs one compiled file; resolves with what uvu counted and how the process ended. */
function run(file, name, environment) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--expose-gc', path.join(root, 'dist', 'test', file)], {
      cwd: root,
      env: { ...process.env, ...(flag('wide') ? { WEFT_TEST_WIDE: '1' } : {}), ...environment, NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, so that nothing that it started outlives it
    })
    running.set(name, child)
    let output = ''
    const keep = (chunk) => {
      output += chunk
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep)
    let late = false
    const timer = setTimeout(() => {
      late = true
      kill(child)
    }, FILE_LIMIT_MS)
    let seconds = 0
    let leftBehind
    child.on('exit', () => {
      clearTimeout(timer)
      // what it left behind may hold its output for ever; counted in turns, so that a pause of this process is one
      // second
      leftBehind = setInterval(() => {
        if (++seconds === LEFT_LIMIT_S) kill(child)
        if (seconds === 2 * LEFT_LIMIT_S) for (const stream of [child.stdout, child.stderr]) stream.destroy()
      }, 1000)
    })
    child.on('close', (code, signal) => {
      clearInterval(leftBehind)
      running.delete(name)
      const count = (word) => Number(new RegExp(`^\\s*${word}:\\s+(\\d+)\\s*$`, 'm').exec(output)?.[1] ?? 0)
      const [total, passed, skipped] = [count('Total'), count('Passed'), count('Skipped')]
      const ended = /^ {2}Total: /m.test(output)
      let ending = code === 0 ? '' : `exit code ${code}`
      if (code === 0 && !ended) ending = 'ended without its closing line (is test.run() missing?)'
      else if (ended && total + skipped === 0) ending = 'ran no test'
      if (signal) ending = `ended by ${signal}${signal === 'SIGKILL' ? ', as when memory is short' : ''}`
      if (seconds >= LEFT_LIMIT_S) ending ||= 'a process that it started still held its output'
      if (late) ending = `still running after ${FILE_LIMIT_MS / 60_000} minutes`
      resolve({ output, passed, skipped, failed: total - passed, ended, ending })
    })
  })
}

const sum = { passed: 0, failed: 0, skipped: 0 }
/** What failed, each with the lines that say how. */
const broken = []

/** Runs one file and prints how it went; `label` says where. */
async function report({ file, label, environment }) {
  const begin = performance.now()
  const result = await run(file, label + file, environment)
  const reasons = result.output.split('\n').filter((line) => line.startsWith('skipped: '))
  const problem = [result.failed > 0 ? `${result.failed} failed` : '', result.failed > 0 && result.ended ? '' : result.ending]
    .filter((part) => part !== '')
    .join(', ')
  // a file that broke without a failed test is one failure
  sum.failed += problem && result.failed === 0 ? 1 : result.failed
  sum.passed += result.passed
  sum.skipped += result.skipped
  const seconds = (performance.now() - begin) / 1000
  if (flag('times')) times[label + file] = Math.round(seconds)
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : ''
  console.log(`${problem ? 'FAIL' : 'ok  '} ${label}${file} (${result.passed} passed${skipped}, ${seconds.toFixed(1)} s)`)
  for (const reason of reasons) console.log(`     ${reason}`)
  if (problem) {
    const tests = failedTests(result.output)
    broken.push({
      line: `${label}${file}: ${problem}`,
      lines: [...tests, ...(result.ended && tests.length > 0 ? [] : lastLines(result.output))],
    })
    console.log(result.output.trimEnd().replace(/^/gm, '     '))
  }
}

/** Every failure once more, since of a long output often the end alone is kept; then the closing line. */
function close() {
  if (broken.length > 0) console.log('failed:')
  for (const { line, lines } of broken) console.log([line, ...lines.map((text) => `  ${text}`)].join('\n'))
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
}

// whoever ends the run learns what it waited for, and nothing goes on without it
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => {
    for (const [name, child] of running) {
      broken.push({ line: `${name}: ran when ${signal} ended the run`, lines: [] })
      sum.failed++
      kill(child)
    }
    close()
    process.kill(process.pid, signal)
  })

/** Works the tasks off, the longest first; those that need the emulated library wait for it. */
async function work(tasks, emulated) {
  const expected = ({ label, file }) => times[label + file] ?? 3
  const waiting = tasks.sort((a, b) => expected(b) - expected(a))
  let library = emulated === undefined ? {} : undefined
  const ready = emulated?.then((result) => {
    library = result
    if (!result.problem) return
    broken.push({ line: 'the emulated CUDA device could not be built', lines: lastLines(result.problem) })
    sum.failed++
  })
  const next = () => {
    const index = waiting.findIndex((task) => !task.needsLibrary || library !== undefined)
    return index < 0 ? undefined : waiting.splice(index, 1)[0]
  }
  const worker = async () => {
    for (;;) {
      const task = next()
      if (task === undefined) {
        if (waiting.length === 0) return
        await ready
        continue
      }
      if (task.onLibrary) {
        if (library?.library) await report({ ...task, environment: { WEFT_DEVICE: 'cuda', WEFT_CUDA_LIBRARY: library.library } })
      } else await report(task)
    }
  }
  await Promise.all(Array.from({ length: JOBS }, worker))
  await ready
}

for (const problem of await buildAll()) {
  console.log(problem)
  broken.push({ line: 'the build failed', lines: lastLines(problem) })
  sum.failed++
}
if (files.length === 0) broken.push({ line: `no test file matches ${wanted.join(' ') || 'test/**/*.test.ts'}`, lines: [] })
if (broken.length === 0) {
  const on = process.env['WEFT_DEVICE']
  if (on) {
    await work(files.map((file) => ({ file, label: `${on} `, environment: {} })))
  } else {
    const cpu = flag('cuda') ? [] : flag('cpu') ? files : files.filter((file) => !TWO_DEVICES.test(file))
    const cuda = flag('cpu') ? [] : files.filter((file) => ON_DEVICES.test(file))
    const tasks = [
      ...cpu.map((file) => ({
        file,
        label: '',
        environment: { WEFT_DEVICE: 'cpu' },
        // with --cpu these tests take the library that is there, or skip what needs it
        needsLibrary: !flag('cpu') && LOOKS_AT_LIBRARY.test(file),
      })),
      ...cuda.map((file) => ({ file, label: 'cuda ', needsLibrary: true, onLibrary: true })),
    ]
    await work(tasks, tasks.some((task) => task.needsLibrary) ? buildEmulated() : undefined)
  }
}
if (flag('times')) writeFileSync(timesFile, `${JSON.stringify(Object.fromEntries(Object.entries(times).sort()), null, 2)}\n`)
close()
// not process.exit(): a full pipe would lose the end of the output
process.exitCode = broken.length > 0 || sum.passed === 0 ? 1 : 0
