// Trains several models, alone or as a rank, and says what came out: losses of steps, figures, a hash of the weights.
import { createHash } from 'node:crypto'
import {
  callbacks,
  distributed,
  type FitOptions,
  layers,
  losses,
  type Model,
  optimizers,
  type Sequential,
  sequential,
  setSeed,
  type Tensor,
  tensor,
  toCategorical,
} from '../../../lib/index.js'
import { say } from './say.js'

const bucketBytes = Number(process.argv[2] ?? 25 * 2 ** 20)
const world = await distributed.init({ heartbeatMs: 500, timeoutMs: 60_000, bucketBytes })

/** A fixed sequence of numbers in [-0.5, 0.5). */
function numbers(count: number, seed: number): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return state / 2 ** 31 - 0.5
  })
}
const floats = (shape: number[], seed = 3): Tensor =>
  tensor(
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    { shape },
  )
const classes = (count: number): Tensor => tensor(Int32Array.from({ length: count }, (_, i) => i % 3))
const dense = (...between: Parameters<typeof sequential>[0] & unknown[]): Sequential =>
  sequential([
    layers.dense({ units: 16, activation: 'relu', inputShape: [8], kernelRegularizer: 'l2' }),
    ...between,
    layers.dense({ units: 3, activation: 'softmax' }),
  ])

interface Case {
  net: () => Model
  x: (rows: number) => Tensor
  y: (rows: number) => Tensor
  fit?: (rows: number) => FitOptions
  optimizer?: () => optimizers.Optimizer
  loss?: ReturnType<typeof losses.dice>
}
const x = (rows: number): Tensor => floats([rows, 8])
const CASES: Record<string, Case> = {
  dense: { net: () => dense(), x, y: classes },
  dropout: { net: () => dense(layers.dropout({ rate: 0.4 }), layers.gaussianNoise({ stddev: 0.1 })), x, y: classes },
  // with adam, gradients that are zero but for rounding would become whole steps
  synchronized: {
    net: () => dense(layers.batchNormalization({ synchronized: true })),
    x,
    y: classes,
    optimizer: () => optimizers.sgd({ learningRate: 0.01 }),
  },
  clipping: { net: () => dense(), x, y: classes, optimizer: () => optimizers.adam({ learningRate: 0.01, globalClipNorm: 0.1 }) },
  weights: {
    net: () => dense(),
    x,
    y: classes,
    fit: (rows) => ({ sampleWeight: numbers(rows, 9).map((v) => v + 0.6), classWeight: { 1: 2 } }),
  },
  // one sum over the samples of all ranks
  batchDice: { net: () => dense(), x, y: (rows) => toCategorical(classes(rows), 3), loss: losses.dice({ axis: 0 }) },
  accumulation: { net: () => dense(), x, y: classes, fit: () => ({ gradientAccumulationSteps: 2 }) },
  convolution: {
    net: () =>
      sequential([
        layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1] }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.flatten(),
        layers.dense({ units: 3, activation: 'softmax' }),
      ]),
    x: (rows) => floats([rows, 8, 8, 1]),
    y: classes,
  },
  masked: {
    net: () =>
      sequential([
        layers.embedding({ inputDim: 10, outputDim: 5, maskZero: true, inputShape: [6] }),
        layers.lstm({ units: 7, returnSequences: true }),
        layers.dense({ units: 3, activation: 'softmax' }),
      ]),
    x: (rows) =>
      tensor(
        Int32Array.from({ length: rows * 6 }, (_, i) => (i % 6 < 2 + (Math.floor(i / 6) % 5) ? 1 + ((i * 7) % 9) : 0)),
        { shape: [rows, 6] },
      ),
    y: (rows) => classes(rows * 6).reshape([rows, 6]),
  },
}

const said: Record<string, unknown> = {}
// whole batches and a short last one; fewer rows than ranks
for (const [name, { net, x: inputs, y, fit, optimizer, loss }] of Object.entries(CASES))
  for (const [rows, batchSize, epochs] of [
    [100, 16, 8],
    [24, 3, 6],
  ] as const) {
    setSeed(1)
    const model = net()
    model.compile({
      optimizer: optimizer?.() ?? optimizers.adam({ learningRate: 0.01 }),
      loss: loss ?? 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
    })
    const steps: number[] = []
    const listener = callbacks.everyRank({ onBatchEnd: (_: number, logs: Record<string, number>) => void steps.push(logs['batchLoss']!) })
    const [given, targets] = [inputs(rows), y(rows)]
    const { history } = await model.fit(given, targets, {
      batchSize,
      epochs,
      verbose: 0,
      validationSplit: 0.1,
      callbacks: [listener],
      ...fit?.(rows),
    })
    const hash = createHash('sha256')
    for (const weight of model.weights) hash.update(Buffer.from((await weight.data()).slice().buffer))
    said[`${name} ${rows}`] = {
      steps,
      figures: [...Object.values(history).flat(), ...Object.values(await model.evaluate(given, targets, { batchSize: 30 }))],
      weights: hash.digest('hex'),
    }
  }
say(world.rank, said)
await distributed.close()
