// The pages of the reference as Markdown.
import { firstSentence } from './docstring.mjs'
import { prelude, readExamples, shownExample } from './examples.mjs'
import { broken, memberText, operationOf, tidy } from './signatures.mjs'
import { guideOf, layoutOf, spoken, titleOf } from './pages.mjs'

const MADE = '<!-- Made from the docstrings by "npm run docs". -->'

/** Prose of a docstring, so that Markdown shows its letters as they are; code in it stays code. */
export function prose(text) {
  return text
    .split(/(`[^`]*`)/)
    .map((part, i) => (i % 2 === 1 ? part : part.replaceAll(/<(?=[a-zA-Z/!])/g, '\\<').replaceAll(/\*(?=\S)|(?<=\S)\*/g, '\\*')))
    .join('')
}

export const cell = (text) => text.replaceAll(/\s*\n\s*/g, ' ').replaceAll(/(?<!\\)\|/g, '\\|')
export const code = (text) => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``)
/** TypeScript that is shown, not run. */
const shown = (text) => `\`\`\`typescript\n${text}\n\`\`\``
export function optionTable({ rows }) {
  const lines = rows.map(({ name, optional, type, doc }) => {
    const required = optional ? '' : ' (required)'
    return `| \`${name}\`${required} | ${cell(code(type))} | ${cell(prose(doc))} |`
  })
  return ['| option | type | meaning |', '|---|---|---|', ...lines].join('\n')
}

/** Classes that users extend: their members for subclasses are told too. */
const EXTENDED = ['Layer', 'Metric', 'Callback', 'RecurrentCell', 'Model']
/** What every layer has, and the package alone calls. */
const OF_EVERY_LAYER = ['build', 'call', 'className', 'options', 'computeMask', 'computeOutputShape']

export function memberTable(name, functions, leftOut = []) {
  const lines = name.members
    .filter((member) => (member.name !== 'constructor' || member.doc.text !== '') && !leftOut.includes(member.name))
    .filter(({ isProtected }) => !isProtected || EXTENDED.includes(name.name))
    .map((member) => {
      const method = operationOf(member.text)
      const doc = member.doc.text || (method ? firstSentence(functions.get(method.operation)?.doc.text ?? '') : '')
      const own = member.isStatic ? `${name.name}.` : member.isProtected ? 'protected ' : ''
      return `| ${cell(code(own + memberText(member.text, functions)))} | ${cell(prose(doc))} |`
    })
  return lines.length === 0 ? '' : ['| member | |', '|---|---|', ...lines].join('\n')
}

function documentation({ doc }) {
  const parts = []
  if (doc.text) parts.push(prose(doc.text))
  const params = Object.entries(doc.params).map(([name, text]) => `- \`${name}\`: ${prose(text)}`)
  if (params.length > 0) parts.push(params.join('\n'))
  if (doc.returns) parts.push(`Gives ${prose(doc.returns)}`)
  return parts
}

/** One name below its heading. */
function sectionOf(name, { functions, classes, anchorOf, examples, page }) {
  const parts = [`### ${name.name}`]
  if (name.kind === 'function' || name.kind === 'value') {
    const before = name.space === '' ? '' : `${name.space}.`
    parts.push(shown([...new Set(name.signatures.map((signature) => broken(before + tidy(signature))))].join('\n')))
  } else if (name.kind === 'class') parts.push(shown(name.text))
  parts.push(...documentation(name))
  const written = examples.get(`${page} ${name.name}`)
  const example = written ? shownExample(written) : name.doc.example
  if (example && name.kind === 'function') parts.push(shown(example))
  if (name.options.rows.length > 0) parts.push(optionTable(name.options))
  if (name.options.names.includes('LayerOptions')) parts.push('And the [options of every layer](layers.md#layeroptions).')
  if (name.kind === 'type') parts.push(shown(typeText(name)))
  else {
    // what an entry adds to a class of another one is told on its own page
    const own = name.entry === 'weftjs/tfjs' ? name.members : name.members.filter(({ file }) => !file.startsWith('lib/tfjs/'))
    const table = memberTable({ ...name, members: own }, functions)
    if (table) parts.push(table)
  }
  const made = name.kind === 'function' && name.makes && classes.get(name.makes)
  if (made) {
    if (anchorOf(made)) parts.push(`Gives a [${made.name}](${anchorOf(made)}).`)
    else {
      const own = made.members.filter(({ inherited, isProtected }) => !inherited && !isProtected)
      const table = memberTable({ ...made, members: own }, functions, made.space === 'layers' ? OF_EVERY_LAYER : [])
      if (table) parts.push(`Members of the \`${made.name}\` that it makes:`, table)
      const also = [
        ...new Set(
          made.members
            .filter(({ inherited, isStatic, isProtected }) => inherited && !isStatic && !isProtected)
            .map((member) => `\`${member.name}\``),
        ),
      ]
      if (also.length > 0) parts.push(wrapped([`And, as its relatives have them: ${also[0]}`, ...also.slice(1)]))
    }
  }
  return parts.join('\n\n')
}

function typeText({ members, head, text }) {
  if (text) return text
  const lines = members.flatMap(({ doc, text: member }) => [
    ...(doc.text ? [`  /** ${doc.text.replaceAll('\n', '\n   * ')} */`] : []),
    `  ${member}`,
  ])
  return `${head} {\n${lines.join('\n')}\n}`.replace('{\n\n}', '{}')
}

/**
 * All pages: the name of the file and its text.
 * @param {import('./read.mjs').Name[]} names
 * @returns {Map<string, string>}
 */
export function referencePages(names) {
  const functions = functionsOf(names)
  const examples = readExamples()
  const files = new Map()
  const lists = []
  for (const { page, entry, groups, links, classes, again, options } of layoutOf(names)) {
    const guide = guideOf(page).map((file) => `[${file.replace('.md', '')}](../${file})`)
    const head = [`From \`'${entry}'\`.`, ...(guide.length > 0 ? [`Guide: ${guide.join(', ')}.`] : []), '[All names](README.md).'].join(' ')
    const parts = [MADE, `# ${titleOf(page)}`, head]
    for (const [title, list] of groups) {
      if (title) parts.push(`## ${title}`)
      for (const each of list) parts.push(sectionOf(each, { functions, classes, examples, page, anchorOf: (name) => links.get(name) }))
    }
    if (options.length > 0)
      parts.push('## Types of options', 'Each is described where a function takes it.', wrapped(options.map(({ name }) => `\`${name}\``)))
    if (again.length > 0) parts.push('## The same as elsewhere', ...elsewhere(again))
    files.set(`${page}.md`, `${parts.map(narrow).join('\n\n')}\n`)
    const listed = groups.flatMap(([, list]) => list).map((each) => `[\`${spoken(each)}\`](${page}.md${links.get(each)})`)
    lists.push(`## [${titleOf(page)}](${page}.md)`, listed.join(' ·\n'))
  }
  const about = `Every public name, made from the types and docstrings. The [guide](../README.md) says when to use what.

Examples use names of \`'weftjs'\`, and those below. Behind \`//\` stand values, which \`await t.array()\` gives of a tensor.

${shown(prelude().join('\n'))}`
  files.set('README.md', `${[MADE, '# Reference', about, ...lists].join('\n\n')}\n`)
  return files
}

/** Functions of the main entry by name; those of weftjs/tfjs as 'ops.name', which is what its methods are called. */
export function functionsOf(names) {
  const named = { weftjs: '', 'weftjs/tfjs': 'ops.' }
  const found = names.filter(({ entry, space, kind }) => entry in named && space === '' && kind === 'function')
  return new Map(found.map((each) => [named[each.entry] + each.name, each]))
}

/** Names that other pages describe, a paragraph for each page. */
function elsewhere(again) {
  const lists = new Map()
  for (const [page, name] of again) lists.set(page, [...(lists.get(page) ?? []), `\`${spoken(name)}\``])
  return [...lists].map(([page, list]) => wrapped([`As on the page [${titleOf(page)}](${page}.md):`, ...[...new Set(list)].sort()], ' '))
}

/** Prose in lines of at most 118 columns; tables and fenced text are as they are. */
function narrow(part) {
  let fenced = false
  return part
    .split('\n\n')
    .map((paragraph) => {
      const inside = fenced
      if ((paragraph.match(/^```/gm) ?? []).length % 2 === 1) fenced = !fenced
      if (inside || /^(\||```|#)/.test(paragraph) || !paragraph.split('\n').some((line) => line.length > 118)) return paragraph
      return paragraph
        .split(/\n(?=- )/)
        .map((item) => {
          const lines = wrapped(item.split(/\s+/), ' ')
          return item.startsWith('- ') ? lines.replaceAll('\n', '\n  ') : lines
        })
        .join('\n')
    })
    .join('\n\n')
}

/** Words in lines of at most 120 columns. */
function wrapped(words, between = ', ') {
  const lines = ['']
  words.forEach((word, i) => {
    const piece = i === words.length - 1 ? word : word + between.trimEnd()
    const line = lines.at(-1)
    if (line !== '' && line.length + piece.length + 1 > 118) lines.push(piece)
    else lines[lines.length - 1] = line === '' ? piece : `${line} ${piece}`
  })
  return lines.join('\n')
}
