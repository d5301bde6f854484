// Builds for linux-arm64 on this machine, in build/linux-arm64, with Debian's cross compiler.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { availableParallelism } from 'node:os'
import { output } from './build.mjs'

const root = path.join(import.meta.dirname, '..')
export const folder = path.join(root, 'build', 'linux-arm64')

const has = (tool) => spawnSync(tool, ['--version']).status === 0

/** Names the Debian package of the first tool that is missing; undefined where all are there. */
export const missing = (packages) => Object.keys(packages).find((name) => !has(packages[name]))

/** What a build needs: packages and the program that each brings. */
export const NEEDED = { 'g++-aarch64-linux-gnu': 'aarch64-linux-gnu-g++', cmake: 'cmake' }

/** Builds a target with options for CMake; the problem, if there is one. */
export async function build(target, options = []) {
  // the settings of this machine's own build are not those of the other
  const env = { ...process.env, WEFT_CPU_LEVELS: 'all', WEFT_CUDA: 'OFF' }
  for (const args of [
    ['-S', root, '-B', folder, `-DCMAKE_TOOLCHAIN_FILE=${path.join(root, 'scripts', 'linux-arm64.cmake')}`, ...options],
    ['--build', folder, '--target', target, '--parallel', String(availableParallelism())],
  ]) {
    const { status, text } = await output('cmake', args, { env })
    if (status !== 0) return text.trim().split('\n').slice(-30).join('\n')
  }
  return undefined
}
