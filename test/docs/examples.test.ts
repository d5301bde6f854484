// The examples of the reference: those of docstrings (@example) and of scripts/reference/examples.txt compile for a
// strict user, run, and give what they say.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as weft from '../../lib/index.js'
import { root } from './pages.js'

interface Example {
  readonly name: string
  readonly page: string
  readonly code: string
  readonly result?: string
  readonly runs: boolean
}
interface Name {
  readonly entry: string
  readonly space: string
  readonly name: string
  readonly kind: string
  readonly doc: { readonly example?: string }
}
const load = async <T>(file: string): Promise<T> => (await import(path.join(root, 'scripts', 'reference', file))) as T
const { readExamples, prelude } = await load<{ readExamples(): Map<string, Example>; prelude(): string[] }>('examples.mjs')
const names = (await load<{ readNames(): Name[] }>('read.mjs')).readNames()
const { pageOf } = await load<{ pageOf(name: Name): string }>('pages.mjs')

const written = [...readExamples().values()]
const inDocstrings = names
  .filter(({ entry, doc }) => entry === 'weftjs' && doc.example !== undefined)
  .map((name): Example => {
    const [, code, result] = /^([\s\S]*?)(?:\s+\/\/ (.*))?$/.exec(name.doc.example!)!
    return { name: name.name, page: pageOf(name), code: code!, ...(result === undefined ? {} : { result }), runs: true }
  })
const examples = [...inDocstrings, ...written]

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-examples-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
mkdirSync(path.join(folder, 'node_modules', '@types'), { recursive: true })
symlinkSync(root, path.join(folder, 'node_modules', 'weftjs'))
symlinkSync(path.join(root, 'node_modules', '@types', 'node'), path.join(folder, 'node_modules', '@types', 'node'))
writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')

/** A function that runs an example; its last statement is what it gives, where that is a value. */
function functionOf({ code }: Example): string {
  const statements = code.split(/; |\n/)
  const last = statements.pop()!
  const gives = /^(const|let|for|if|await net\.(fit|save)|net\.compile)\b/.test(last) ? last : `return ${last}`
  return `async () => {\n${[...statements, gives].join('\n;')}\n}`
}
const lines = examples.map(
  (example) => `  [${JSON.stringify(`${example.page} ${example.name}`)}, ${example.runs}, ${functionOf(example)}],`,
)
writeFileSync(
  path.join(folder, 'examples.ts'),
  `import { ${Object.keys(weft).join(', ')} } from 'weftjs'
${prelude().join('\n')}
const programs: [string, boolean, () => Promise<unknown>][] = [
${lines.join('\n')}
]
const shown = async (value: unknown): Promise<unknown> => {
  if (value instanceof Tensor) return value.array()
  if (ArrayBuffer.isView(value)) return [...(value as Float32Array)]
  return value
}
const results: Record<string, unknown> = {}
console.log = () => {}
for (const [name, runs, fn] of programs) {
  if (!runs) continue
  try {
    results[name] = { value: (await shown(await fn())) ?? null }
  } catch (error) {
    results[name] = { error: String(error) }
  }
}
const isPlain = (value: unknown): boolean => (Array.isArray(value) ? value.every(isPlain) : ['number', 'string', 'boolean'].includes(typeof value))
for (const result of Object.values(results) as { value?: unknown }[]) if (!isPlain(result.value)) delete result.value
process.stdout.write(JSON.stringify(results))
`,
)
const compilerOptions = {
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  strict: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  types: ['node'],
  outDir: 'out',
  rootDir: '.',
}
writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))

test('the catalogues and operations have an example each', () => {
  const has = new Set(examples.map(({ page, name }) => `${page} ${name}`))
  const wanted = [
    'operations',
    'tensors',
    'models',
    'layers',
    'losses',
    'metrics',
    'optimizers',
    'schedules',
    'callbacks',
    'weights',
    'data',
    'datasets',
    'text',
    'transformers',
    'files',
  ]
  const missing = names
    .filter((name) => name.entry === 'weftjs' && name.kind === 'function' && wanted.includes(pageOf(name)))
    .map((name) => `${pageOf(name)} ${name.name}`)
    .filter((name) => !has.has(name))
  assert.equal(missing, [], `their lines go to scripts/reference/examples.txt, or as @example into their docstrings: ${missing.join(', ')}`)
})

test('no example is of a name that is gone', () => {
  const there = new Set(names.map((name) => `${pageOf(name)} ${name.name}`))
  assert.equal(
    written.map(({ page, name }) => `${page} ${name}`).filter((name) => !there.has(name)),
    [],
  )
})

test('examples compile', () => {
  const { stdout, status } = spawnSync(process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], {
    encoding: 'utf8',
  })
  assert.is(status, 0, stdout)
})

/** Whether two values agree to the digits that are written. */
function agrees(value: unknown, written: unknown): boolean {
  if (typeof value === 'number' && typeof written === 'number') return Math.abs(value - written) <= 1e-3 * Math.max(1, Math.abs(written))
  if (Array.isArray(value) && Array.isArray(written))
    return value.length === written.length && value.every((each, i) => agrees(each, written[i]))
  return JSON.stringify(value) === JSON.stringify(written)
}

test('examples run, and give what they say', () => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [path.join('out', 'examples.js')], { cwd: folder, encoding: 'utf8' })
  assert.is(status, 0, stderr.slice(-3000))
  if (process.env['WEFT_SHOW_EXAMPLES']) writeFileSync(process.env['WEFT_SHOW_EXAMPLES'], stdout)
  const results = JSON.parse(stdout) as Record<string, { value?: unknown; error?: string }>
  const wrong: string[] = []
  for (const { page, name, result, runs } of examples) {
    const found = results[`${page} ${name}`]
    if (!runs) continue
    if (found?.error !== undefined) wrong.push(`${page} ${name}: ${found.error}`)
    else if (result !== undefined && !agrees(found?.value, JSON.parse(result.replaceAll("'", '"'))))
      wrong.push(`${page} ${name}: gives ${JSON.stringify(found?.value)}, not ${result}`)
  }
  assert.equal(wrong, [], wrong.join('\n'))
})

test.run()
