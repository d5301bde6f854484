#!/usr/bin/env node
// Stands in for node-gyp when prebuildify builds the package: the addon is built by CMake, with the kernels of all
// processors. prebuildify calls "node-gyp rebuild --target=... --devdir=... --arch=... --release"; Node-API makes all
// of it irrelevant.
'use strict'
const { buildForAll } = require('./build.cjs')

buildForAll().then((code) => {
  process.exitCode = code
})
