// Commands, JSON and YAML in the guides: every block parses; commands, options, scripts and files that it names exist;
// and what needs neither a network nor a server is run.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAllDocuments } from 'yaml'
import { layers, sequential } from '../../lib/index.js'
import { type Block, blocksOf, pages, root } from './pages.js'

/** Languages that a block may be in: those that the tests know what to do with. */
const LANGUAGES = ['ts', 'js', 'sh', 'json', 'yaml', 'text']
const blocks = [...pages, 'CONTRIBUTING.md'].flatMap(blocksOf)
const place = ({ page, line }: Block): string => `${page}:${line}`
const ofLanguage = (language: string): Block[] => blocks.filter((block) => block.language === language)

test('every block says its language', () => {
  assert.equal(
    blocks.filter(({ language }) => !LANGUAGES.includes(language)).map((block) => `${place(block)} '${block.language}'`),
    [],
    `one of ${LANGUAGES.join(', ')}`,
  )
})

test('JSON and YAML parse', () => {
  for (const block of ofLanguage('json')) assert.not.throws(() => JSON.parse(block.code), place(block))
  for (const block of ofLanguage('yaml'))
    for (const { errors } of parseAllDocuments(block.code)) assert.equal(errors.map(String), [], place(block))
})

/** Single commands of a block: without comments, assignments before them, and what joins them. */
function commandsOf({ code }: Block): string[] {
  return code
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#\s.*$/, '').trim())
    .flatMap((line) => line.replace(/^[\d* ]+(?=npx)/, '').split(/ && | \|\| | ; | & ?$/))
    .map((command) => command.replace(/^(?:[A-Z_]+=(?:'[^']*'|\S*) )+/, '').trim())
    .filter((command) => command !== '')
}
const commands = ofLanguage('sh').flatMap((block) => commandsOf(block).map((command) => ({ block, command, words: command.split(/\s+/) })))

/** A line of crontab is a command behind five fields. */
const shell = (code: string): string => code.replaceAll(/^[\d*]+ [\d*]+ \* \* \* /gm, '')

test('commands parse', () => {
  for (const block of ofLanguage('sh')) {
    const { status, stderr } = spawnSync('bash', ['-n'], { input: shell(block.code), encoding: 'utf8' })
    assert.is(status, 0, `${place(block)}: ${stderr}`)
  }
})

const weftjs = path.join(root, 'dist', 'lib', 'cli', 'weftjs.js')
const files = new Set(readdirSync(path.dirname(weftjs)))
/** The usage of a command, with its options; '' where there is none. */
async function usageOf(name: string): Promise<string> {
  const file = `${name.replaceAll('-', '_')}.js`
  if (!files.has(file)) return ''
  const { usage } = (await import(path.join(path.dirname(weftjs), file))) as { usage?: string }
  return usage ?? ''
}

test('commands of weftjs exist, with their options', async () => {
  const inText = pages.flatMap((page) =>
    [...readFileSync(path.join(root, page), 'utf8').matchAll(/`npx weftjs ([^`]*)`/g)].map(([, rest]) => ({
      where: page,
      words: rest!.split(/\s+/),
    })),
  )
  const inBlocks = commands
    .filter(({ words }) => words[0] === 'npx' && words[1] === 'weftjs')
    .map(({ block, words }) => ({ where: place(block), words: words.slice(2) }))
  assert.ok(inBlocks.length > 10, 'the guide has commands')
  for (const { where, words } of [...inText, ...inBlocks]) {
    const usage = await usageOf(words[0]!)
    assert.is.not(usage, '', `${where}: there is no command 'weftjs ${words[0]}'`)
    // what stands behind a program is the program's own
    const program = words.findIndex((word) => /\.m?js$/.test(word))
    for (const word of words.slice(1, program < 0 ? undefined : program)) {
      const [option] = /^--[a-z][a-z-]*/.exec(word) ?? []
      if (option) assert.match(usage, new RegExp(`${option}(?![a-z-])`), `${where}: weftjs ${words[0]} has no ${option}`)
    }
  }
})

test('scripts and files exist', () => {
  const scripts = ['.', 'native/kernel_template'].flatMap((folder) =>
    Object.keys((JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as { scripts: object }).scripts),
  )
  for (const { block, command, words } of commands) {
    const [program, second, third] = words
    const where = `${place(block)}: ${command}`
    if (program === 'npm' && second === 'run') assert.ok(scripts.includes(third!), `${where}: no such script`)
    if (program === 'npm' && (second === 'start' || second === 'test')) assert.ok(scripts.includes(second), where)
    const named = words.filter((word) => /^(node_modules\/weftjs\/|scripts\/|test\/|bench\/|lib\/|deploy\/)/.test(word))
    for (const word of named) {
      const file = word.replace('node_modules/weftjs/', '')
      if (!/[<>$*]/.test(file)) assert.ok(existsSync(path.join(root, file)), `${where}: there is no ${file}`)
    }
  }
})

/** What needs neither a network nor a server nor another program's state. */
const RUN = /^(openssl |npx weftjs (kernel new|key|publish|backup|restore|convert) |node -e )/

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-commands-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

for (const page of new Set(commands.filter(({ command }) => RUN.test(command)).map(({ block }) => block.page))) {
  test(`commands of ${page} run`, async () => {
    const cwd = path.join(folder, page.replaceAll(/\W/g, '_'))
    mkdirSync(path.join(cwd, 'node_modules', '.bin'), { recursive: true })
    symlinkSync(root, path.join(cwd, 'node_modules', 'weftjs'))
    // what the commands are given
    const net = sequential([layers.dense({ units: 2, inputShape: [3], name: 'first' })])
    await net.save(path.join(cwd, 'trained'))
    await net.save(path.join(cwd, 'var', 'lib', 'weft-models', 'first', '1'))
    copyFileSync(path.join(root, 'test', 'io', 'keras', 'two.keras'), path.join(cwd, 'model.keras'))
    for (const { block, command } of commands) {
      if (block.page !== page || !RUN.test(command)) continue
      // absolute paths are taken to be below the folder of the test
      const line = command.replaceAll(/ \/(?=\w)/g, ' ./').replace(/^npx weftjs/, `"${process.execPath}" "${weftjs}"`)
      const { status, stdout, stderr } = spawnSync('bash', ['-c', line], { cwd, encoding: 'utf8', timeout: 600_000 })
      assert.is(status, 0, `${place(block)}: ${command}\n${stdout.slice(-1000)}${stderr.slice(-2000)}`)
    }
  })
}

test.run()
