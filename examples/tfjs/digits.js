// A convolutional network on handwritten digits, with a share of the rows to validate with.
import { startAlike } from './start.js'

export async function run(tf, { digits }) {
  const count = 300
  const xs = tf.tidy(() => tf.tensor4d(digits.x.slice(0, count * 64), [count, 8, 8, 1]).div(16))
  const ys = tf.tidy(() => tf.oneHot(tf.tensor1d(digits.y.slice(0, count), 'int32'), 10).asType('float32'))
  const model = tf.sequential()
  model.add(tf.layers.conv2d({ inputShape: [8, 8, 1], kernelSize: 3, filters: 8, activation: 'relu' }))
  model.add(tf.layers.maxPooling2d({ poolSize: 2, strides: 2 }))
  model.add(tf.layers.flatten())
  model.add(tf.layers.dense({ units: 32, activation: 'relu' }))
  model.add(tf.layers.dense({ units: 10, activation: 'softmax' }))
  startAlike(tf, model)
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] })
  const { history } = await model.fit(xs, ys, { epochs: 3, batchSize: 32, validationSplit: 0.15, shuffle: false, verbose: 0 })
  const first = model.predict(xs.slice([0, 0, 0, 0], [1, 8, 8, 1]))
  return [history.acc.length, history.val_acc.length, ...history.loss, ...history.val_loss, ...first.dataSync()]
}
