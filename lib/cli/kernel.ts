// weftjs kernel new: a folder with an operation whose kernel is C++, its build, its test and its bench.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { makeFolder } from '../core/make_folder.js'
import { show } from '../core/options.js'
import { systemError } from '../core/system_error.js'
import { parse, UsageError } from './command.js'

export const usage = 'kernel new <name> [--dir <folder>]'
export const summary = 'writes a folder with an operation of your own whose kernel is C++: it builds, and has a test and a bench'

/** The operation of the template, whose name stands in its files and their names. */
const TEMPLATE = 'my_op'
const source = path.join(import.meta.dirname, '..', '..', '..', 'native', 'kernel_template')

/** Names that a function, a namespace member or a file of the folder cannot have. */
const WORDS: ReadonlySet<string> = new Set(
  (
    'auto bench bool break build case catch char class const continue debugger default delete do double else enum eval export extends false ' +
    'float for function goto if import in inline int interface let long namespace new null operator package private protected public ' +
    'register return short signed sizeof static struct super switch template test this throw true try typedef typeof union unsigned using ' +
    'var virtual void volatile while with yield await async of'
  ).split(' '),
)

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({ args, options: { dir: { type: 'string' } }, allowPositionals: true })
  const [action, name] = positionals
  if (action !== 'new' || name === undefined || positionals.length > 2) throw new UsageError('kernel new takes the name of the operation')
  // the name is one of C++, of JavaScript, of a package and of files
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(name))
    throw new WeftError('ERR_ARGUMENT', `kernel new: a name has small letters, digits and _, and begins with a letter; got ${show(name)}`)
  if (WORDS.has(name)) throw new WeftError('ERR_ARGUMENT', `kernel new: '${name}' is a word of C++ or JavaScript, or a file of the folder`)
  const folder = path.resolve(values.dir ?? name)
  try {
    await makeFolder(folder)
    if (readdirSync(folder).length > 0)
      throw new WeftError('ERR_STATE', `kernel new: the folder ${folder} is not empty`, { hint: 'Name another one with --dir' })
    for (const file of readdirSync(source)) {
      const text = readFileSync(path.join(source, file), 'utf8').replaceAll(TEMPLATE, name)
      writeFileSync(path.join(folder, file.replaceAll(TEMPLATE, name)), text, { flag: 'wx' })
    }
  } catch (error) {
    throw systemError(`kernel new: ${folder} cannot be written`, error, 'ERR_ARGUMENT')
  }
  console.log(`${folder} has the operation ${name}. Next:\n  cd ${values.dir ?? name} && npm install && npm run build && npm test`)
  return 0
}
