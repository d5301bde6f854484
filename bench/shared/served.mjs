// The models that are served in benches, with weights that every process makes for itself: identity, a small and a
// large perceptron, the MNIST CNN, and one that takes long.

const generator = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const values = (random, shape) => {
  const length = shape.reduce((product, extent) => product * extent, 1)
  const scale = Math.sqrt(6 / shape.slice(0, -1).reduce((product, extent) => product * extent, 1))
  return Float32Array.from({ length }, () => scale * (2 * random() - 1))
}

const perceptron = (seed, ...sizes) => {
  const random = generator(seed)
  const weights = sizes.slice(1).flatMap((units, i) => [
    { shape: [sizes[i], units], data: values(random, [sizes[i], units]) },
    { shape: [units], data: new Float32Array(units) },
  ])
  return { kind: 'perceptron', sizes, input: [sizes[0]], weights }
}

const cnn = () => {
  const random = generator(4)
  const shapes = [[3, 3, 1, 32], [32], [5408, 10], [10]]
  const weights = shapes.map((shape) => ({ shape, data: shape.length === 1 ? new Float32Array(shape[0]) : values(random, shape) }))
  return { kind: 'cnn', input: [28, 28, 1], weights }
}

/**
 * By name; `heavy` takes some tenths of a millisecond for each row of a batch, `slow` takes some tenths of a second
 * with its whole batch of 512.
 */
export const servedModels = {
  identity: () => ({ kind: 'identity', input: [784], weights: [] }),
  small: () => perceptron(1, 784, 128, 128, 10),
  large: () => perceptron(2, 784, 1024, 1024, 10),
  cnn,
  heavy: () => perceptron(5, 1024, ...Array.from({ length: 24 }, () => 1024), 10),
  slow: () => perceptron(3, ...Array.from({ length: 40 }, () => 1024)),
}

/** Shape of a sample, by name. */
export const inputs = { identity: [784], small: [784], large: [784], cnn: [28, 28, 1], heavy: [1024], slow: [1024] }

/** Rows of inputs of a model. */
export const rowsOf = (name, rows, seed = 9) => {
  const random = generator(seed)
  return Float32Array.from({ length: inputs[name].reduce((product, extent) => product * extent, rows) }, () => random())
}

/** A request in the protocol's binary form: its JSON and its values. */
export const requestOf = (name, rows, seed) => {
  const data = rowsOf(name, rows, seed)
  const input = { name: 'x', datatype: 'FP32', shape: [rows, ...inputs[name]], parameters: { binary_data_size: data.byteLength } }
  const json = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }))
  return { json: json.length, body: Buffer.concat([json, Buffer.from(data.buffer)]) }
}

/** The same in the protocol's JSON. */
export const jsonOf = (name, rows) =>
  JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, ...inputs[name]], data: [...rowsOf(name, rows)] }] })
