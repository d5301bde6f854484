// Inference of the MNIST CNN from JavaScript array to JavaScript array, against onnxruntime-node, on one thread
// (--threads 2: on two), and `predict` against a function of one's own. The processor's peak in the same rounds bounds
// the ratio; a call that computes next to nothing says what JavaScript and the copy of the batch take.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { boundOfInference, goals } from './shared/goals.mjs'
import { interleave, median } from './shared/measure.mjs'
import { makeWeights, removeNetwork, writeNetwork } from './shared/networks.mjs'
import { mnistOnnx } from './shared/onnx.mjs'
import { Peak } from './shared/peak.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { nodeSide, weftSide } from './shared/side.mjs'

const options = readOptions({ threads: { type: 'string', default: '1' }, rounds: { type: 'string', default: '21' } })
const threads = Number(options.threads)
const rounds = options.quick ? 9 : Number(options.rounds)
const milliseconds = 250
const report = new Report(`Inference, MNIST CNN, ${threads} thread(s): µs per call, best of ${rounds} interleaved rounds or more`, options)

const network = writeNetwork('mnist')
const model = join(network.folder, 'mnist.onnx')
writeFileSync(model, mnistOnnx(makeWeights(network)))
const weft = weftSide('infer.mjs', threads)
const runtime = nodeSide('onnxruntime-node', 'infer-onnxruntime.mjs')
await Promise.all([weft.request({ command: 'load', ...network }), runtime.request({ command: 'load', ...network, model, threads })])

/** Additions and multiplications of one image: 26 x 26 pixels, 32 filters of 9 taps; 5408 values, 10 classes. */
const operationsPerImage = 2 * (26 * 26 * 32 * 9 + 13 * 13 * 32 * 10)
const peak = await Peak.start(threads)

for (const batch of [1, 64]) {
  const { outputs: expected } = await runtime.request({ command: 'outputs', batch })
  for (const way of ['predict', 'jit']) {
    const { outputs } = await weft.request({ command: 'outputs', batch, way })
    report.check(`batch ${batch}, ${way}, against onnxruntime-node`, relativeDifference(outputs, expected), 1e-4)
  }
  const side = (from, way) => () => from.request({ command: 'run', batch, way, milliseconds })
  const { rest, hidden, outside } = boundOfInference(batch)
  const sides = { 'weft jit': side(weft, 'jit'), 'weft predict': side(weft, 'predict'), peer: side(runtime), calls: side(weft, 'empty') }
  const figures = await interleave(peak.beside(sides, rest, hidden), { rounds })
  for (const way of ['jit', 'predict']) {
    const figure = figures[`weft ${way}`]
    report.compare(`batch ${batch}, ${way}`, figure, figures.peer, {
      peerName: 'onnxruntime',
      goal: threads === 1 ? goals.infer[batch] : 1.5,
      peak: peak.compare({ ...figures, weft: figure }, figures.peer, operationsPerImage * batch, outside),
    })
  }
  // rounds beside each other: others on the machine slow both
  const [own, jit] = [figures['weft predict'].rounds, figures['weft jit'].rounds]
  const longer = median(own.map((microseconds, round) => microseconds - jit[round]))
  const percent = (100 * longer) / figures['weft jit'].minimum
  const [measured, unit] = batch === 1 ? [longer, 'µs'] : [percent, '%']
  report.row({ name: `batch ${batch}, predict over jit`, measured, unit, value: measured, goal: 5, atMost: true })
}

peak.close(report)
weft.close()
runtime.close()
removeNetwork(network)
report.finish()
