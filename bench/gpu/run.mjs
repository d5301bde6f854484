// Weft on a GPU beside PyTorch: rows of rows.mjs, interleaved, results checked before anything is timed. See README.md.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { best, interleave, percentile } from '../shared/measure.mjs'
import { Report, readOptions, relativeDifference } from '../shared/report.mjs'
import { pythonEnvironment, Side } from '../shared/side.mjs'
import { relativeErrors } from './accuracy.mjs'
import { withNetwork } from './networks.mjs'
import { rows, summaries } from './rows.mjs'
import { printTable } from './table.mjs'

const options = readOptions({
  tiny: { type: 'boolean', default: false },
  only: { type: 'string', default: '' },
  rounds: { type: 'string', default: '9' },
  seconds: { type: 'string', default: '100000' },
  bandwidth: { type: 'string' },
  'without-peer': { type: 'boolean', default: false },
  autotune: { type: 'boolean', default: false },
})
const rounds = options.tiny ? 2 : options.quick ? 3 : Number(options.rounds)
const deadline = performance.now() + 1000 * Number(options.seconds)
const report = new Report(`GPU: medians of ${rounds} interleaved rounds`, options)
report.start.commit = process.env.WEFT_COMMIT || report.start.commit

const weft = new Side('weft', process.execPath, ['gpu/weft.mjs'], { WEFT_DEVICE: process.env.WEFT_DEVICE || 'cuda' })
const torch = options['without-peer'] ? undefined : new Side('pytorch', process.env.PYTHON || 'python3', ['gpu/peer.py'], pythonEnvironment)
const sides = torch ? [weft, torch] : [weft]
const [machine, versions = {}] = await Promise.all(sides.map((side) => side.request({ command: 'describe' })))
report.start.machine.device = machine
report.start.machine.driver = (
  spawnSync('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader'], { encoding: 'utf8' }).stdout ?? ''
).trim()
console.log(
  `  ${machine.name}${machine.emulated ? ', emulated on the CPU: figures mean nothing' : ''}; PyTorch ${versions.pytorch ?? 'left out'}\n`,
)

/** Bytes per second the device reads and copies at: measured just before by bandwidth.cu, else PyTorch's copy. */
const limits = { ...versions.bandwidth, ...(options.bandwidth ? JSON.parse(readFileSync(options.bandwidth, 'utf8')) : {}) }
for (const [access, bytes] of Object.entries(limits)) report.note(`bandwidth of ${access}: ${Math.round(bytes / 1e9)} GB/s`)

const clocks = () =>
  (spawnSync('nvidia-smi', ['--query-gpu=clocks.sm,power.draw', '--format=csv,noheader'], { encoding: 'utf8' }).stdout ?? '').trim() ||
  undefined

const ratios = new Map(summaries.map(({ group }) => [group, []]))

/** The lines of a report that a row makes: one per goal, or one without. */
const lines = (row, mine, figures) => {
  const peers = Object.keys(figures).filter((name) => name.startsWith('pytorch'))
  // asking takes longer than a small row
  const raw = { microseconds: figures, clocks: ratios.has(row.group) ? undefined : clocks() }
  const base = { name: row.name, next: row.next, raw }
  const rate = (figure) => (row.flops ? row.flops / figure.median / 1e6 : row.bytes / figure.median / 1e3)
  const unit = row.flops ? 'TFLOP/s' : row.bytes ? 'GB/s' : 'µs'
  const fastest = peers.length > 0 ? best(figures, 'pytorch') : undefined
  const measure = (figure) => (unit === 'µs' ? figure.median : rate(figure))
  const against = (peer) => ({
    measured: measure(mine),
    unit,
    peer: peer && measure(peer),
    peerName: peer?.name,
    value: peer && peer.median / mine.median,
  })
  if (row.goals) {
    const { eager, best: most, microseconds } = row.goals
    const result = []
    if (microseconds)
      result.push({ ...base, name: `${row.name}: time`, measured: mine.median, unit, value: mine.median, goal: microseconds, atMost: true })
    if (peers.length > 0) {
      const plain = { name: 'pytorch eager', ...figures['pytorch eager'] }
      result.push({ ...base, name: `${row.name}: against eager`, ...against(plain), goal: eager })
      result.push({ ...base, name: `${row.name}: against the best`, ...against(fastest), goal: most })
    }
    if (result.length === 0) result.push({ ...base, measured: mine.median, unit, value: mine.median })
    return result
  }
  // peers in groups of variants whose names begin alike, each with a goal of its own
  if (row.versus && peers.length > 0) {
    return row.versus
      .filter(({ prefix }) => peers.some((name) => name.startsWith(`pytorch ${prefix}`)))
      .map(({ title, prefix, goal }) => ({
        ...base,
        name: `${row.name}: ${title}`,
        ...against(best(figures, `pytorch ${prefix}`)),
        goal,
      }))
  }
  if (row.limit) {
    const limit = limits[row.limit] && limits[row.limit] / 1e9
    return [
      {
        ...base,
        ...against(fastest),
        value: limit ? rate(mine) / limit : rate(mine),
        peerName: fastest && `${fastest.name}; share of ${row.limit} bandwidth`,
        goal: limit ? row.goal : undefined,
      },
    ]
  }
  return [{ ...base, ...against(fastest), goal: fastest ? row.goal : undefined }]
}

/** Holds two samples against each other: lists of values, or lists for the parts of a result. */
const compare = (row, variant, mine, theirs) => {
  const [, tolerance = row.tolerance] = Object.entries(row.tolerances ?? {}).find(([prefix]) => variant.startsWith(prefix)) ?? []
  const parts = mine.parts ?? { '': mine.values }
  for (const [part, values] of Object.entries(parts)) {
    const name = [row.name, variant, ...(part ? [part] : [])].join(', ')
    report.check(name, relativeDifference(values, theirs.parts ? theirs.parts[part] : theirs.values), tolerance)
  }
}

const measure = async (given) => {
  const { row, remove } = withNetwork(given)
  const milliseconds = options.tiny ? 0 : (row.milliseconds ?? (options.quick ? 60 : 150))
  try {
    // in turn: both fill the device's memory
    await weft.request({ command: 'load', ...row })
    const variants = torch ? (await torch.request({ command: 'load', autotune: options.autotune, ...row })).variants : []
    const mine = await weft.request({ command: 'sample' })
    for (const variant of variants) {
      const theirs = await torch.request({ command: 'sample', variant })
      compare(row, variant, mine, theirs)
      if (row.accuracy) accuracyLine(row, mine.values, theirs.values, variant)
    }
    const timed = { weft: () => weft.request({ command: 'run', milliseconds }) }
    for (const variant of variants) timed[`pytorch ${variant}`] = () => torch.request({ command: 'run', variant, milliseconds })
    if (row.twin) timed.twin = timed.weft
    const figures = await interleave(timed, { rounds, warmUp: options.tiny ? 0 : 1 })
    for (const line of lines(row, figures.weft, figures)) report.row(line)
    if (row.twin) {
      // what the same work differs by between its rounds: ratios closer to 1 than this say nothing
      const value = figures.twin.median / figures.weft.median
      report.row({ name: `${row.name}: Weft against itself`, measured: figures.twin.median, unit: 'µs', value, raw: figures.twin })
    }
    if (row.kind === 'latency') {
      const { microseconds, p99 } = await timed.weft()
      const value = p99 / microseconds
      report.row({ name: `${row.name}: p99 over mean`, measured: p99, unit: 'µs', value, goal: 2, atMost: true, next: row.next })
    }
    if (variants.length > 0) ratios.get(row.group)?.push(best(figures, 'pytorch').median / figures.weft.median)
  } finally {
    for (const side of sides) await side.request({ command: 'unload' }).catch(() => undefined)
    remove()
  }
}

/** Error against float64 of both sides: ours must not be larger. */
const accuracyLine = (row, mine, theirs, variant) => {
  const [ours, peer] = relativeErrors(row, [mine, theirs])
  report.row({
    name: `${row.name}: error against float64`,
    measured: ours,
    unit: 'of the norm',
    peer,
    peerName: `pytorch ${variant}`,
    value: peer / ours,
    goal: 1,
    next: 'small products added apart from the large ones',
  })
}

for (const row of rows[options.tiny ? 'tiny' : 'full']()) {
  if (!`${row.group} ${row.name}`.includes(options.only)) continue
  if (performance.now() > deadline) {
    report.note(`${row.name}: left out, the time is up`)
    continue
  }
  try {
    await measure(row)
  } catch (error) {
    report.note(`${row.name}: FAILED: ${error.message.split('\n')[0]}`)
    process.exitCode = 1
  }
}

for (const { group, name, mean, least, next } of summaries) {
  const list = ratios.get(group)
  if (list.length === 0) continue
  const geometric = Math.exp(list.reduce((sum, ratio) => sum + Math.log(ratio), 0) / list.length)
  report.row({
    name: `${name} of ${list.length}`,
    measured: geometric,
    unit: 'times PyTorch',
    value: geometric,
    goal: mean,
    next,
    raw: list,
  })
  if (least) {
    const smallest = Math.min(...list)
    report.row({
      name: `${name.replace('geometric mean', 'smallest ratio')}`,
      measured: smallest,
      unit: 'times PyTorch',
      value: smallest,
      goal: least,
      next,
      raw: percentile(list, 0.1),
    })
  }
}

for (const side of sides) side.close()
if (options.json) mkdirSync(dirname(options.json), { recursive: true })
report.finish({ ...versions, bandwidth: undefined, ...(machine.emulated ? { emulated: true } : {}) })
if (options.json) {
  // long lists of figures: one line each
  const text = readFileSync(options.json, 'utf8').replace(/\[\s+(-?\d[^[\]{}]*?)\s+\]/g, (_, list) => `[${list.replace(/\s+/g, ' ')}]`)
  writeFileSync(options.json, text)
}
printTable(report)
