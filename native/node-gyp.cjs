#!/usr/bin/env node
// Stands in for node-gyp when prebuildify builds the package: the addon is built by CMake.
'use strict'
const { spawnSync } = require('node:child_process')
const path = require('node:path')
const { availableParallelism } = require('node:os')

const root = path.join(__dirname, '..')
const cmakeJs = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js')
// prebuildify calls "node-gyp rebuild --target=... --devdir=... --arch=... --release"; none of it means anything to cmake-js, and
// Node-API makes the target irrelevant. An up-to-date build is used as it is.
const build = spawnSync(process.execPath, [cmakeJs, 'build', '-d', root, '--arch', process.env.PREBUILD_ARCH || process.arch], {
  stdio: 'inherit',
  cwd: root,
  env: { CMAKE_BUILD_PARALLEL_LEVEL: String(availableParallelism()), ...process.env },
})
process.exit(build.status === null ? 1 : build.status)
