// Packs the package with a prebuilt addon and uses it as a user does: an empty folder, no compiler on PATH, no scripts,
// on every Node that it supports, and bundled. Where no prebuilt addon fits, it is built by the command that the error
// names.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { missing, NEEDED } from './linux-arm64.mjs'

const root = path.join(import.meta.dirname, '..')
const scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'weft-package-')))
const counts = { passed: 0, failed: 0, skipped: 0 }

/** What makes a check impossible here. */
class Skip extends Error {}

function check(name, fn) {
  try {
    const detail = fn()
    counts.passed++
    console.log(`ok   ${name}${detail ? ` (${detail})` : ''}`)
  } catch (error) {
    if (error instanceof Skip) {
      counts.skipped++
      console.log(`skip ${name} (${error.message})`)
      return
    }
    counts.failed++
    console.log(`FAIL ${name}\n     ${error.message.trimEnd().replaceAll('\n', '\n     ')}`)
  }
}

/** Runs a command; its standard output, or an error with all it said. */
function run(command, args, options) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options })
  if (result.status === 0) return result.stdout
  throw new Error(
    `${command} ${args.join(' ')}: ${result.error?.message ?? `exit code ${result.status ?? result.signal}`}\n${result.stdout}${result.stderr}`,
  )
}

function expect(condition, message) {
  if (!condition) throw new Error(message)
}

// only what npm itself needs: node, npm, and the shell and env that scripts are started with
const bin = path.join(scratch, 'bin')
mkdirSync(bin)
const npm = path.join(path.dirname(process.execPath), 'npm')
const which = (name) => run('/bin/sh', ['-c', `command -v ${name}`]).trim()
symlinkSync(process.execPath, path.join(bin, 'node'))
symlinkSync(realpathSync(existsSync(npm) ? npm : which('npm')), path.join(bin, 'npm'))
for (const name of ['sh', 'env']) symlinkSync(which(name), path.join(bin, name))
const env = { ...process.env, PATH: bin }
for (const key of Object.keys(env)) if (/^(npm_|CC$|CXX$|WEFT_)/.test(key)) delete env[key]

const app = path.join(scratch, 'app')
const installed = path.join(app, 'node_modules', 'weftjs')
const inApp = (command, args) => run(path.join(bin, command), args, { cwd: app, env })
const npmProgram = realpathSync(path.join(bin, 'npm'))

/** A folder with the package in it, installed without scripts by `node`. */
function application(name, node) {
  const folder = path.join(scratch, name)
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }))
  const said = run(node, [npmProgram, 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', tarball], {
    cwd: folder,
    env,
  })
  expect(!/warn.*script/i.test(said), said)
  return folder
}

let tarball
check('the package is packed with a prebuilt addon', () => {
  rmSync(path.join(root, 'prebuilds'), { recursive: true, force: true })
  run('npm', ['run', 'build:prebuilds'], { cwd: root })
  run('npm', ['pack', '--pack-destination', scratch], { cwd: root })
  const { name, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  tarball = path.join(scratch, `${name}-${version}.tgz`)
  const files = run('tar', ['-tzf', tarball]).trim().split('\n')
  for (const wanted of [
    /^package\/prebuilds\/[^/]+\/[^/]+\.node$/,
    /^package\/prebuilds\/[^/]+\/libweft_mpi\.so$/,
    /^package\/dist\/lib\/index\.d\.ts$/,
    /^package\/data\/digits\.csv\.gz$/,
    /^package\/LICENSE$/,
  ]) {
    expect(
      files.some((file) => wanted.test(file)),
      `the tarball has no file ${wanted}`,
    )
  }
  const { scripts } = JSON.parse(run('tar', ['-xzOf', tarball, 'package/package.json']))
  for (const script of ['preinstall', 'install', 'postinstall']) expect(!(script in scripts), `the package has the script ${script}`)
  const stray = files.filter((file) => /^package\/(dist\/)?(test|bench|build|node_modules)\//.test(file))
  expect(stray.length === 0, `the tarball has files users do not need: ${stray.slice(0, 5).join(', ')}`)
  return `${files.length} files, ${(readFileSync(tarball).length / 1e6).toFixed(2)} MB`
})

check('the package has an addon for linux-arm64', () => {
  const addon = path.join(root, 'prebuilds', 'linux-arm64', 'weftjs.glibc.node')
  const lacking = missing({ ...NEEDED, 'qemu-user': 'qemu-aarch64' })
  if (lacking) throw new Skip(`needs ${lacking}`)
  const listed = run('tar', ['-tzf', tarball]).includes('package/prebuilds/linux-arm64/weftjs.glibc.node\n')
  expect(listed, 'the tarball has no prebuilds/linux-arm64/weftjs.glibc.node')
  // a node of that processor is not at hand: a small program with functions of node's names opens the addon, which runs
  // its constructors, and looks for the function that node calls
  const symbols = run('aarch64-linux-gnu-objdump', ['-T', addon], {})
  const ofNode = new Set(symbols.match(/\bnapi_\w+/g).filter((name) => symbols.includes(`*UND*\t0000000000000000  Base        ${name}`)))
  expect(ofNode.size > 20, `it calls ${ofNode.size} functions of node`)
  const source = path.join(scratch, 'open.cc')
  writeFileSync(
    source,
    `#include <dlfcn.h>
#include <cstdio>
extern "C" {
${[...ofNode].map((name) => `void ${name}() {}`).join('\n')}
}
int main(int, char** words) {
  void* addon = dlopen(words[1], RTLD_NOW);
  if (addon == nullptr) return std::puts(dlerror()), 1;
  return dlsym(addon, "napi_register_module_v1") == nullptr ? 2 : 0;
}
`,
  )
  run('aarch64-linux-gnu-g++', ['-rdynamic', '-o', path.join(scratch, 'open'), source, '-ldl'], {})
  run('qemu-aarch64', ['-L', '/usr/aarch64-linux-gnu', path.join(scratch, 'open'), addon], {})
  const latest = Math.max(...[...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor)))
  expect(latest <= 34, `it needs glibc 2.${latest}`)
  return `${(readFileSync(addon).length / 1e6).toFixed(1)} MB, glibc 2.${latest} or later`
})

check('it installs without a compiler and without scripts', () => {
  for (const tool of ['cc', 'c++', 'g++', 'clang++', 'cmake', 'make']) expect(!existsSync(path.join(bin, tool)), `${tool} is on PATH`)
  application('app', process.execPath)
  expect(!existsSync(path.join(installed, 'build')), 'the installation built something')
})

check('a model trains on the data that ships with it (import)', () => {
  writeFileSync(
    path.join(app, 'train.mjs'),
    `import { datasets, layers, sequential, setSeed } from 'weftjs'
setSeed(1)
const { x, y } = await datasets.digits()
const net = sequential([
  layers.rescaling({ scale: 1 / 16, inputShape: [8, 8, 1] }),
  layers.conv2d({ filters: 8, kernelSize: 3, activation: 'relu' }),
  layers.flatten(),
  layers.dense({ units: 10, activation: 'softmax' }),
])
net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
await net.fit(x, y, { epochs: 10, batchSize: 32, verbose: 0 })
const { accuracy } = await net.evaluate(x, y, { verbose: 0 })
console.log(accuracy)
process.exitCode = accuracy > 0.9 ? 0 : 1
`,
  )
  return `accuracy ${Number(inApp('node', ['train.mjs'])).toFixed(3)}`
})

check('it can be required', () => {
  writeFileSync(
    path.join(app, 'sum.cjs'),
    `const { tensor } = require('weftjs')
tensor([1, 2, 3.5]).sum().item().then((sum) => console.log(sum))
`,
  )
  const said = inApp('node', ['--no-warnings', 'sum.cjs']).trim()
  expect(said === '6.5', `expected 6.5, got ${said}`)
})

check('its doctor finds nothing wrong', () => {
  const report = JSON.parse(inApp('node', [path.join(installed, 'dist/lib/cli/weftjs.js'), 'doctor', '--json']))
  expect(report.ok === true, JSON.stringify(report, undefined, 2))
})

check('its types hold for a strict user', () => {
  writeFileSync(
    path.join(app, 'typed.mts'),
    `import { layers, sequential, type Tensor, tensor } from 'weftjs'
const x: Tensor = tensor([[1, 2]])
const net = sequential([layers.dense({ units: 1, inputShape: [2] })])
const y: Tensor = await net.predict(x)
export const shape: readonly number[] = y.shape
export const values: Promise<unknown> = y.relu().array()
`,
  )
  const flags = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--lib',
    'es2023,esnext.disposable',
    '--types',
    'node',
  ]
  const roots = ['--typeRoots', path.join(root, 'node_modules/@types')]
  run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), ...flags, ...roots, 'typed.mts'], { cwd: app })
})

check('it is bundled by esbuild as docs/install.md says', () => {
  // a script, or the program itself where npm may run esbuild's own install script: so it is started, not read by node
  const esbuild = path.join(root, 'node_modules', '.bin', 'esbuild')
  for (const [format, extension] of [
    ['esm', 'mjs'],
    ['cjs', 'cjs'],
  ]) {
    writeFileSync(
      path.join(app, 'bundled.js'),
      `import { tensor } from 'weftjs'
tensor([1, 2, 3.5]).sum().item().then((sum) => console.log(sum))
`,
    )
    const out = `bundle.${extension}`
    run(esbuild, ['bundled.js', '--bundle', '--platform=node', `--format=${format}`, '--external:weftjs', `--outfile=${out}`], {
      cwd: app,
      env: process.env,
    })
    const said = inApp('node', ['--no-warnings', out]).trim()
    expect(said === '6.5', `${format}: expected 6.5, got ${said}`)
  }
})

/** A Node of another version, from the registry. */
function nodeOf(version) {
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath
  const folder = path.join(scratch, `node-${version}`)
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name: `node-${version}`, private: true }))
  const name = `node-${process.platform}-${process.arch}`
  const args = [npmProgram, 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', `${name}@${version}`]
  const result = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 300_000 })
  if (result.status !== 0) throw new Skip(`${name}@${version} cannot be had: ${/npm error .*/.exec(result.stderr)?.[0] ?? result.signal}`)
  return path.join(folder, 'node_modules', name, 'bin', 'node')
}

for (const version of [20, 22, 24]) {
  check(`it installs without scripts and runs on Node ${version}`, () => {
    const node = nodeOf(version)
    const folder = application(`app-${version}`, node)
    for (const program of ['train.mjs', 'sum.cjs']) {
      writeFileSync(path.join(folder, program), readFileSync(path.join(app, program)))
      run(node, ['--no-warnings', program], { cwd: folder, env })
    }
    return run(node, ['--version'], {}).trim()
  })
}

check('without a prebuilt addon the error names the platform and the command that builds one', () => {
  rmSync(path.join(installed, 'prebuilds'), { recursive: true })
  const load = "import('weftjs').catch((error) => console.log(error.name, error.code, error.message))"
  const said = inApp('node', ['-e', load])
  const wanted = new RegExp(`^WeftError ERR_NO_DEVICE weftjs has no addon for ${process.platform}-${process.arch}.*npx weftjs build`)
  expect(wanted.test(said), said)
  const doctor = spawnSync(path.join(bin, 'node'), [path.join(installed, 'dist/lib/cli/weftjs.js'), 'doctor'], { encoding: 'utf8', env })
  expect(doctor.status === 1 && doctor.stdout.includes('npx weftjs build'), doctor.stdout + doctor.stderr)
})

check('that command says what it needs where there is no compiler, and builds where there is one', () => {
  const command = [path.join(installed, 'dist/lib/cli/weftjs.js'), 'build', '--cuda', 'off']
  const without = spawnSync(path.join(bin, 'node'), command, { cwd: app, encoding: 'utf8', env })
  expect(without.status === 1 && /C\+\+20 compiler/.test(without.stderr), without.stdout + without.stderr)
  const begin = performance.now()
  run(process.execPath, command, { cwd: app, env: { ...env, PATH: process.env.PATH } })
  const said = inApp('node', ['--no-warnings', 'sum.cjs']).trim()
  expect(said === '6.5', `expected 6.5, got ${said}`)
  const report = JSON.parse(inApp('node', [path.join(installed, 'dist/lib/cli/weftjs.js'), 'doctor', '--json']))
  expect(report.ok && report.cpu.levels.length === 1, JSON.stringify(report.cpu))
  return `${Math.round((performance.now() - begin) / 1000)} s`
})

if (counts.failed === 0) rmSync(scratch, { recursive: true, force: true })
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = counts.failed === 0 ? 0 : 1
