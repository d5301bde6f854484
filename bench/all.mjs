// Runs all bench programs one after the other and keeps their figures as bench/results/cpu/<date>-<instruction
// set>.json. WEFT_CPU_LEVEL=avx2 holds all sides that can be held to that instruction set.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeRun } from './shared/report.mjs'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } })
const programs = [
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
  ['compress.mjs'],
  ['learn.mjs'],
  ['csv.mjs'],
  ['threads.mjs'],
  ['overhead.mjs'],
  ['loop.mjs'],
  ['memory.mjs'],
  ['serve.mjs'],
].filter(([program]) => values.only === undefined || values.only.split(',').includes(program.replace('.mjs', '')))

const bench = fileURLToPath(new URL('.', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'weft-bench-all-'))
const start = describeRun()
const results = []
const failed = []

programs.forEach((command, i) => {
  const json = join(scratch, `${i}.json`)
  const args = [...command, '--json', json, ...(values.quick ? ['--quick'] : [])]
  const { status } = spawnSync(process.execPath, args, { cwd: bench, stdio: 'inherit' })
  if (status !== 0) failed.push(command.join(' '))
  if (existsSync(json)) results.push({ command: `node ${command.join(' ')}`, ...JSON.parse(readFileSync(json, 'utf8')) })
})
rmSync(scratch, { recursive: true })

console.log('\nGoals\n')
for (const { command, rows } of results) {
  for (const { name, value, goal, atMost, peerName, verdict } of rows) {
    if (goal === undefined) continue
    const against = peerName === undefined ? '' : ` times ${peerName}`
    console.log(
      `  ${verdict.padEnd(18)} ${name}: ${Number(value.toPrecision(3))}${against}, goal ${atMost ? '≤' : '≥'} ${goal}  (${command})`,
    )
  }
}
for (const command of failed) console.log(`  FAILED             ${command}`)

const folder = join(bench, 'results', 'cpu')
mkdirSync(folder, { recursive: true })
const path = join(folder, `${start.date.slice(0, 16).replace(':', '')}-${start.machine.instructionSet}.json`)
const command = ['node', 'bench/all.mjs', ...process.argv.slice(2)].join(' ')
// Some raw figures are long lists of numbers: one line each.
const text = JSON.stringify({ command, ...start, failed, results }, null, 1).replace(
  /\[\s+(-?\d[^[\]{}]*?)\s+\]/g,
  (_, list) => `[${list.replace(/\s+/g, ' ')}]`,
)
writeFileSync(path, `${text}\n`)
console.log(`\nKept as bench/results/cpu/${path.slice(folder.length + 1)}`)
if (failed.length > 0) process.exitCode = 1
