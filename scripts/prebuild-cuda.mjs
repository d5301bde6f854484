// Puts the CUDA library, where one was built, beside the prebuilt addon, without symbols that nobody needs.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, statSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const built = path.join(root, 'build', 'Release', 'libweft_cuda.so')
const target = path.join(root, 'prebuilds', `${process.platform}-${process.env.PREBUILD_ARCH || process.arch}`, 'libweft_cuda.so')
if (!existsSync(built)) {
  console.log('no CUDA library was built: the package will be without')
} else {
  copyFileSync(built, target)
  spawnSync('strip', ['--strip-unneeded', target], { stdio: 'inherit' })
  console.log(`${path.relative(root, target)}: ${(statSync(target).size / 2 ** 20).toFixed(1)} MiB`)
}
