// Builds a runner whose matrix products and convolutions are what nvcc made of them: PTX, translated to C++
// (translate.mjs).
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from '../build.mjs'
import { translateModule } from './translate.mjs'

const here = import.meta.dirname
const root = path.join(here, '..', '..', '..')
const folder = path.join(root, 'build', 'cuda-on-cpu-ptx')
/** Folders of kernels that use tensor cores. */
const FAMILIES = ['matmul', 'conv'].map((family) => `cuda/kernels/${family}`)
const PROCESSES = 2

const includes = ['test/cuda-on-cpu/emulator', 'test/cuda-on-cpu/ptx', 'native', 'cuda'].map((name) => `-I${path.join(root, name)}`)
const compile = ['-std=c++20', '-O1', '-w', '-fno-strict-aliasing', '-ffp-contract=off', '-DWEFT_EMULATED', ...includes]

function run(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd: root, maxBuffer: 1 << 28, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} ${args.at(-1)}: ${`${stdout}${stderr}`.slice(-4000)}`))
      else resolve(stdout)
    })
  })
}

async function each(items, work) {
  const left = [...items]
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: PROCESSES }, worker))
}

/** When the newest source was changed: nothing older than that is used again. */
function newestSource() {
  const folders = ['cuda', ...FAMILIES, 'native', 'test/cuda-on-cpu', 'test/cuda-on-cpu/emulator', 'test/cuda-on-cpu/ptx']
  const files = folders.flatMap((name) =>
    readdirSync(path.join(root, name), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(root, name, entry.name)),
  )
  return Math.max(...files.map((file) => statSync(file).mtimeMs))
}

const objectsOf = (name) =>
  readdirSync(name, { recursive: true })
    .filter((file) => file.endsWith('.o'))
    .map((file) => path.join(name, file))

/** The kernels that programs need on GPUs of these capabilities. */
async function neededKernels(runner, programs, capabilities) {
  const list = path.join(folder, 'needed')
  rmSync(list, { force: true })
  // what is wanted is which kernels it would start; results are nonsense
  for (const capability of capabilities)
    await run(runner, [programs], { WEFT_PTX_LIST: list, WEFT_EMULATED_CAPABILITY: String(capability) }).catch(() => undefined)
  return new Set(existsSync(list) ? readFileSync(list, 'utf8').trimEnd().split('\n') : [])
}

/** { runner } or { problem }: a runner for the products and convolutions among the programs of a folder. */
export async function buildTranslated(programs, capabilities) {
  const emulation = await build('cuda-on-cpu', 'emulator')
  if (emulation.problem) return emulation
  const parts = Object.fromEntries(['host', 'text', 'translated'].map((name) => [name, path.join(folder, name)]))
  const newest = newestSource()
  for (const part of Object.values(parts)) {
    mkdirSync(part, { recursive: true })
    for (const file of readdirSync(part)) if (statSync(path.join(part, file)).mtimeMs < newest) rmSync(path.join(part, file))
  }
  const kernels = FAMILIES.flatMap((family) =>
    readdirSync(path.join(root, family))
      .filter((file) => file.endsWith('.cu'))
      .map((file) => `${family}/${file}`),
  )
  const emulator = objectsOf(path.join(emulation.folder, 'CMakeFiles', 'emulator.dir'))
  const link = (runner, objects) => run('g++', ['-no-pie', ...objects, ...emulator, '-lpthread', '-ldl', '-o', runner])
  try {
    const others = ['native/kernel.cc', 'cuda/architectures.cc', 'test/cuda-on-cpu/runner.cc', 'test/cuda-on-cpu/ptx/entries.cc']
    await each([...kernels, ...others], async (file) => {
      const object = path.join(parts.host, `${path.basename(file)}.o`)
      const launches = file.endsWith('.cu') ? ['-include', path.join(here, 'translated_launch.h')] : []
      if (!existsSync(object)) await run('g++', [...compile, ...launches, '-x', 'c++', '-o', object, '-c', path.join(root, file)])
    })
    const runner = path.join(folder, 'runner')
    await link(runner, objectsOf(parts.host))
    const needed = await neededKernels(runner, programs, capabilities)

    const unknown = new Set()
    const found = new Set()
    await each(kernels, async (file) => {
      const name = path.basename(file)
      const text = path.join(parts.text, `${name}.ptx`)
      const target = file.includes('_sm90') ? 'compute_90a' : 'compute_80'
      const options = ['-std=c++20', '--ptx', '--expt-relaxed-constexpr', '-arch', target, '-Inative', '-Icuda', '-I.']
      if (!existsSync(text)) await run('nvcc', [...options, '-o', text, file])
      const translation = translateModule(readFileSync(text, 'utf8'), (kernel) => needed.has(kernel) && !found.has(kernel))
      for (const kernel of translation.names) found.add(kernel)
      for (const opcode of translation.unknown.keys()) unknown.add(opcode)
      for (const [i, code] of translation.files.entries()) {
        const source = path.join(parts.translated, `${name}.${i}.cc`)
        if (existsSync(source) && readFileSync(source, 'utf8') === code && existsSync(`${source}.o`)) continue
        writeFileSync(source, code)
        await run('g++', [...compile, '-o', `${source}.o`, '-c', source])
      }
    })
    if (unknown.size > 0) console.log(`PTX instructions without a translation: ${[...unknown].join(', ')}`)
    const missing = [...needed].filter((name) => !found.has(name))
    if (missing.length > 0) return { problem: `nvcc's PTX has no kernel of the name\n${missing.join('\n')}` }
    await link(runner, [...objectsOf(parts.host), ...objectsOf(parts.translated)])
    console.log(`${found.size} translated kernels`)
    return { runner }
  } catch (error) {
    return { problem: error.message }
  }
}
