// Regression on a CSV file: columns become features, batches are made while the file is read, features are normalized.
import { startAlike } from './start.js'

export async function run(tf, { csvUrl, label }) {
  const rows = tf.data.csv(csvUrl, { columnConfigs: { [label]: { isLabel: true } } })
  const names = (await rows.columnNames()).filter((name) => name !== label)
  const all = []
  await rows.forEachAsync(({ xs }) => all.push(Object.values(xs)))
  const table = tf.tensor2d(all)
  const { mean, variance } = tf.moments(table, 0)
  const [center, spread] = [mean.arraySync(), variance.sqrt().arraySync()]
  const batches = rows
    .map(({ xs, ys }) => ({ xs: Object.values(xs).map((x, i) => (x - center[i]) / spread[i]), ys: Object.values(ys).map((y) => y / 100) }))
    .batch(40)
  const model = tf.sequential({
    layers: [tf.layers.dense({ inputShape: [names.length], units: 8, activation: 'sigmoid' }), tf.layers.dense({ units: 1 })],
  })
  startAlike(tf, model)
  model.compile({ optimizer: tf.train.sgd(0.05), loss: 'meanSquaredError' })
  const { history } = await model.fitDataset(batches, { epochs: 6, verbose: 0 })
  return [names.length, all.length, ...history.loss]
}
