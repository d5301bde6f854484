// The site: the guide and the reference as HTML that needs no server and no script. Pages are those of docs/, and what
// they link to in the repository: documents become pages too, other files are copied.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Marked } from 'marked'
import { anchors } from './pages.mjs'

const STYLE = `:root { color-scheme: light dark; --line: light-dark(#d0d4da, #3a3f47); --soft: light-dark(#f4f6f8, #1d2126); --link: light-dark(#0b5cad, #7ab8ff) }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; background: light-dark(#fff, #14171a); color: light-dark(#1c1f23, #e4e7eb); display: grid; grid-template-columns: 16rem minmax(0, 64rem); gap: 2.5rem }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1.2rem; border-right: 1px solid var(--line); font-size: .9rem }
nav ul { list-style: none; margin: 0 0 1rem; padding: 0 } nav li { margin: .2rem 0 } nav [aria-current] { font-weight: 600 }
main { padding: 1rem 1rem 4rem } a { color: var(--link) } h1, h2, h3 { line-height: 1.25; scroll-margin-top: 1rem }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .2rem; margin-top: 2.2rem }
code { font: .88em ui-monospace, monospace; background: var(--soft); padding: .1em .3em; border-radius: 4px; overflow-wrap: break-word }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; overflow-x: auto } pre code { background: none; padding: 0; overflow-wrap: normal }
.wide { overflow-x: auto } table { border-collapse: collapse } th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top }
@media (max-width: 60rem) { body { display: block } nav { position: static; height: auto; border: 0 } }
@media print { nav { display: none } body { display: block } }
`

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** Where a file of the repository lies in the site. */
export function siteOf(file) {
  if (file === 'docs/README.md') return 'index.html'
  if (file === 'docs/reference/README.md') return 'reference/index.html'
  const place = file.startsWith('docs/') ? file.slice(5) : file === 'README.md' ? 'weft.md' : `files/${file}`
  return place.endsWith('.md') ? place.replace(/\.md$/, '.html') : place
}

/** Chapters of the guide in their order, and the pages of the reference: [file, title]. */
function navigation(texts) {
  const chapters = [...texts.get('docs/README.md').matchAll(/\[([^\]]+)\]\((?!https?:|\.\.|reference)([^)#]+\.md)\)/g)]
  const reference = [...texts.get('docs/reference/README.md').matchAll(/^## \[([^\]]+)\]\(([^)#]+\.md)\)/gm)]
  return [
    ['Guide', [['docs/README.md', 'Contents'], ...chapters.map(([, title, file]) => [`docs/${file}`, title])]],
    ['Reference', [['docs/reference/README.md', 'All names'], ...reference.map(([, title, file]) => [`docs/reference/${file}`, title])]],
  ]
}

class Site {
  constructor(root, folder) {
    this.root = root
    this.folder = folder
    this.texts = new Map()
    this.queue = []
    this.copied = new Set()
  }

  add(file) {
    if (this.texts.has(file)) return
    this.texts.set(file, readFileSync(path.join(this.root, file), 'utf8'))
    this.queue.push(file)
  }

  write(place, text) {
    const file = path.join(this.folder, place)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  /** The link from one page to a file of the repository, which becomes part of the site. */
  link(from, href) {
    if (/^[a-z]+:/.test(href) || href.startsWith('#')) return href
    const [target, anchor] = href.split('#')
    const file = path.posix.normalize(path.posix.join(path.posix.dirname(from), target))
    const full = path.join(this.root, file)
    if (!existsSync(full)) throw new Error(`${from}: there is no ${href}`)
    let place = siteOf(file)
    if (statSync(full).isDirectory()) {
      place = `${place.replace(/\/$/, '')}/index.html`
      this.folderPage(file.replace(/\/$/, ''), place)
    } else if (file.endsWith('.md')) this.add(file)
    else this.copy(file)
    return path.posix.relative(path.posix.dirname(siteOf(from)), place) + (anchor ? `#${anchor}` : '')
  }

  copy(file) {
    if (this.copied.has(file)) return
    this.copied.add(file)
    // as text, so that a browser shows it
    this.write(siteOf(file), readFileSync(path.join(this.root, file)))
  }

  folderPage(file, place) {
    if (this.copied.has(file)) return
    this.copied.add(file)
    const files = readdirSync(path.join(this.root, file)).filter((name) => statSync(path.join(this.root, file, name)).isFile())
    for (const name of files) this.copy(`${file}/${name}`)
    const list = files.map((name) => `<li><a href="${escaped(name)}">${escaped(name)}</a></li>`)
    this.write(place, this.page(place, file, `<h1>${escaped(file)}</h1><ul>${list.join('')}</ul>`))
  }

  page(place, title, body) {
    const to = (file) => path.posix.relative(path.posix.dirname(place), siteOf(file))
    const lists = this.navigation.map(([heading, entries]) => {
      const items = entries.map(([file, name]) => {
        const current = siteOf(file) === place ? ' aria-current="page"' : ''
        return `<li><a href="${to(file)}"${current}>${escaped(name)}</a></li>`
      })
      return `<p>${heading}</p><ul>${items.join('')}</ul>`
    })
    const style = path.posix.relative(path.posix.dirname(place), 'style.css')
    return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} · Weft</title><link rel="stylesheet" href="${style}"></head>
<body><nav><p><a href="${to('README.md')}">Weft</a></p>${lists.join('')}</nav><main>
${body}</main></body></html>
`
  }

  render(file) {
    const slug = anchors()
    const site = this
    const marked = new Marked({
      renderer: {
        heading({ tokens, depth, text }) {
          const inner = this.parser.parseInline(tokens)
          return `<h${depth} id="${slug(text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'))}">${inner}</h${depth}>\n`
        },
        link({ href, tokens }) {
          return `<a href="${escaped(site.link(file, href))}">${this.parser.parseInline(tokens)}</a>`
        },
        image({ href, text }) {
          return `<img src="${escaped(site.link(file, href))}" alt="${escaped(text)}">`
        },
        table(token) {
          return `<div class="wide">${tableOf(this, token)}</div>\n`
        },
      },
    })
    const text = this.texts.get(file)
    const title = /^# (.*)$/m.exec(text)?.[1] ?? file
    return this.page(siteOf(file), title.replaceAll('`', ''), marked.parse(text))
  }
}

function tableOf({ parser }, { header, rows }) {
  const line = (cells, tag) => `<tr>${cells.map(({ tokens }) => `<${tag}>${parser.parseInline(tokens)}</${tag}>`).join('')}</tr>`
  return `<table><thead>${line(header, 'th')}</thead><tbody>${rows.map((row) => line(row, 'td')).join('')}</tbody></table>`
}

/** Writes the site to a folder; returns the number of its pages. */
export function writeSite(root, folder) {
  const site = new Site(root, folder)
  rmSync(folder, { recursive: true, force: true })
  for (const file of ['docs/README.md', 'docs/reference/README.md', 'README.md']) site.add(file)
  for (const place of ['docs', 'docs/reference'])
    for (const file of readdirSync(path.join(root, place))) if (file.endsWith('.md')) site.add(`${place}/${file}`)
  site.navigation = navigation(site.texts)
  for (let file = site.queue.shift(); file !== undefined; file = site.queue.shift()) site.write(siteOf(file), site.render(file))
  site.write('style.css', STYLE)
  return site.texts.size
}
