// What long work shows: on a pseudo terminal, in pipes, and in continuous integration.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as assert from 'uvu/assert'
import { test } from 'uvu'
import { Progress } from '../../lib/model/progress.js'
import { testWith } from '../skip.js'

const SCRIPT = '/usr/bin/script'
const hasTerminal = existsSync(SCRIPT)
const need = 'script of the package bsdutils'
const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-progress-'))
test.after(() => rmSync(folder, { recursive: true }))

const library = path.join(import.meta.dirname, '..', '..', 'lib')
/** `late()` is three seconds later at once. No other time passes, but for a microsecond whenever somebody asks. */
const HEAD = `
let now = 0
performance.now = () => (now += 0.001)
const late = () => { now += 3000 }
const weft = await import(${JSON.stringify(path.join(library, 'index.js'))})
const { sequential, layers, data, tensor } = weft
const net = sequential([layers.dense({ units: 1, inputShape: [1] })])
net.compile({ optimizer: 'sgd', loss: 'mse' })
const x = [[1], [2], [3], [4]], y = [1, 2, 3, 4]
const slow = () => data.generator(async function* () { for (let i = 0; i < 3; i++) { late(); yield { x: tensor([[1]]), y: tensor([1]) } } })
`

/** What each part of a program writes, to a terminal of 60 columns or to a pipe. */
function written(parts: readonly string[], { terminal, env = {} }: { terminal: boolean; env?: NodeJS.ProcessEnv }): string[] {
  const file = path.join(folder, 'program.mjs')
  writeFileSync(file, `${HEAD}${parts.map((part) => `{ ${part} }\nconsole.log('${MARK}')\n`).join('')}`)
  const command = `stty cols 60; exec '${process.execPath}' '${file}'`
  const options = { encoding: 'utf8', env: { ...process.env, CI: '', TERM: 'xterm', ...env } } as const
  const { stdout, stderr, status } = terminal
    ? spawnSync(SCRIPT, ['--quiet', '--return', '--command', command, '/dev/null'], options)
    : spawnSync(process.execPath, [file], options)
  assert.is(status, 0, `${stdout}${stderr}`)
  return stdout.replaceAll('\r\n', '\n').split(`${MARK}\n`).slice(0, parts.length)
}
const MARK = '--- next ---'
const CLEAR = '\r\u001b[K'
/** What stays on the screen: of a line that is drawn again, the last state. */
const screen = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf(CLEAR) < 0 ? 0 : line.lastIndexOf(CLEAR) + CLEAR.length))
    .join('\n')

testWith(hasTerminal, need, 'fit: a bar on a terminal; lines in continuous integration and pipes; nothing with 0', () => {
  const parts = ['await net.fit(slow(), { epochs: 1 })', 'await net.fit(slow(), { verbose: 0 })']
  const [terminal, silent] = written(parts, { terminal: true })
  assert.match(terminal!, /Epoch 1\/1\n.*1\/\? 0\.\d+\/s 9\.\ds loss: /s)
  assert.match(screen(terminal!), /^Epoch 1\/1\n3\/3 \[=+\] 9\.\ds loss: \S+\n$/)
  assert.is(silent, '')
  for (const env of [{ CI: 'true' }, { TERM: 'dumb' }])
    assert.match(written(parts, { terminal: true, env })[0]!, /^Epoch 1\/1 - 3 steps - 9\.\ds - loss: \S+\n$/)
})

testWith(hasTerminal, need, 'evaluate and predict: a bar while they take longer than two seconds, or as asked for', () => {
  for (const name of ['evaluate', 'predict']) {
    const call = (options: string): string => `await net.${name}(slow(), ${options})`
    const short = `await net.${name}(x${name === 'evaluate' ? ', y' : ''})`
    const [late, silent, asked, quick] = written([call('{}'), call('{ verbose: 0 }'), call("{ verbose: 'auto' }"), short], {
      terminal: true,
    })
    assert.match(late!, /1\/\? 0\.\d+\/s 9\.\ds/, name)
    assert.is(screen(late!), '', 'it is taken away')
    assert.is(silent, '', name)
    assert.match(screen(asked!), /^3\/3 \[=+\] 9\.\ds/, name)
    assert.is(quick, '', 'short work shows nothing')
    const wrong = 'await net.predict(x, { verbose: 3 }).catch(({ code }) => console.log(code))'
    const rows = 'await net.predict(x, { batchSize: 2, verbose: 2 })'
    const [none, line, rowLine, error] = written([call('{}'), call('{ verbose: 2 }'), rows, wrong], { terminal: false })
    assert.is(none, '', name)
    assert.match(line!, /^3 steps - 9\.\ds/, name)
    assert.match(rowLine!, /^2 steps - \S+s\n$/)
    assert.is(error, 'ERR_ARGUMENT\n')
  }
})

testWith(hasTerminal, need, 'searches: a bar over the trials, or a line for each candidate', () => {
  const rows = '[[1], [2], [3], [4.5]], [1, 2, 3, 4]'
  const entry = `globalThis.learn = await import(${JSON.stringify(path.join(library, 'learn', 'index.js'))})`
  const search = (options: string): string => `await learn.gridSearch(learn.ridge(), { alpha: [0.1, 1] }, ${options}).fit(${rows})`
  const halving = `await learn.halvingSearch(learn.ridge(), { alpha: [0.1, 1, 10, 99] }, { cv: 2, factor: 2, seed: 1 }).fit(
    Array.from({ length: 32 }, (_, i) => [i]), Array.from({ length: 32 }, (_, i) => i))`
  const folds = (options: string): string => `await learn.crossValScore(learn.ridge(), ${rows}, ${options})`
  const parts = [search('{ cv: 2 }'), search('{ cv: 2, verbose: 0 }'), halving, folds('{ cv: 2, verbose: 2 }'), folds('{ cv: 2 }')]
  const [, lines, none, rounds, scores, noScores] = written([entry, ...parts], { terminal: false })
  assert.match(
    lines!,
    /^gridSearch 1\/2 - \d\.\ds - \{ alpha: 0\.1 \} - score: \S+\ngridSearch 2\/2 - \d\.\ds - \{ alpha: 1 \} - score: \S+\n$/,
  )
  assert.is(none, '')
  assert.match(rounds!, /^halvingSearch 1\/4 on \d+ - .*halvingSearch 1\/2 on \d+ - /s)
  assert.match(scores!, /^crossValScore 1\/2 - \S+s - score: \S+\ncrossValScore 2\/2 - /)
  assert.is(noScores, '')
  // the bar of what is inside of a search does not tear that of the search
  const inner = `
    const build = () => { const own = sequential([layers.dense({ units: 1, inputShape: [1] })]); own.compile({ optimizer: 'sgd', loss: 'mse' }); return own }
    let owner = net
    while (!Object.hasOwn(owner, 'predict')) owner = Object.getPrototypeOf(owner)
    const { predict } = owner
    owner.predict = function (...args) { late(); return predict.apply(this, args) }
    await learn.gridSearch(learn.networkRegressor(build, { epochs: 1 }), { seed: [1, 2] }, { cv: 2 }).fit(${rows})`
  const [, bar, silent, nested] = written(
    [entry, search('{ cv: 2, scoring: () => (late(), 1) }'), search('{ cv: 2, verbose: 0 }'), inner],
    {
      terminal: true,
    },
  )
  assert.match(bar!, /1\/4 \[=+> +\] 0\.\d+\/s eta \d\.\ds gridSearch/)
  assert.match(screen(bar!), /^4\/4 \[=+\] 12s gridSearch - best score: 1\.0000\n$/)
  assert.is(silent, '')
  assert.match(screen(nested!), /^4\/4 \[=+\] \S+ gridSearch - best score: \S+\n$/)
})

testWith(hasTerminal, need, 'loads: what is loaded while it takes long, and nothing in pipes', () => {
  const place = JSON.stringify(path.join(folder, 'net'))
  // a file system on which opening a file takes a while, during which three seconds pass
  const slower = `
    await net.save(${place})
    const fs = (await import('node:fs/promises')).default
    const { open } = fs
    fs.open = async (...args) => { late(); await new Promise((resolve) => setTimeout(resolve, 150)); return await open(...args) }
    ;(await import('node:module')).syncBuiltinESMExports()`
  const load = (options: string): string => `await weft.loadModel(${place}, ${options})`
  const [, late, silent] = written([slower, load('{}'), load('{ verbose: 0 }')], { terminal: true })
  assert.match(late!, /loading \S+net \d+(\.\d)?s/)
  assert.is(screen(late!), '')
  assert.is(silent, '')
  const [, none, line] = written([slower, load('{}'), load('{ verbose: 2 }')], { terminal: false })
  assert.is(none, '')
  assert.match(line!, /^loading \S+net \d+(\.\d)?s\n$/)
})

test('a verbosity that is none is refused also where nothing is shown, on other ranks than the first', () => {
  assert.throws(() => new Progress('loud' as never, 1, false), /verbose must be 0, 1, 2 or 'auto', got 'loud'/)
  assert.throws(() => new Progress('loud' as never, 1), /verbose must be/)
})

test.run()
