// The examples in a short form: each runs, and does better than always naming the commonest class.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasFashionMnist, testWith } from '../skip.js'

const folder = path.join(import.meta.dirname, '..', '..', 'examples')

function run(name: string, args: string[], env: NodeJS.ProcessEnv = {}): { output: string; errors: string; status: number | null } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [path.join(folder, `${name}.js`), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return { output: stdout, errors: stderr, status }
}

/** Accuracy and baseline that the example prints in its last line. */
function figures(output: string): [number, number] {
  const found = /test accuracy (\S+) \(always the commonest class: (\S+)\)\n$/.exec(output)
  assert.ok(found, output)
  return [Number(found[1]), Number(found[2])]
}

const short: { name: string; args: string[]; least: number; fashion?: boolean }[] = [
  { name: 'digits-cnn', args: ['--epochs', '3', '--limit', '900', '--quiet'], least: 0.8 },
  { name: 'serve-digits', args: ['--epochs', '5', '--limit', '900', '--quiet'], least: 0.8 },
  { name: 'mlp', args: ['--epochs', '3', '--limit', '900'], least: 0.8 },
  { name: 'fashion-cnn', args: ['--epochs', '1', '--limit', '2000'], least: 0.6, fashion: true },
  { name: 'fashion-pooling', args: ['--epochs', '1', '--limit', '2000'], least: 0.6, fashion: true },
]
for (const { name, args, least, fashion = false } of short) {
  testWith(!fashion || hasFashionMnist, 'the package dataset-fashion-mnist', `${name} ${args.join(' ')}`, () => {
    const { output, errors, status } = run(name, args)
    assert.is(status, 0, errors)
    assert.is(errors, '')
    const [accuracy, baseline] = figures(output)
    assert.ok(accuracy >= least && accuracy > 2 * baseline, `accuracy ${accuracy}, baseline ${baseline}`)
  })
}

test('births-lstm --epochs 10 --limit 1500 forecasts better than the week before', () => {
  const { output, errors, status } = run('births-lstm', ['--epochs', '10', '--limit', '1500', '--quiet'])
  assert.is(status, 0, errors)
  assert.is(errors, '')
  const found = /test RMSE (\S+) births a day \(as a week before: (\S+), as the day before: (\S+)\)\n$/.exec(output)
  assert.ok(found, output)
  const [error, week, day] = found.slice(1).map(Number) as [number, number, number]
  assert.ok(error < week && week < day, `${error}, ${week}, ${day}`)
})

test('spam-lstm --epochs 2 --limit 1000 learns, beside its baseline', () => {
  const { output, errors, status } = run('spam-lstm', ['--epochs', '2', '--limit', '1000', '--quiet'])
  assert.is(status, 0, errors)
  assert.is(errors, '')
  const found = /test accuracy (\S+), of a logistic regression on TF-IDF (\S+) \(always the commonest class: (\S+)\)\n$/.exec(output)
  assert.ok(found, output)
  const [accuracy, regression, commonest] = found.slice(1).map(Number) as [number, number, number]
  assert.ok(accuracy > commonest + 0.05, `accuracy ${accuracy}, the commonest class ${commonest}`)
  assert.ok(regression > 0.9, `logistic regression ${regression}`)
})

testWith(hasFashionMnist, 'the package dataset-fashion-mnist', 'transfer --epochs 1 --limit 1500 learns digits from few', () => {
  const { output, errors, status } = run('transfer', ['--epochs', '1', '--limit', '1500', '--quiet'])
  assert.is(status, 0, errors)
  assert.is(errors, '')
  const found =
    /a new head alone: (\S+)\ntest accuracy (\S+), from scratch (\S+), logistic regression (\S+) \(always the commonest class: (\S+)\)\n$/.exec(
      output,
    )
  assert.ok(found, output)
  const [frozen, accuracy, scratch, linear, commonest] = found.slice(1).map(Number) as [number, number, number, number, number]
  for (const one of [frozen, accuracy, scratch, linear]) assert.ok(one > 4 * commonest && one < 1, output)
  assert.ok(accuracy > scratch - 0.1, output)
})

test('mlp prints Loss and Accuracy', () => {
  const { output } = run('mlp', ['--epochs', '1', '--limit', '300', '--quiet'])
  assert.match(output, /^Loss: \d\.\d+\nAccuracy: 0\.\d+\n/)
})

test('char-gpt --epochs 2 --limit 30000 learns the commonest sequences and writes', () => {
  const { output, errors, status } = run('char-gpt', ['--epochs', '2', '--limit', '30000', '--quiet'])
  assert.is(status, 0, errors)
  assert.is(errors, '')
  const found = /^It was a .{300}\n\ntest bits per character (\S+) \(5-gram model: (\S+)\)\n$/s.exec(output)
  assert.ok(found, output)
  // counting single characters takes 4.5 bits; the counts of 5-grams are ahead until the whole book is read several
  // times
  const [bits, baseline] = [Number(found[1]), Number(found[2])]
  assert.ok(bits < 4 && bits > 2, `${bits} bits per character`)
  assert.ok(baseline < 3 && baseline > 2, `5-gram model: ${baseline}`)
})

test('without its data an example says which files it looked for', () => {
  const empty = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
  const { output, errors, status } = run('cifar-cnn', ['--limit', '50', '--epochs', '1', '--quiet'], {
    WEFT_DATA: empty,
    HOME: empty,
    XDG_CACHE_HOME: empty,
  })
  if (status === 0) figures(output)
  else assert.match(errors, /data_batch_1\.bin/)
  rmSync(empty, { recursive: true })
})

test('options that are wrong end with the usage', () => {
  for (const args of [
    ['--epochs', 'many'],
    ['--epoch', '3'],
    ['--limit', '0'],
  ]) {
    const { status, errors } = run('mlp', args)
    assert.is(status, 2)
    assert.match(errors, /Usage:/)
  }
})

test.run()
