// One family of operations has one base name on all sides: lib/ops/<family>.ts, native/cpu/kernels/<family>.cc,
// cuda/kernels/**/<family>.cu and test/ops/<family>.test.ts. A kernel file may be a part of its family:
// <family>_<part>. A family whose rows stand with those of another says so in the second line of its file in lib/ops:
// "// Tested in test/ops/recurrent.test.ts."
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = path.join(import.meta.dirname, '..', '..', '..')
const names = (folder: string, ending: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(ending))
const text = (...parts: string[]): string => readFileSync(path.join(root, ...parts), 'utf8')

const families = names('lib/ops', '.ts').map((file) => file.slice(0, -3))
/** Kernels that serve operations of several families. */
const SHARED: Readonly<Record<string, string>> = {
  strided: 'copies of values in another order: transpose, slice, concat, pad and others',
}

/** The family whose name the file begins with, the longest of them. */
function familyOf(file: string): string | undefined {
  const base = path.basename(file).replace(/\.\w+$/, '')
  return families.filter((name) => base === name || base.startsWith(`${name}_`)).sort((a, b) => b.length - a.length)[0]
}

const backends = [
  { backend: 'cpu', folder: 'native/cpu/kernels', ending: '.cc' },
  { backend: 'cuda', folder: 'cuda/kernels', ending: '.cu' },
]

for (const { backend, folder, ending } of backends) {
  test(`each ${backend} kernel file belongs to a family of lib/ops, which has its operations and its tests`, () => {
    const wrong: string[] = []
    for (const file of names(folder, ending)) {
      const made = [...text(folder, file).matchAll(new RegExp(`^KERNEL\\(${backend}, (\\w+)\\)`, 'gm'))].map(([, name]) => name!)
      const family = familyOf(file)
      if (made.length === 0 || path.basename(file, ending) in SHARED) continue
      if (family === undefined) {
        wrong.push(`${folder}/${file} makes ${made.join(', ')}, and there is no such file in lib/ops`)
        continue
      }
      const declared = text('lib/ops', `${family}.ts`)
      for (const name of made)
        if (!declared.includes(`'${name}'`)) wrong.push(`${folder}/${file} makes ${name}, which lib/ops/${family}.ts does not declare`)
      const tests = /^\/\/ Tested in (test\/ops\/\w+\.test\.ts)\.$/.exec(declared.split('\n')[1]!)?.[1] ?? `test/ops/${family}.test.ts`
      if (!existsSync(path.join(root, tests))) wrong.push(`${folder}/${file}: ${tests} is missing`)
      else if (!made.some((name) => text(tests).includes(name.replace(/Grad$/, ''))))
        wrong.push(`${tests} tests none of ${made.join(', ')}`)
    }
    assert.equal(wrong, [])
  })
}

test('the options of each operation have a name in the package', () => {
  // the entry weftjs/compress exports quantized.ts as a whole
  const index = text('lib/ops', 'index.ts') + text('lib/ops', 'quantized.ts')
  const wrong = families.flatMap((family) => {
    if (family === 'quantized') return []
    const options = [...text('lib/ops', `${family}.ts`).matchAll(/^export (?:interface|type) (\w+Options)\b/gm)].map(([, name]) => name!)
    if (index.includes(`export * from './${family}.js'`)) return []
    return options.filter((name) => !new RegExp(`\\btype ${name}\\b|^export type \\{[^}]*\\b${name}\\b`, 'm').test(index))
  })
  assert.equal(wrong, [], 'export these types from lib/ops/index.ts')
})

test('a type of the kernels is defined once: two of one name would be taken for each other by the linker', () => {
  for (const folder of ['cuda', 'native']) {
    const places = new Map<string, string[]>()
    for (const ending of ['.h', '.cuh', '.cc', '.cu'])
      for (const file of names(folder, ending)) {
        // what stands in a namespace without a name is the file's own; lines of namespaces are not indented
        let own = false
        let space = ''
        for (const line of text(folder, file).split('\n')) {
          space = /^namespace (\S+) \{/.exec(line)?.[1] ?? space
          if (/^namespace \{/.test(line)) own = true
          else if (/^\} {2}\/\/ namespace$/.test(line)) own = false
          const name = own ? undefined : /^(?:template <.*> )?(?:struct|class|union) (\w+)(?: final)?(?: :[^:].*)? \{/.exec(line)?.[1]
          if (name !== undefined) places.set(`${space}::${name}`, [...(places.get(`${space}::${name}`) ?? []), file])
        }
      }
    assert.ok(places.size > 20, folder)
    assert.equal(
      [...places].filter(([, files]) => new Set(files).size > 1),
      [],
      'give one of them another name, or put it into a namespace without a name',
    )
  }
})

test.run()
