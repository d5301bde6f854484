// A convolutional network on the handwritten digits that ship with the package: 1,797 images of 8 by 8, ten classes.
import { existsSync } from 'node:fs'
import { callbacks, datasets, layers, optimizers, schedules, sequential } from 'weftjs'
import { majority, options, report, split } from './shared/setup.js'

const { epochs, limit, verbose, save } = options({ epochs: 40, saves: true })
const { x, y } = await datasets.digits()
const { train, test } = split(x, y, limit)

const net = sequential([
  layers.rescaling({ scale: 1 / 16, inputShape: [8, 8, 1] }),
  layers.conv2d({ filters: 32, kernelSize: 3, padding: 'same', activation: 'relu' }),
  layers.conv2d({ filters: 64, kernelSize: 3, padding: 'same', activation: 'relu' }),
  layers.maxPooling2d({ poolSize: 2 }),
  layers.dropout({ rate: 0.25 }),
  layers.flatten(),
  layers.dense({ units: 128, activation: 'relu' }),
  layers.dropout({ rate: 0.5 }),
  layers.dense({ units: 10, activation: 'softmax' }),
])
const batchSize = 32
const decaySteps = epochs * Math.ceil(train.y.size / batchSize)
net.compile({
  optimizer: optimizers.adam({ learningRate: schedules.cosineDecay({ initialLearningRate: 2e-3, decaySteps }) }),
  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
})
net.summary()
await net.fit(train.x, train.y, { epochs, batchSize, verbose, callbacks: [callbacks.terminateOnNan()] })

const { accuracy } = await net.evaluate(test.x, test.y)
if (save !== undefined && existsSync(save)) console.log(`${save} is there already, and is left as it is`)
else if (save !== undefined)
  await net.save(save).then(
    () => console.log(`saved in ${save}`),
    (error: Error) => console.error(error.message),
  )
report(accuracy, await majority(train.y, test.y))
