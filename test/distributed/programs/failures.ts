// Trainings that fail, or are broken off, on one rank alone: what each rank is told, and that a next training is one.
import {
  callbacks,
  distributed,
  type FitOptions,
  layers,
  type Sequential,
  sequential,
  setSeed,
  type Tensor,
  type WeftError,
} from '../../../lib/index.js'
import { say } from './say.js'
import { classes, waves } from './small_models.js'

const { rank } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 120_000 })
const rows = 24
const [x, y] = [waves(rows), classes(rows)]
function compiled(): Sequential {
  setSeed(1)
  const net = sequential([layers.dense({ units: 3, activation: 'softmax', inputShape: [4] })])
  net.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' })
  return net
}
const options = { batchSize: 4, epochs: 3, verbose: 0 as const }
const throws = (): void => {
  throw new Error('of the callback')
}
const said: Record<string, unknown> = {}
const warnings: unknown[] = []
process.on('warning', (warning) => void warnings.push((warning as Error & { code?: string }).code))
async function note(what: string, work: () => Promise<unknown>): Promise<void> {
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason as WeftError,
  )
  said[what] = error === undefined ? 'no error' : `${error.name === 'AbortError' ? error.name : error.code} ${error.message}`
}
const fit = (more: FitOptions): Promise<unknown> => compiled().fit(x, y, { ...options, ...more })

await note('onTrainBegin', () => fit({ callbacks: { onTrainBegin: throws } }))
await note('onTrainEnd', () => fit({ callbacks: { onTrainEnd: throws } }))
await note('classWeight', () => fit(rank === 1 ? { classWeight: { 1: 2 } } : {}))
await note('sampleWeight', () => fit(rank === 1 ? { sampleWeight: new Float32Array(rows).fill(2) } : {}))
await note('validation', () => fit(rank === 1 ? { validationData: [x, y] } : {}))
await note('at once', async () => {
  const first = fit({})
  await note('second', () => fit({}))
  await first
})
for (const hook of ['onEpochBegin', 'onEpochEnd', 'onBatchEnd'] as const)
  await note(`abort ${hook}`, () => {
    const controller = new AbortController()
    const abort = callbacks.everyRank({ [hook]: () => void (rank === 1 && controller.abort()) })
    return fit({ callbacks: abort, signal: controller.signal, validationData: [x, y] })
  })
{
  const net = compiled()
  net.compile({ optimizer: 'sgd', loss: (_: Tensor, predicted: Tensor) => predicted.sum() })
  await net.fit(x, y, options)
  said['warnings'] = warnings
}
// the last: the run is over after it
if (process.argv[2] === 'break')
  await note('end', async () => {
    for await (const _ of compiled().train(x, y, options)) if (rank === 1) break
  })
else await note('end', () => fit({ callbacks: callbacks.everyRank({ onBatchEnd: () => void (rank === 1 && throws()) }) }))
say(rank, said)
