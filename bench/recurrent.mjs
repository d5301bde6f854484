// Recurrent layers against PyTorch on one thread (--threads 2: on two): forward and backward of one LSTM and GRU over a
// batch of sequences, and a training step of a classifier: embedding, two LSTMs, one unit.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { goals, productsOfClassifier, productsOfRecurrent, restOfClassifier, restOfRecurrent } from './shared/goals.mjs'
import { best, interleave } from './shared/measure.mjs'
import { Peak } from './shared/peak.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { torchSide, weftSide } from './shared/side.mjs'

const options = readOptions({
  threads: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '9' },
  only: { type: 'string' },
})
const threads = Number(options.threads)
const rounds = options.quick ? 5 : Number(options.rounds)
const report = new Report(`Recurrent layers, ${threads} thread(s): µs, best of ${rounds} interleaved rounds or more`, options)
const wanted = (name) => options.only === undefined || options.only.split(',').includes(name)

/** Goals hold on one thread: times PyTorch. */
const layers = [
  { name: 'lstm', kind: 'lstm', gates: 4, batch: 32, steps: 100, features: 64, units: 128 },
  { name: 'lstm-small', kind: 'lstm', gates: 4, batch: 32, steps: 50, features: 1, units: 50 },
  { name: 'gru', kind: 'gru', gates: 3, batch: 32, steps: 100, features: 64, units: 128 },
]
/**
 * Additions and multiplications of a layer's products: every step multiplies its input and its state by a matrix of all
 * gates; the gradients of either factor take as many again. What is done value by value is not counted.
 */
const operationsOf = ({ batch, steps, features, units, gates }) => 6 * batch * steps * (features + units) * gates * units
const classifier = { vocabulary: 10_000, dimension: 64, units: 128, steps: 100, samples: 1024 }

let state = 7
/** Even numbers in [-1, 1), the same on every machine (Park and Miller 1988). */
const next = () => {
  state = (state * 48_271) % 2_147_483_647
  return state / 1_073_741_823.5 - 1
}
const folder = mkdtempSync(join(tmpdir(), 'weft-bench-recurrent-'))
const write = (name, count, scale) => {
  writeFileSync(join(folder, name), new Uint8Array(Float32Array.from({ length: count }, () => next() * scale).buffer))
}

const weft = weftSide('recurrent.mjs', threads)
const waits = threads === 1 ? [undefined] : [undefined, 'PASSIVE']
const torches = waits.map((waitPolicy) => torchSide('recurrent.py', threads, waitPolicy === undefined ? {} : { waitPolicy }))
const all = [weft, ...torches]
const peak = await Peak.start(threads)
const sides = (request, count) => ({
  weft: () => weft.request({ ...request, count }),
  ...Object.fromEntries(torches.map((torch, i) => [`pytorch${waits[i] ? ' passive' : ''}`, () => torch.request({ ...request, count })])),
})
let versions = {}

for (const layer of layers.filter(({ name }) => wanted(name))) {
  const { name, kind, gates, batch, steps, features, units } = layer
  const weights = gates * units
  write(`${name}-x`, batch * steps * features, 1)
  write(`${name}-g`, batch * steps * units, 1)
  write(`${name}-kernel`, features * weights, 1 / Math.sqrt(features))
  write(`${name}-recurrent`, units * weights, 1 / Math.sqrt(units))
  write(`${name}-bias`, (kind === 'gru' ? 2 : 1) * weights, 0.1)
  const [own, peer] = await Promise.all(all.map((side) => side.request({ command: 'layer', folder, ...layer })))
  versions = { pytorch: peer.version }
  const title = `${kind} batch ${batch}, ${steps} steps, ${features} to ${units}, forward and backward`
  for (const part of Object.keys(peer.results))
    report.check(`${title}: ${part}`, relativeDifference(own.results[part], peer.results[part]), 1e-4)
  const run = sides({ command: 'run', name }, units < 100 ? 40 : 8)
  const figures = await interleave(peak.beside(run, restOfRecurrent(layer), undefined, productsOfRecurrent(layer)), { rounds })
  const torch = best(figures, 'pytorch')
  report.compare(title, figures.weft, torch, {
    goal: threads === 1 ? goals.recurrent[name] : undefined,
    peak: peak.compare(figures, torch, operationsOf(layer)),
  })
}

if (wanted('classifier')) {
  const { vocabulary, dimension, units, steps, samples } = classifier
  write('embedding', vocabulary * dimension, 0.05)
  for (const [i, inputs] of [dimension, units].entries()) {
    write(`kernel${i}`, inputs * 4 * units, 1 / Math.sqrt(inputs))
    write(`recurrent${i}`, units * 4 * units, 1 / Math.sqrt(units))
    write(`bias${i}`, 4 * units, 0.1)
  }
  write('out', units, 0.1)
  write('out-bias', 1, 0.1)
  const integers = (name, count, below) =>
    writeFileSync(
      join(folder, name),
      new Uint8Array(Int32Array.from({ length: count }, () => Math.floor(((next() + 1) / 2) * below)).buffer),
    )
  integers('ids', samples * steps, vocabulary)
  integers('labels', samples, 2)
  const [own, peer] = await Promise.all(all.map((side) => side.request({ command: 'classifier', folder, ...classifier })))
  versions = { pytorch: peer.version }
  report.check('classifier: losses of 8 steps', relativeDifference(own.losses, peer.losses), 1e-4)
  for (const batch of [32, 128]) {
    const run = sides({ command: 'train', batch }, samples / batch)
    const [rest, products] = [restOfClassifier(classifier, batch), productsOfClassifier(classifier, batch)]
    const figures = await interleave(peak.beside(run, rest, undefined, products), { rounds })
    const torch = best(figures, 'pytorch')
    const operations = [dimension, units].map((features) => operationsOf({ batch, steps, features, units, gates: 4 }))
    report.compare(`embedding and 2 LSTM(128), training step, batch ${batch}`, figures.weft, torch, {
      goal: threads === 1 ? goals.recurrent.classifier[batch] : undefined,
      peak: peak.compare(figures, torch, operations[0] + operations[1]),
    })
  }
}

rmSync(folder, { recursive: true })
for (const side of all) side.close()
peak.close(report)
report.finish(versions)
