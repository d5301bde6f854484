// Trainings of several kinds with backupAndRestore, for tests of runs that stop anywhere and go on. As a program it
// prints a hash of what came out: node trainer.js kind folder everySteps.
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import * as callbacks from '../../lib/callbacks/index.js'
import * as data from '../../lib/data/index.js'
import { setSeed, type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { namedOptimizerState, namedVariables } from '../../lib/io/names.js'
import { type Sequential, sequential } from '../../lib/model/sequential.js'
import type { FitOptions } from '../../lib/model/training.js'
import * as optimizers from '../../lib/optimizers/index.js'
import { generator } from '../expect.js'

const random = generator(3)
const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, () => random() * 2 - 1)
export const rows: Tensor = tensor(numbers(22 * 6), { shape: [22, 6] })
const labels = Float32Array.from({ length: 22 }, () => Number(random() < 0.5))
export const target: Tensor = tensor(labels, { shape: [22, 1] })
const series = tensor(numbers(22 * 5 * 2), { shape: [22, 5, 2] })
const samples = Array.from({ length: 22 }, (_, i) => ({ x: Array.from(numbers(6)), y: [labels[i]!] }))
const dataset = (): data.Dataset<unknown> =>
  data
    .from(
      samples.map(({ x }) => x),
      samples.map(({ y }) => y),
    )
    .shuffle() as data.Dataset<unknown>

const dense = (): layers.Dense => layers.dense({ units: 8, activation: 'relu', inputShape: [6] })
const end = (): layers.Dense => layers.dense({ units: 1, activation: 'sigmoid' })

interface Kind {
  net: () => Sequential
  fit: (net: Sequential, options: FitOptions) => Promise<{ history: Record<string, number[]> }>
}
const onRows = (net: Sequential, options: FitOptions) => net.fit(rows, target, { batchSize: 4, ...options })
const compiled = (net: Sequential, optimizer: optimizers.Optimizer): Sequential => {
  net.compile({ optimizer, loss: 'binaryCrossentropy', metrics: ['accuracy', 'auc'] })
  return net
}

/** Each trains for 6 or so steps an epoch. */
export const kinds: Readonly<Record<string, Kind>> = {
  sgd: { net: () => compiled(sequential([dense(), end()]), optimizers.sgd({ learningRate: 0.1, momentum: 0.9 })), fit: onRows },
  adam: {
    net: () =>
      compiled(
        sequential([dense(), layers.batchNormalization(), layers.dropout({ rate: 0.3 }), end()]),
        optimizers.adam({ learningRate: 0.05 }),
      ),
    fit: (net, options) => onRows(net, { validationSplit: 0.2, ...options }),
  },
  lstm: {
    net: () =>
      compiled(
        sequential([
          layers.lstm({ units: 4, dropout: 0.2, recurrentDropout: 0.2, inputShape: [5, 2] }),
          layers.gaussianNoise({ stddev: 0.1 }),
          end(),
        ]),
        optimizers.adam({ learningRate: 0.05 }),
      ),
    fit: (net, options) => net.fit(series, target, { batchSize: 4, ...options }),
  },
  dataset: {
    net: () => compiled(sequential([dense(), layers.dropout({ rate: 0.5 }), end()]), optimizers.rmsprop()),
    fit: (net, options) => net.fit(dataset().batch(4).prefetch() as never, options),
  },
  endless: {
    net: () => compiled(sequential([dense(), end()]), optimizers.adam()),
    fit: (net, options) => net.fit(dataset().batch(4).repeat() as never, { stepsPerEpoch: 4, ...options }),
  },
  factory: {
    net: () => compiled(sequential([dense(), end()]), optimizers.adagrad()),
    fit: (net, options) => net.fit((() => dataset().batch(4)) as never, options),
  },
  scheduled: {
    net: () => compiled(sequential([dense(), end()]), optimizers.adam({ learningRate: 0.05 })),
    fit: (net, options) =>
      onRows(net, {
        ...options,
        callbacks: [
          callbacks.learningRateScheduler((_, rate) => rate * 0.8),
          callbacks.reduceLrOnPlateau({ monitor: 'loss', patience: 1, minDelta: 1 }),
          ...[options.callbacks ?? []].flat(),
        ],
      }),
  },
}

/** All values of the model and its optimizer. */
export async function hashOf(net: Sequential): Promise<string> {
  const hash = createHash('sha256')
  const variables = namedVariables(net)
  const all: [string, Tensor][] = [...variables, ...namedOptimizerState(net, variables)]
  for (const [name, value] of all.sort(([a], [b]) => (a < b ? -1 : 1))) {
    const values = await value.data()
    hash.update(name).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  return hash.digest('hex').slice(0, 16)
}

export async function train(kind: string, seed: number, options: FitOptions): Promise<{ net: Sequential; logs: Record<string, number> }> {
  setSeed(seed)
  const { net: make, fit } = kinds[kind]!
  const net = make()
  const { history } = await fit(net, { verbose: 0, ...options })
  return { net, logs: Object.fromEntries(Object.entries(history).map(([key, list]) => [key, list.at(-1)!])) }
}

if (process.argv[1]?.endsWith('trainer.js')) {
  const [kind, dir, everySteps, epochs] = [process.argv[2]!, process.argv[3]!, Number(process.argv[4]), Number(process.argv[5])]
  writeSync(1, 'ready\n')
  const callback = callbacks.backupAndRestore({ dir, ...(everySteps > 0 ? { everySteps } : {}) })
  const { net, logs } = await train(kind, Number(process.argv[6] ?? 1), { epochs, callbacks: callback })
  writeSync(1, `${await hashOf(net)} ${JSON.stringify(logs)}\n`)
}
