// Export of operations: each one is written, or known not to be; pointwise ones in all dtypes that they take.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as weft from '../../lib/index.js'
import { type DType, input, model, type Tensor, tensor } from '../../lib/index.js'
import { ops } from '../../lib/core/op.js'
import type { AnyModel } from '../../lib/model/model.js'
import { OPERATORS } from '../../lib/onnx/export/operators/index.js'
import { values } from '../layers/check.js'
import { testWith } from '../skip.js'
import { agree, CHECKER, checkFiles, type Feed, hasChecker, hasRuntime, readsBack, RUNTIME, scratch } from './oracles.js'

/** Operations of training, gradients that others have, and what ONNX has no operator for. */
const NOT_WRITTEN: ReadonlySet<string> = new Set([
  ...['sgd', 'adam', 'rmsprop', 'adagrad', 'adadelta', 'adamax', 'nadam', 'lion', 'takeBatch'],
  ...['softmaxCrossEntropy', 'sparseSoftmaxCrossEntropy', 'maxPool2dPick'],
  'cumProd',
  // of fixed extents, so that it is a constant
  'eye',
  // makes first values of weights
  'orthonormalRows',
])

test('every operation is written, or known not to be', () => {
  const all = [...ops.keys()].filter((name) => !name.endsWith('Grad') || name === 'conv2dInputGrad')
  const missing = all.filter((name) => !Object.hasOwn(OPERATORS, name) && !NOT_WRITTEN.has(name))
  assert.equal(missing, [], `add ${missing.join(', ')} to lib/onnx/export/operators, or to NOT_WRITTEN here`)
  const both = all.filter((name) => Object.hasOwn(OPERATORS, name) && NOT_WRITTEN.has(name))
  assert.equal(both, [])
})

const { abs, ceil, clip, cos, erf, exp, floor, gelu, log, neg, relu, round, sigmoid, sign, sin, sqrt, square, tan, tanh } = weft
const { elu, expm1, hardShrink, hardSigmoid, isFinite, isNaN, leakyRelu, log1p, logicalNot, mish, reciprocal, rsqrt, selu } = weft
const { add, div, equal, floorDiv, greater, greaterEqual, less, lessEqual, maximum, minimum, mod, mul, notEqual, pow, sub } = weft
const { all, any, argMax, argMin, max, mean, min, prod, silu, softplus, softsign, squaredDifference, sum, where } = weft

type One = (x: Tensor) => Tensor
type Two = (a: Tensor, b: Tensor) => Tensor

const SIGNED: Record<string, One> = { abs, neg, sign, square, relu, clip: (x) => clip(x, -1, 2), floor, ceil, round }
const FLOATS: Record<string, One> = {
  ...SIGNED,
  ...{ exp, expm1, sin, cos, tan, tanh, sigmoid, softplus, softsign, erf, gelu, silu, selu, mish, hardSigmoid, hardShrink },
  ...{ elu, leakyRelu, isNaN, isFinite },
  roughGelu: (x) => gelu(x, { approximate: true }),
  log: (x) => log(abs(x)),
  log1p: (x) => log1p(abs(x)),
  sqrt: (x) => sqrt(abs(x)),
  rsqrt: (x) => rsqrt(abs(x)),
  reciprocal: (x) => reciprocal(add(abs(x), 0.1)),
}
const COMPARED: Record<string, Two> = { equal, notEqual, less, lessEqual, greater, greaterEqual }
const NUMBERS: Record<string, Two> = { add, sub, mul, minimum, maximum, ...COMPARED }
const TOTALS: Record<string, One> = {
  sum: (x) => sum(x, 1),
  max: (x) => max(x, -1, { keepDims: true }),
  min: (x) => min(x, [1]),
  prod: (x) => prod(x, 1),
  argMax: (x) => argMax(x, 1),
  argMin: (x) => argMin(x, -1),
}

interface Table {
  readonly dtype: DType
  readonly one: Record<string, One>
  readonly two: Record<string, Two>
}

const tables: readonly Table[] = [
  {
    dtype: 'float32',
    one: {
      ...FLOATS,
      ...TOTALS,
      mean: (x) => mean(x, 1),
      ints: (x) => x.cast('int32'),
      bytes: (x) => x.cast('uint8'),
      flags: (x) => x.cast('bool'),
    },
    two: { ...NUMBERS, div, mod, floorDiv, squaredDifference, pow: (a, b) => pow(abs(a), b) },
  },
  {
    dtype: 'int32',
    one: { ...SIGNED, ...TOTALS, floats: (x) => x.cast('float32'), quotients: (x) => x.div(3), flags: (x) => x.cast('bool') },
    two: { ...NUMBERS, mod, floorDiv },
  },
  { dtype: 'uint8', one: { sum: TOTALS['sum']!, max: TOTALS['max']!, argMax: TOTALS['argMax']!, relu }, two: { ...COMPARED, maximum } },
  {
    dtype: 'bool',
    one: { logicalNot, any: (x) => any(x, 1), all: (x) => all(x, 1), sum: TOTALS['sum']!, ints: (x) => x.cast('int32') },
    two: {
      ...{ equal, notEqual },
      and: (a, b) => a.logicalAnd(b),
      or: (a, b) => a.logicalOr(b),
      xor: (a, b) => a.logicalXor(b),
      chosen: (a, b) => where(a, b, logicalNot(b)),
      numbers: (a, b) => where(a, 1.5, b.cast('float32')),
    },
  },
]

/** A model whose outputs are all operations of a table. */
function modelOf({ dtype, one, two }: Table): AnyModel {
  const [a, b] = [input({ shape: [6], dtype, name: 'a' }), input({ shape: [6], dtype, name: 'b' })]
  const outputs = [
    ...Object.entries(one).map(([name, fn]) => [`${name}_of_a`, fn(a)]),
    ...Object.entries(two).map(([name, fn]) => [name, fn(a, b)]),
  ]
  return model({ inputs: [a, b], outputs: Object.fromEntries(outputs) as Record<string, Tensor> }) as AnyModel
}

/** Numbers in ±6, fractions for floats; divisors of both signs, and zero among integers. */
function feedsOf({ dtype }: Table): Feed[] {
  const whole = (seed: number): Tensor =>
    tensor(
      Int32Array.from({ length: 12 }, (_, i) => ((i * 5 + seed) % 13) - 6),
      [2, 6],
    )
  const made = (seed: number): Tensor => {
    if (dtype === 'float32') return values([2, 6], seed).mul(2)
    return dtype === 'int32' ? whole(seed) : dtype === 'bool' ? greater(whole(seed), 0) : abs(whole(seed)).cast('uint8')
  }
  return [{ a: made(1), b: made(4) }]
}

const folder = scratch()
const OPSETS = [17, 21]
const fileOf = (dtype: DType, opset: number): string => path.join(folder, `${dtype}-${opset}.onnx`)
const form = (feed: Feed): unknown => Object.values(feed)
const models = tables.map(modelOf)

test('pointwise operations and totals of each dtype are written, and read back', async () => {
  for (const [i, table] of tables.entries())
    for (const opset of OPSETS) {
      await models[i]!.exportOnnx(fileOf(table.dtype, opset), { opset })
      await readsBack(models[i]!, fileOf(table.dtype, opset), feedsOf(table), form)
    }
})

testWith(hasChecker, CHECKER, 'the checker accepts them', () => {
  assert.ok(checkFiles(tables.flatMap(({ dtype }) => OPSETS.map((opset) => fileOf(dtype, opset)))) >= tables.length)
})

testWith(hasRuntime, RUNTIME, 'onnxruntime computes them alike', async () => {
  for (const [i, table] of tables.entries())
    for (const opset of OPSETS) await agree(models[i]!, fileOf(table.dtype, opset), feedsOf(table), form)
})

test.run()
