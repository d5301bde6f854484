// Makes test/io/tfjs_models.json: a model of TensorFlow.js for each of its layers, with weights, inputs and
// predictions.
// Usage: node peers/tfjs-models.mjs > ../test/io/tfjs_models.json
import * as tf from '@tensorflow/tfjs'

await tf.setBackend('cpu')
const { layers } = tf

/** Numbers in [-1, 1) that are the same every time, with four digits. */
let state = 7
const number = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.round((state / 2 ** 31 - 1) * 1e4) / 1e4
}
const numbers = (size) => Array.from({ length: size }, number)
const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1)

const one = (layer, shape, more = {}) => {
  const x = tf.input({ shape, ...(more.dtype ? { dtype: more.dtype } : {}) })
  return tf.model({ inputs: x, outputs: layer.apply(x) })
}
const two = (make, a, b) => {
  const [x, y] = [tf.input({ shape: a }), tf.input({ shape: b })]
  return tf.model({ inputs: [x, y], outputs: make().apply([x, y]) })
}
const S = [5, 4]
const I = [6, 5, 3]
const V = [4, 5, 4, 2]

/** name: [model, shapes of the inputs of one sample, most + 1 of ids] */
const rows = {
  dense: [one(layers.dense({ units: 3, activation: 'tanh', kernelRegularizer: 'l1l2' }), [4]), [[4]]],
  denseMany: [one(layers.dense({ units: 3, useBias: false, activation: 'softmax', kernelConstraint: 'maxNorm' }), S), [S]],
  dropout: [one(layers.dropout({ rate: 0.4 }), [4]), [[4]]],
  spatialDropout1d: [one(layers.spatialDropout1d({ rate: 0.4 }), S), [S]],
  alphaDropout: [one(layers.alphaDropout({ rate: 0.2 }), [4]), [[4]]],
  gaussianNoise: [one(layers.gaussianNoise({ stddev: 1 }), [4]), [[4]]],
  gaussianDropout: [one(layers.gaussianDropout({ rate: 0.3 }), [4]), [[4]]],
  conv1d: [one(layers.conv1d({ filters: 3, kernelSize: 2, strides: 2, padding: 'same', activation: 'relu' }), S), [S]],
  conv1dDilated: [one(layers.conv1d({ filters: 3, kernelSize: 2, dilationRate: 2 }), S), [S]],
  conv2d: [one(layers.conv2d({ filters: 4, kernelSize: [3, 2], strides: [2, 1], padding: 'same', activation: 'relu6' }), I), [I]],
  conv2dDilated: [one(layers.conv2d({ filters: 2, kernelSize: 2, dilationRate: 2, useBias: false, activation: 'selu' }), I), [I]],
  conv2dTranspose: [one(layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: 'same' }), I), [I]],
  conv2dTransposeValid: [one(layers.conv2dTranspose({ filters: 2, kernelSize: [2, 3], strides: [1, 2], padding: 'valid' }), I), [I]],
  conv3d: [one(layers.conv3d({ filters: 2, kernelSize: [2, 3, 2], strides: [1, 2, 1], padding: 'same', activation: 'relu' }), V), [V]],
  conv3dValid: [one(layers.conv3d({ filters: 2, kernelSize: 2 }), V), [V]],
  conv3dTranspose: [one(layers.conv3dTranspose({ filters: 2, kernelSize: 2, strides: 2, padding: 'same' }), V), [V]],
  conv3dTransposeValid: [one(layers.conv3dTranspose({ filters: 3, kernelSize: [3, 2, 2], strides: [2, 1, 1] }), V), [V]],
  separableConv2d: [one(layers.separableConv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'elu' }), I), [I]],
  depthwiseConv2d: [one(layers.depthwiseConv2d({ kernelSize: [2, 3], depthMultiplier: 2, strides: 2, padding: 'same' }), I), [I]],
  cropping2d: [
    one(
      layers.cropping2D({
        cropping: [
          [1, 0],
          [2, 1],
        ],
      }),
      I,
    ),
    [I],
  ],
  upSampling2d: [one(layers.upSampling2d({ size: [2, 3] }), I), [I]],
  upSampling2dBilinear: [one(layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }), I), [I]],
  zeroPadding2d: [
    one(
      layers.zeroPadding2d({
        padding: [
          [1, 0],
          [2, 1],
        ],
      }),
      I,
    ),
    [I],
  ],
  convLstm2d: [one(layers.convLstm2d({ filters: 2, kernelSize: 2, padding: 'same', returnSequences: true }), [3, 4, 5, 2]), [[3, 4, 5, 2]]],
  convLstm2dLast: [one(layers.convLstm2d({ filters: 2, kernelSize: 2, padding: 'valid' }), [3, 4, 5, 2]), [[3, 4, 5, 2]]],
  maxPooling1d: [one(layers.maxPooling1d({ poolSize: 2, padding: 'same' }), S), [S]],
  averagePooling1d: [one(layers.averagePooling1d({ poolSize: 2, strides: 1 }), S), [S]],
  maxPooling2d: [one(layers.maxPooling2d({ poolSize: [2, 3], strides: 2, padding: 'same' }), I), [I]],
  averagePooling2d: [one(layers.averagePooling2d({ poolSize: 2, strides: [1, 2], padding: 'same' }), I), [I]],
  maxPooling3d: [one(layers.maxPooling3d({ poolSize: [2, 3, 2], strides: 2, padding: 'same' }), V), [V]],
  averagePooling3d: [one(layers.averagePooling3d({ poolSize: [2, 3, 2], strides: [1, 2, 2], padding: 'same' }), V), [V]],
  globalMaxPooling1d: [one(layers.globalMaxPooling1d({}), S), [S]],
  globalAveragePooling1d: [one(layers.globalAveragePooling1d({}), S), [S]],
  globalMaxPooling2d: [one(layers.globalMaxPooling2d({}), I), [I]],
  globalAveragePooling2d: [one(layers.globalAveragePooling2d({}), I), [I]],
  batchNormalization: [one(layers.batchNormalization({ epsilon: 0.01, betaRegularizer: 'l1l2' }), I), [I]],
  batchNormalizationUnscaled: [one(layers.batchNormalization({ axis: -1, scale: false }), S), [S]],
  layerNormalization: [one(layers.layerNormalization({ axis: -1 }), S), [S]],
  layerNormalizationAxes: [one(layers.layerNormalization({ axis: [1, 2], scale: false }), S), [S]],
  embedding: [one(layers.embedding({ inputDim: 9, outputDim: 3 }), [5]), [[5]], 9],
  embeddingMasked: [
    tf.sequential({ layers: [layers.embedding({ inputDim: 9, outputDim: 3, maskZero: true, inputLength: 5 }), layers.lstm({ units: 2 })] }),
    [[5]],
    9,
  ],
  elu: [one(layers.elu(), [4]), [[4]]],
  relu: [one(layers.reLU({ maxValue: 0.5 }), [4]), [[4]]],
  leakyRelu: [one(layers.leakyReLU({ alpha: 0.2 }), [4]), [[4]]],
  prelu: [one(layers.prelu({ alphaInitializer: 'randomNormal', sharedAxes: [1] }), S), [S]],
  softmax: [one(layers.softmax({ axis: -1 }), S), [S]],
  thresholdedRelu: [one(layers.thresholdedReLU({ theta: 0.3 }), [4]), [[4]]],
  activation: [one(layers.activation({ activation: 'swish' }), [4]), [[4]]],
  flatten: [one(layers.flatten(), I), [I]],
  repeatVector: [one(layers.repeatVector({ n: 3 }), [4]), [[4]]],
  reshape: [one(layers.reshape({ targetShape: [2, -1] }), S), [S]],
  permute: [one(layers.permute({ dims: [2, 1] }), S), [S]],
  masking: [tf.sequential({ layers: [layers.masking({ maskValue: 0, inputShape: S }), layers.simpleRNN({ units: 2 })] }), [S]],
  rescaling: [one(layers.rescaling({ scale: 0.5, offset: 1 }), I), [I]],
  add: [two(() => layers.add(), [4], [4]), [[4], [4]]],
  average: [two(() => layers.average(), [4], [4]), [[4], [4]]],
  multiply: [two(() => layers.multiply(), [4], [4]), [[4], [4]]],
  maximum: [two(() => layers.maximum(), [4], [4]), [[4], [4]]],
  minimum: [two(() => layers.minimum(), [4], [4]), [[4], [4]]],
  concatenate: [two(() => layers.concatenate({ axis: 1 }), S, [2, 4]), [S, [2, 4]]],
  dot: [two(() => layers.dot({ axes: -1, normalize: true }), [4], [4]), [[4], [4]]],
  simpleRnn: [one(layers.simpleRNN({ units: 3, returnSequences: true, goBackwards: true }), S), [S]],
  gru: [one(layers.gru({ units: 3, recurrentActivation: 'sigmoid' }), S), [S]],
  gruHard: [one(layers.gru({ units: 3, returnSequences: true, useBias: false }), S), [S]],
  lstm: [one(layers.lstm({ units: 3 }), S), [S]],
  lstmMany: [one(layers.lstm({ units: 3, returnSequences: true, recurrentActivation: 'sigmoid', dropout: 0.1 }), S), [S]],
  rnn: [one(layers.rnn({ cell: layers.lstmCell({ units: 3 }), returnSequences: true }), S), [S]],
  stackedRnn: [one(layers.rnn({ cell: [layers.simpleRNNCell({ units: 3 }), layers.gruCell({ units: 2 })] }), S), [S]],
  bidirectional: [one(layers.bidirectional({ layer: layers.lstm({ units: 2, returnSequences: true }), mergeMode: 'concat' }), S), [S]],
  bidirectionalSum: [one(layers.bidirectional({ layer: layers.gru({ units: 2 }), mergeMode: 'sum' }), S), [S]],
  timeDistributed: [one(layers.timeDistributed({ layer: layers.dense({ units: 2 }) }), S), [S]],
}

// whole models: layers that are shared, models in models, several outputs
{
  const shared = layers.dense({ units: 4, activation: 'sigmoid', name: 'shared' })
  const [a, b] = [tf.input({ shape: [4], name: 'a' }), tf.input({ shape: [4], name: 'b' })]
  const sum = layers.add().apply([shared.apply(a), shared.apply(b)])
  const out = layers.dense({ units: 2, name: 'out' }).apply(sum)
  rows.shared = [tf.model({ inputs: [a, b], outputs: [out, shared.apply(sum)] }), [[4], [4]]]
  const inner = tf.sequential({ name: 'inner', layers: [layers.dense({ units: 3, inputShape: [4] }), layers.batchNormalization()] })
  const x = tf.input({ shape: [4] })
  rows.nested = [tf.model({ inputs: x, outputs: layers.dense({ units: 2 }).apply(inner.apply(x)) }), [[4]]]
  rows.sequential = [
    tf.sequential({
      layers: [
        layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: I }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.flatten(),
        tf.sequential({ layers: [layers.dense({ units: 3, inputShape: [8] }), layers.activation({ activation: 'softsign' })] }),
        layers.dense({ units: 2, activation: 'softmax' }),
      ],
    }),
    [I],
  ]
}

const found = []
for (const [name, [model, shapes, ids]] of Object.entries(rows)) {
  // values that matter in every weight, also where layers begin with zeros and ones
  model.setWeights(
    model.getWeights().map((w, i) => {
      const positive = /variance/.test(model.weights[i].name)
      return tf.tensor(
        numbers(w.size).map((v) => (positive ? Math.abs(v) + 0.5 : v)),
        w.shape,
      )
    }),
  )
  let saved
  await model.save(
    tf.io.withSaveHandler(
      async (artifacts) => ((saved = artifacts), { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } }),
    ),
  )
  const batch = 2
  const inputs = shapes.map((shape) => {
    const size = batch * sizeOf(shape)
    return {
      shape: [batch, ...shape],
      data: ids === undefined ? numbers(size) : Array.from({ length: size }, (_, i) => (i * 7 + 3 * (i % 4)) % ids),
    }
  })
  const tensors = inputs.map(({ shape, data }) => tf.tensor(data, shape))
  const results = [model.apply(tensors.length === 1 ? tensors[0] : tensors)].flat()
  const outputs = results.map((t) => ({ shape: t.shape, data: Array.from(t.dataSync(), (v) => Number(v.toPrecision(8))) }))
  const { modelTopology, weightSpecs, weightData, format, generatedBy } = saved
  found.push({
    name,
    json: { format, generatedBy, modelTopology, weightSpecs },
    weights: Buffer.from(weightData).toString('base64'),
    inputs,
    outputs,
  })
}
process.stdout.write(`[\n${found.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`)
