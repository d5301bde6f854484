// weftjs bench: rows and units, reports that can be compared, exit codes. No figure is judged: machines differ.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BenchReport } from '../../lib/cli/bench.js'
import { type AllReduceReport, alphaBeta, modelled } from '../../lib/cli/bench_ranks.js'
import { FAMILIES } from '../distributed/launch.js'
import { testWith } from '../skip.js'

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
const scratch = mkdtempSync(path.join(tmpdir(), 'weft-bench-'))
test.after(() => rmSync(scratch, { recursive: true }))

function bench(...args: string[]): { code: number | null; out: string; err: string } {
  return benchIn({}, ...args)
}

function benchIn(environment: NodeJS.ProcessEnv, ...args: string[]): ReturnType<typeof bench> {
  const env = { ...process.env, ...environment }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'bench', ...args], { encoding: 'utf8', env })
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

test('allReduce: what makes no sense is said, with what to write', () => {
  for (const [args, words] of [
    [['allReduce'], /this process is alone. Write npx weftjs bench allReduce -n 2/],
    [['allReduce', '-n', '1'], /-n is a whole number of at least 2, got '1'/],
    [['allReduce', 'matmul'], /bench allReduce is measured alone/],
    [['allReduce', '--compare', 'x.json'], /--compare compares rows of the device/],
    [['matmul', '-n', '2'], /-n belongs to bench allReduce/],
  ] as const) {
    const { code, err } = bench(...args)
    assert.is(code, 2, err)
    assert.match(err, words)
  }
})

test('allReduce: the two numbers of the model come out of its own times', () => {
  for (const ranks of [2, 4, 6]) {
    const given = { alpha: 12, beta: 0.004 }
    const times = [4, 1000, 1e6, 1e8].map((bytes) => ({ bytes, microseconds: modelled(ranks, bytes, given) }))
    const found = alphaBeta(ranks, times)
    assert.ok(Math.abs(found.alpha / given.alpha - 1) < 1e-6 && Math.abs(found.beta / given.beta - 1) < 1e-6, JSON.stringify(found))
  }
  // a disturbed short message, or a disturbed long one: no number is negative, and the other is the best alone
  const error = (times: { bytes: number; microseconds: number }[], found: { alpha: number; beta: number }) =>
    times.reduce((sum, { bytes, microseconds }) => sum + (modelled(2, bytes, found) / microseconds - 1) ** 2, 0)
  for (const microseconds of [
    [90, 70, 60],
    [10, 100, 1000],
  ]) {
    const times = microseconds.map((us, i) => ({ bytes: 1000 * 2 ** i, microseconds: us }))
    const found = alphaBeta(2, times)
    assert.is(Math.min(found.alpha, found.beta), 0)
    assert.ok(Math.max(found.alpha, found.beta) > 0)
    for (const factor of [0.99, 1.01])
      assert.ok(error(times, found) < error(times, { alpha: found.alpha * factor, beta: found.beta * factor }))
  }
  // 2 messages each way, and 3/2 of the bytes of one rank
  assert.is(modelled(4, 1000, { alpha: 1, beta: 0 }), 4)
  assert.is(modelled(4, 1000, { alpha: 0, beta: 1 }), 1500)
})

for (const { name, command, found, package: brought } of FAMILIES)
  testWith(found, brought, `allReduce: two ranks of ${name} give rows, and rank 0 alone prints them`, () => {
    const environment = { WEFT_MPIRUN: command, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }
    const { code, out, err } = benchIn(environment, 'allReduce', '-n2', '--quick', '--json')
    assert.is(code, 0, err)
    const report = JSON.parse(out) as AllReduceReport
    assert.is(report.engine, 'mpi')
    assert.match(report.library!, name)
    assert.is(report.hosts.length, 2)
    assert.equal(report.rows[0]!.bytes, 4)
    for (const { microseconds, model } of report.rows)
      assert.ok(model > 0 && microseconds.length === 3 && microseconds.every((us) => us > 0))
    // beside other work a short message may take as long as a long one
    assert.ok(Math.min(report.beta, report.alpha) >= 0 && Math.max(report.beta, report.alpha) > 0)
  })

test.run()
