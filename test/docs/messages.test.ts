// The tables of messages in the guide: a call in the first column fails with the message of the second, word for word;
// '...' stands for what varies. The calls refer to what docs/errors.md declares.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as weft from '../../lib/index.js'
import { blocksOf, pages, textOf } from './pages.js'

const SETUP = blocksOf('docs/errors.md').filter(({ language }) => language === 'ts')[1]!.code
const Program = (async () => {}).constructor as new (...parts: string[]) => (...values: unknown[]) => Promise<unknown>

interface Row {
  readonly page: string
  readonly call: string
  readonly message: string
}

/** Rows of tables whose header is | call | message | ... or | call | error |. */
function rowsOf(page: string): Row[] {
  const rows: Row[] = []
  let inTable = false
  for (const line of textOf(page).split('\n')) {
    if (/^\| call \| (message|error) \|/.test(line)) inTable = true
    else if (!line.startsWith('|')) inTable = false
    const found = inTable && /^\| `([^`]*)` \| `([^`]*)` \|/.exec(line)
    if (found) rows.push({ page, call: found[1]!, message: found[2]! })
  }
  return rows
}

/** Whether a message is what the guide says. */
function matches(message: string, written: string): boolean {
  const parts = written.split('...').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[\\s\\S]*?')}$`).test(message)
}

const rows = pages.flatMap(rowsOf)

test('there are tables of messages', () => {
  assert.ok(rows.length >= 40, `${rows.length} rows`)
})

test('each call fails with its message', async () => {
  const wrong: string[] = []
  const names = Object.keys(weft)
  for (const { page, call, message } of rows) {
    const program = new Program(...names, `${SETUP}\nreturn await (${call})`)
    try {
      await program(...Object.values(weft))
      wrong.push(`${page}: ${call} does not fail`)
    } catch (error) {
      const { code, message: got } = error as { code?: string; message: string }
      if (!code?.startsWith('ERR_')) wrong.push(`${page}: ${call} gives ${String(error)}`)
      else if (!matches(got, message)) wrong.push(`${page}: ${call}\n  says   ${got}\n  not    ${message}`)
    }
  }
  assert.equal(wrong, [], wrong.join('\n'))
})

test('every code of errors is in its chapter', () => {
  const chapter = textOf('docs/errors.md')
  const codes = /interface ErrorCodes \{([\s\S]*?)\n\}/.exec(textOf('lib/core/error.ts'))![1]!
  for (const [code] of codes.matchAll(/ERR_\w+/g)) assert.match(chapter, `| \`${code}\` |`)
})

test.run()
