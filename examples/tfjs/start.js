// Weights that do not depend on a generator of random numbers, so that two packages begin alike.
export function startAlike(tf, model) {
  let n = 0
  const weights = model.getWeights().map((w) => {
    const fan = Math.max(1, w.shape[0])
    const values = Array.from({ length: w.size }, () => (w.shape.length === 1 ? 0 : Math.sin(12.9898 * ++n) / Math.sqrt(fan)))
    return tf.tensor(values, w.shape)
  })
  model.setWeights(weights)
  tf.dispose(weights)
}
