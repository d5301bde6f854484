// The names that programs are written against: each is exported, and is a function or a class.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as compress from '../../lib/compress/index.js'
import * as explain from '../../lib/explain/index.js'
import * as weft from '../../lib/index.js'
import * as learn from '../../lib/learn/index.js'
import * as serve from '../../lib/serve/index.js'
import { layers, optimizers, sequential, Tensor, Variable } from '../../lib/index.js'

const functions: Readonly<Record<string, readonly [object, string]>> = {
  weftjs: [
    weft,
    `abs add all any arange argMax argMin broadcastTo cast ceil clip clipByGlobalNorm concat conv1d conv2d cos cumProd cumSum defineOp dense device
    devices div doctor dot dropout einsum equal exp expandDims eye fft flatten floor full gather gelu generate gpt grad gradCheck gradients greater
    ifft importOnnx input irfft jit leakyRelu less linspace loadKernels loadModel loadPretrained loadKeras loadTfjs log logSoftmax lora matMul max
    maximum mean memory min minimum model Model moments mul neg norm oneHot ones onesLike outer pad pow prod profile randomNormal randomUniform
    relu reshape resize reverse rfft savePretrained sequential setDevice setSeed sigmoid sin slice softmax softplus sort split sqrt square
    squeeze stack stopGradient sub sum synchronize tanh Tensor tensor tidy tile toCategorical topK transpose unstack valueAndGrad Variable variable
    WeftError where withDevice zeros zerosLike`,
  ],
  layers: [
    layers,
    `activation add alphaDropout averagePooling1d averagePooling2d averagePooling3d batchNormalization bidirectional categoryEncoding concatenate
    conv1d conv1dTranspose conv2d conv2dTranspose conv3d conv3dTranspose convLstm2d cropping1d cropping2d cropping3d dense depthwiseConv2d
    discretization dot dropout einsumDense embedding flatten gaussianDropout gaussianNoise globalAveragePooling1d globalAveragePooling2d
    globalAveragePooling3d globalMaxPooling1d globalMaxPooling2d globalMaxPooling3d gru hashing integerLookup lambda Layer layerNormalization
    leakyRelu lstm masking maxPooling1d maxPooling2d maxPooling3d multiHeadAttention normalization permute prelu relu repeatVector rescaling
    reshape resizing rnn separableConv1d separableConv2d simpleRnn softmax spectralNormalization stringLookup textVectorization timeDistributed
    unitNormalization upSampling1d upSampling2d upSampling3d zeroPadding1d zeroPadding2d zeroPadding3d`,
  ],
  losses: [
    weft.losses,
    `binaryCrossentropy binaryFocalCrossentropy categoricalCrossentropy categoricalFocalCrossentropy categoricalHinge cosineSimilarity ctc dice hinge
    huber klDivergence logCosh mae mape meanAbsoluteError meanAbsolutePercentageError meanSquaredError meanSquaredLogarithmicError mse msle poisson
    sparseCategoricalCrossentropy squaredHinge`,
  ],
  metrics: [
    weft.metrics,
    `Metric accuracy auc binaryAccuracy categoricalAccuracy f1 falseNegatives falsePositives mae meanIoU mse precision precisionAtRecall r2 recall
    recallAtPrecision rmse sparseCategoricalAccuracy sparseTopKCategoricalAccuracy topKCategoricalAccuracy trueNegatives truePositives`,
  ],
  optimizers: [optimizers, 'adadelta adafactor adagrad adam adamax adamw lamb lion muon nadam rmsprop sgd'],
  schedules: [weft.schedules, 'cosineDecay cosineDecayRestarts exponentialDecay piecewiseConstantDecay polynomialDecay'],
  callbacks: [
    weft.callbacks,
    'Callback backupAndRestore csvLogger dashboard earlyStopping learningRateScheduler modelCheckpoint reduceLrOnPlateau tensorBoard terminateOnNan',
  ],
  initializers: [weft.initializers, 'constant glorotUniform heNormal ones orthogonal randomNormal randomUniform zeros'],
  regularizers: [weft.regularizers, 'l1 l1l2 l2'],
  constraints: [weft.constraints, 'maxNorm minMaxNorm nonNeg unitNorm'],
  data: [weft.data, 'csv from generator windows'],
  datasets: [weft.datasets, 'breastCancer cifar10 diabetes digits fashionMnist iris mnist wine'],
  text: [weft.text, 'padSequences tokenizer'],
  images: [weft.images, 'fromFolder load resize write'],
  safetensors: [weft.safetensors, 'open save'],
  'weftjs/compress': [compress, 'compress distill prune quantize'],
  'weftjs/explain': [explain, 'gradCam integratedGradients occlusion partialDependence permutationImportance saliency shap smoothGrad'],
  'weftjs/learn': [
    learn,
    `classificationReport confusionMatrix gridSearch kFold linearRegression linearSvc logisticRegression minMaxScaler pipeline report ridge
    standardScaler svc svr trainTestSplit`,
  ],
  'weftjs/serve': [serve, 'batcher connect serve'],
  'a Tensor': [
    Tensor.prototype,
    `add argMax array arraySync cast data dataSync dispose div expandDims gather item matMul max mean mul print relu reshape slice softmax squeeze
    sub sum tanh to transpose`,
  ],
  'a Variable': [Variable.prototype, 'assign'],
  'a model': [
    sequential(),
    `add apply compile countParams dispose evaluate evaluateOnBatch exportOnnx exportTfjs fit getLayer getWeights loadWeights plot predict save
    saveWeights setWeights summary to train trainOnBatch`,
  ],
  'an optimizer': [optimizers.adam(), 'apply build getWeights setWeights'],
}

for (const [place, [holder, names]] of Object.entries(functions))
  test(`names of ${place}`, () => {
    const missing = names.split(/\s+/).filter((name) => typeof (holder as Record<string, unknown>)[name] !== 'function')
    assert.equal(missing, [])
  })

test('every function of tensors that takes one first is a method too', () => {
  const methods =
    `abs add all any argMax argMin broadcastTo cast ceil clip cos cumSum div dot dropout equal exp expandDims flatten floor gather gelu
    greater leakyRelu less log logSoftmax matMul max maximum mean min minimum mod moments mul neg norm oneHot onesLike outer pad pow prod relu
    reshape resize reverse sigmoid sin slice softmax softplus sort split sqrt square squeeze stopGradient sub sum tanh tile topK transpose unstack
    zerosLike`.split(/\s+/)
  const missing = methods.filter((name) => typeof (Tensor.prototype as unknown as Record<string, unknown>)[name] !== 'function')
  assert.equal(missing, [])
})

test.run()
