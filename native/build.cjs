// Builds the addon by CMake and says how far it is, a line per tenth: `npm install` in a source tree,
// `npm run build:native`, `npx weftjs build`, and prebuilds. WEFT_CPU_LEVELS, WEFT_CUDA and WEFT_CUDA_ARCHITECTURES say
// what is built (CMakeLists.txt).
'use strict'
const { spawn, spawnSync } = require('node:child_process')
const { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } = require('node:fs')
const { availableParallelism } = require('node:os')
const path = require('node:path')

const root = path.join(__dirname, '..')
const folder = path.join(root, 'build')
const addon = path.join(folder, 'Release', 'weft.node')
const SETTINGS = ['WEFT_CPU_LEVELS', 'WEFT_CUDA', 'WEFT_CUDA_ARCHITECTURES']
const NEEDED = 'It needs a C++20 compiler (g++ 12, clang 14 or later) and CMake 3.20 or later: apt-get install g++ cmake make'

/** Runs a program; each line it prints goes to `line`. Resolves with its exit status. */
function run(program, args, environment, line) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: environment })
    for (const stream of [child.stdout, child.stderr]) {
      let rest = ''
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop()
        lines.forEach(line)
      })
      stream.on('end', () => rest && line(rest))
    }
    child.on('error', (error) => {
      line(`${program}: ${error.message}`)
      resolve(1)
    })
    child.on('close', (status) => resolve(status ?? 1))
  })
}

/** A setting as the build folder has it; undefined before CMake ran there. */
function kept(name) {
  const cache = path.join(folder, 'CMakeCache.txt')
  const ran = existsSync(cache) && (existsSync(path.join(folder, 'build.ninja')) || existsSync(path.join(folder, 'Makefile')))
  return ran ? new RegExp(`^${name}:[A-Z]+=(.*)$`, 'm').exec(readFileSync(cache, 'utf8'))?.[1] : undefined
}

/** Why the addon cannot be loaded, or undefined. A process of its own: a broken binary must not take this one down. */
function failure(environment) {
  const load = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(addon)})`], { encoding: 'utf8', env: environment })
  return load.status === 0 ? undefined : (/^(?:\w*Error): (.*)$/m.exec(load.stderr)?.[1] ?? (load.stderr.trim() || `${load.signal}`))
}

/** Prints how much is done, once per tenth. Both of CMake's generators count: "[12/154] ..." and "[ 12%] ...". */
class Progress {
  #begin = performance.now()
  #tenth = 0
  /** Whether anything was compiled. */
  any = false
  /** Whether the line only says what is being compiled. */
  reads(line) {
    const found = /^\[\s*(\d+)(?:\/(\d+)|%)\]/.exec(line)
    if (found === null) return false
    this.any = true
    const tenth = Math.floor((10 * Number(found[1])) / Number(found[2] ?? 100))
    if (tenth > this.#tenth && tenth < 10) console.log(`weft: ${10 * tenth} % after ${this.seconds()} s`)
    this.#tenth = Math.max(this.#tenth, tenth)
    return true
  }
  seconds() {
    return Math.round((performance.now() - this.#begin) / 1000)
  }
}

/** Builds what has changed. Resolves with the exit code. */
async function build(environment = process.env) {
  const jobs = environment.CMAKE_BUILD_PARALLEL_LEVEL || String(availableParallelism())
  const log = []
  const said = [] // by compilers and linkers: warnings and errors
  const keep = () => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, 'build.log'), `${log.join('\n')}\n`)
  }
  const fail = (what, lines) => {
    keep()
    console.error(lines.slice(0, 60).join('\n'))
    console.error(`weft: ${what}; all that was printed is in ${path.join('build', 'build.log')}. ${NEEDED}`)
    return 1
  }

  // for the first time, or because the environment says otherwise than last time
  if (kept('WEFT_CPU_LEVELS') === undefined || SETTINGS.some((name) => environment[name] && environment[name] !== kept(name))) {
    const cmakeJs = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js')
    const args = [cmakeJs, 'configure', '-d', root, '--arch', process.env.PREBUILD_ARCH || process.arch]
    const status = await run(process.execPath, args, environment, (line) => {
      log.push(line)
      const fact = /^-- ((?:CPU kernels|CUDA device): .*)/.exec(line)
      if (fact) console.log(`weft: ${fact[1]}`)
    })
    if (status !== 0) {
      const error = log.findIndex((line) => line.startsWith('CMake Error'))
      return fail('the build could not be prepared', log.slice(Math.max(error, 0)))
    }
    console.log(`weft: compiling with ${jobs} job${jobs === '1' ? '' : 's'}`)
  }
  const before = existsSync(addon) ? statSync(addon).mtimeMs : 0
  const progress = new Progress()
  const status = await run('cmake', ['--build', folder, '--config', 'Release', '--parallel', jobs], environment, (line) => {
    log.push(line)
    if (!progress.reads(line) && !/^(-- |ninja: |(gmake|make)\b)/.test(line)) said.push(line)
  })
  if (status !== 0) return fail('the addon could not be built', said)
  if (said.some((line) => line.includes('warning:'))) console.error(said.join('\n'))
  const reason = failure(environment)
  if (reason !== undefined) {
    console.error(`weft: the addon was built but cannot be loaded: ${reason}`)
    return 1
  }
  const { mtimeMs, size } = statSync(addon)
  const file = path.relative(process.cwd(), addon)
  if (progress.any) keep()
  if (mtimeMs > before) console.log(`weft: the addon is built: ${file}, ${(size / 1e6).toFixed(1)} MB, ${progress.seconds()} s`)
  else console.log('weft: the addon is up to date')
  return 0
}

/** Builds for the package: kernels for all processors. The build folder keeps the levels it had. */
async function buildForAll() {
  if (process.env.WEFT_CPU_LEVELS) return build()
  const levels = kept('WEFT_CPU_LEVELS') ?? 'native'
  const code = await build({ ...process.env, WEFT_CPU_LEVELS: 'all' })
  if (code === 0) spawnSync('cmake', ['-S', root, '-B', folder, `-DWEFT_CPU_LEVELS=${levels}`])
  return code
}

module.exports = { build, buildForAll }

// npm runs `prepare` in a source tree alone: after an installation, and before packing, where prebuilds are packed
// instead
if (require.main === module && !(process.argv[2] === '--prepare' && ['pack', 'publish'].includes(process.env.npm_command))) {
  build().then((code) => {
    process.exitCode = code
  })
}
