// Two threads against one: training steps and products with the JavaScript thread idle and with it computing 90 % of
// the time, and inference, whose calls are awaited one after the other.
import { availableParallelism } from 'node:os'
import { kernels } from './shared/kernels.mjs'
import { interleave } from './shared/measure.mjs'
import { networks, removeNetwork, writeNetwork } from './shared/networks.mjs'
import { Report, readOptions } from './shared/report.mjs'
import { weftSide } from './shared/side.mjs'

const options = readOptions({
  rounds: { type: 'string', default: '9' },
  milliseconds: { type: 'string', default: '200' },
  only: { type: 'string', default: '' },
})
const rounds = options.quick ? 5 : Number(options.rounds)
const milliseconds = options.quick ? 60 : Number(options.milliseconds)
const report = new Report(`Two threads against one, ${availableParallelism()} cores: µs, best of ${rounds} interleaved rounds`, options)

/** One row: the same request to a side on one thread and to one on two. */
const compare = async (title, { one, two }, request) => {
  const ask = (side) => () => side.request(request)
  const figures = await interleave({ two: ask(two), one: ask(one) }, { rounds })
  const busy = request.busy > 0 ? ', JavaScript busy' : ''
  report.compare(`${title}${busy}: 2 threads`, figures.two, figures.one, { peerName: '1 thread', goal: 1 })
}

const wanted = (title) => title.includes(options.only)
const onBoth = async (program, use) => {
  const sides = { one: weftSide(program, 1), two: weftSide(program, 2) }
  await use(sides, (request) => Promise.all([sides.one, sides.two].map((side) => side.request({ command: 'load', ...request }))))
  sides.one.close()
  sides.two.close()
}

await onBoth('train.mjs', async (sides, load) => {
  for (const [name, { title, epochs }] of Object.entries(networks)) {
    if (!wanted(`${title} step`)) continue
    const network = writeNetwork(name)
    await load(network)
    for (const batch of [32, 128])
      for (const busy of [0, 0.9]) await compare(`${title} step, batch ${batch}`, sides, { command: 'fit', name, batch, epochs, busy })
    removeNetwork(network)
  }
})

await onBoth('infer.mjs', async (sides, load) => {
  if (!wanted('MNIST CNN inference')) return
  const network = writeNetwork('mnist')
  await load(network)
  for (const batch of [1, 8, 64])
    for (const way of ['jit', 'predict'])
      await compare(`MNIST CNN inference, ${way}, batch ${batch}`, sides, { command: 'run', batch, way, milliseconds })
  removeNetwork(network)
})

await onBoth('kernels.mjs', async (sides, load) => {
  for (const kernel of kernels.filter(({ kind, m, name }) => kind === 'matMul' && m <= 128 && wanted(name))) {
    await load(kernel)
    for (const busy of [0, 0.9]) await compare(kernel.name, sides, { command: 'run', milliseconds, busy })
  }
})
report.finish()
