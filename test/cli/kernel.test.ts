// weftjs kernel new: the folder that it writes builds, and its own test passes.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'

const root = path.join(import.meta.dirname, '..', '..', '..')
const folder = mkdtempSync(path.join(tmpdir(), 'weft-kernel-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0

function run(command: string, args: readonly string[], cwd = folder): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: 600_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { status, text: stdout + stderr }
}
const weftjs = (...args: string[]): ReturnType<typeof run> => run(process.execPath, [path.join(root, 'dist/lib/cli/weftjs.js'), ...args])

testWith(
  has('cmake') && has(process.env['CXX'] ?? 'g++'),
  'CMake and a C++ compiler',
  'a new operation builds, passes its test and its bench',
  () => {
    const { status, text } = weftjs('kernel', 'new', 'cubed')
    assert.is(status, 0, text)
    assert.match(text, /has the operation cubed\. Next:\n {2}cd cubed && npm install && npm run build && npm test/)
    const made = path.join(folder, 'cubed')
    assert.equal(readdirSync(made).sort(), ['CMakeLists.txt', 'README.md', 'bench.js', 'cubed.cc', 'cubed.js', 'package.json', 'test.js'])
    mkdirSync(path.join(made, 'node_modules'))
    symlinkSync(root, path.join(made, 'node_modules', 'weftjs'))
    for (const script of ['build', 'test', 'bench']) {
      const result = run('npm', ['run', '--silent', script], made)
      assert.is(result.status, 0, `${script}: ${result.text}`)
      if (script === 'test') assert.match(result.text, /pass 3/)
      if (script === 'bench') assert.match(result.text, /cubed: [\d.]+ ms\noperations: [\d.]+ ms/)
    }
  },
)

test('names and folders that will not do', () => {
  for (const [args, code, words] of [
    [['kernel'], 2, /takes the name.*\nUsage: weftjs kernel new/],
    [['kernel', 'old', 'x'], 2, /takes the name/],
    [['kernel', 'new', 'my-op'], 1, /small letters, digits and _.*'my-op'/],
    [['kernel', 'new', 'class'], 1, /a word of C\+\+ or JavaScript/],
    [['kernel', 'new', '../x'], 1, /'\.\.\/x'/],
    [['kernel', 'new', 'x', '--dir', '/proc/none'], 1, /cannot be written/],
  ] as const) {
    const { status, text } = weftjs(...args)
    assert.is(status, code, text)
    assert.match(text, words)
  }
  mkdirSync(path.join(folder, 'full'))
  writeFileSync(path.join(folder, 'full', 'mine.txt'), 'mine')
  const { status, text } = weftjs('kernel', 'new', 'full')
  assert.is(status, 1)
  assert.match(text, /not empty.*--dir/)
})

test.run()
