// How much of the exchange of gradients lies under the backward pass: two ranks with a limited network between them, a
// network of 6 × dense(1024), 25.2 MB of gradients a step. Three ways take turns in rounds: ranks that exchange nothing
// ('none'), one exchange after the backward pass ('after'), and a bucket for each matrix, begun within it ('during').
// In all three, two processes compute at a time: what the network's own work costs them counts as exposed.
// 'default': buckets as they are where nobody sets their size; 'bfloat16': the same, of gradients that were rounded.
// Usage: node bench/distributed.mjs [--mpi openmpi|mpich] [--rate 1gbit] [--steps 10] [--rounds 2] [--ways none,during]
import { parseArgs } from 'node:util'
import { LAUNCHERS, startRanks, withNetwork } from './network.mjs'

const { values } = parseArgs({
  options: {
    mpi: { type: 'string' },
    rate: { type: 'string', default: '1gbit' },
    steps: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '2' },
    ways: { type: 'string', default: 'none,after,during' },
    rank: { type: 'string' },
  },
})

const WIDTH = 1024
const LAYERS = 6
const ROWS = 256 // of each rank
const median = (times) => [...times].sort((a, b) => a - b)[times.length >> 1]

/** How long a call takes, the median of some, in ms. */
async function timed(count, call) {
  const times = []
  for (let i = 0; i < count + 1; i++) {
    const begin = performance.now()
    await call()
    times.push(performance.now() - begin)
  }
  return median(times.slice(1))
}

/** One rank, which prints the median step, and what there is to compare it with. */
async function rankOf(how) {
  const { callbacks, distributed, gradients, jit, layers, optimizers, sequential, setSeed, tensor } = await import('../dist/lib/index.js')
  const gradientsAs = how === 'bfloat16' ? { gradientDtype: 'bfloat16' } : {}
  const bucketBytes = { after: 2 ** 30, during: 4 * 2 ** 20, default: undefined }[how]
  const { size } =
    how === 'none' ? { size: 1 } : await distributed.init({ ...(bucketBytes && { bucketBytes }), ...gradientsAs, timeoutMs: 60_000 })
  const rank = Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK)
  const steps = Number(values.steps)
  setSeed(1)
  const net = sequential(
    Array.from({ length: LAYERS }, (_, i) =>
      layers.dense({ units: WIDTH, activation: 'relu', useBias: false, ...(i === 0 ? { inputShape: [WIDTH] } : {}) }),
    ),
  )
  net.compile({ optimizer: optimizers.adam({ learningRate: 1e-4 }), loss: 'meanSquaredError' })
  const rows = ROWS * size * steps
  const x = tensor(
    Float32Array.from({ length: rows * WIDTH }, (_, i) => Math.sin(i)),
    { shape: [rows, WIDTH] },
  )
  const times = []
  let at = performance.now()
  const clock = callbacks.everyRank({
    onBatchEnd: () => {
      const now = performance.now()
      times.push(now - at)
      at = now
    },
  })
  await net.fit(x, x, { batchSize: ROWS * size, epochs: 1, verbose: 0, callbacks: [clock] })
  const told = { how, rank, steps: times.slice(3) }
  if (how === 'none') {
    const some = x.slice([0, 0], [ROWS, WIDTH])
    const error = (rows) => net.apply(rows).sub(rows).square().mean()
    const forward = jit(error)
    const both = jit((rows) => {
      const loss = error(rows)
      return [loss, ...gradients(loss, net.trainableWeights)]
    })
    const alone = await timed(9, () => forward(some).data())
    told.backward = (await timed(9, () => both(some)[0].data())) - alone
  } else if (how === 'after') {
    // the exchange alone, of as many bytes
    const all = tensor(new Float32Array(LAYERS * WIDTH * WIDTH))
    told.exchange = await timed(5, () => distributed.allReduce(all).data())
  }
  process.stdout.write(`${JSON.stringify(told)}\n`)
  if (size > 1) await distributed.close()
}

const toldIn = ({ code, output }) => {
  const lines = output.split('\n').filter((line) => line.startsWith('{"how"'))
  if (code !== 0 || lines.length === 0) throw new Error(`the ranks ended with ${code}: ${output}`)
  return lines.map((line) => JSON.parse(line))
}

if (values.rank) await rankOf(values.rank)
else
  await withNetwork(2, values.rate, async () => {
    for (const launcher of LAUNCHERS.filter(({ command }) => values.mpi === undefined || command.endsWith(values.mpi))) {
      const told = Object.fromEntries(values.ways.split(',').map((how) => [how, []]))
      for (let round = 0; round < Number(values.rounds); round++)
        for (const how of values.ways.split(',')) {
          const program = [process.execPath, import.meta.filename, '--steps', values.steps, '--rank', how]
          told[how].push(...toldIn(await startRanks(launcher, 2, program, { network: true })))
        }
      const step = Object.fromEntries(Object.entries(told).map(([how, all]) => [how, median(all.flatMap(({ steps }) => steps))]))
      const of = (how, what) => median(told[how].map((one) => one[what]))
      const count = (Number(values.steps) - 3) * Number(values.rounds)
      console.log(`${launcher.name}, two ranks, ${values.rate} between them, medians of ${count} steps of each rank, ms`)
      const line = (text, ms, more = '') => console.log(`  ${text.padEnd(42)}${ms?.toFixed(1).padStart(7)}${more}`)
      const exposed = (how) => `   exposed ${(step[how] - step.none).toFixed(1)}`
      line('nothing exchanged', step.none)
      if (step.after) line('one exchange after the backward pass', step.after, exposed('after'))
      if (step.during) line('a bucket for each matrix', step.during, exposed('during'))
      if (step.default) line('buckets of the default size', step.default, exposed('default'))
      if (step.bfloat16) line('the same, gradients as bfloat16', step.bfloat16, exposed('bfloat16'))
      line('the backward pass alone', of('none', 'backward'))
      if (!step.after) continue
      line('the exchange alone, 25.2 MB', of('after', 'exchange'))
      console.log(`  exchange less backward pass, and 10 %      ${(1.1 * (of('after', 'exchange') - of('none', 'backward'))).toFixed(1)}`)
    }
  })
