// The status line: never wider than the terminal, and not torn by what the program writes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { StatusLine } from '../../lib/core/status_line.js'

/** What is written to standard output meanwhile. */
function written(run: () => void, columns = 12): string {
  const { stdout } = process
  const [write, width] = [stdout.write, stdout.columns]
  let all = ''
  stdout.columns = columns
  stdout.write = ((text: string | Uint8Array) => {
    all += typeof text === 'string' ? text : Buffer.from(text).toString()
    return true
  }) as typeof stdout.write
  const ours = stdout.write
  try {
    run()
    assert.is(stdout.write, ours, 'the stream is as it was')
  } finally {
    stdout.write = write
    stdout.columns = width
  }
  return all
}
const CLEAR = '\r\u001b[K'

test('it is drawn over itself, cut to the terminal, and left behind as a line', () => {
  const all = written(() => {
    const line = new StatusLine()
    line.show('one')
    line.show('a text of many columns')
    line.end('done, whole as it is')
  })
  assert.is(all, `${CLEAR}one${CLEAR}a text of m${CLEAR}done, whole as it is\n`)
})

test('lines of the program stand above it', () => {
  const all = written(() => {
    const line = new StatusLine()
    line.show('bar')
    process.stdout.write('hello\n')
    process.stdout.write(Buffer.from('bytes\n'))
    line.clear()
    line.clear()
  })
  assert.is(all, `${CLEAR}bar${CLEAR}hello\n${CLEAR}bar${CLEAR}bytes\n${CLEAR}bar${CLEAR}`)
})

test('a part of a line is not written over', () => {
  const all = written(() => {
    const line = new StatusLine()
    line.show('bar')
    process.stdout.write('half ')
    process.stdout.write('of it')
    line.show('more')
    line.clear()
  })
  assert.is(all, `${CLEAR}bar${CLEAR}half of it\nmore${CLEAR}`)
})

test.run()
