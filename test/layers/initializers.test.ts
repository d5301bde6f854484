// Initializers, regularizers and constraints: distributions, formulas, names and JSON.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as constraints from '../../lib/constraints.js'
import { eye, matMul, randomNormal, type Tensor, tensor, withDevice } from '../../lib/index.js'
import * as initializers from '../../lib/initializers/index.js'
import { orthonormalRows } from '../../lib/ops/orthonormal.js'
import { factoryName } from '../../lib/core/named.js'
import { setSeed } from '../../lib/core/random.js'
import * as regularizers from '../../lib/regularizers.js'
import { getConstraint, getInitializer, getRegularizer } from '../../lib/layers/weight_options.js'
import { near, refuses, values as list } from '../expect.js'

async function moments(t: Tensor): Promise<{ mean: number; variance: number; largest: number }> {
  const v = await list(t)
  const mean = v.reduce((a, b) => a + b, 0) / v.length
  const variance = v.reduce((a, b) => a + (b - mean) ** 2, 0) / v.length
  return { mean, variance, largest: Math.max(...v.map(Math.abs)) }
}

// a kernel [3, 3, 20, 30]: fanIn 180, fanOut 270
const SHAPE = [3, 3, 20, 30]
/** Variance and largest value of each distribution. */
const scaled: readonly [() => initializers.Initializer, number, 'uniform' | 'truncated'][] = [
  [initializers.glorotUniform, 2 / 450, 'uniform'],
  [initializers.glorotNormal, 2 / 450, 'truncated'],
  [initializers.heUniform, 2 / 180, 'uniform'],
  [initializers.heNormal, 2 / 180, 'truncated'],
  [initializers.lecunUniform, 1 / 180, 'uniform'],
  [initializers.lecunNormal, 1 / 180, 'truncated'],
]

for (const [factory, variance, kind] of scaled) {
  test(`${factory().className}: variance ${variance.toPrecision(3)}, fans with the receptive field`, async () => {
    setSeed(1)
    const made = factory()(SHAPE)
    assert.equal(made.shape, SHAPE)
    const found = await moments(made)
    assert.ok(Math.abs(found.mean) < 4 * Math.sqrt(variance / made.size), `mean ${found.mean}`)
    assert.ok(Math.abs(found.variance / variance - 1) < 0.08, `variance ${found.variance}`)
    const limit = kind === 'uniform' ? Math.sqrt(3 * variance) : (2 * Math.sqrt(variance)) / 0.87962566103423978
    assert.ok(found.largest <= limit * (1 + 1e-6) && found.largest > 0.95 * limit, `largest ${found.largest}, limit ${limit}`)
  })
}

test('fixed and plain distributions', async () => {
  await near(initializers.zeros()([2]), [0, 0])
  await near(initializers.ones()([2]), [1, 1])
  await near(initializers.constant({ value: 3 })([2]), [3, 3])
  await near(initializers.identity({ gain: 2 })([2, 3]), [2, 0, 0, 0, 2, 0])
  assert.is(initializers.zeros()([2], 'float64').dtype, 'float64')
  const uniform = await moments(initializers.randomUniform({ minValue: 1, maxValue: 3, seed: 4 })([4000]))
  assert.ok(Math.abs(uniform.mean - 2) < 0.05 && Math.abs(uniform.variance - 4 / 12) < 0.03)
  const normal = await moments(initializers.randomNormal({ mean: -1, stddev: 2, seed: 4 })([4000]))
  assert.ok(Math.abs(normal.mean + 1) < 0.15 && Math.abs(normal.variance / 4 - 1) < 0.1)
  assert.ok((await moments(initializers.truncatedNormal({ stddev: 1, seed: 4 })([4000]))).largest <= 2)
  const wide = await moments(initializers.varianceScaling({ scale: 3, mode: 'fanOut', distribution: 'untruncatedNormal', seed: 4 })(SHAPE))
  assert.ok(Math.abs(wide.variance / (3 / 270) - 1) < 0.08)
})

test('orthogonal: rows or columns are orthonormal', async () => {
  for (const shape of [
    [6, 4],
    [4, 6],
    [2, 3, 5],
  ]) {
    const q = await list(initializers.orthogonal({ gain: 3, seed: 2 })(shape, 'float64'))
    const columns = shape.at(-1)!
    const rows = q.length / columns
    const at = (i: number, j: number): number => (rows >= columns ? q[j * columns + i]! : q[i * columns + j]!)
    for (let a = 0; a < Math.min(rows, columns); a++) {
      for (let b = 0; b <= a; b++) {
        let dot = 0
        for (let j = 0; j < Math.max(rows, columns); j++) dot += at(a, j) * at(b, j)
        assert.ok(Math.abs(dot - (a === b ? 9 : 0)) < 1e-12, `${shape}: ${a}·${b} = ${dot}`)
      }
    }
  }
  refuses(() => initializers.orthogonal()([3]), 'ERR_SHAPE', '[3]')
  refuses(() => initializers.identity()([2, 2, 2]), 'ERR_SHAPE', '[2,2,2]')
})

test('orthogonal: large and small, wide and tall, orthonormal to 1e-6 in float32', async () => {
  for (const shape of [
    [1024, 4096],
    [600, 130],
    [500, 500],
    [70, 64],
    [3, 7],
    [1, 1],
  ]) {
    const q = initializers.orthogonal({ seed: 4, gain: 0.5 })(shape)
    const [rows, columns] = shape as [number, number]
    const precise = q.to('cpu').cast('float64')
    const products = rows <= columns ? matMul(precise, precise, { transposeB: true }) : matMul(precise, precise, { transposeA: true })
    const short = Math.min(rows, columns)
    const worst = await products
      .div(0.25)
      .sub(eye(short, short, { dtype: 'float64', device: 'cpu' }))
      .abs()
      .max()
      .item()
    assert.ok(worst < 1e-6, `[${shape}]: ${worst}`)
    const again = initializers.orthogonal({ seed: 4, gain: 0.5 })(shape)
    assert.equal(await again.data(), await q.data(), `[${shape}]: equal seeds`)
    for (const t of [q, again, precise, products]) t.dispose()
  }
})

test('orthogonal: R has a positive diagonal, so that the values are uniform over rotations', async () => {
  const [rows, columns] = [200, 90]
  const q = await list(initializers.orthogonal({ seed: 6 })([rows, columns], 'float64'))
  // the same numbers orthogonalized column by column
  const a = await list(withDevice('cpu', () => randomNormal([rows, columns], { seed: 6, dtype: 'float64' })))
  const at = (values: ArrayLike<number>, i: number, j: number): number => values[i * columns + j]!
  for (let j = 0; j < columns; j++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        let along = 0
        for (let i = 0; i < rows; i++) along += at(a, i, k) * at(a, i, j)
        for (let i = 0; i < rows; i++) a[i * columns + j]! -= along * at(a, i, k)
      }
    }
    const length = Math.hypot(...Array.from({ length: rows }, (_, i) => at(a, i, j)))
    for (let i = 0; i < rows; i++) a[i * columns + j]! /= length
  }
  assert.ok(q.every((value, i) => Math.abs(value - a[i]!) < 1e-10))
})

test('orthogonal: rows that depend on each other give no NaN', async () => {
  const rows = orthonormalRows(tensor([...Array(4).fill([1, 2, 3, 4, 5]), [0, 0, 0, 0, 0]], { device: 'cpu' }))
  assert.ok((await list(rows)).every(Number.isFinite))
})

test('seeds: the same one gives the same values, setSeed repeats a process', async () => {
  const a = initializers.heNormal({ seed: 7 })
  assert.equal(await list(a([5])), await list(initializers.heNormal({ seed: 7 })([5])))
  setSeed(5)
  const first = await list(initializers.glorotUniform()([5]))
  assert.not.equal(await list(initializers.glorotUniform()([5])), first)
  setSeed(5)
  assert.equal(await list(initializers.glorotUniform()([5])), first)
})

test('regularizers: λΣ|w|, λΣw² without ½', async () => {
  const w = tensor([1, -2])
  await near(regularizers.l1(0.1)(w), [0.3])
  await near(regularizers.l2(0.1)(w), [0.5])
  await near(regularizers.l2()(w), [0.05])
  await near(regularizers.l1l2({ l1: 1, l2: 2 })(w), [13])
  // a factor that is not given is 0
  await near(regularizers.l1l2({ l1: 1 })(w), [3])
  await near(regularizers.l1l2({ l2: 2 })(w), [10])
  await near(regularizers.l1l2()(w), [0])
  refuses(() => regularizers.l2(-1), 'ERR_ARGUMENT', '-1')
  refuses(() => regularizers.l1l2({ l3: 1 } as never), 'ERR_ARGUMENT', "'l3'")
})

test('constraints', async () => {
  const w = tensor([
    [3, 0.3],
    [4, 0.4],
  ])
  await near(constraints.maxNorm({ maxValue: 1 })(w), [0.6, 0.3, 0.8, 0.4])
  await near(constraints.nonNeg()(tensor([-1, 2])), [0, 2])
  await near(constraints.unitNorm()(w), [0.6, 0.6, 0.8, 0.8])
  await near(constraints.minMaxNorm({ minValue: 1, maxValue: 2 })(w), [1.2, 0.6, 1.6, 0.8])
  await near(constraints.minMaxNorm({ minValue: 1, maxValue: 2, rate: 0.5 })(w), [2.1, 0.45, 2.8, 0.6])
  await near(constraints.unitNorm({ axis: [0, 1] })(tensor([[3], [4]])), [0.6, 0.8])
})

test('names and JSON give the same function again', async () => {
  for (const [name, factory] of Object.entries(initializers)) {
    const made = (factory as () => initializers.Initializer)()
    assert.is(factoryName(made.className), name)
    const again = getInitializer(JSON.parse(JSON.stringify(made))) as initializers.Initializer
    assert.is(again.className, made.className)
    assert.is((getInitializer(name as initializers.InitializerName) as initializers.Initializer).className, made.className)
  }
  const l2 = getRegularizer(JSON.parse(JSON.stringify(regularizers.l2(0.5))))!
  await near(l2(tensor([2])), [2])
  const norm = getConstraint(JSON.parse(JSON.stringify(constraints.maxNorm({ maxValue: 1 }))))!
  await near(norm(tensor([[2]])), [1])
  const own = (shape: readonly number[]): Tensor => tensor(new Float32Array(shape[0]!).fill(4))
  assert.is(getInitializer(own), own)
  refuses(() => getInitializer('heNromal' as never), 'ERR_ARGUMENT', "'heNormal'")
  refuses(() => getInitializer(3 as never), 'ERR_ARGUMENT', '3')
  refuses(() => initializers.varianceScaling({ scale: 0 }), 'ERR_ARGUMENT', '0')
  refuses(() => initializers.heNormal({ sede: 1 } as never), 'ERR_ARGUMENT', "'seed'")
})

test.run()
