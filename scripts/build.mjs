// What tests and benches run is built first, so that none of them ever runs an old build: the TypeScript and the addon,
// side by side.
import { spawn } from 'node:child_process'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')

/** Runs a program; resolves with its exit status and what it printed. */
export function output(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let text = ''
    const keep = (chunk) => {
      text += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => resolve({ status: 1, text: `${program}: ${error.message}` }))
    child.on('close', (status) => resolve({ status: status ?? 1, text }))
  })
}

/** Compiles the TypeScript; the problem, if there is one. */
export async function buildTypeScript() {
  const { status, text } = await output(process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')])
  return status === 0 ? undefined : `the TypeScript does not compile:\n${text.trimEnd()}`
}

/** Builds the addon where its sources have changed; the problem, if there is one. */
export async function buildAddon() {
  const { status, text } = await output(process.execPath, [path.join(root, 'native', 'build.cjs')])
  return status === 0 ? undefined : text.trimEnd()
}

/** Both; the problems. */
export const buildAll = async () => (await Promise.all([buildTypeScript(), buildAddon()])).filter((problem) => problem !== undefined)
