// What is told again of failures at the end of a long output.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const { failedTests, lastLines } = (await import(path.join(import.meta.dirname, '../../test/failures.mjs'))) as {
  failedTests(output: string): string[]
  lastLines(output: string, lines?: number): string[]
}

/** As uvu prints them. */
const OUTPUT = `• ✘ ✘   (1 / 3)

   FAIL  "bad values"
    Expected values to be deeply equal:  (equal)

        ++2   (Expected)
        --1   (Actual)

    at assert (file:///weft/node_modules/uvu/assert/index.mjs:33:8)
    at Object.handler (file:///weft/dist/test/ops/softmax.test.js:4:33)


   FAIL  layers  "throws"
    line one
line two
    line two
    at Object.handler (file:///weft/dist/test/ops/softmax.test.js:5:30)


  Total:     3
  Passed:    1
  Skipped:   0
  Duration:  12.00ms

a warning at the end
`

test('each failed test: its name, its message, and its line', () => {
  assert.equal(failedTests(OUTPUT), [
    'FAIL  "bad values"',
    '  Expected values to be deeply equal:  (equal)',
    '      ++2   (Expected)',
    '      --1   (Actual)',
    '  at Object.handler (file:///weft/dist/test/ops/softmax.test.js:4:33)',
    'FAIL  layers  "throws"',
    '  line one',
    'line two',
    '  line two',
    '  at Object.handler (file:///weft/dist/test/ops/softmax.test.js:5:30)',
  ])
  assert.equal(failedTests('• • ✘ '), [])
  const long = `   FAIL  "x"\n${'    y\n'.repeat(100)}    at z (file:///weft/dist/test/x.js:1:1)\n`
  assert.is(failedTests(long).length, 8)
})

test('the end of an output that breaks off', () => {
  assert.equal(lastLines('one\n\ntwo\nthree\n\n', 2), ['two', 'three'])
  assert.equal(lastLines(`${'x'.repeat(500)}\n`), [`${'x'.repeat(300)}...`])
})

test.run()
