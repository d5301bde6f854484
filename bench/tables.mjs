// Puts the rows that `node all.mjs --level ...` kept into docs/performance.md: of each instruction set the newest file
// of results/cpu, or the files that are named. The page has a place for each, between two comments.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { markdownOf } from './shared/goal_table.mjs'

const folder = fileURLToPath(new URL('results/cpu/', import.meta.url))
const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const given = process.argv.slice(2)
const names =
  given.length > 0 ? given.map((path) => path.split('/').at(-1)) : readdirSync(folder).filter((name) => name.endsWith('-goals.json'))

const newest = {}
for (const name of names.sort()) newest[/-(\w+)-goals\.json$/.exec(name)[1]] = name

/** Where and when a run was made. */
const heading = (name, { date, machine, commit, versions, command, results }) => {
  const of = (key) => results.find((result) => result.versions[key] !== undefined)?.versions[key]
  const peers = [
    ['PyTorch', of('pytorch')],
    ['onnxruntime-node', of('onnxruntime-node')],
  ].filter(([, version]) => version !== undefined)
  return [
    `\`${command}\`,`,
    `${date.slice(0, 10)}, commit ${commit.split(' ')[0]}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB;`,
    `Node ${versions.node}${peers.map(([peer, version]) => `, ${peer} ${version}`).join('')}.`,
    `[Raw figures](../bench/results/cpu/${name}).`,
  ].join('\n')
}

let text = readFileSync(page, 'utf8')
for (const [level, name] of Object.entries(newest)) {
  const run = JSON.parse(readFileSync(folder + name, 'utf8'))
  const [begin, end] = [`<!-- goals ${level} -->`, `<!-- end of goals ${level} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for ${level}: ${begin} and ${end}`)
  text = `${text.slice(0, from + begin.length)}\n${heading(name, run)}\n\n${markdownOf(run.results)}${text.slice(to)}`
  console.log(`${level}: ${name}`)
}
writeFileSync(page, text)
