// Builds what runs CUDA kernels on a CPU: the emulated CUDA library, and with a sanitizer the runner of exported
// programs.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { availableParallelism } from 'node:os'
import { output } from '../../scripts/build.mjs'

const here = import.meta.dirname
const root = path.join(here, '..', '..')

/** Configures and builds a target in build/<name>; { folder } or { problem }. */
export async function build(name, target, options = []) {
  const folder = path.join(root, 'build', name)
  for (const args of [
    ['-S', here, '-B', folder, ...options],
    ['--build', folder, '--target', target, '--parallel', String(availableParallelism())],
  ]) {
    const { status, text } = await output('cmake', args)
    if (status !== 0) return { problem: text.trim().split('\n').slice(-30).join('\n') }
  }
  return { folder }
}

/** The emulated CUDA library and the twin of NCCL beside it, up to date; { library } or { problem }. */
export async function buildEmulated() {
  const library = path.join(root, 'build', 'cuda-on-cpu', 'libweft_cuda.so')
  if (!existsSync(library))
    console.log('weft: the first build of the emulated CUDA device takes minutes; npm test -- --cpu does without it')
  const { problem } = await build('cuda-on-cpu', 'weft_nccl')
  return problem ? { problem } : { library }
}
