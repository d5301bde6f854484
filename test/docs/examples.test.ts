// The examples of the reference: those of docstrings (@example) and of scripts/reference/examples.txt compile for a
// strict user, run, and give what they say.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as weft from '../../lib/index.js'
import { root } from './pages.js'
import { userFolder } from './user_folder.js'

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
const { readExamples, prelude, statementsOf } = await load<{
  readExamples(): Map<string, Example>
  prelude(): string[]
  statementsOf(example: Example): string[]
}>('examples.mjs')
const names = (await load<{ readNames(): Name[] }>('read.mjs')).readNames()
const { pageOf } = await load<{ pageOf(name: Name): string }>('pages.mjs')

const written = [...readExamples().values()]
const inDocstrings = names
  .filter((name) => name.entry === 'weftjs' && name.doc.example !== undefined && !readExamples().has(`${pageOf(name)} ${name.name}`))
  .map((name): Example => {
    const [, code, result] = /^([\s\S]*?)(?:\s+\/\/ (.*))?$/.exec(name.doc.example!)!
    return { name: name.name, page: pageOf(name), code: code!, ...(result === undefined ? {} : { result }), runs: true }
  })
const examples = [...inDocstrings, ...written]

const folder = userFolder('examples')

/** A function that runs an example; its last statement is what it gives, where that is a value. */
function functionOf(example: Example): string {
  const statements = statementsOf(example)
  const last = statements.pop()!
  const gives = /^(const|let|for|if|await net\.(fit|save)|net\.compile)\b/.test(last) ? last : `return ${last}`
  return `async () => {\n${[...statements, gives].join('\n;')}\n}`
}
/** The entry of a page of examples. */
const entryOf = (page: string): string => (['learn', 'explain', 'compress', 'serve'].includes(page) ? `weftjs/${page}` : 'weftjs')
const entries = [...new Set(examples.map(({ page }) => entryOf(page)))]
/** What an entry exports; names of the main entry that it does not replace can be used beside them. */
const exported = async (entry: string): Promise<string[]> =>
  Object.keys((await import(entry.replace('weftjs', '../../lib/index.js').replace(/index.js\/(\w+)/, '$1/index.js'))) as object)
for (const entry of entries) {
  const own = await exported(entry)
  const lines = examples
    .filter(({ page }) => entryOf(page) === entry)
    .map((example) => `  [${JSON.stringify(`${example.page} ${example.name}`)}, ${example.runs}, ${functionOf(example)}],`)
  const beside = entry === 'weftjs' ? [] : Object.keys(weft).filter((name) => !own.includes(name))
  writeFileSync(
    path.join(folder, `${entry.replace('/', '_')}.ts`),
    `import { ${own.join(', ')} } from '${entry}'
${beside.length > 0 ? `import { ${beside.join(', ')} } from 'weftjs'` : ''}
${prelude().join('\n')}
export const programs: [string, boolean, () => Promise<unknown>][] = [
${lines.join('\n')}
]
`,
  )
}
writeFileSync(
  path.join(folder, 'run.ts'),
  `import { writeFileSync } from 'node:fs'
import { Tensor } from 'weftjs'
${entries.map((entry, i) => `import { programs as programs${i} } from './${entry.replace('/', '_')}.js'`).join('\n')}
const shown = async (value: unknown): Promise<unknown> => {
  if (value instanceof Tensor) return value.array()
  if (ArrayBuffer.isView(value)) return [...(value as Float32Array)]
  return value
}
const isPlain = (value: unknown): boolean => (Array.isArray(value) ? value.every(isPlain) : ['number', 'string', 'boolean'].includes(typeof value))
const results: Record<string, unknown> = {}
console.log = () => {}
for (const [name, runs, fn] of [${entries.map((_, i) => `...programs${i}`).join(', ')}]) {
  if (!runs) continue
  try {
    const value = await shown(await fn())
    results[name] = isPlain(value) ? { value } : {}
  } catch (error) {
    results[name] = { error: String(error) }
  }
}
writeFileSync('results.json', JSON.stringify(results))
`,
)

test('every function has an example', () => {
  const has = new Set(examples.map(({ page, name }) => `${page} ${name}`))
  const missing = names
    .filter(({ entry, kind }) => entry !== 'weftjs/tfjs' && kind === 'function')
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
  const { stderr, status } = spawnSync(process.execPath, [path.join('out', 'run.js')], { cwd: folder, encoding: 'utf8' })
  assert.is(status, 0, stderr.slice(-3000))
  const text = readFileSync(path.join(folder, 'results.json'), 'utf8')
  // how the values of new examples are seen
  if (process.env['WEFT_SHOW_EXAMPLES']) writeFileSync(process.env['WEFT_SHOW_EXAMPLES'], text)
  const results = JSON.parse(text) as Record<string, { value?: unknown; error?: string }>
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
