// Puts the libraries that the addon opens at run time, where they were built, beside the prebuilt addon, without
// symbols that nobody needs: the CUDA device, and the engine of MPI.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, statSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
for (const [name, what] of [
  ['libweft_cuda.so', 'CUDA library'],
  ['libweft_mpi.so', 'engine of MPI'],
]) {
  const built = path.join(root, 'build', 'Release', name)
  const target = path.join(root, 'prebuilds', `${process.platform}-${process.env.PREBUILD_ARCH || process.arch}`, name)
  if (!existsSync(built)) {
    console.log(`no ${what} was built: the package will be without`)
    continue
  }
  copyFileSync(built, target)
  spawnSync('strip', ['--strip-unneeded', target], { stdio: 'inherit' })
  console.log(`${path.relative(root, target)}: ${(statSync(target).size / 2 ** 20).toFixed(1)} MiB`)
}
