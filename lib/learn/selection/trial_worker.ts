// A worker thread of a search: fits and scores what it is told, with the data it was started with.
import { parentPort, workerData } from 'node:worker_threads'
import { setDevice } from '../../core/device.js'
import { reviveStored } from '../estimator.js'
// every kind of model that may be sent
import '../index.js'
import type { LooseStep } from '../preprocessing/steps.js'
import { runFold } from './cross_validation.js'
import { networkClassifier, networkRegressor } from './network.js'
import { drawingFrom, sentError } from './spread.js'
import type { Told, WorkerData } from './trials.js'

const { stored, network, device, x, y, scoring, withTrain } = workerData as WorkerData
setDevice(device)

function made(): LooseStep {
  if (network === undefined) return reviveStored({ ...stored, state: undefined }) as unknown as LooseStep
  const create = network.kind === 'networkClassifier' ? networkClassifier : networkRegressor
  return create(new URL(network.module), network.params) as unknown as LooseStep
}

parentPort!.on('message', ({ params, split, seed }: Told) => {
  const run = async (): Promise<object> => {
    const model = made()
    model.setParams(params)
    const { testScore, trainScore, fitMs } = await drawingFrom(seed, () => runFold(model, x, y, split, scoring, withTrain))
    return { testScore, trainScore, fitMs }
  }
  run().then(
    (outcome) => parentPort!.postMessage(outcome),
    (error: unknown) => parentPort!.postMessage({ error: sentError(error) }),
  )
})
