// Three kinds of iris by four measurements: a small network, one-hot labels, accuracy, evaluate and predict.
import { startAlike } from './start.js'

export async function run(tf, { iris }) {
  const xs = tf.tensor2d(iris.x, [150, 4])
  const labels = tf.tensor1d(iris.y, 'int32')
  const ys = tf.oneHot(labels, 3).toFloat()
  const model = tf.sequential()
  model.add(tf.layers.dense({ units: 10, activation: 'sigmoid', inputShape: [4] }))
  model.add(tf.layers.dense({ units: 3, activation: 'softmax' }))
  startAlike(tf, model)
  model.compile({ optimizer: tf.train.adam(0.05), loss: 'categoricalCrossentropy', metrics: ['accuracy'] })
  const seen = []
  const { history } = await model.fit(xs, ys, {
    epochs: 12,
    batchSize: 50,
    shuffle: false,
    verbose: 0,
    callbacks: { onEpochEnd: (epoch, logs) => seen.push(epoch, logs.loss) },
  })
  const [loss] = model.evaluate(xs, ys)
  const confident = tf.tidy(() => model.predict(xs).max(1).mean())
  return [history.acc.length, ...history.loss, ...seen, ...[loss, confident].map((t) => t.dataSync()[0])]
}
