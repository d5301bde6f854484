// The install script: an installed package uses its prebuilt addon where one fits; otherwise, and in a source tree, CMake builds it.
'use strict'
const { spawnSync } = require('node:child_process')
const { existsSync } = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..')
const sourceTree = existsSync(path.join(root, 'tsconfig.json')) // not part of the package

/** Why the addon cannot be loaded, or undefined. A process of its own: a broken binary must not take the installation down. */
function failure() {
  const load = spawnSync(process.execPath, ['-e', `require('node-gyp-build')(${JSON.stringify(root)})`], { cwd: root, encoding: 'utf8' })
  return load.status === 0 ? undefined : (/^Error: .*$/m.exec(load.stderr)?.[0] ?? load.stderr.trim())
}

if (!sourceTree && failure() === undefined) process.exit(0)
if (!sourceTree) console.log(`weftjs: no prebuilt addon for ${process.platform}-${process.arch}; building it from source`)

const build = spawnSync(process.execPath, [path.join(__dirname, 'node-gyp.cjs')], { stdio: 'inherit', cwd: root })
if (build.status !== 0) {
  console.error('weftjs: the addon could not be built. It needs a C++20 compiler (g++ 12, clang 14 or later) and CMake 3.20 or later.')
  process.exit(1)
}
const reason = failure()
if (reason !== undefined) {
  console.error(`weftjs: the addon was built but cannot be loaded: ${reason}`)
  process.exit(1)
}
