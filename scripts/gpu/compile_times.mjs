// The processor time that each file of the CUDA library takes to compile, one after the other and without a cache:
//   cmake -S . -B build/times -DWEFT_CUDA=ON -DWEFT_CUDA_ARCHITECTURES=90-real -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
//   node scripts/gpu/compile_times.mjs build/times [--csv file] [--log file] [part of a path...]
// --log keeps what ptxas says of registers, for registers.mjs.
import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { csv: { type: 'string' }, log: { type: 'string' } } })
const [folder, ...parts] = positionals
if (!folder) {
  console.error('Usage: node scripts/gpu/compile_times.mjs FOLDER [--csv file] [--log file] [part of a path...]')
  process.exit(2)
}
const root = path.join(import.meta.dirname, '..', '..')
const said = (command, ...args) => spawnSync(command, args, { cwd: root, encoding: 'utf8' }).stdout.trim()
const commands = JSON.parse(readFileSync(path.join(folder, 'compile_commands.json'), 'utf8'))
  .map(({ command, directory, file }) => ({ command, directory, file: path.relative(root, file) }))
  .filter(({ file }) => file.startsWith('cuda/') && (parts.length === 0 || parts.some((part) => file.includes(part))))

if (values.log) writeFileSync(values.log, '')
const rows = []
for (const { command, directory, file } of commands) {
  const verbose = file.endsWith('.cu') && values.log ? ' -Xptxas -v' : ''
  const timed = `TIMEFORMAT='processor time %U %S'; time ${command}${verbose}`
  const { status, stderr } = spawnSync('bash', ['-c', timed], {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, CCACHE_DISABLE: '1' },
  })
  if (status !== 0) {
    console.error(`${file}: the compiler failed\n${stderr}`)
    process.exit(1)
  }
  const [, user, system] = /processor time ([\d.]+) ([\d.]+)/.exec(stderr)
  if (values.log) appendFileSync(values.log, stderr)
  rows.push({ file, seconds: Number(user) + Number(system) })
  console.log(`${rows.at(-1).seconds.toFixed(1).padStart(6)} s  ${file}`)
}
rows.sort((a, b) => b.seconds - a.seconds)
const total = rows.reduce((sum, { seconds }) => sum + seconds, 0)
console.log(`${total.toFixed(0).padStart(6)} s  in ${rows.length} files`)
if (values.csv) {
  const nvcc = /V([\d.]+)/.exec(said('nvcc', '--version'))?.[1] ?? ''
  const where = [`"${os.cpus()[0].model}, ${os.cpus().length} cores"`, nvcc, said('git', 'rev-parse', '--short', 'HEAD')].join(',')
  const lines = rows.map(({ file, seconds }) => `${file},${seconds.toFixed(1)},${where}`)
  writeFileSync(values.csv, ['file,seconds,machine,nvcc,commit', ...lines, ''].join('\n'))
}
