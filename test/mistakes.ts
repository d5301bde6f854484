// Mistakes that the compiler finds: each line below is one, and tsc fails where one is taken. Nothing here runs.
import {
  add,
  callbacks,
  conv2d,
  data,
  gpt,
  grad,
  importOnnx,
  input,
  jit,
  layers,
  loadModel,
  loadPretrained,
  lora,
  losses,
  matMul,
  metrics,
  model,
  oneHot,
  ones,
  optimizers,
  regularizers,
  schedules,
  sequential,
  tensor,
  type Tensor,
  text,
  toCategorical,
  type Variable,
  where,
  zeros,
} from '../lib/index.js'
import { batcher, connect, serve } from '../lib/serve/index.js'

export function mistakes(net: ReturnType<typeof sequential>, x: Tensor, w: Variable): unknown[] {
  return [
    // @ts-expect-error the optimizer is 'adam'
    net.compile({ optimizer: 'adamm', loss: 'mse' }),
    // @ts-expect-error the loss is 'meanSquaredError'
    net.compile({ loss: 'mean_squared_error' }),
    // @ts-expect-error the metric is 'accuracy'
    net.compile({ loss: 'mse', metrics: ['acuracy'] }),
    // @ts-expect-error the option is metrics
    net.compile({ loss: 'mse', metric: ['accuracy'] }),
    // @ts-expect-error there is no such precision
    net.compile({ loss: 'mse', precision: 'float8' }),
    // @ts-expect-error the option is epochs
    net.fit(x, x, { epoch: 3 }),
    // @ts-expect-error the option is validationData
    net.fit(x, x, { validation_data: [x, x] }),
    // @ts-expect-error a number
    net.fit(x, x, { batchSize: '32' }),
    // @ts-expect-error 0, 1, 2 or 'auto'
    net.fit(x, x, { verbose: 3 }),
    // @ts-expect-error weights or 'balanced'
    net.fit(x, x, { classWeight: 'balance' }),
    // @ts-expect-error a callback has hooks such as onEpochEnd
    net.fit(x, x, { callbacks: [{ onEpochFinish: () => undefined }] }),
    // @ts-expect-error a path or URL
    net.save(5),
    // @ts-expect-error the opset is a number
    net.exportOnnx('net.onnx', { opset: '17' }),
    // @ts-expect-error the name of a layer or its place
    net.getLayer({}),
    // @ts-expect-error a path or URL
    loadModel({}),
    // @ts-expect-error the activation is 'relu'
    layers.dense({ units: 3, activation: 'rellu' }),
    // @ts-expect-error the initializer is 'glorotUniform'
    layers.dense({ units: 3, kernelInitializer: 'glorot' }),
    // @ts-expect-error 'valid' or 'same'
    layers.conv2d({ filters: 3, kernelSize: 3, padding: 'sam' }),
    // @ts-expect-error one or two numbers
    layers.conv2d({ filters: 3, kernelSize: '3' }),
    // @ts-expect-error filters are needed
    layers.conv2d({ kernelSize: 3 }),
    // @ts-expect-error inputDim is needed
    layers.embedding({ outputDim: 3 }),
    // @ts-expect-error the rate is a number
    layers.dropout({ rate: '0.5' }),
    // @ts-expect-error a shape is a list
    input({ shape: 5 }),
    // @ts-expect-error outputs are needed
    model({ inputs: input({ shape: [1] }) }),
    // @ts-expect-error the option is learningRate
    optimizers.adam({ lr: 0.1 }),
    // @ts-expect-error decaySteps are needed
    schedules.cosineDecay({ initialLearningRate: 0.1 }),
    // @ts-expect-error the option is patience
    callbacks.earlyStopping({ patient: 3 }),
    // @ts-expect-error 'mean', 'sum' or 'none'
    losses.meanSquaredError({ reduction: 'average' }),
    // @ts-expect-error the option is threshold
    metrics.precision({ thresholds: 0.5 }),
    // @ts-expect-error the factor is a number
    regularizers.l2('0.1'),
    // @ts-expect-error options are an object
    data.from([[1]], [1]).shuffle(100),
    // @ts-expect-error the size is a number
    data.from([[1]], [1]).batch('32'),
    // @ts-expect-error the dtype is 'float32'
    tensor([1], { dtype: 'float' }),
    // @ts-expect-error options are an object
    zeros([2], 'int32'),
    // @ts-expect-error an axis is a number
    x.sum('rows'),
    // @ts-expect-error the option is transposeB
    x.matMul(x, { transpose: true }),
    // @ts-expect-error the kernel is needed
    conv2d(x),
    // @ts-expect-error the depth is needed
    oneHot([1, 2]),
    // @ts-expect-error a variable is given a tensor
    w.assign('zeros'),
    // @ts-expect-error a tensor is no number
    x.add(1) + 1,
    // @ts-expect-error a function
    jit(5),
    // @ts-expect-error the function returns a Tensor
    grad((t: Tensor) => t.dataSync()[0])(x),
    // @ts-expect-error the number of classes is a number
    toCategorical([0, 1], '2'),
    // @ts-expect-error the option is numWords
    text.tokenizer({ words: 100 }),
    // @ts-expect-error the option is numLayers
    gpt({ vocabularySize: 10, sequenceLength: 8, layers: 2, numHeads: 2, hiddenDim: 8 }),
    // @ts-expect-error the option is maxTokens
    gpt({ vocabularySize: 10, sequenceLength: 8, numLayers: 2, numHeads: 2, hiddenDim: 8 }).generate([1], { maxToken: 3 }),
    // @ts-expect-error the option is device
    importOnnx('net.onnx', { devices: 'cpu' }),
    // @ts-expect-error there is no such dtype of weights
    loadPretrained('folder', { dtype: 'int4' }),
    // @ts-expect-error the rank is a number
    lora(net, { rank: '8' }),
    // @ts-expect-error a port stands in http: { port }
    serve({ repository: 'models', port: 8080 }),
    // @ts-expect-error where to connect to is needed
    connect(),
    // @ts-expect-error the option is maxBatchSize
    batcher(net, { maxBatch: 3 }),
  ]
}

export function wrongShapes(x: Tensor<[number, 784]>, w: Variable<[784, 10]>): unknown[] {
  const square = zeros([3, 3])
  const pixels = (image: Tensor<[number, 784]>): Tensor => image
  return [
    // @ts-expect-error 784 columns meet 10 rows
    x.matMul(zeros([10, 784])),
    // @ts-expect-error transposed, 784 columns meet 784 rows no more
    x.matMul(w, { transposeB: true }),
    // @ts-expect-error a vector of 784 is wanted
    matMul(x, ones([785])),
    // @ts-expect-error leading axes 2 and 5
    zeros([2, 3, 4]).matMul(zeros([5, 4, 3])),
    // @ts-expect-error a scalar is no matrix
    x.matMul(tensor(2)),
    // @ts-expect-error 784 meets 10
    x.add(zeros([10])),
    // @ts-expect-error 3 meets 2
    add(square, zeros([3, 2])),
    // @ts-expect-error 3 meets 4
    where(square.greater(0), square, zeros([4])),
    // @ts-expect-error there is no axis 2
    x.sum(2),
    // @ts-expect-error there is no axis -3
    x.argMax(-3),
    // @ts-expect-error there is no axis 4
    square.mean([0, 4]),
    // @ts-expect-error two axes, three places
    square.transpose([0, 1, 2]),
    // @ts-expect-error there is no axis 2
    square.transpose([0, 2]),
    // @ts-expect-error axis 0 has extent 3
    square.squeeze(0),
    // @ts-expect-error there is no place 4
    square.expandDims(4),
    // @ts-expect-error 10 columns, 784 are wanted
    pixels(zeros([32, 10])),
    // @ts-expect-error one axis, two are wanted
    pixels(zeros([784])),
    // @ts-expect-error the variable is [784, 10]
    w.assign(zeros([10, 784])),
    // @ts-expect-error ten outputs, 784 are wanted
    pixels(layers.dense({ units: 10 }).apply(x)),
    // @ts-expect-error a reshape to 780 columns
    pixels(zeros([32, 28, 28]).reshape([-1, 780])),
  ]
}

export async function wrongValues(t: Tensor<[2, 3], 'int32'>): Promise<void> {
  // @ts-expect-error int32 gives an Int32Array
  const floats: Float32Array = await t.data()
  // @ts-expect-error two axes
  const row: number[] = await t.array()
  // @ts-expect-error a comparison gives bools
  const numbers: Tensor<[2, 3], 'float32'> = t.greater(0)
  // @ts-expect-error a mean of all is a number
  const list: number[] = await t.mean().array()
  // @ts-expect-error there is no third axis
  const depth: number = t.shape[2]
  await Promise.all([floats, row, numbers, list, depth])
}
