// A folder of a user of the package: programs in it import weftjs, and compile strictly.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { root } from './pages.js'

/** Makes the folder, which goes when the process does. */
export function userFolder(name: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), `weft-${name}-`))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(path.join(folder, 'node_modules', '@types'), { recursive: true })
  symlinkSync(root, path.join(folder, 'node_modules', 'weftjs'))
  symlinkSync(path.join(root, 'node_modules', '@types', 'node'), path.join(folder, 'node_modules', '@types', 'node'))
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    skipLibCheck: true,
    types: ['node'],
    outDir: 'out',
    rootDir: '.',
  }
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  return folder
}
