// Something happens to the last rank, in the middle of a run. Every other rank says which error it gets, and how late.
import { distributed, layers, optimizers, sequential, setSeed, tensor, type WeftError } from '../../../lib/index.js'
import { heard, say } from './say.js'

const what = process.argv[2]!
// 4 s of silence: so long nobody stands still who is not stopped
const { rank, size } = await distributed.init({ heartbeatMs: what === 'stopped' ? 1000 : 5_000, timeoutMs: 120_000 })
const last = rank === size - 1
const began = performance.now()

function happens(): void {
  if (!last) return
  if (what === 'killed') process.kill(process.pid, 'SIGKILL')
  if (what === 'stopped') process.kill(process.pid, 'SIGSTOP')
  if (what === 'exits' || what === 'caught') process.exit(0)
}

async function run(): Promise<Record<string, unknown>> {
  setSeed(1)
  if (what === 'shape') return { value: await distributed.allReduce(tensor(last ? [1, 2, 3] : [1, 2])).data() }
  if (what === 'dtype') return { value: await distributed.allReduce(tensor([1, 2]).cast(last ? 'int32' : 'float32')).data() }
  if (what === 'order') return { value: await (last ? distributed.broadcast(tensor([1])) : distributed.allReduce(tensor([1]))).data() }
  const net = sequential([
    layers.dense({ units: what === 'model' && last ? 5 : 4, inputShape: [2] }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  net.compile({ optimizer: optimizers.adam({ learningRate: what === 'rate' && last ? 0.1 : 0.01 }), loss: 'sparseCategoricalCrossentropy' })
  if (what === 'rows') {
    const uneven = {
      x: tensor(new Float32Array(2 * (last ? 8 : 6)), { shape: [last ? 8 : 6, 2] }),
      y: tensor(new Int32Array(last ? 8 : 6)),
    }
    await net.fit([uneven], { verbose: 0 })
  }
  const rows = 12
  const labels = Int32Array.from({ length: rows }, (_, i) => i % 3)
  const x = tensor(
    Float32Array.from({ length: rows * 2 }, (_, i) => i / 7),
    { shape: [rows, 2] },
  )
  const fit = (y: Int32Array, epochs = 1): Promise<unknown> =>
    net.fit(x, tensor(y), { batchSize: rows, epochs, verbose: 0, shuffle: false })
  await fit(labels)
  const before = await Promise.all(net.weights.map((weight) => weight.array()))
  happens()
  // a label that only the last rank has among its rows
  if (what === 'label') labels[rows - 1] = 9
  try {
    await fit(labels, what === 'label' ? 1 : 200)
  } catch (error) {
    const after = await Promise.all(net.weights.map((weight) => weight.array())).catch(() => undefined)
    throw Object.assign(error as Error, { unchanged: JSON.stringify(before) === JSON.stringify(after) })
  }
  return { value: 'trained' }
}

try {
  say(rank, await run())
} catch (error) {
  const { code, message, unchanged } = error as WeftError & { unchanged?: boolean }
  say(rank, { code, message, unchanged, ms: performance.now() - began })
  await heard(['killed', 'stopped', 'exits', 'caught'].includes(what) ? size - 1 : size)
  if (what !== 'caught') process.exitCode = 75
}
