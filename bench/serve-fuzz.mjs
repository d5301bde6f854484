// Random requests and files for the model server, as many as asked for (default 300,000): most over REST, a third over
// gRPC, a hundredth as files of a repository. Ends with 1 at the first answer that is not documented. They come in
// parts of 10,000, each with a seed of its own: node serve-fuzz.mjs 300000 SEED 12 goes on at part 12. --only REST and
// --only gRPC,files in two processes use two cores.
import { parseArgs } from 'node:util'
import { fuzzGrpc, fuzzRepository, fuzzRest } from '../dist/test/serve/fuzz.js'

const PART = 10_000
const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string', default: 'REST,gRPC,files' } } })
const [rounds = 300_000, seed = Date.now() % 1e6, from = 0] = positionals.map(Number)
const only = values.only.split(',')
const parts = Math.ceil(rounds / PART)
console.log(`seed ${seed}, ${parts} parts`)
const begin = performance.now()
let asked = 0
for (let part = from; part < parts; part++) {
  const count = Math.min(PART, rounds - part * PART)
  const files = Math.ceil(count / 100)
  const messages = Math.ceil(count / 3)
  const seen = []
  for (const [what, fuzz, share] of [
    ['REST', fuzzRest, count - files - messages],
    ['gRPC', fuzzGrpc, messages],
    ['files', fuzzRepository, files],
  ]) {
    if (!only.includes(what)) continue
    const answers = await fuzz(share, seed + part)
    asked += share
    seen.push(`${what} ${[...answers].map((pair) => pair.join(': ')).join(', ')}`)
  }
  const seconds = (performance.now() - begin) / 1000
  const megabytes = (process.memoryUsage().rss / 2 ** 20).toFixed(0)
  console.log(
    `part ${part}: ${asked} in ${seconds.toFixed(0)} s, ${(asked / seconds).toFixed(0)} a second; ${seen.join('; ')}; ${megabytes} MiB`,
  )
}
// what gRPC keeps open ends with the process
process.exit()
