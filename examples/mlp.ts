// A multilayer perceptron on 1,000 features: the handwritten digits through random Fourier features (Rahimi and Recht,
// 2007).
import { datasets, layers, randomNormal, randomUniform, sequential } from 'weftjs'
import { majority, options, report, split } from './shared/setup.js'

const { epochs, limit, verbose } = options({ epochs: 10 })
const { x: images, y } = await datasets.digits()

// cos(x·w + b): inner products of these features come near a Gaussian kernel of the images
const pixels = images.reshape([-1, 64]).div(16)
const x = pixels
  .matMul(randomNormal([64, 1000], { deviation: 0.5 }))
  .add(randomUniform([1000], { low: 0, high: 2 * Math.PI }))
  .cos()
const { train, test } = split(x, y, limit)

const net = sequential([
  layers.dense({ units: 128, activation: 'relu', inputShape: [1000] }),
  layers.dense({ units: 64, activation: 'relu' }),
  layers.dense({ units: 10, activation: 'softmax' }),
])
net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
await net.fit(train.x, train.y, { epochs, batchSize: 32, validationSplit: 0.1, verbose })

const { loss, accuracy } = await net.evaluate(test.x, test.y)
console.log(`Loss: ${loss.toFixed(4)}`)
console.log(`Accuracy: ${accuracy.toFixed(4)}`)
report(accuracy, await majority(train.y, test.y))
