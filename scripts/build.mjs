// What tests and benches run is built first, so that none of them ever runs an old build: the TypeScript and the addon,
// side by side.
// Usage: node scripts/build.mjs builds the TypeScript alone.
import { spawn } from 'node:child_process'
import { chmodSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

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

/** Compiles the TypeScript, and makes the command executable, as npx runs it; the problem, if there is one. */
export async function buildTypeScript() {
  const { status, text } = await output(process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')])
  if (status !== 0) return `the TypeScript does not compile:\n${text.trimEnd()}`
  chmodSync(path.join(root, 'dist', 'lib', 'cli', 'weftjs.js'), 0o755)
}

/** Builds the addon where its sources have changed; the problem, if there is one. */
export async function buildAddon() {
  const { status, text } = await output(process.execPath, [path.join(root, 'native', 'build.cjs')])
  return status === 0 ? undefined : text.trimEnd()
}

/** Both; the problems. */
export const buildAll = async () => (await Promise.all([buildTypeScript(), buildAddon()])).filter((problem) => problem !== undefined)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problem = await buildTypeScript()
  if (problem !== undefined) console.error(problem)
  process.exitCode = problem === undefined ? 0 : 1
}
