// The examples of classical models run, and do better than their baselines.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const folder = path.join(import.meta.dirname, '..', '..', 'examples')

function run(name: string): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [path.join(folder, `${name}.js`)], { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  assert.is(stderr, '')
  return stdout
}

test('linear explains half of the variance', () => {
  const output = run('linear')
  const found = /R² (\S+)\ntest RMSE (\S+), with ridge (\S+) \(always the mean: (\S+)\)\n$/.exec(output)
  assert.ok(found, output)
  const [share, error, penalized, always] = found.slice(1).map(Number) as [number, number, number, number]
  assert.ok(share > 0.3 && error < 0.85 * always && penalized < 0.85 * always, output)
})

for (const [name, least] of [
  ['logistic', 0.95],
  ['svc', 0.93],
] as const)
  test(`${name} does far better than the commonest class`, () => {
    const output = run(name)
    const found = /test accuracy (\S+) \(always the commonest class: (\S+)\)\n$/.exec(output)
    assert.ok(found, output)
    const [accuracy, baseline] = found.slice(1).map(Number) as [number, number]
    assert.ok(accuracy >= least && accuracy > baseline + 0.2, output)
  })
test.run()
