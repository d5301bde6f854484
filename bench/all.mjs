// Runs all bench programs one after the other and keeps their figures as bench/results/cpu/<date>-<instruction
// set>.json. WEFT_CPU_LEVEL=avx2 holds all sides that can be held to that instruction set.
//
// `--level avx2` (or avx512, portable) does this for the rows that have a goal, in some thirty minutes, and
// prints one table of them: `node tables.mjs` puts the table into docs/performance.md.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, level: { type: 'string' } },
})
if (values.level !== undefined) process.env.WEFT_CPU_LEVEL = values.level
// The instruction set is read when these are loaded.
const { describeRun } = await import('./shared/report.mjs')
const { printGoals } = await import('./shared/goal_table.mjs')

const everything = [
  ['train.mjs'],
  ['train.mjs', '--threads', '2', '--without-tfjs'],
  ['infer.mjs'],
  ['infer.mjs', '--threads', '2'],
  ['onnx.mjs'],
  ['kernels.mjs'],
  ['kernels.mjs', '--threads', '2'],
  ['attention.mjs'],
  ['recurrent.mjs'],
  ['gpt2.mjs'],
  ['large.mjs'],
  ['compress.mjs'],
  ['bfloat16.mjs'],
  ['learn.mjs'],
  ['csv.mjs'],
  ['threads.mjs'],
  ['overhead.mjs'],
  ['loop.mjs'],
  ['memory.mjs'],
  ['serve.mjs'],
]
const withGoals = [
  ['train.mjs', '--quick', '--without-tfjs'],
  ['infer.mjs', '--quick'],
  ['infer.mjs', '--quick', '--threads', '2'],
  ['kernels.mjs', '--quick', '--with-goals'],
  ['kernels.mjs', '--quick', '--with-goals', '--threads', '2'],
  ['attention.mjs', '--quick'],
  ['recurrent.mjs', '--quick'],
  ['gpt2.mjs', '--quick', '--variants', 'bmm foreach'],
  ['large.mjs', '--quick'],
  ['threads.mjs', '--quick'],
]
const programs = (values.level === undefined ? everything : withGoals).filter(
  ([program]) => values.only === undefined || values.only.split(',').includes(program.replace('.mjs', '')),
)

const bench = fileURLToPath(new URL('.', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'weft-bench-all-'))
const start = describeRun()
const results = []
const failed = []

programs.forEach((command, i) => {
  const json = join(scratch, `${i}.json`)
  const args = [...command, '--json', json, ...(values.quick && !command.includes('--quick') ? ['--quick'] : [])]
  const began = performance.now()
  const { status } = spawnSync(process.execPath, args, { cwd: bench, stdio: 'inherit' })
  console.log(`\n  ${command.join(' ')}: ${Math.round((performance.now() - began) / 1000)} s`)
  if (status !== 0) failed.push(command.join(' '))
  if (existsSync(json)) results.push({ command: `node ${command.join(' ')}`, ...JSON.parse(readFileSync(json, 'utf8')) })
})
rmSync(scratch, { recursive: true })

printGoals(results)
for (const command of failed) console.log(`  FAILED             ${command}`)

const folder = join(bench, 'results', 'cpu')
mkdirSync(folder, { recursive: true })
const kind = values.level === undefined ? '' : '-goals'
const path = join(folder, `${start.date.slice(0, 16).replace(':', '')}-${start.machine.instructionSet}${kind}.json`)
const command = ['node', 'bench/all.mjs', ...process.argv.slice(2)].join(' ')
// Some raw figures are long lists of numbers: one line each.
const text = JSON.stringify({ command, ...start, failed, results }, null, 1).replace(
  /\[\s+(-?\d[^[\]{}]*?)\s+\]/g,
  (_, list) => `[${list.replace(/\s+/g, ' ')}]`,
)
writeFileSync(path, `${text}\n`)
console.log(`\nKept as bench/results/cpu/${path.slice(folder.length + 1)}`)
if (failed.length > 0) process.exitCode = 1
