// Puts an addon for linux-arm64 beside the one for this machine, where Debian's g++-aarch64-linux-gnu is installed.
import { copyFileSync, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { build, folder, missing, NEEDED } from './linux-arm64.mjs'

const root = path.join(import.meta.dirname, '..')
const target = path.join(root, 'prebuilds', 'linux-arm64', 'weftjs.glibc.node')
const lacking = missing(NEEDED)
if (`${process.platform}-${process.arch}` === 'linux-arm64') {
  // it is what prebuildify has made
} else if (lacking) {
  console.log(`the package will be without an addon for linux-arm64: needs ${lacking}`)
} else {
  const problem = await build('weft')
  if (problem) {
    console.error(`the addon for linux-arm64 could not be built:\n${problem}`)
    process.exitCode = 1
  } else {
    mkdirSync(path.dirname(target), { recursive: true })
    copyFileSync(path.join(folder, 'Release', 'weft.node'), target)
    copyFileSync(path.join(folder, 'Release', 'libweft_mpi.so'), path.join(path.dirname(target), 'libweft_mpi.so'))
    console.log(`${path.relative(root, target)}: ${(statSync(target).size / 2 ** 20).toFixed(1)} MiB`)
  }
}
