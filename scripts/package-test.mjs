// Packs the package with a prebuilt addon and uses it as a user does: an empty folder, no compiler on PATH.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'weft-package-')))
const counts = { passed: 0, failed: 0 }

function check(name, fn) {
  try {
    const detail = fn()
    counts.passed++
    console.log(`ok   ${name}${detail ? ` (${detail})` : ''}`)
  } catch (error) {
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
    /^package\/dist\/lib\/index\.d\.ts$/,
    /^package\/data\/digits\.csv\.gz$/,
    /^package\/LICENSE$/,
  ]) {
    expect(
      files.some((file) => wanted.test(file)),
      `the tarball has no file ${wanted}`,
    )
  }
  const stray = files.filter((file) => /^package\/(dist\/)?(test|bench|build|node_modules)\//.test(file))
  expect(stray.length === 0, `the tarball has files users do not need: ${stray.slice(0, 5).join(', ')}`)
  return `${files.length} files, ${(readFileSync(tarball).length / 1e6).toFixed(2)} MB`
})

check('it installs without a compiler', () => {
  mkdirSync(app)
  writeFileSync(path.join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  for (const tool of ['cc', 'c++', 'g++', 'clang++', 'cmake', 'make']) expect(!existsSync(path.join(bin, tool)), `${tool} is on PATH`)
  inApp('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball])
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

if (counts.failed === 0) rmSync(scratch, { recursive: true, force: true })
console.log(`${counts.passed} passed, ${counts.failed} failed, 0 skipped`)
process.exit(counts.failed === 0 ? 0 : 1)
