// Hostile calls of what models are made and trained with: catalogues, compile, fit and its kin.
import { test } from 'uvu'
import * as weft from '../../lib/index.js'
import { resolveLoss } from '../../lib/losses/by_name.js'
import { resolveOptimizer } from '../../lib/optimizers/by_name.js'
import { type AnyFunction, hostileTests, optionTargets, type Target } from '../hostile.js'

const { callbacks, constraints, initializers, layers, losses, metrics, optimizers, regularizers, schedules, sequential, tensor, variable } =
  weft

interface Schedule {
  at(step: number): number
  call(step: weft.Tensor): unknown
}

/** Options that are right, wherever a function has them. */
const RIGHT: Readonly<Record<string, unknown>> = {
  monitor: 'loss',
  path: '/nowhere/weft-{epoch}',
  initialLearningRate: 0.1,
  decaySteps: 10,
  decayRate: 0.5,
  boundaries: [1, 2],
  values: [0.1, 0.2, 0.3],
  schedule: () => 0.1,
  k: 1,
}
const y = (): weft.Tensor => tensor([[1], [0]])
const net = (): ReturnType<typeof sequential> => {
  const made = sequential([layers.dense({ units: 1, inputShape: [1] })])
  made.compile({ optimizer: 'sgd', loss: 'mse' })
  return made
}
const silent = { verbose: 0 } as const
const x = (): number[][] => [[1], [2]]

const factories: readonly (readonly [prefix: string, catalogue: object, follow: (made: unknown) => unknown])[] = [
  ['losses', losses, (made) => (typeof made === 'function' ? (made as AnyFunction)(y(), y()) : undefined)],
  [
    'metrics',
    metrics,
    async (made) => {
      const metric = made as weft.metrics.Metric
      metric.update(y(), y())
      await metric.result().data()
    },
  ],
  [
    'optimizers',
    optimizers,
    (made) => {
      const w = variable([1, 2])
      weft.jit((t: weft.Tensor) => (made as weft.optimizers.Optimizer).apply([t], [w]))(tensor([1, 1]))
    },
  ],
  ['initializers', initializers, (made) => (made as AnyFunction)([2, 2], 'float32')],
  ['regularizers', regularizers, (made) => (made as AnyFunction)(variable([[1], [2]]))],
  ['constraints', constraints, (made) => (made as AnyFunction)(variable([[1], [2]]))],
  ['schedules', schedules, (made) => [(made as Schedule).at(3), (made as Schedule).call(tensor(3))]],
  ['callbacks', callbacks, (made) => net().fit(x(), [1, 2], { ...silent, callbacks: [made as object] })],
]
/** What walks over catalogues meets that is no factory. */
const NOT_FACTORIES = new Set([
  'isLoss',
  'resolveLoss',
  'resolveMetric',
  'risingByName',
  'optimizerFromJson',
  'resolveOptimizer',
  'scheduleFromJson',
  'clipByGlobalNorm',
])
const isClass = (value: object): boolean => Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false

const targets: Record<string, Target> = {}
for (const [prefix, catalogue, follow] of factories)
  for (const [name, fn] of Object.entries(catalogue) as [string, unknown][])
    if (typeof fn === 'function' && !isClass(fn) && !NOT_FACTORIES.has(name))
      Object.assign(targets, optionTargets(`${prefix}.${name}`, fn as AnyFunction, RIGHT, follow))
hostileTests(targets)

const compile = (options: object): void => sequential([layers.dense({ units: 1, inputShape: [1] })]).compile(options)
hostileTests({
  ...optionTargets('compile', compile as AnyFunction, { optimizer: 'sgd', loss: 'mse' }),
  'compile metrics of a list': { fn: (metric) => compile({ loss: 'mse', metrics: [metric] }), args: [() => 'mae'] },
  'losses.mse()': { fn: losses.mse() as unknown as AnyFunction, args: [y, y, () => ({})] },
  'losses.mse() sampleWeight': {
    fn: (w, m) => losses.mse()(y(), y(), { sampleWeight: w, mask: m } as never),
    args: [() => [1, 1], () => undefined],
  },
  'losses.sparse()': {
    fn: losses.sparseCategoricalCrossentropy() as unknown as AnyFunction,
    args: [
      () => [0, 1],
      () =>
        tensor([
          [0.5, 0.5],
          [0.5, 0.5],
        ]),
      () => ({}),
    ],
  },
  'metric.update': { fn: (...args) => (metrics.mae().update as AnyFunction)(...args), args: [y, y, () => ({})] },
  'auc.update': { fn: (...args) => (metrics.auc().update as AnyFunction)(...args), args: [y, y, () => ({})] },
  'optimizer.apply': {
    fn: (...args) => (optimizers.adam().apply as AnyFunction).apply(optimizers.adam(), args),
    args: [() => [tensor([1, 2])], () => [variable([1, 2])], () => undefined],
  },
  'optimizer.learningRate': { fn: (rate) => (optimizers.adam().learningRate = rate as number), args: [() => 0.1] },
  toCategorical: { fn: weft.toCategorical as AnyFunction, args: [() => [0, 1], () => 2, () => undefined] },
  sequential: { fn: sequential as AnyFunction, args: [() => [layers.dense({ units: 1 })], () => ({})] },
  'sequential of a list': { fn: (layer) => sequential([layer as never]), args: [() => layers.dense({ units: 1 })] },
  'net.add': { fn: (layer) => sequential([]).add(layer as never), args: [() => layers.dense({ units: 1 })] },
  input: { fn: weft.input as AnyFunction, args: [() => ({ shape: [2] })] },
  model: {
    fn: weft.model as AnyFunction,
    args: [
      () => {
        const a = weft.input({ shape: [2] })
        return { inputs: a, outputs: layers.dense({ units: 1 }).apply(a) }
      },
    ],
  },
  'model outputs': {
    fn: (outputs) => weft.model({ inputs: weft.input({ shape: [2] }), outputs: outputs as weft.Tensor }),
    args: [() => weft.input({ shape: [2] })],
  },
  fit: { fn: (...args) => (net().fit as AnyFunction).apply(net(), args), args: [x, () => [1, 2], () => silent] },
  trainOnBatch: { fn: (...args) => (net().trainOnBatch as AnyFunction).apply(net(), args), args: [x, () => [1, 2], () => ({})] },
  evaluate: { fn: (...args) => (net().evaluate as AnyFunction).apply(net(), args), args: [x, () => [1, 2], () => ({})] },
  evaluateOnBatch: { fn: (...args) => (net().evaluateOnBatch as AnyFunction).apply(net(), args), args: [x, () => [1, 2], () => ({})] },
  predict: { fn: (...args) => (net().predict as AnyFunction).apply(net(), args), args: [x, () => ({})] },
  'train, first event': {
    fn: async (...args) => {
      const made = net()
      const events = (made.train as AnyFunction).apply(made, args) as AsyncGenerator
      await events.next()
      await events.return(undefined)
    },
    args: [x, () => [1, 2], () => silent],
  },
  'net.apply': { fn: (...args) => (net().apply as AnyFunction).apply(net(), args), args: [() => tensor([[1]]), () => ({})] },
  setWeights: { fn: (value) => net().setWeights(value as never), args: [() => [[[1]], [0]]] },
  'setWeights of a list': { fn: (value) => net().setWeights([value as never, [0]]), args: [() => [[1]]] },
  getLayer: { fn: (which) => net().getLayer(which as string), args: [() => 'dense'] },
  summary: { fn: (options) => net().summary(options as object), args: [() => ({ print: () => undefined })] },
  to: { fn: (device) => net().to(device as string), args: [() => 'cpu'] },
  ...Object.fromEntries(
    [
      'epochs',
      'batchSize',
      'validationSplit',
      'validationData',
      'validationBatchSize',
      'validationFreq',
      'validationSteps',
      'shuffle',
      'classWeight',
      'sampleWeight',
      'initialEpoch',
      'stepsPerEpoch',
      'callbacks',
      'signal',
      'verbose',
    ].map((key): [string, Target] => [
      `fit ${key}`,
      {
        fn: (value) => net().fit(x(), [1, 2], { ...silent, [key]: value }),
        args: [() => undefined],
        skip: (value) => value === 2 ** 53 && (key === 'epochs' || key === 'stepsPerEpoch'),
      },
    ]),
  ),
  'fit callbacks of a list': { fn: (value) => net().fit(x(), [1, 2], { ...silent, callbacks: [value as object] }), args: [() => ({})] },
  'fit validationData of a list': {
    fn: (a, b) => net().fit(x(), [1, 2], { ...silent, validationData: [a, b] as never }),
    args: [x, () => [1, 2]],
  },
  'fit on batches': { fn: (batch) => net().fit([batch] as never, silent), args: [() => ({ x: [[1]], y: [[1]] })] },
  'fit on a batch of': {
    fn: (bx, by, w) =>
      net().fit(
        function* () {
          yield { x: bx, y: by, sampleWeight: w }
        } as never,
        silent,
      ),
    args: [() => [[1]], () => [[1]], () => [1]],
  },
  'own loss': { fn: (value) => resolveLoss((() => value) as never)(y(), y()), args: [() => tensor(1)] },
  'own metric': {
    fn: async (value) => {
      const made = net()
      made.compile({ loss: 'mse', metrics: [(() => value) as never] })
      await made.evaluate(x(), [1, 2])
    },
    args: [() => tensor(1)],
  },
  'own optimizer': { fn: (value) => resolveOptimizer(value), args: [() => 'sgd'] },
  loadModel: { fn: weft.loadModel as AnyFunction, args: [() => '/nowhere/model', () => ({})] },
  save: { fn: (...args) => (net().save as AnyFunction).apply(net(), args), args: [() => '/proc/nowhere/model', () => ({})] },
  gpt: { fn: weft.gpt as AnyFunction, args: [() => ({ vocabularySize: 8, contextLength: 4, numLayers: 1, numHeads: 1, embeddingDim: 4 })] },
  bert: {
    fn: weft.bert as AnyFunction,
    args: [() => ({ vocabularySize: 8, contextLength: 4, numLayers: 1, numHeads: 1, embeddingDim: 4 })],
  },
})

test.run()
