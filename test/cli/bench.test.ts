// weftjs bench: rows and units, reports that can be compared, exit codes. No figure is judged: machines differ.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BenchReport } from '../../lib/cli/bench.js'

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
const scratch = mkdtempSync(path.join(tmpdir(), 'weft-bench-'))
test.after(() => rmSync(scratch, { recursive: true }))

function bench(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'bench', ...args], { encoding: 'utf8' })
  return { code: status, out: stdout, err: stderr }
}

test('every group has rows, with figures in its unit', () => {
  const { code, out, err } = bench('--quick', '--json')
  assert.is(code, 0, err)
  const report = JSON.parse(out) as BenchReport
  const units = new Map(report.rows.map(({ group, unit }) => [group, unit]))
  assert.equal(Object.fromEntries(units), { matmul: 'GFLOP/s', conv: 'GFLOP/s', lstm: 'µs/step', reduce: 'GB/s', fit: 'µs/step' })
  for (const row of report.rows) {
    assert.is(row.microseconds.length, 3, row.name)
    assert.ok(
      row.microseconds.every((time) => time > 0 && Number.isFinite(time)),
      row.name,
    )
    assert.ok(row.value > 0 && Number.isFinite(row.value), row.name)
  }
})

test('some groups only, as a table, compared with earlier reports', () => {
  const { out } = bench('reduce', 'matmul', '--quick', '--json')
  const report = JSON.parse(out) as BenchReport
  assert.equal([...new Set(report.rows.map(({ group }) => group))], ['matmul', 'reduce'])
  const file = path.join(scratch, 'before.json')
  const pretend = (microseconds: number): void => {
    const rows = report.rows.map((row) => ({ ...row, microseconds: row.microseconds.map(() => microseconds) }))
    writeFileSync(file, JSON.stringify({ ...report, rows }))
  }
  pretend(1e12)
  const faster = bench('reduce', '--quick', '--compare', file)
  assert.is(faster.code, 0, faster.err)
  assert.match(faster.out, /^reduce +softmax of .* GB\/s .* x the time before$/m)
  pretend(1e-9)
  const slower = bench('matmul', '--quick', '--compare', file)
  assert.is(slower.code, 1)
  assert.match(slower.out, /SLOWER/)
})

test('wrong usage: exit code 2, and what is right', () => {
  const unknown = bench('matmull')
  assert.is(unknown.code, 2)
  assert.match(unknown.err, /matmul, conv, lstm, reduce, fit/)
  assert.is(bench('--fast').code, 2)
  const file = path.join(scratch, 'other.json')
  for (const text of ['{', '{"rows":[{}]}', '[]', 'null']) {
    writeFileSync(file, text)
    assert.is(bench('reduce', '--quick', '--compare', file).code, 2, text)
  }
  assert.is(bench('reduce', '--quick', '--compare', path.join(scratch, 'none.json')).code, 2)
  const elsewhere = { name: 'Abacus', quick: true, rows: [{ group: 'reduce', name: 'sum', unit: 'GB/s', value: 1, microseconds: [1] }] }
  writeFileSync(file, JSON.stringify(elsewhere))
  const other = bench('reduce', '--quick', '--compare', file)
  assert.is(other.code, 2)
  assert.match(other.err, /Abacus/)
})

test.run()
