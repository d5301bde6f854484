// weftjs build: compiles the addon for this machine, where no prebuilt one fits or another one is wanted.
import { createRequire } from 'node:module'
import path from 'node:path'
import { parse, UsageError } from './command.js'

export const usage = 'build [--levels native|all|portable,avx2,avx512] [--cuda auto|on|off]'
export const summary = 'compiles the addon on this machine; needs a C++20 compiler and CMake, and nvcc for CUDA'

export async function run(args: string[]): Promise<number> {
  const { values } = parse({ args, options: { levels: { type: 'string' }, cuda: { type: 'string' } } })
  const { levels, cuda } = values
  const known = ['native', 'all', 'portable', 'avx2', 'avx512']
  const wrong = levels?.split(',').find((level) => !known.includes(level))
  if (wrong !== undefined) throw new UsageError(`--levels ${levels}: '${wrong}' is not one of ${known.join(', ')}`)
  if (cuda !== undefined && !['auto', 'on', 'off'].includes(cuda)) throw new UsageError(`--cuda ${cuda}: auto, on or off is expected`)
  // what the command names counts more than the environment
  if (levels !== undefined) process.env['WEFT_CPU_LEVELS'] = levels
  if (cuda !== undefined) process.env['WEFT_CUDA'] = cuda.toUpperCase()
  const require = createRequire(import.meta.url)
  const root = path.dirname(require.resolve('weftjs/package.json'))
  const { build } = require(path.join(root, 'native', 'build.cjs')) as { build(): Promise<number> }
  return build()
}
