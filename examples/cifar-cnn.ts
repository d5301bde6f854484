// Two convolutions with pooling and two dense layers on CIFAR-10: 50,000 colour images, 32 by 32, ten classes.
import { datasets, layers, losses, sequential } from 'weftjs'
import { head, majority, options, orExit, report } from './shared/setup.js'

const { epochs, limit, verbose } = options({ epochs: 10 })
const { train, test } = await orExit(datasets.cifar10())
const [x, y, xTest, yTest] = [head(train.x, limit), head(train.y, limit), head(test.x, limit), head(test.y, limit)]

const net = sequential([
  layers.rescaling({ scale: 1 / 255, inputShape: [32, 32, 3] }),
  layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
  layers.maxPooling2d({ poolSize: 2 }),
  layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
  layers.maxPooling2d({ poolSize: 2 }),
  layers.flatten(),
  layers.dense({ units: 64, activation: 'relu' }),
  layers.dense({ units: 10 }),
])
// the last layer gives logits, and the loss is told so
net.compile({ optimizer: 'adam', loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }), metrics: ['accuracy'] })
await net.fit(x, y, { epochs, batchSize: 32, verbose })

const { accuracy } = await net.evaluate(xTest, yTest)
report(accuracy, await majority(y, yTest))
