// Documents and comments keep within 120 columns, so that a diff of them is readable. Tables, fenced text and licences
// may be wider; code has the formatters' 140, with the comment behind it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const MOST = 120
const root = path.join(import.meta.dirname, '..', '..', '..')
const FOLDERS = ['lib', 'native', 'cuda', 'test', 'bench', 'scripts', 'examples', 'docs', '.ci']
/** What is not ours, or is made by programs. */
const LEFT_OUT = /(^|\/)(node_modules|results)\/|LICENSES\.md$/
const CODE = /\.(ts|mjs|cjs|cc|h|cu|cuh|sh|py)$|(^|\/)(run|CMakeLists\.txt)$/
/** A line that is a comment from its start, in any of the languages; macros that begin with # are none. */
const COMMENT = /^\s*(\/\/|\/?\*|#\s)/

function filesOf(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file}`)
    .filter((file) => !LEFT_OUT.test(file))
}
const files = [...readdirSync(root), ...FOLDERS.flatMap(filesOf)]

/** Lines that are too long, of those that `counts` says yes to; it is asked about every line, in order. */
function tooLong(file: string, counts: (line: string) => boolean): string[] {
  return readFileSync(path.join(root, file), 'utf8')
    .split('\n')
    .flatMap((line, i) => (counts(line) && line.length > MOST ? [`${file}:${i + 1} has ${line.length} columns`] : []))
}

test('documents', () => {
  const wrong = files
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => {
      let fenced = false
      return tooLong(file, (line) => {
        if (/^\s*```/.test(line)) fenced = !fenced
        return !fenced && !/^\s*\||^<!-- table: /.test(line)
      })
    })
  assert.equal(wrong, [], `break these lines at ${MOST} columns`)
})

test('comments', () => {
  const wrong = files.filter((file) => CODE.test(file)).flatMap((file) => tooLong(file, (line) => COMMENT.test(line)))
  assert.equal(wrong, [], `break these lines at ${MOST} columns; "npm run format" does it`)
})

test('"npm run format" breaks comments, and nothing else', () => {
  const word = 'word '.repeat(30).trim()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-columns-'))
  const file = path.join(folder, 'a.ts')
  const code = `const long = '${'x'.repeat(130)}' // behind code`
  writeFileSync(file, [`// ${word}.`, '// - a list', `  /** ${word} */`, code, ''].join('\n'))
  const { status, stderr } = spawnSync(process.execPath, [path.join(root, 'scripts', 'comments.mjs'), file], { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  const lines = readFileSync(file, 'utf8').split('\n')
  rmSync(folder, { recursive: true })
  const [first, second] = ['word '.repeat(23).trim(), 'word '.repeat(7).trim()]
  const inside = ['  /**', `   * ${'word '.repeat(23).trim()}`, `   * ${second}`, '   */']
  assert.equal(lines, [`// ${first}`, `// ${second}.`, '// - a list', ...inside, code, ''])
})

test.run()
