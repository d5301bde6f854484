// npm run docs: writes the reference (docs/reference/), fills the tables of names in the guide, and makes the site
// (site/), which needs no server and no script. Usage: node scripts/reference.mjs [--check] [--site folder]
//   --check: writes nothing, and exits 1 where the pages are not those of the sources
//   --site: where the site goes, instead of site/
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { referencePages } from './reference/markdown.mjs'
import { readNames, root } from './reference/read.mjs'
import { writeSite } from './reference/site.mjs'
import { filledPages } from './reference/tables.mjs'

const check = process.argv.includes('--check')
const names = readNames()
const guide = new Map(
  ['README.md', ...readdirSync(path.join(root, 'docs')).map((file) => `docs/${file}`)]
    .filter((file) => file.endsWith('.md'))
    .map((file) => [file, readFileSync(path.join(root, file), 'utf8')]),
)
const made = new Map([...filledPages(guide, names), ...[...referencePages(names)].map(([file, text]) => [`docs/reference/${file}`, text])])
const folder = path.join(root, 'docs', 'reference')
mkdirSync(folder, { recursive: true })
const there = (file) => {
  try {
    return readFileSync(path.join(root, file), 'utf8')
  } catch {
    return undefined
  }
}
const stale = [...made].filter(([file, text]) => there(file) !== text).map(([file]) => file)
const gone = readdirSync(folder)
  .map((file) => `docs/reference/${file}`)
  .filter((file) => !made.has(file))
if (check) {
  for (const file of [...stale, ...gone]) console.error(`${file} is not what the sources say: run "npm run docs", and commit it`)
  process.exitCode = stale.length + gone.length > 0 ? 1 : 0
} else {
  for (const file of stale) writeFileSync(path.join(root, file), made.get(file))
  for (const file of gone) rmSync(path.join(root, file))
  const at = process.argv.indexOf('--site')
  const site = at < 0 ? path.join(root, 'site') : path.resolve(process.argv[at + 1])
  console.log(`docs: ${names.length} names, ${made.size} pages, ${stale.length} written; ${writeSite(root, site)} pages in ${site}`)
}
