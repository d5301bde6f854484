// The site that "npm run docs" makes: every page can be read without a script, and every link, on the site and so in
// the Markdown behind it, leads to a page and a heading.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pages, referencePages, root, textOf } from './pages.js'

const { writeSite } = (await import(path.join(root, 'scripts', 'reference', 'site.mjs'))) as {
  writeSite(root: string, folder: string): number
}
const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-site-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const written = writeSite(root, folder)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'))
const read = (file: string): string => readFileSync(path.join(folder, file), 'utf8')

test('every page of the guide and of the reference is there', () => {
  assert.ok(written >= pages.length + referencePages.length, `${written} pages`)
  for (const file of files) assert.not.match(read(file), /<script|https?:\/\/[^"]*\.(css|js)"/, `${file} is read without scripts`)
})

test('links lead somewhere', () => {
  const ids = new Map<string, Set<string>>()
  const idsOf = (file: string): Set<string> => {
    if (!ids.has(file)) ids.set(file, new Set([...read(file).matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!)))
    return ids.get(file)!
  }
  const wrong: string[] = []
  let count = 0
  for (const file of files)
    for (const [, href] of read(file).matchAll(/<a href="([^"]*)"/g)) {
      if (/^[a-z]+:/.test(href!)) continue
      count++
      const [place, anchor] = href!.split('#')
      const target = place ? path.normalize(path.join(path.dirname(file), place)) : file
      const full = path.join(folder, target)
      if (!existsSync(full) || !statSync(full).isFile()) wrong.push(`${file}: ${href} leads to no file`)
      else if (anchor && !idsOf(target).has(anchor)) wrong.push(`${file}: ${href} leads to no heading`)
    }
  assert.ok(count > 1000, `${count} links`)
  assert.equal(wrong, [], wrong.join('\n'))
})

test('the index has every chapter', () => {
  const index = textOf('docs/README.md')
  const missing = pages.filter(
    (page) => page !== 'README.md' && page !== 'docs/README.md' && !index.includes(`(${page.replace('docs/', '')})`),
  )
  assert.equal(missing, [], 'their lines go to docs/README.md')
})

test('angle brackets of docstrings are text', () => {
  const tags = new Set(
    files.flatMap((file) =>
      [
        ...read(file)
          .replaceAll(/<!doctype html>/g, '')
          .matchAll(/<\/?([a-z][\w-]*)/gi),
      ].map(([, tag]) => tag!),
    ),
  )
  const known =
    'html head meta title link body nav main p a ul ol li h1 h2 h3 h4 code pre em strong table thead tbody tr th td div br hr blockquote img del'
  assert.equal(
    [...tags].filter((tag) => !known.split(' ').includes(tag)),
    [],
  )
})

test.run()
