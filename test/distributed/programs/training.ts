// Trains several models, alone or as a rank, and says what came out: losses of steps, figures, a hash of the weights.
import { distributed, optimizers, setSeed } from '../../../lib/index.js'
import { CASES } from './cases.js'
import { say } from './say.js'
import { hashOf, keepingLosses } from './small_models.js'

const bucketBytes = Number(process.argv[2] ?? 25 * 2 ** 20)
const world = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000, bucketBytes })

const said: Record<string, unknown> = {}
// 50 steps: whole batches, which no number of ranks divides, and a short last one; fewer rows than ranks
for (const [name, { net, x: inputs, y, fit, optimizer, loss }] of Object.entries(CASES))
  for (const [rows, batchSize, epochs] of [
    [105, 10, 5],
    [32, 3, 5],
  ] as const) {
    setSeed(1)
    const model = net()
    model.compile({
      optimizer: optimizer?.() ?? optimizers.adam({ learningRate: 0.01 }),
      loss: loss ?? 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
    })
    const steps: number[] = []
    const [given, targets] = [inputs(rows), y(rows)]
    const { history } = await model.fit(given, targets, {
      batchSize,
      epochs,
      verbose: 0,
      validationSplit: 0.1,
      callbacks: [keepingLosses(steps)],
      ...fit?.(rows),
    })
    said[`${name} ${rows}`] = {
      steps,
      figures: [...Object.values(history).flat(), ...Object.values(await model.evaluate(given, targets, { batchSize: 30 }))],
      weights: await hashOf(model.weights),
    }
  }
say(world.rank, said)
await distributed.close()
