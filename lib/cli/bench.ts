// weftjs bench: how fast the current device is, and whether it was faster before.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { packageVersion } from '../core/version.js'
import type { Group, Row, Unit } from './bench_rows.js'
import { parse, UsageError } from './command.js'

export const usage =
  'bench [matmul|conv|lstm|reduce|fit] [--quick] [--json] [--compare file], or bench allReduce [-n <ranks>] [--engine <name>] [--quick] [--json]'
export const summary =
  'times the current device; with an earlier --json output, says what became slower. allReduce: times exchanges between ranks'

/** A row slower than before by more than this fails; machines drift by less. */
const TOLERATED = 1.25

export interface BenchRow {
  group: Group
  name: string
  unit: Unit
  /** In `unit`, of the median round: more is better, but for µs/step. */
  value: number
  /** Per call: of every round, in order. */
  microseconds: number[]
}

export interface BenchReport {
  version: string
  device: string
  name: string
  quick: boolean
  rows: BenchRow[]
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

/** Times a row: rounds of about `milliseconds` each, after a warm-up that also finds out how many calls these are. */
async function measure(row: Row, rounds: number, milliseconds: number): Promise<BenchRow> {
  const running = await row.start()
  const timed = async (count: number): Promise<number> => {
    const begin = performance.now()
    await running.run(count)
    return performance.now() - begin
  }
  try {
    await running.run(3) // the first runs of a program load and record it
    let count = 1
    for (let elapsed = await timed(count); elapsed < milliseconds / 2 && count < 1 << 20; elapsed = await timed(count)) {
      count = Math.ceil(count * Math.min(16, Math.max(1.5, milliseconds / Math.max(elapsed, 1e-3))))
    }
    const microseconds: number[] = []
    for (let round = 0; round < rounds; round++) microseconds.push(((await timed(count)) * 1000) / count)
    const typical = median(microseconds)
    return {
      group: row.group,
      name: row.name,
      unit: row.unit,
      value: row.unit === 'µs/step' ? typical : row.work / typical / 1000,
      microseconds,
    }
  } finally {
    running.stop()
  }
}

/** The report in a file that --json wrote. */
function readReport(file: string): BenchReport {
  let report: BenchReport
  try {
    report = JSON.parse(readFileSync(file, 'utf8')) as BenchReport
  } catch (error) {
    throw new UsageError(`--compare ${file}: ${(error as Error).message}. It takes a file that weftjs bench --json wrote`)
  }
  const sound = Array.isArray(report?.rows) && report.rows.every((row) => typeof row?.name === 'string' && row.microseconds?.length > 0)
  if (!sound) throw new UsageError(`--compare ${file}: no rows in it. It takes a file that weftjs bench --json wrote`)
  return report
}

const format = (value: number): string => value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0)

/** A line of the table. */
function line(row: BenchRow, ratio: number | undefined): string {
  const change = ratio === undefined ? '' : `  ${ratio.toFixed(2)} x the time before${ratio > TOLERATED ? ': SLOWER' : ''}`
  return `${row.group.padEnd(8)}${row.name.padEnd(58)}${format(row.value).padStart(9)} ${row.unit.padEnd(8)}${change}`.trimEnd()
}

interface AllReduceValues {
  json?: boolean | undefined
  quick?: boolean | undefined
  compare?: string | undefined
  n?: string | undefined
  engine?: string | undefined
}

/** This command as ranks of this machine, whose output is that of rank 0. */
async function startedAsRanks(ranks: number, args: readonly string[]): Promise<number> {
  const { mpirunArguments, needMpirun } = await import('../distributed/mpirun.js')
  const mpirun = needMpirun()
  const threads = String(Math.max(1, Math.floor(os.availableParallelism() / ranks)))
  const variables: Record<string, string> = process.env['WEFT_THREADS'] === undefined ? { WEFT_THREADS: threads } : {}
  const program = [process.execPath, path.join(import.meta.dirname, 'weftjs.js'), 'bench', ...args]
  const parts = mpirunArguments(mpirun, { ranks, hosts: undefined, variables, program }, {})
  const { status, error } = spawnSync(
    mpirun.command,
    parts.filter((part) => part !== '--tag-output' && part !== '-prepend-rank'),
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  if (error) throw error
  return status ?? 1
}

/** With -n: starts itself as ranks. */
async function allReduce(values: AllReduceValues, positionals: readonly string[], args: readonly string[]): Promise<number> {
  if (positionals.length > 1) throw new UsageError('bench allReduce is measured alone')
  if (values.compare !== undefined) throw new UsageError('bench allReduce: --compare compares rows of the device')
  if (values.n !== undefined) {
    const ranks = Number(values.n)
    if (!Number.isInteger(ranks) || ranks < 2)
      throw new UsageError(`bench allReduce: -n is a whole number of at least 2, got '${values.n}'`)
    return startedAsRanks(ranks, [
      'allReduce',
      ...args.filter((arg) => arg === '--quick' || arg === '--json'),
      ...(values.engine === undefined ? [] : ['--engine', values.engine]),
    ])
  }
  const { benchAllReduce } = await import('./bench_ranks.js')
  const { engine, json = false, quick = false } = values
  return benchAllReduce(packageVersion(), { quick, json, ...(engine === undefined ? {} : { engine }) })
}

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    options: {
      json: { type: 'boolean' },
      quick: { type: 'boolean' },
      compare: { type: 'string' },
      n: { type: 'string', short: 'n' },
      engine: { type: 'string' },
    },
    allowPositionals: true,
  })
  if (positionals.includes('allReduce')) return allReduce(values, positionals, args)
  for (const option of ['n', 'engine'] as const)
    if (values[option] !== undefined) throw new UsageError(`bench: ${option === 'n' ? '-n' : '--engine'} belongs to bench allReduce`)
  const { GROUPS, rows } = await import('./bench_rows.js')
  const unknown = positionals.find((name) => !(GROUPS as readonly string[]).includes(name))
  if (unknown !== undefined) throw new UsageError(`bench has no rows '${unknown}': ${GROUPS.join(', ')}, allReduce`)
  const before = values.compare === undefined ? undefined : readReport(values.compare)
  const { device, devices, setSeed } = await import('../index.js')
  const id = device()
  const info = devices().find((candidate) => candidate.id === id)!
  const quick = values.quick === true
  if (before && (before.name !== info.name || before.quick !== quick)) {
    const [was, is] = [before, { name: info.name, quick }].map(({ name, quick }) => `${name}${quick ? ', quick' : ''}`)
    throw new UsageError(`--compare ${values.compare}: it was measured on ${was}, this is ${is}`)
  }
  setSeed(0)
  const report: BenchReport = { version: packageVersion(), device: id, name: info.name, quick, rows: [] }
  const wanted = rows(positionals.length === 0 ? GROUPS : (positionals as Group[]), quick || info.emulated)
  if (!values.json) console.log(`weftjs ${packageVersion()} on ${id}, ${info.name}`)
  let slower = 0
  for (const row of wanted) {
    const measured = await measure(row, quick ? 3 : 7, quick ? 10 : 200)
    report.rows.push(measured)
    const old = before?.rows.find(({ group, name }) => group === row.group && name === row.name)
    // the best rounds: what else runs on the machine only adds
    const ratio = old && Math.min(...measured.microseconds) / Math.min(...old.microseconds)
    if (ratio !== undefined && ratio > TOLERATED) slower++
    if (!values.json) console.log(line(measured, ratio))
  }
  if (values.json) console.log(JSON.stringify(report, undefined, 2))
  if (before) console.error(slower === 0 ? 'no row became slower' : `${slower} of ${wanted.length} rows became slower`)
  return slower === 0 ? 0 : 1
}
