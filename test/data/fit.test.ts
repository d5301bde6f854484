// A model fitted on pipelines gives what it gives on the arrays they are made of.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, datasets, layers, sequential, setSeed } from '../../lib/index.js'

const classifier = (): ReturnType<typeof sequential> => {
  setSeed(1)
  const net = sequential([
    layers.normalization({ inputShape: [4] }),
    layers.dense({ units: 16, activation: 'tanh' }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  return net
}

test('batches of a Dataset train as the arrays do', async () => {
  const { x, y } = await datasets.iris()
  const options = { epochs: 3, verbose: 0 } as const
  const fromArrays = await classifier().fit(x, y, { ...options, batchSize: 16, shuffle: false })
  const fromDataset = await classifier().fit(data.from(x, y).batch(16).prefetch(), options)
  assert.equal(fromDataset.history, fromArrays.history)
})

test('a CSV file that is streamed, mapped and shuffled trains a classifier', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-fit-'))
  const { x, y, featureNames, classNames } = await datasets.iris()
  const [values, labels] = [(await x.data()) as Float32Array, (await y.data()) as Int32Array]
  const rows = Array.from(labels, (label, i) => [...values.slice(4 * i, 4 * i + 4), classNames[label]].join(','))
  const file = path.join(folder, 'iris.csv')
  writeFileSync(file, [[...featureNames, 'species'].join(','), ...rows].join('\n'))
  const source = data
    .csv(file, { label: 'species', categories: { species: classNames } })
    .map((sample) => ({ ...sample, x: sample.x.map((value) => value - 3) }))
    .shuffle({ seed: 1 })
    .batch(16)
    .prefetch()
  const net = classifier()
  await net.fit(source, { epochs: 40, verbose: 0 })
  const { accuracy } = (await net.evaluate(source)) as { accuracy: number }
  assert.ok(accuracy > 0.9, `accuracy ${accuracy}; the largest class alone gives 0.333`)
  rmSync(folder, { recursive: true })
})

test.run()
