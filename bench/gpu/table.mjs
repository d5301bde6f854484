// The closing table: every row that has a goal, measured, peer, ratio, verdict and next rung; and what went wrong.

const show = (value) =>
  value === undefined || !Number.isFinite(value) ? '-' : value >= 1000 ? String(Math.round(value)) : value.toPrecision(3)

export const printTable = ({ rows, checks, notes }) => {
  const table = rows
    .filter(({ goal }) => goal !== undefined)
    .map(({ name, measured, unit, peer, value, goal, atMost, verdict, next }) => [
      name,
      `${show(measured)} ${unit}`,
      show(peer),
      show(value),
      `${atMost ? '≤' : '≥'} ${goal}`,
      verdict,
      verdict === 'met' ? '' : (next ?? ''),
    ])
  const lines = [['row', 'measured', 'peer', 'value', 'goal', 'verdict', 'next rung'], ...table]
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  console.log('\nGoals\n')
  for (const line of lines)
    console.log(`  ${line.map((cell, column) => (column === 6 ? cell : cell.padEnd(widths[column]))).join('  ')}`.trimEnd())
  for (const { name, difference } of checks.filter(({ agrees }) => !agrees)) console.log(`  DIFFERS: ${name}: ${difference}`)
  for (const note of notes.filter((text) => text.includes('FAILED'))) console.log(`  ${note}`)
}
