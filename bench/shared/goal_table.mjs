// The rows of several bench programs that have a goal, as one table: figure, peer, ratio, goal, bound.
import { show } from './report.mjs'

/** What each program measures, in the order of the table. */
const groups = {
  'train.mjs': 'Training steps with Adam, µs',
  'infer.mjs': 'Inference, MNIST CNN, JavaScript array to JavaScript array, µs',
  'kernels.mjs': 'Products and convolutions, GFLOP/s',
  'attention.mjs': 'Transformers, µs',
  'recurrent.mjs': 'Recurrent layers, forward and backward, and a training step, µs',
  'gpt2.mjs': "A step of GPT-2's size",
  'large.mjs': 'Large weights: initial values, saving, loading',
  'threads.mjs': 'Two threads against one',
}

/** Rows with a goal, of all results, with their program, threads and peer. */
const rowsOf = (results) =>
  results.flatMap(({ command, options, rows }) =>
    rows
      .filter(({ goal }) => goal !== undefined)
      .map((row) => ({ ...row, program: /\S+\.mjs/.exec(command)[0], threads: Number(options.threads ?? 1) })),
  )

const goalOf = ({ goal, atMost }) => `${atMost ? '≤' : '≥'} ${show(goal)}`

/** Every row with a goal, one line each, and how many are met, beyond the machine, or missed. */
export const printGoals = (results) => {
  console.log('\nGoals\n')
  const counts = {}
  for (const row of rowsOf(results)) {
    const { name, measured, unit, peer, peerName, value, bound, verdict, threads } = row
    const state = verdict.split(' ')[0]
    counts[state] = (counts[state] ?? 0) + 1
    const cells = [
      state.padEnd(6),
      `${name}${threads > 1 ? `, ${threads} threads` : ''}`.padEnd(62),
      `${show(measured)} ${unit}`.padStart(16),
      (peer === undefined ? '' : `${peerName.split(' ')[0]} ${show(peer)}`).padEnd(18),
      (peer === undefined ? '' : show(value)).padStart(6),
      `goal ${goalOf(row)}`,
      bound === undefined ? '' : `bound ${show(bound)}`,
    ]
    console.log(`  ${cells.join('  ')}`)
  }
  console.log(
    `\n  ${Object.entries(counts)
      .map(([state, count]) => `${state} ${count}`)
      .join(', ')}`,
  )
}

const inWords = { met: 'met', beyond: 'beyond', MISSED: 'missed' }

/** The same rows in Markdown, a table for each kind. */
export const markdownOf = (results) => {
  const rows = rowsOf(results)
  const lines = []
  for (const [program, title] of Object.entries(groups)) {
    const own = rows.filter((row) => row.program === program)
    if (own.length === 0) continue
    lines.push(`**${title}**`, '', '| row | threads | Weft | peer | ratio (by processor time) | goal | bound | goal is |')
    lines.push('|---|---|---|---|---|---|---|---|')
    for (const row of own) {
      const { name, measured, unit, peer, peerName, value, processorRatio, bound, threads } = row
      const ratio = peer === undefined ? '' : `${show(value)}${processorRatio === undefined ? '' : ` (${show(processorRatio)})`}`
      const cells = [
        name,
        threads,
        `${show(measured)}${unit === 'µs' || unit === 'GFLOP/s' ? '' : ` ${unit}`}`,
        peer === undefined ? '' : `${peerName.split(' ')[0]} ${show(peer)}`,
        ratio,
        goalOf(row),
        bound === undefined ? '' : show(bound),
        inWords[row.verdict.split(' ')[0]],
      ]
      lines.push(`| ${cells.join(' | ')} |`)
    }
    lines.push('')
  }
  return lines.join('\n')
}
