// Hostile calls of layers: every factory with every option, and the layers on every input.
import { test } from 'uvu'
import * as weft from '../../lib/index.js'
import { type AnyFunction, hostileTests, optionTargets, type Target } from '../hostile.js'

const { layers, zeros } = weft

/** Options that are right, wherever a layer has them. */
const RIGHT: Readonly<Record<string, unknown>> = {
  units: 2,
  filters: 2,
  kernelSize: 2,
  poolSize: 2,
  inputDim: 3,
  outputDim: 2,
  rate: 0.5,
  stddev: 0.5,
  n: 2,
  dims: [2, 1],
  targetShape: [-1],
  numHeads: 1,
  keyDim: 2,
  intermediateDim: 2,
  vocabularySize: 4,
  sequenceLength: 4,
  embeddingDim: 2,
  scale: 2,
  padding: 'same',
  size: 2,
  groups: 1,
  maxLength: 4,
}
const SHAPES = [
  [2, 4],
  [2, 4, 3],
  [2, 4, 4, 3],
]

/** The layer on inputs of several ranks: what does not fit it refuses. */
function applied(made: unknown): void {
  const layer = made as weft.layers.Layer
  for (const shape of SHAPES) {
    try {
      layer.apply(zeros(shape))
    } catch (error) {
      if (!(error instanceof weft.WeftError)) throw error
    }
  }
}
const isClass = (value: object): boolean => Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false

const targets: Record<string, Target> = {}
for (const [name, fn] of Object.entries(layers) as [string, unknown][])
  if (typeof fn === 'function' && !isClass(fn) && name !== 'lambda')
    Object.assign(targets, optionTargets(`layers.${name}`, fn as AnyFunction, RIGHT, applied))
hostileTests(targets)

class Own extends layers.Layer {
  override call(x: weft.Tensor): weft.Tensor {
    return x
  }
}
const dense = (): weft.layers.Layer => layers.dense({ units: 2 })
hostileTests({
  'layers.lambda': { fn: layers.lambda as AnyFunction, args: [() => (x: weft.Tensor) => x, () => ({})], follow: applied },
  'lambda returns': { fn: (value) => layers.lambda(() => value as weft.Tensor).apply(zeros([2, 2])), args: [() => zeros([2, 2])] },
  apply: { fn: (...args) => (dense().apply as AnyFunction).apply(dense(), args), args: [() => zeros([2, 3]), () => ({})] },
  'apply training': {
    fn: (training, mask) => dense().apply(zeros([2, 3]), { training, mask } as never),
    args: [() => true, () => undefined],
  },
  'apply of several': { fn: (a, b) => layers.add().apply([a, b] as never), args: [() => zeros([2, 3]), () => zeros([2, 3])] },
  build: { fn: (shape) => dense().build(shape as number[]), args: [() => [null, 3]] },
  computeOutputShape: { fn: (shape) => dense().computeOutputShape(shape as number[]), args: [() => [null, 3]] },
  addWeight: { fn: (options) => new Own().addWeight(options as never), args: [() => ({ name: 'w', shape: [2] })] },
  ...Object.fromEntries(
    ['name', 'shape', 'initializer', 'trainable', 'dtype', 'regularizer', 'constraint'].map((key): [string, Target] => [
      `addWeight ${key}`,
      { fn: (value) => new Own().addWeight({ name: 'w', shape: [2], [key]: value }), args: [() => undefined] },
    ]),
  ),
  addLoss: { fn: (value) => new Own().addLoss(value as never), args: [() => weft.tensor(1)] },
  addMetric: { fn: (name, value) => new Own().addMetric(name as string, value as never), args: [() => 'm', () => weft.tensor(1)] },
  'new Own': { fn: (config) => new Own(config as object), args: [() => ({})] },
  setWeights: {
    fn: (value) => {
      const layer = dense()
      layer.build([null, 1])
      layer.setWeights(value as never)
    },
    args: [() => [[[1, 2]], [0, 0]]],
  },
  'the embedding of': { fn: (ids) => layers.embedding({ inputDim: 3, outputDim: 2 }).apply(ids as never), args: [() => [0, 1]] },
  'rnn of cells': { fn: (cell) => layers.rnn({ cell: cell as never }), args: [() => layers.gruCell({ units: 2 })], follow: applied },
  'timeDistributed of': { fn: (layer) => layers.timeDistributed({ layer: layer as never }), args: [dense], follow: applied },
  'bidirectional of': {
    fn: (layer) => layers.bidirectional({ layer: layer as never }),
    args: [() => layers.gru({ units: 2 })],
    follow: applied,
  },
})

test.run()
