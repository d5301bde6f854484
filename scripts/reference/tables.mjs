// The tables of names in the guide. A page says which it wants by a comment, and "npm run docs" fills what follows:
//   <!-- table: names layers in convolution volume -->   names of a namespace, by the files of their sources
//   <!-- table: names layers others -->                  those that no other table of the guide has
//   <!-- table: names . in ops/math -->                  of the main entry itself; 'weftjs/learn' of that entry
//   <!-- table: options FitOptions -->                   the options of an interface
//   <!-- table: members Model -->                        the members of a class; `in ops/math`: those of that file
//   <!-- end -->
import { firstSentence } from './docstring.mjs'
import { cell, functionsOf, memberTable, prose } from './markdown.mjs'
import { pageOf, referenceLinks } from './pages.mjs'

const BLOCK = /<!-- table: ([^>]*?) -->\n[\s\S]*?<!-- end -->/g

/** Whether a name comes from one of the files that a table wants: 'convolution' is lib/layers/convolution.ts. */
const fits = ({ file }, wanted) =>
  wanted.some((part) => {
    const stem = file.replace(/^lib\//, '').replace(/\.ts$/, '')
    return stem === part || stem.startsWith(`${part}/`) || stem.endsWith(`/${part}`) || stem.includes(`/${part}/`)
  })

const inSpace = (name, space) => {
  if (space.includes('/')) return name.entry === space
  return name.entry === 'weftjs' && name.space === (space === '.' ? '' : space)
}

/** Made names are listed: what a program calls or writes down. */
const isListed = ({ kind, space, name, entry }, spaces) =>
  kind === 'function' || kind === 'value' || (kind === 'class' && entry === 'weftjs' && space === '' && spaces.includes(name))

function namesTable(names, links) {
  const lines = names.map((name) => {
    const link = links.get(name)
    const said = `\`${name.name}\``
    const doc = firstSentence(name.doc.text)
    return `| ${link ? `[${said}](reference/${pageOf(name)}.md${link})` : said} | ${cell(prose(doc))} |`
  })
  return ['| name | |', '|---|---|', ...lines].join('\n')
}

function optionsTable(name) {
  const lines = name.members.map(({ text, doc }) => {
    const [, key, optional, type] = /^'?(\w+)'?(\??):? ?([\s\S]*)$/.exec(text) ?? [undefined, text, '', '']
    return `| \`${key}\`${optional ? '' : ' (required)'} | \`${cell(type.replaceAll(/\s*\n\s*/g, ' '))}\` | ${cell(prose(doc.text))} |`
  })
  return ['| option | type | meaning |', '|---|---|---|', ...lines].join('\n')
}

/**
 * The pages with their tables filled.
 * @param {Map<string, string>} pages the name of each page of the guide, and its text
 * @param {import('./read.mjs').Name[]} names
 */
export function filledPages(pages, names) {
  const links = referenceLinks(names)
  const functions = functionsOf(names)
  const asked = new Map()
  for (const text of pages.values())
    for (const [, request] of text.matchAll(BLOCK)) {
      const [, space, rest] = /^names (\S+) in (.*)$/.exec(request) ?? []
      if (space) asked.set(space, [...(asked.get(space) ?? []), ...rest.split(' ')])
    }
  const find = (name) => {
    const fitting = names.filter((each) => each.name === name && (each.kind === 'class' || each.kind === 'type'))
    const found = fitting.find(({ entry }) => entry === 'weftjs') ?? fitting[0]
    if (!found) throw new Error(`a table asks for ${name}, which is not public`)
    return found
  }
  const tableOf = (request, page) => {
    const [what, subject, how, ...wanted] = request.split(' ')
    const [name, kinds] = subject.split('+')
    if (what === 'options') return optionsTable(find(name))
    if (what === 'members') {
      const found = find(name)
      const members = how === 'in' ? found.members.filter((member) => fits(member, wanted)) : found.members
      const table = memberTable({ ...found, members }, functions)
      if (!table) throw new Error(`${page}: no member fits the table "${request}"`)
      return table
    }
    if (what !== 'names') throw new Error(`${page}: a table of ${what} is not known`)
    const all = names.filter((each) => inSpace(each, name) && isListed(each, kinds ? kinds.split(',') : []))
    const taken = asked.get(name) ?? []
    const listed = how === undefined ? all : all.filter((each) => (how === 'in' ? fits(each, wanted) : !fits(each, taken)))
    if (listed.length === 0 && how !== 'others') throw new Error(`${page}: no name fits the table "${request}"`)
    return listed.length === 0 ? '' : namesTable(listed, links)
  }
  return new Map(
    [...pages].map(([page, text]) => [
      page,
      text.replaceAll(BLOCK, (_, request) => {
        const table = tableOf(request, page)
        return `<!-- table: ${request} -->\n${table ? `\n${table}\n\n` : ''}<!-- end -->`
      }),
    ]),
  )
}
