// Training step time of three networks against PyTorch and TensorFlow.js, on one thread (--threads 2: on two).
import { goals, restOfNetwork } from './shared/goals.mjs'
import { best, interleave } from './shared/measure.mjs'
import { networks, removeNetwork, size, weightShapes, writeNetwork } from './shared/networks.mjs'
import { Peak } from './shared/peak.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { nodeSide, torchSide, weftSide } from './shared/side.mjs'

const options = readOptions({
  threads: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '9' },
  'without-tfjs': { type: 'boolean', default: false },
  only: { type: 'string' },
})
const threads = Number(options.threads)
const rounds = options.quick ? 5 : Number(options.rounds)
const report = new Report(`Training step, Adam, ${threads} thread(s): µs per step, best of ${rounds} interleaved rounds or more`, options)

/**
 * Operations of a step's products, where all layers are dense: forward, the gradients of weights, and of all inputs but
 * the first. Of other networks none are counted: gradients of pooled convolutions are mostly zeros, which Weft skips.
 */
const operationsOf = (network, batch) => {
  if (network.layers.some(({ type }) => type !== 'dense')) return undefined
  const sizes = weightShapes(network)
    .filter((shape) => shape.length === 2)
    .map(size)
  return 2 * batch * (3 * sizes.reduce((sum, elements) => sum + elements, 0) - sizes[0])
}

// times TensorFlow.js on its cpu backend, batch 32
const tfjsGoals = { mnist: 2000 }

const weft = weftSide('train.mjs', threads)
// With more threads than one, OpenBLAS' own threads and spinning between operations help some networks and harm others:
// the best setting counts.
const torchSettings =
  threads === 1 ? { '': {} } : { '': {}, ' openblas': { openblasThreads: threads }, ' passive': { waitPolicy: 'PASSIVE' } }
const torches = Object.values(torchSettings).map((settings) => torchSide('train.py', threads, settings))
const wasm = !options['without-tfjs'] ? nodeSide('tfjs wasm', 'train-tfjs.mjs', ['wasm']) : undefined
const cpu = !options['without-tfjs'] ? nodeSide('tfjs cpu', 'train-tfjs.mjs', ['cpu']) : undefined
// Weft's Adam adds epsilon where Keras adds it, the peers' where the paper does: next to nothing makes the forms equal.
const check = { command: 'check', batch: 32, steps: 4, epochs: 3, epsilon: 1e-12 }
const versions = {}
const peak = await Peak.start(threads)

const compareTfjs = async (network, name, weftSteps, losses) => {
  const { title } = networks[name]
  await Promise.all([wasm, cpu].map((side) => side.request({ command: 'load', ...network })))
  const steps = (side, count) => () => side.request({ command: 'steps', name, batch: 32, count })
  try {
    const { losses: expected } = await wasm.request({ ...check, name })
    report.check(`${title}: losses, Weft against tfjs wasm`, relativeDifference(losses, expected), 1e-4)
    const figures = await interleave({ weft: weftSteps, wasm: steps(wasm, 16) }, { rounds })
    report.compare(`${title} batch 32`, figures.weft, figures.wasm, { peerName: 'tfjs wasm' })
  } catch (error) {
    report.note(`${title}: tfjs wasm cannot train it: ${error.message.split('\n')[0]}`)
  }
  // One step takes seconds: one to warm up, few to measure.
  const settings = name === 'cifar' ? { rounds: 1, warmUp: 0 } : { rounds: 3 }
  const figures = await interleave({ weft: weftSteps, cpu: steps(cpu, 1) }, settings)
  report.compare(`${title} batch 32`, figures.weft, figures.cpu, {
    peerName: 'tfjs cpu',
    goal: threads === 1 ? tfjsGoals[name] : undefined,
  })
}

for (const name of options.only?.split(',') ?? Object.keys(networks)) {
  const network = writeNetwork(name)
  const { title, epochs, peerSteps } = network
  const [, ...loaded] = await Promise.all([weft, ...torches].map((side) => side.request({ command: 'load', ...network })))
  versions.pytorch = loaded[0].version
  const { losses } = await weft.request({ ...check, name })
  for (const variant of loaded[0].variants) {
    const { losses: expected } = await torches[0].request({ ...network, ...check, variant })
    report.check(`${title}: losses of 12 steps, Weft against PyTorch ${variant}`, relativeDifference(losses, expected), 1e-4)
  }

  const weftSteps = (batch) => () => weft.request({ command: 'fit', name, batch, epochs })
  for (const batch of [32, 128]) {
    const count = Math.max(8, Math.round((peerSteps * 32) / batch))
    const sides = { weft: weftSteps(batch) }
    torches.forEach((torch, i) => {
      for (const variant of loaded[i].variants) {
        const request = { command: 'steps', name, variant, batch, count }
        sides[`pytorch ${variant}${Object.keys(torchSettings)[i]}`] = () => torch.request(request)
      }
    })
    const operations = operationsOf(network, batch)
    const figures = await interleave(operations === undefined ? sides : peak.beside(sides, restOfNetwork(network, batch)), { rounds })
    const torch = best(figures, 'pytorch')
    report.compare(`${title} batch ${batch}`, figures.weft, torch, {
      goal: threads === 1 ? goals.train[name][batch] : undefined,
      peak: operations === undefined ? undefined : peak.compare(figures, torch, operations),
    })
  }
  if (!options['without-tfjs']) await compareTfjs(network, name, weftSteps(32), losses)
  removeNetwork(network)
}

for (const side of [weft, ...torches, wasm, cpu]) side?.close()
peak.close(report)
report.finish(versions)
