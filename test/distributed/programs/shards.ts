// Trains with a fixed number of shards, alone or as a rank, and says the bits of what came out. Arguments: the bytes of
// a bucket; 'some': only the models of which batches with fewer rows than shards are tried as well.
import { distributed, layers, optimizers, sequential, setSeed } from '../../../lib/index.js'
import { type Case, CASES } from './cases.js'
import { say } from './say.js'
import { hashOf } from './small_models.js'

const alone = process.env['OMPI_COMM_WORLD_SIZE'] === undefined && process.env['PMI_SIZE'] === undefined
const rank = alone ? 0 : (await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000, bucketBytes: Number(process.argv[2]) })).rank

const cases: Record<string, Case> = {
  ...CASES,
  moving: {
    ...CASES['dense']!,
    net: () =>
      sequential([
        layers.dense({ units: 16, activation: 'relu', inputShape: [8] }),
        layers.batchNormalization(),
        layers.dropout({ rate: 0.2 }),
        layers.dense({ units: 3, activation: 'softmax' }),
      ]),
  },
  synchronizedAndMasked: {
    ...CASES['masked']!,
    net: () =>
      sequential([
        layers.embedding({ inputDim: 10, outputDim: 5, maskZero: true, inputShape: [6] }),
        layers.gru({ units: 7, returnSequences: true }),
        layers.batchNormalization({ synchronized: true }),
        layers.dense({ units: 3, activation: 'softmax' }),
      ]),
  },
  // vectors long enough to be added up by halves
  long: {
    ...CASES['dense']!,
    net: () =>
      sequential([
        layers.dense({ units: 301, activation: 'relu', inputShape: [8] }),
        layers.dense({ units: 53 }),
        layers.layerNormalization(),
        layers.dense({ units: 3, activation: 'softmax' }),
      ]),
    optimizer: () => optimizers.adamw({ learningRate: 0.01, useEma: true, clipNorm: 1 }),
  },
}

const said: Record<string, unknown> = {}
// what counts the rows of a shard, masks or keeps states
const SOME = ['dense', 'weights', 'accumulation', 'masked', 'moving', 'synchronizedAndMasked']
// whole batches and a short last one; fewer rows than shards
for (const [name, { net, x, y, fit, optimizer, loss }] of Object.entries(cases))
  for (const [rows, batchSize, epochs] of [
    [100, 19, 2],
    [24, 3, 2],
  ] as const) {
    if ((rows === 24 || process.argv[3] === 'some') && !SOME.includes(name)) continue
    setSeed(1)
    const model = net()
    model.compile({
      optimizer: optimizer?.() ?? optimizers.adam({ learningRate: 0.01 }),
      loss: loss ?? 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
    })
    const options = { batchSize, epochs, verbose: 0 as const, validationSplit: 0.1, shards: 8 }
    const { history } = await model.fit(x(rows), y(rows), { ...options, ...fit?.(rows) })
    said[`${name} ${rows}`] = {
      history,
      weights: await hashOf(model.weights),
      optimizer: await hashOf(model.optimizer.getWeights()),
    }
  }
say(rank, said)
if (!alone) await distributed.close()
