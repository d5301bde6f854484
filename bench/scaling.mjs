// What training on many ranks gains, on paper: the costs of an all-reduce from two numbers, α seconds a message and
// β seconds a byte; gradients that become ready through the backward pass, and travel in buckets, one after another.
// Usage: node bench/scaling.mjs          the table
//        node bench/scaling.mjs --check  the model against ranks with 1 Gbit/s between them, as root, with iproute2
import { parseArgs } from 'node:util'
import { LAUNCHERS, startRanks, withNetwork } from './network.mjs'

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, rank: { type: 'boolean' }, rate: { type: 'string', default: '1gbit' } },
})

/** Around a ring: each rank sends 2 (N − 1) / N of the bytes (Patarasuk and Yuan 2009). */
const ring = (n, bytes, { alpha, beta }) => 2 * (n - 1) * alpha + ((2 * (n - 1)) / n) * bytes * beta
/** Along two binary trees at a time: few messages, and up to twice the bytes (Sanders, Speck and Träff 2009). */
const tree = (n, bytes, { alpha, beta }) => 2 * Math.ceil(Math.log2(n)) * alpha + 2 * bytes * beta
const quicker = (n, bytes, link) => (n === 1 ? 0 : Math.min(ring(n, bytes, link), tree(n, bytes, link)))

/**
 * Seconds of an all-reduce over n ranks, `perNode` of which share a host. On several hosts each rank reduces its part
 * on its host, exchanges it with the same ranks of other hosts, and passes it on.
 */
function allReduce(n, bytes, { perNode = 1, inside, between, start }) {
  const here = Math.min(n, perNode)
  const hosts = Math.ceil(n / here)
  if (n === 1) return 0
  if (here === 1) return start + quicker(hosts, bytes, between)
  if (hosts === 1) return start + quicker(here, bytes, inside)
  const within = 2 * (here - 1) * inside.alpha + 2 * ((here - 1) / here) * bytes * inside.beta
  return start + within + quicker(hosts, bytes / here, between)
}

/**
 * Seconds from the end of the backward pass to the end of the last bucket. `layers`: [bytes, seconds], the last first.
 */
function exposed(layers, bucketBytes, cost) {
  let [now, free, full, first] = [0, 0, 0, true]
  const send = () => {
    free = Math.max(free, now) + cost(full)
    full = 0
    first = false
  }
  for (const [bytes, seconds] of layers) {
    now += seconds
    full += bytes
    if (full >= (first ? bucketBytes / 25 : bucketBytes)) send()
  }
  if (full > 0) send()
  return Math.max(0, free - now)
}

/**
 * Of a step of `seconds`, two thirds are the backward pass. Each layer has `grow` times the weights of the one before.
 */
const MODELS = {
  'ResNet-50, 256 images a GPU': { weights: 25.6e6, seconds: 0.1, layers: 53, grow: 1.06 },
  'GPT of 1.3B, 16k tokens a GPU': { weights: 1.3e9, seconds: 0.32, layers: 24, grow: 1 },
  '6 × dense(1024), 256 rows a host': { weights: 6.3e6, seconds: 0.1, layers: 6, grow: 1 },
  'CNN of 0.4M, 32 images a host': { weights: 0.4e6, seconds: 0.008, layers: 4, grow: 8 },
}
const nvlink = { alpha: 1e-6, beta: 1 / 360e9 }
const NETWORKS = {
  'NVLink, 400 Gb/s a GPU': { perNode: 8, inside: nvlink, between: { alpha: 4e-6, beta: 1 / 45e9 }, start: 12e-6 },
  'NVLink, 100 Gb/s a host': { perNode: 8, inside: nvlink, between: { alpha: 15e-6, beta: 8 / 11e9 }, start: 12e-6 },
  '10 Gb/s a host': { between: { alpha: 40e-6, beta: 1 / 1.15e9 }, start: 60e-6 },
  '1 Gb/s a host': { between: { alpha: 60e-6, beta: 1 / 0.1e9 }, start: 60e-6 },
}
const ROWS = [
  ['ResNet-50, 256 images a GPU', 'NVLink, 400 Gb/s a GPU'],
  ['GPT of 1.3B, 16k tokens a GPU', 'NVLink, 400 Gb/s a GPU'],
  ['GPT of 1.3B, 16k tokens a GPU', 'NVLink, 100 Gb/s a host'],
  ['6 × dense(1024), 256 rows a host', '10 Gb/s a host'],
  ['6 × dense(1024), 256 rows a host', '1 Gb/s a host'],
  ['CNN of 0.4M, 32 images a host', '10 Gb/s a host'],
]
const RANKS = [2, 8, 64, 256, 1024]
/** Kernels that share the machine with an exchange are slower: by so much of the backward pass. */
const SHARED = 0.03

/** Efficiency in %: the step of one rank through that of n. */
function efficiency(model, network, n, { bytes, bucketBytes }) {
  const { weights, seconds, layers, grow } = MODELS[model]
  const backward = (seconds * 2) / 3
  const shares = Array.from({ length: layers }, (_, i) => grow ** i).reverse()
  const sum = shares.reduce((a, b) => a + b)
  const cost = (many) => allReduce(n, many, NETWORKS[network])
  const overlapped = bucketBytes < Number.POSITIVE_INFINITY
  const slower = overlapped ? SHARED * backward : 0
  const each = (backward + slower) / layers
  const wait = overlapped
    ? exposed(
        shares.map((share) => [(share / sum) * weights * bytes, each]),
        bucketBytes,
        cost,
      )
    : cost(weights * bytes)
  return (100 * seconds) / (seconds + wait + slower)
}

function paper() {
  console.log(`${'efficiency, %'.padEnd(64)}${RANKS.map((n) => String(n).padStart(7)).join('')}`)
  for (const [model, network] of ROWS) {
    console.log(`${model}; ${network}`)
    for (const [how, options] of [
      ['one exchange after the backward pass', { bytes: 4, bucketBytes: Number.POSITIVE_INFINITY }],
      ['buckets of 25 MiB', { bytes: 4, bucketBytes: 25 * 2 ** 20 }],
      ['buckets of 1 MiB', { bytes: 4, bucketBytes: 2 ** 20 }],
      ['buckets of 1 MiB, bfloat16', { bytes: 2, bucketBytes: 2 ** 20 }],
    ]) {
      const row = RANKS.map((n) => efficiency(model, network, n, options).toFixed(1).padStart(7)).join('')
      console.log(`    ${how.padEnd(60)}${row}`)
    }
  }
  console.log('100 MB alone, ms')
  for (const [name, network] of Object.entries(NETWORKS))
    console.log(`    ${name.padEnd(60)}${RANKS.map((n) => (allReduce(n, 1e8, network) * 1e3).toFixed(1).padStart(7)).join('')}`)
  const late = (n) => {
    const root = Math.sqrt(2 * Math.log(n))
    return root - (Math.log(Math.log(n)) + Math.log(4 * Math.PI)) / (2 * root)
  }
  console.log('waiting for the slowest rank, where steps vary by 1 % (normally distributed), %')
  console.log(`    ${''.padEnd(60)}${RANKS.map((n) => (n < 8 ? '' : late(n).toFixed(1)).padStart(7)).join('')}`)
}

const SIZES = [4, 65_536, 1_000_000, 10_000_000, 25_000_000]

/** α and β of two ranks, and what they say of two and of four. */
async function check() {
  const { alphaBeta, modelled } = await import('../dist/lib/cli/bench_ranks.js')
  for (const launcher of LAUNCHERS) {
    let two
    for (const ranks of [2, 4])
      await withNetwork(ranks, values.rate, async () => {
        const { output } = await startRanks(launcher, ranks, [process.execPath, import.meta.filename, '--rank'], { network: true })
        const { rows } = JSON.parse(output.slice(output.indexOf('{\n'), output.lastIndexOf('}') + 1))
        const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1]
        const times = rows.map(({ bytes, microseconds }) => ({ bytes, microseconds: median(microseconds) }))
        two ??= alphaBeta(2, times)
        for (const { bytes, microseconds } of times.filter(({ bytes }) => bytes >= 1e6)) {
          const paper = modelled(ranks, bytes, two) / 1000
          const measured = microseconds / 1000
          const off = (100 * (paper / measured - 1)).toFixed(0)
          console.log(
            `${launcher.name}, ${values.rate}, ${ranks} ranks, ${bytes / 1e6} MB: model ${paper.toFixed(1)} ms, measured ${measured.toFixed(1)}, ${off} %`,
          )
        }
      })
    console.log(`${launcher.name}: α ${two.alpha.toFixed(0)} µs, 1 / β ${(1 / two.beta / 1000).toFixed(4)} GB/s, from two ranks`)
  }
}

if (values.rank) {
  const { benchAllReduce } = await import('../dist/lib/cli/bench_ranks.js')
  await benchAllReduce('', { quick: false, json: true, sizes: SIZES })
} else if (values.check) await check()
else paper()
