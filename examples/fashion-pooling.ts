// Convolution, max pooling and a dense layer on Fashion-MNIST, with one-hot targets.
import { datasets, layers, sequential, toCategorical } from 'weftjs'
import { head, majority, options, orExit, report } from './shared/setup.js'

const { epochs, limit, verbose } = options({ epochs: 5 })
const { train, test } = await orExit(datasets.fashionMnist())
const [x, y, xTest, yTest] = [head(train.x, limit), head(train.y, limit), head(test.x, limit), head(test.y, limit)]

const net = sequential([
  layers.rescaling({ scale: 1 / 255, inputShape: [28, 28, 1] }),
  layers.conv2d({ filters: 32, kernelSize: [3, 3], activation: 'relu' }),
  layers.maxPooling2d({ poolSize: [2, 2] }),
  layers.flatten(),
  layers.dense({ units: 10, activation: 'softmax' }),
])
net.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] })
await net.fit(x, toCategorical(y, 10), { epochs, batchSize: 32, verbose })

const { accuracy } = await net.evaluate(xTest, toCategorical(yTest, 10))
report(accuracy, await majority(y, yTest))
