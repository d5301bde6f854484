// Every snippet of the guides compiles for a strict user, and runs. A snippet goes on from those before it on its page,
// unless it declares or imports a name again: then it begins a new program.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { floats, model, node, port, write } from '../onnx/build.js'
import { hasFashionMnist, testWith } from '../skip.js'

const root = path.join(import.meta.dirname, '..', '..', '..')
const pages = ['README.md', ...readdirSync(path.join(root, 'docs')).map((file) => `docs/${file}`)].filter((file) => file.endsWith('.md'))

interface Program {
  /** The page and the number of the program on it: 'docs/text.md 1'. */
  readonly name: string
  readonly file: string
  readonly imported: Set<string>
  readonly declared: Set<string>
  body: string
}

const IMPORT = /^import \{([^}]*)\} from 'weftjs'\n/gm
/** Names that a snippet declares at its top level. */
function declarations(code: string): string[] {
  return [...code.matchAll(/^(?:const|let|class|function) (?:\{([^}]*)\}|\[([^\]]*)\]|(\w+))/gm)].flatMap(([, record, list, name]) =>
    (record ?? list ?? name)!
      .split(',')
      .map((part) => part.split(':').at(-1)!.trim())
      .filter((part) => part !== ''),
  )
}

function programsOf(page: string): Program[] {
  const programs: Program[] = []
  for (const [, code] of readFileSync(path.join(root, page), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)) {
    const imported = [...code!.matchAll(IMPORT)].flatMap(([, names]) => names!.split(',').map((name) => name.trim()))
    const declared = declarations(code!)
    let program = programs.at(-1)
    if (!program || imported.some((name) => program!.imported.has(name)) || declared.some((name) => program!.declared.has(name))) {
      const name = `${page} ${programs.length + 1}`
      program = { name, file: name.replaceAll(/\W+/g, '_'), imported: new Set(), declared: new Set(), body: '' }
      programs.push(program)
    }
    for (const name of imported) program.imported.add(name)
    for (const name of declared) program.declared.add(name)
    program.body += code!.replaceAll(IMPORT, '')
  }
  return programs
}

const programs = pages.flatMap(programsOf)
const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-docs-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
mkdirSync(path.join(folder, 'node_modules', '@types'), { recursive: true })
symlinkSync(root, path.join(folder, 'node_modules', 'weftjs'))
symlinkSync(path.join(root, 'node_modules', '@types', 'node'), path.join(folder, 'node_modules', '@types', 'node'))
writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
// what docs/pretrained.md reads
cpSync(path.join(root, 'test', 'pretrained', 'fixtures', 'llama'), path.join(folder, 'SmolLM'), { recursive: true })
// what docs/data.md reads
writeFileSync(path.join(folder, 'churn.csv.gz'), gzipSync('age,plan,minutes,churned\n31,basic,12.5,no\n44,plus,,yes\n'))
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
  write(folder, made, `${name}.onnx`)
}
for (const { file, imported, body } of programs)
  writeFileSync(path.join(folder, `${file}.ts`), `import { ${[...imported].join(', ')} } from 'weftjs'\n${body}`)
const compilerOptions = {
  target: 'es2023',
  module: 'nodenext',
  strict: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  types: ['node'],
  outDir: 'out',
  rootDir: '.',
}
writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))

test('the pages have snippets', () => {
  assert.ok(programs.length >= 10, `${programs.length} programs`)
})

test('all snippets compile', () => {
  const { stdout, status } = spawnSync(process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], {
    encoding: 'utf8',
  })
  assert.is(status, 0, stdout)
})

for (const { name, file, body } of programs) {
  testWith(hasFashionMnist || !body.includes('datasets.fashionMnist'), 'dataset-fashion-mnist', `${name} runs`, () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [path.join('out', `${file}.js`)], { cwd: folder, encoding: 'utf8' })
    assert.is(status, 0, stdout.slice(-1000) + stderr)
  })
}

test.run()
