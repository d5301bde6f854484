// Trains small models, alone or as a rank whose GPU is emulated, and says what came out: losses of steps, a hash of the
// weights, and what a profile has counted of steps that are replayed.
import {
  device,
  distributed,
  jit,
  layers,
  optimizers,
  profile,
  type Sequential,
  sequential,
  setSeed,
  type Tensor,
  tensor,
} from '../../../lib/index.js'
import { say } from './say.js'
import { classes, classifier, hashOf, keepingLosses } from './small_models.js'

const names = process.argv[2]!.split(',')
const bucketBytes = Number(process.argv[3] ?? 25 * 2 ** 20)
const world = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000, bucketBytes })

/** A fixed sequence of numbers in [-0.5, 0.5). */
function floats(shape: number[]): Tensor {
  let state = 7
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return state / 2 ** 31 - 0.5
  })
  return tensor(values, { shape })
}
const last = (): ReturnType<typeof layers.dense> => layers.dense({ units: 3, activation: 'softmax' })
interface Case {
  net: () => Sequential
  x: (rows: number) => Tensor
  optimizer?: () => optimizers.Optimizer
}
const CASES: Record<string, Case> = {
  dense: {
    net: () => classifier(6, [layers.dropout({ rate: 0.3 })]),
    x: (rows) => floats([rows, 4]),
  },
  conv: {
    net: () =>
      sequential([
        layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [6, 6, 1] }),
        layers.batchNormalization({ synchronized: true }),
        layers.flatten(),
        last(),
      ]),
    x: (rows) => floats([rows, 6, 6, 1]),
    // with adam, gradients that are zero but for rounding would become whole steps
    optimizer: () => optimizers.sgd({ learningRate: 0.01 }),
  },
  lstm: {
    net: () =>
      sequential([layers.embedding({ inputDim: 9, outputDim: 4, maskZero: true, inputShape: [5] }), layers.lstm({ units: 4 }), last()]),
    x: (rows) =>
      tensor(
        Int32Array.from({ length: rows * 5 }, (_, i) => (i % 5 < (i % 7) + 1 ? 1 + (i % 8) : 0)),
        { shape: [rows, 5] },
      ),
  },
}
const said: Record<string, unknown> = { engine: world.engine, version: world.version, device: device() }
for (const name of names.filter((one) => one in CASES)) {
  setSeed(1)
  const { net: make, x: inputs, optimizer } = CASES[name]!
  const net = make()
  net.compile({
    optimizer: optimizer?.() ?? optimizers.adam({ learningRate: 0.01 }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  })
  const steps: number[] = []
  // whole batches, and a last one with fewer rows than 4 ranks
  const rows = 4 * 8 + 3
  const [x, y] = [inputs(rows), classes(rows)]
  const fit = (epochs: number): Promise<unknown> => net.fit(x, y, { batchSize: 8, epochs, verbose: 0, callbacks: [keepingLosses(steps)] })
  await fit(9)
  const counted = (await profile(() => fit(1))).kernels.map(({ name: op, count }) => [op, count])
  const figures = Object.values(await net.evaluate(x, y, { batchSize: 30 }))
  said[name] = { steps, figures, weights: await hashOf(net.weights), counted }
}
// an input that is too large to be copied is read where it lies; another one is recorded anew
if (names.includes('large')) {
  const sum = jit((t: Tensor) => distributed.allReduce(t.slice([0], [4]).sum()))
  const size = 17 * 2 ** 20
  const ones = [1, 2].map((value) => tensor(new Float32Array(size).fill(value)))
  const sums: number[] = []
  for (const t of [ones[0]!, ones[0]!, ones[0]!, ones[1]!, ones[1]!, ones[1]!, ones[0]!]) sums.push(await sum(t).item())
  said['large'] = sums
}
say(world.rank, said)
await distributed.close()
