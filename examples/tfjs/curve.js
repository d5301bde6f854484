// Fits a cubic to noisy points by variables and minimize(): the first program of many tutorials.
export function run(tf) {
  const true_ = [-0.8, -0.2, 0.9, 0.5]
  const points = Array.from({ length: 100 }, (_, i) => -1 + (2 * i) / 99)
  const values = points.map((x, i) => true_[0] * x ** 3 + true_[1] * x ** 2 + true_[2] * x + true_[3] + 0.05 * Math.sin(37 * i))
  const xs = tf.tensor1d(points)
  const ys = tf.tensor1d(values)
  const [a, b, c, d] = [0.1, -0.3, 0.2, 0.4].map((start) => tf.variable(tf.scalar(start)))
  const predict = (x) => tf.tidy(() => a.mul(x.pow(3)).add(b.mul(x.square())).add(c.mul(x)).add(d))
  const loss = (predicted, labels) => predicted.sub(labels).square().mean()
  const optimizer = tf.train.sgd(0.5)
  const losses = []
  for (let step = 0; step < 75; step++) {
    const cost = optimizer.minimize(() => loss(predict(xs), ys), true)
    losses.push(cost.dataSync()[0])
    cost.dispose()
  }
  const { value, grads } = tf.variableGrads(() => loss(predict(xs), ys))
  losses.push(value.dataSync()[0], ...Object.values(grads).map((g) => g.dataSync()[0]))
  tf.dispose([xs, ys, value, grads])
  return losses
}
