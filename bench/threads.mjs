// Two threads against one: training steps and products with the JavaScript thread idle and with it computing 90 % of
// the time, and inference, whose calls are awaited one after the other. Two processes of one thread take part: they
// show how far apart equals come in these rounds, and the slower one is the peer. Beside busy JavaScript the middle of
// longer rounds counts: how the pauses of JavaScript meet the ends of runs makes a round better or worse. Where a
// second thread gains nothing, its trials cost two percent (native/pace.h), so the goal is 0.98.
import { availableParallelism } from 'node:os'
import { kernels } from './shared/kernels.mjs'
import { interleave, median } from './shared/measure.mjs'
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
const report = new Report(`Two threads against one, ${availableParallelism()} cores: µs, ${rounds} interleaved rounds or more`, options)

/** Of every row, how much slower the slower one of the two equal sides was. */
const apart = []

/** One row: the same request to a side on one thread and to one on two. */
const compare = async (title, sides, request) => {
  const busy = request.busy > 0
  const of = busy ? 'median' : 'minimum'
  const ask = (side) => () =>
    side.request({ ...request, ...(busy && request.milliseconds ? { milliseconds: 4 * request.milliseconds } : {}) })
  const { two, one, again } = await interleave({ two: ask(sides.two), one: ask(sides.one), again: ask(sides.again) }, { rounds })
  const equals = [one, again].sort((a, b) => a[of] - b[of])
  apart.push(equals[1][of] / equals[0][of])
  report.compare(`${title}${busy ? ', JavaScript busy' : ''}: 2 threads`, two, equals[1], { peerName: '1 thread', goal: 0.98, of })
}

const wanted = (title) => title.includes(options.only)
const onBoth = async (program, use) => {
  const sides = { one: weftSide(program, 1), again: weftSide(program, 1), two: weftSide(program, 2) }
  const all = Object.values(sides)
  await use(sides, (request) => Promise.all(all.map((side) => side.request({ command: 'load', ...request }))))
  for (const side of all) side.close()
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
report.note(
  `the two sides of one thread differ by ${((Math.max(...apart) - 1) * 100).toFixed(1)} % at most, ${((median(apart) - 1) * 100).toFixed(1)} % in the middle`,
)
report.finish()
