// The word list: every public name is in the manual, and what is made of docstrings is that of the present sources.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pages, referencePages, root, textOf } from './pages.js'

interface Member {
  readonly name: string
  readonly file: string
  readonly isProtected: boolean
}
interface Name {
  readonly entry: string
  readonly space: string
  readonly name: string
  readonly kind: 'function' | 'class' | 'value' | 'type' | 'namespace'
  readonly file: string
  readonly doc: { readonly text: string }
  readonly members: readonly Member[]
}
interface Reading {
  readNames(): Name[]
}

const load = async <T>(file: string): Promise<T> => (await import(path.join(root, 'scripts', 'reference', file))) as T
const names = (await load<Reading>('read.mjs')).readNames()
const { referencePages: makeReference } = await load<{ referencePages(names: Name[]): Map<string, string> }>('markdown.mjs')
const { filledPages } = await load<{ filledPages(pages: Map<string, string>, names: Name[]): Map<string, string> }>('tables.mjs')
const { pageOf } = await load<{ pageOf(name: Name): string }>('pages.mjs')

const guide = pages.map(textOf).join('\n')
const reference = referencePages.map(textOf).join('\n')
/** Words of the guide that stand in code: between backticks, or in a block. */
const words = (text: string): Set<string> =>
  new Set([...text.matchAll(/^[ \t]*```[\s\S]*?^[ \t]*```|`[^`\n]+`/gm)].flatMap(([code]) => code.match(/[A-Za-z_]\w*/g) ?? []))
const inGuide = words(guide)
const inReference = words(reference)

/** Where a name of the guide goes: a table of its namespace that is filled by "npm run docs". */
function chapterOf(name: Name): string {
  const page = pageOf(name)
  const said =
    { losses: 'training', metrics: 'training', optimizers: 'training', schedules: 'training', weights: 'layers', models: 'training' }[
      page
    ] ?? page
  return `docs/${said}.md`
}

const spoken = ({ entry, space, name }: Name): string => `${[entry, space].filter(Boolean).join(': ')} ${name}`

test('there are names to look for', () => {
  assert.ok(names.length > 1500, `${names.length} names`)
  for (const name of ['dense', 'earlyStopping', 'cosineDecay', 'l2', 'heNormal', 'maxNorm', 'adamw', 'huber', 'auc', 'jit', 'softmax'])
    assert.ok(
      names.some((each) => each.name === name && each.kind === 'function'),
      name,
    )
})

test('the guide has every name that a program of the main entry calls', () => {
  const called = names.filter(({ entry, kind }) => entry === 'weftjs' && (kind === 'function' || kind === 'value' || kind === 'namespace'))
  const missing = called.filter(({ name }) => !inGuide.has(name)).map((name) => `${spoken(name)}: its line goes to ${chapterOf(name)}`)
  assert.equal(missing, [], missing.join('\n'))
})

test('the manual has every public name', () => {
  const missing = names
    .filter(({ name }) => !inReference.has(name))
    .map((name) => `${spoken(name)}: run "npm run docs" for docs/reference/${pageOf(name)}.md`)
  assert.equal(missing, [], missing.join('\n'))
})

test('the guide has the members of tensors, layers, models, and the options of their calls', () => {
  const missing: string[] = []
  for (const [name, chapter] of [
    ['Tensor', 'tensors'],
    ['Variable', 'tensors'],
    ['Layer', 'layers'],
    ['Model', 'training'],
    ['Sequential', 'training'],
    ['LayerOptions', 'layers'],
    ['CompileOptions', 'training'],
    ['FitOptions', 'training'],
    ['EvaluateOptions', 'training'],
    ['PredictOptions', 'training'],
    ['TrainOnBatchOptions', 'training'],
    ['SaveOptions', 'saving'],
    ['LoadOptions', 'saving'],
    ['SummaryOptions', 'training'],
    ['OptimizerOptions', 'training'],
    ['JitOptions', 'loops'],
  ] as const) {
    const found = names.find((each) => each.entry === 'weftjs' && each.name === name)
    assert.ok(found, `${name} is not public`)
    for (const member of found.members) {
      const [word] = /\w+/.exec(member.name) ?? []
      if (word && !member.isProtected && !inGuide.has(word)) missing.push(`${name}.${member.name}: its line goes to docs/${chapter}.md`)
    }
  }
  assert.equal(missing, [], missing.join('\n'))
})

test('every function of the main entry has a docstring', () => {
  const bare = names.filter(({ entry, kind, doc }) => entry === 'weftjs' && kind === 'function' && doc.text === '')
  assert.equal(
    bare.map((name) => `${spoken(name)} in ${name.file}`),
    [],
  )
})

test('reference and tables are those of the sources', () => {
  const made = new Map([
    ...filledPages(new Map(pages.map((page) => [page, textOf(page)])), names),
    ...[...makeReference(names)].map(([file, text]) => [`docs/reference/${file}`, text] as const),
  ])
  const stale = [...made]
    .filter(([page, text]) => !referencePages.concat(pages).includes(page) || textOf(page) !== text)
    .map(([page]) => page)
  const gone = referencePages.filter((page) => !made.has(page))
  assert.equal([...stale, ...gone], [], 'these pages are not what the sources say: run "npm run docs", and commit them')
})

test.run()
