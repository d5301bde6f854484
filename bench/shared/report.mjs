// Tables on the terminal and the same figures as JSON: measured, peer, ratio, goal, met or missed by how much.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { peerLevel } from './side.mjs'

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))

/** Options every bench program takes, beside its own. */
export const readOptions = (own = {}) =>
  parseArgs({ options: { json: { type: 'string' }, quick: { type: 'boolean', default: false }, ...own } }).values

const git = (...args) =>
  execFileSync('git', args, { cwd: new URL('..', import.meta.url), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()

const revision = () => {
  try {
    return (
      git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '--', '../lib', '../native') === '' ? '' : ' with changes')
    )
  } catch {
    return 'unknown'
  }
}

export const describeRun = () => ({
  date: new Date().toISOString(),
  machine: {
    cpu: cpus()[0]?.model.trim(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    instructionSet: peerLevel,
  },
  commit: revision(),
  versions: { node: process.versions.node, weft: read('../../package.json').version, ...read('../package.json').dependencies },
})

export const show = (value) => {
  if (value === undefined || value === null) return '-'
  if (typeof value !== 'number') return String(value)
  if (value === 0 || Number.isInteger(value)) return value.toLocaleString('en-US')
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
}

/** Met; or missed, by how much, and whether the bound shows that the machine can't do it. */
const verdict = ({ value, goal, atMost, bound }) => {
  if (goal === undefined) return ''
  const met = atMost ? value <= goal : value >= goal
  if (met) return 'met'
  if (!Number.isFinite(value)) return 'MISSED'
  const missed = `MISSED by ${show(atMost ? value / goal : goal / value)}x`
  if (bound === undefined) return missed
  const beyond = atMost ? goal < bound : goal > bound
  return beyond ? `beyond the machine: bound ${show(bound)}` : `${missed}, bound ${show(bound)}`
}

/**
 * Collects rows and prints them. A row: { name, measured, unit, peer?, peerName?, value (what the goal is about: a
 * ratio or the figure itself), goal?, processorRatio? (the ratio in processor time, which others on the machine disturb
 * less), peak? (how near both come to the processor's peak, as Peak.compare gives it), bound? (the best value that the
 * machine allows, shown in the same rounds; by default that of the peak), atMost? (the goal is the largest value that
 * is good), raw? (every round) }.
 */
export class Report {
  rows = []
  checks = []
  notes = []

  constructor(title, options) {
    this.title = title
    this.options = options
    this.start = describeRun()
    console.log(`\n${title}\n`)
  }

  /** Says whether two sides agree, before they are timed. */
  check(name, difference, tolerance) {
    const agrees = difference <= tolerance
    this.checks.push({ name, difference, tolerance, agrees })
    console.log(
      `  check: ${name}: largest difference ${difference.toExponential(1)} (allowed ${tolerance.toExponential(0)}): ${agrees ? 'agrees' : 'DIFFERS'}`,
    )
    if (!agrees) process.exitCode = 1
  }

  note(text) {
    this.notes.push(text)
    console.log(`  note: ${text}`)
  }

  row(given) {
    const row = { bound: given.peak?.largestRatio, ...given }
    row.verdict = verdict(row)
    this.rows.push(row)
    const goal = row.goal === undefined ? '' : `   goal ${row.atMost ? '≤' : '≥'} ${show(row.goal)}: ${row.verdict}`
    const peer = row.peer === undefined ? '' : `   ${row.peerName} ${show(row.peer)}`
    const ratio = row.peer === undefined ? '' : `   ratio ${show(row.value)}`
    const processor = row.processorRatio === undefined ? '' : ` (processor time ${show(row.processorRatio)})`
    console.log(`  ${row.name.padEnd(50)} ${show(row.measured).padStart(9)} ${row.unit}${peer}${ratio}${processor}${goal}`)
    if (row.peak === undefined) return
    const { gflops, measured, share, peerShare, largestRatio, rest, loaded } = row.peak
    const products = loaded === undefined ? '' : `, with products that take ${show(loaded)} µs`
    const rested = `${products}${rest === undefined ? '' : `${products ? ' and' : ', with'} ${show(rest)} µs of what is no product,`}`
    const bound = largestRatio === undefined ? 'a row would take longer than this one: no bound' : `the ratio is ${show(largestRatio)}`
    const percent = (fraction) => `${(100 * fraction).toFixed(0)} %`
    console.log(
      `    ${show(measured)} GFLOP/s: ${percent(share)} of the peak, ${show(gflops)}; ${row.peerName} ${percent(peerShare)}. At the peak${rested} ${bound}`,
    )
  }

  /**
   * A figure of which smaller is better against a peer's: the value is peer ÷ measured. `of`: 'minimum', the best round
   * of each side, for what others on the machine only make longer; 'median' where rounds differ by what is measured.
   */
  compare(name, measured, peer, { unit = 'µs', peerName = peer.name, goal, peak, bound, of = 'minimum' } = {}) {
    this.row({
      name,
      measured: measured[of],
      unit,
      peer: peer[of],
      peerName,
      value: peer[of] / measured[of],
      processorRatio: peer.processor.minimum / measured.processor.minimum,
      goal,
      peak,
      ...(bound === undefined ? {} : { bound }),
      raw: { measured, peer },
    })
  }

  finish(versions = {}) {
    const { title, start, rows, checks, notes, options } = this
    const result = {
      title,
      ...start,
      versions: { ...start.versions, ...versions },
      options: { ...options, json: undefined },
      checks,
      rows,
      notes,
    }
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`)
  }
}

/** The largest difference of two lists of numbers, relative to the largest magnitude of the second. */
export const relativeDifference = (a, b) => {
  let largest = 0
  let scale = 1e-30
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs(a[i] - b[i])
    if (Number.isNaN(difference)) return difference
    largest = Math.max(largest, difference)
    scale = Math.max(scale, Math.abs(b[i]))
  }
  return a.length === b.length ? largest / scale : Number.NaN
}
