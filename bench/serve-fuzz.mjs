// Random requests and files for the model server, as many as asked for (default 300,000): most over REST, a third over
// gRPC, a hundredth as files of a repository. Ends with 1 at the first answer that is not documented.
import { fuzzGrpc, fuzzRepository, fuzzRest } from '../dist/test/serve/fuzz.js'

const [rounds, seed] = [Number(process.argv[2] ?? 300_000), Number(process.argv[3] ?? Date.now() % 1e6)]
const files = Math.ceil(rounds / 100)
const messages = Math.ceil(rounds / 3)
console.log(`seed ${seed}`)
const begin = performance.now()
for (const [what, fuzz, count] of [
  ['REST', fuzzRest, rounds - files - messages],
  ['gRPC', fuzzGrpc, messages],
  ['files', fuzzRepository, files],
]) {
  const seen = await fuzz(count, seed)
  const megabytes = (process.memoryUsage().rss / 2 ** 20).toFixed(0)
  console.log(
    `${what}: ${count} in ${((performance.now() - begin) / 1000).toFixed(0)} s, ${[...seen].map((pair) => pair.join(': ')).join(', ')}; ${megabytes} MiB`,
  )
}
