// Examples of names that have none in their docstring: examples.txt, and what it says at its head.
import { readFileSync } from 'node:fs'
import path from 'node:path'

const file = path.join(import.meta.dirname, 'examples.txt')

/** Declarations that every example may use. */
export function prelude() {
  return [...readFileSync(file, 'utf8').matchAll(/^# ((?:const|net\.).*)$/gm)].map(([, line]) => line)
}

/** Examples by page and name: 'layers dense' → { code, result }. */
export function readExamples() {
  const examples = new Map()
  let page = ''
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const section = /^\[(\w+)\]$/.exec(line)
    if (section) page = section[1]
    if (section || line === '' || line.startsWith('#')) continue
    const [, name, compiled, code, result] = /^(\w+)(~?): (.*?)(?:\s+\/\/ (.*))?$/.exec(line) ?? []
    if (name === undefined) throw new Error(`examples.txt: not "name: code": ${line}`)
    examples.set(`${page} ${name}`, { name, page, code, result, runs: compiled === '' })
  }
  return examples
}

/** The statements of an example; those inside of braces belong to the one around them. */
export function statementsOf({ code }) {
  const statements = ['']
  let depth = 0
  for (const sign of code) {
    if ('([{'.includes(sign)) depth++
    if (')]}'.includes(sign)) depth--
    if (depth === 0 && (sign === ';' || sign === '\n')) statements.push('')
    else statements[statements.length - 1] += sign
  }
  return statements.map((statement) => statement.trim())
}

/** An example as it is shown: its statements on lines of their own. */
export const shownExample = ({ code, result }) => {
  const lines = statementsOf({ code }).join('\n')
  return result === undefined ? lines : `${lines}   // ${result}`
}
