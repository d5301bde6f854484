// Every snippet of the guides compiles for a strict user, without a cast, and runs. A snippet goes on from those before
// it on its page, unless it declares or imports a name again: then it begins a new program. The programs of a page run
// in one process, one after the other.
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { floats, model, node, port, write } from '../onnx/build.js'
import { hasFashionMnist, testWith } from '../skip.js'
import { blocksOf, pages, root } from './pages.js'
import { userFolder } from './user_folder.js'

interface Program {
  /** The page and the number of the program on it: 'docs/text.md 1'. */
  readonly name: string
  readonly page: string
  readonly file: string
  /** Names imported, by the entry that they come from. */
  readonly imported: Map<string, Set<string>>
  readonly declared: Set<string>
  body: string
}

const IMPORT = /^import \{([^}]*)\} from '([^']*)'\n/gm
/** Names that a snippet declares at its top level. */
function declarations(code: string): string[] {
  return [...code.matchAll(/^(?:const|let|class|function) (?:\{([^}]*)\}|\[([^\]]*)\]|(\w+))/gm)].flatMap(([, record, list, name]) =>
    (record ?? list ?? name)!
      .split(',')
      .map((part) => part.split(':').at(-1)!.trim())
      .filter((part) => part !== ''),
  )
}
const namesIn = (list: string): string[] =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

/** JavaScript that only a page of plain files can run is run as it stands, with what its page imports. */
function programsOf(page: string): Program[] {
  const programs: Program[] = []
  for (const { code, language } of blocksOf(page)) {
    if (language !== 'ts') continue
    const imports = [...code.matchAll(IMPORT)].flatMap(([, list, entry]) => namesIn(list!).map((name) => [entry!, name] as const))
    const declared = declarations(code)
    let program = programs.at(-1)
    const again =
      program &&
      (imports.some(([entry, name]) => program!.imported.get(entry)?.has(name)) || declared.some((name) => program!.declared.has(name)))
    if (!program || again) {
      const name = `${page} ${programs.length + 1}`
      program = { name, page, file: name.replaceAll(/\W+/g, '_'), imported: new Map(), declared: new Set(), body: '' }
      programs.push(program)
    }
    for (const [entry, name] of imports) program.imported.set(entry, (program.imported.get(entry) ?? new Set()).add(name))
    for (const name of declared) program.declared.add(name)
    program.body += code.replaceAll(IMPORT, '')
  }
  return programs
}

const programs = pages.flatMap(programsOf)
const folder = userFolder('docs')
// what pages read lies in this folder, and each page runs in one of its own
const given = path.join(folder, 'given')
mkdirSync(given)
// what docs/pretrained.md reads
cpSync(path.join(root, 'test', 'pretrained', 'fixtures', 'llama'), path.join(given, 'SmolLM'), { recursive: true })
// what docs/data.md reads
writeFileSync(path.join(given, 'churn.csv.gz'), gzipSync('age,plan,minutes,churned\n31,basic,12.5,no\n44,plus,,yes\n'))
writeFileSync(
  path.join(given, 'people.csv'),
  'age,city,about,since,member,left\n31,Graz,,2024-03-01,yes,no\n,Linz,tall,2023-01-31,no,yes\n',
)
writeFileSync(
  path.join(given, 'weather.csv'),
  `t,p\n${Array.from({ length: 40 }, (_, i) => `${i},${i === 30 ? '' : 1000 + i}`).join('\n')}\n`,
)
// what docs/onnx-import.md reads
for (const [name, [height, width, classes]] of Object.entries({ model: [48, 192, 2], classifier: [32, 32, 10] } as const)) {
  const made = model({
    nodes: [
      node('GlobalAveragePool', ['x'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Gemm', ['f', 'w'], ['s']),
      node('Softmax', ['s'], ['y'], { axis: 1 }),
    ],
    inputs: [port('x', ['n', 3, height, width])],
    outputs: [port('y', ['n', classes])],
    tensors: [floats('w', [3, classes], new Array(3 * classes).fill(0.5))],
  })
  write(given, made, `${name}.onnx`)
}
writeFileSync(
  path.join(given, 'flights.parquet'),
  Buffer.from(
    parquetWriteBuffer({
      columnData: [
        { name: 'carrier', data: ['LH', 'AF', 'LH'], type: 'STRING' },
        { name: 'distance', data: [310, 420, 1250], type: 'DOUBLE' },
        { name: 'delay', data: [5, 0, 12], type: 'DOUBLE' },
      ],
    }),
  ),
)
for (const { file, imported, body } of programs) {
  const imports = [...imported].map(([entry, names]) => `import { ${[...names].join(', ')} } from '${entry}'\n`)
  writeFileSync(path.join(folder, `${file}.ts`), `${imports.join('')}${body}\nexport {}\n`)
}
// blocks of plain JavaScript are programs of their own, with what their page has imported
const scripts = pages.flatMap((page) => {
  const imported = new Map(programs.filter((program) => program.page === page).flatMap((program) => [...program.imported]))
  return blocksOf(page)
    .filter(({ language }) => language === 'js')
    .map(({ code, line }) => {
      const file = `${page} line ${line}`.replaceAll(/\W+/g, '_')
      const names = [...(imported.get('weftjs') ?? [])].filter((name) => !name.startsWith('type ') && !declarations(code).includes(name))
      writeFileSync(
        path.join(folder, `${file}.js`),
        `${code.includes('import ') ? '' : `import { ${names.join(', ')} } from 'weftjs'\n`}${code}`,
      )
      return { name: `${page}, line ${line}`, page, file }
    })
})
// a program that fails says which it is
const runner = path.join(folder, 'run.mjs')
writeFileSync(
  runner,
  `import { pathToFileURL } from 'node:url'
for (const file of process.argv.slice(2)) {
  console.log('== ' + file)
  await import(pathToFileURL(file))
}
`,
)

test('the pages have snippets', () => {
  assert.ok(programs.length >= 30, `${programs.length} programs`)
})

test('no snippet casts', () => {
  const casts = programs
    .filter(({ body }) => /\bas (any|unknown|never)\b|<any>|: any\b/.test(body.replaceAll(/\/\/.*/g, '')))
    .map(({ name }) => name)
  assert.equal(casts, [], 'types that are right need no cast')
})

test('all snippets compile', () => {
  const { stdout, status } = spawnSync(process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], {
    encoding: 'utf8',
  })
  assert.is(status, 0, stdout)
})

/** Runs the files of a page in one process; resolves with what went wrong, '' when nothing did. */
function run(page: string, files: readonly string[]): Promise<string> {
  const cwd = path.join(folder, page.replaceAll(/\W+/g, '_'))
  mkdirSync(cwd)
  for (const name of readdirSync(given)) symlinkSync(path.join(given, name), path.join(cwd, name))
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [runner, ...files], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (part) => (output += part))
    child.stderr.on('data', (part) => (output += part))
    child.on('close', (code, signal) => {
      const last = output.lastIndexOf('\n== ')
      resolve(code === 0 ? '' : `${signal ?? `exit code ${code}`}\n${output.slice(Math.max(0, last)).slice(0, 4000)}`)
    })
  })
}

for (const page of new Set(programs.map((program) => program.page))) {
  const own = programs.filter((program) => program.page === page)
  const files = [
    ...own.map(({ file }) => path.join(folder, 'out', `${file}.js`)),
    ...scripts.filter((script) => script.page === page).map(({ file }) => path.join(folder, `${file}.js`)),
  ]
  const needs = own.some(({ body }) => body.includes('datasets.fashionMnist'))
  testWith(hasFashionMnist || !needs, 'dataset-fashion-mnist', `${page}: ${files.length} programs run`, async () => {
    assert.is(await run(page, files), '')
  })
}

test.run()
