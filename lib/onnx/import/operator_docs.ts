// The table of operators in docs/onnx-import.md.
import { FAMILIES } from './table.js'

const BEGIN = '<!-- operators: scripts/onnx-operators.mjs writes this table -->'
const END = '<!-- end of operators -->'

/** Number of operators. */
export const operatorCount: number = FAMILIES.reduce((sum, { operators }) => sum + Object.keys(operators).length, 0)

/**
 * The table as Markdown: one row for each family; an operator with the first version that has it, where that is not 1.
 */
export function operatorTable(): string {
  const rows = FAMILIES.map(({ title, operators }) => {
    const names = Object.entries(operators).map(([name, { since = 1 }]) => (since > 7 ? `${name} (${since})` : name))
    return `| ${title} | ${names.sort().join(', ')} |`
  })
  return [
    `${operatorCount} operators; the number is the first version of those that came after 7.`,
    '',
    '| family | operators |',
    '|---|---|',
    ...rows,
  ].join('\n')
}

/** The page with its table replaced. */
export function withTable(page: string, table: string): string {
  const [before, rest = ''] = page.split(BEGIN)
  const [, after = ''] = rest.split(END)
  return `${before}${BEGIN}\n${table}\n${END}${after}`
}
