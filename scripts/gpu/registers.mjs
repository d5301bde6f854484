// Registers, stack and spills of CUDA kernels, from the log of a build with `-Xptxas -v`. Prints each kernel once: the
// worst target of the main kernels, and everything that spills or needs a stack. Exits 1 if a kernel spills.
//   WEFT_CUDA=ON WEFT_CUDA_ARCHITECTURES=all CUDAFLAGS='-Xptxas -v' npm run build:native
//   node scripts/gpu/registers.mjs build/build.log [--all] [--csv file]
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

/** What training and inference spend their time in, by the name of the kernel function. */
const MAIN =
  /^(simt_product|skinny_|tensor_product|group_product|conv_|kernel_|depthwise_|reduce_|softmax_rows|pair_rows|cross_entropy_rows|label_slopes|normalize_|gradient_|segment_|run_chain|pointwise|adam|update_|attend_|scale_rows|turn_|step_|recur)/

/** One row per kernel and target: { kernel, file, target, registers, stack, spillStores, spillLoads, shared }. */
function read(log) {
  const rows = []
  let target, symbol, stack
  for (const line of log.split('\n')) {
    target = /Compiling entry function '\S+' for '(\S+)'/.exec(line)?.[1] ?? target
    symbol = /Function properties for (\S+)/.exec(line)?.[1] ?? symbol
    stack = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line) ?? stack
    const registers = /Used (\d+) registers/.exec(line)
    if (!registers) continue
    rows.push({
      symbol,
      target,
      registers: Number(registers[1]),
      stack: Number(stack[1]),
      spillStores: Number(stack[2]),
      spillLoads: Number(stack[3]),
      shared: Number(/(\d+) bytes smem/.exec(line)?.[1] ?? 0),
    })
  }
  const names = spawnSync('c++filt', { input: rows.map((row) => row.symbol).join('\n'), encoding: 'utf8' }).stdout.split('\n')
  return rows.map(({ symbol: mangled, ...row }, i) => ({ kernel: shorten(names[i]), file: fileOf(mangled), ...row }))
}

/** Template arguments without namespaces, without the parameters of the function. */
function shorten(name) {
  const plain = name.replaceAll('(anonymous namespace)::', '').replace(/weft::(cuda::)?(chain::)?/g, '')
  let depth = 0
  for (let i = 0; i < plain.length; i++) {
    if (plain[i] === '<') depth++
    else if (plain[i] === '>') depth--
    else if (plain[i] === '(' && depth === 0) return plain.slice(0, i).replace(/^void /, '')
  }
  return plain
}

/** nvcc names what is local to a file after it. */
const fileOf = (symbol) => /_GLOBAL__N__[0-9a-f]+_\d+_(\w+?)_cu_[0-9a-f]{8}/.exec(symbol)?.[1] ?? ''

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean', default: false }, csv: { type: 'string' } },
})
if (positionals.length === 0) {
  console.error("Usage: node scripts/gpu/registers.mjs LOG... [--all] [--csv file]\nLOG: what a build with CUDAFLAGS='-Xptxas -v' printed")
  process.exit(2)
}
/** Later logs replace what earlier ones say: of a build, and of a part of it that was built again. */
const latest = new Map()
for (const file of positionals)
  for (const row of read(readFileSync(file, 'utf8'))) latest.set(`${row.file} ${row.kernel} ${row.target}`, row)
const rows = [...latest.values()]
const warnings = positionals.flatMap((file) => readFileSync(file, 'utf8').split('\n')).filter((line) => /\bwarning\b/i.test(line))
const targets = [...new Set(rows.map(({ target }) => target))].sort(
  (a, b) => Number.parseInt(a.slice(3), 10) - Number.parseInt(b.slice(3), 10),
)
const spilling = rows.filter(({ spillStores, spillLoads }) => spillStores + spillLoads > 0)
const heavy = rows.filter(({ stack, spillStores, spillLoads }) => stack + spillStores + spillLoads > 0)

/** A line per kernel: registers for each target, with what it has of stack and spills. */
function table() {
  const lines = new Map()
  for (const { file, kernel, target, registers, stack, spillStores, spillLoads } of rows) {
    const key = `${file},"${kernel}"`
    const spills = spillStores + spillLoads > 0 ? ` spills ${spillStores}/${spillLoads}` : ''
    lines.set(key, { ...lines.get(key), [target]: `${registers}${stack > 0 ? ` stack ${stack}` : ''}${spills}` })
  }
  const body = [...lines].map(([key, cells]) => [key, ...targets.map((target) => cells[target] ?? '')].join(','))
  return `${[['file', 'kernel', ...targets].join(','), ...body.sort()].join('\n')}\n`
}
if (values.csv) writeFileSync(values.csv, table())

const print = (list) => {
  for (const row of list) {
    const spills = row.spillStores + row.spillLoads > 0 ? `spills ${row.spillStores}/${row.spillLoads}` : ''
    console.log(
      [row.target.padEnd(8), String(row.registers).padStart(4), `stack ${row.stack}`.padEnd(10), spills.padEnd(14), row.kernel].join(' '),
    )
  }
}
/** Of each function template, the instance and target with the most registers. */
const worst = new Map()
for (const row of rows.filter(({ kernel }) => MAIN.test(kernel))) {
  const name = kernelName(row)
  if (!(worst.get(name)?.registers >= row.registers)) worst.set(name, row)
}
function kernelName({ kernel }) {
  return kernel.replace(/<.*/, '')
}
if (values.all) print(rows)
else {
  console.log('Main kernels: the most registers of any instance and target')
  print([...worst.values()].sort((a, b) => b.registers - a.registers))
  console.log('\nWith a stack frame or spills (bytes stored / loaded)')
  print(heavy)
}
console.log(
  `\n${rows.length} kernels for ${targets.join(', ')}: ${spilling.length} spill, ${heavy.length} have a stack frame; ${warnings.length} warnings`,
)
process.exit(spilling.length > 0 ? 1 : 0)
