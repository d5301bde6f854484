// Gradients: first and second order, unconnected inputs, several arguments, functions of functions, checks.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defineOp, grad, gradCheck, gradients, jit, optimizers, tensor, type Tensor, valueAndGrad, variable } from '../../lib/index.js'
import { codeOf, rejects, values } from '../expect.js'

const near = (a: number, b: number, tolerance = 1e-4): void => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not near ${b}`)

test('grad of a scalar function, and of its gradient', async () => {
  const f = (x: Tensor): Tensor => x.tanh().sum()
  const first = grad(f)
  const second = grad((x: Tensor) => first(x).sum())
  const x = tensor([0.3])
  near((await values(first(x)))[0]!, 1 - Math.tanh(0.3) ** 2)
  near((await values(second(x)))[0]!, -2 * Math.tanh(0.3) * (1 - Math.tanh(0.3) ** 2))
})

test('several arguments, unconnected ones, closures', async () => {
  const c = tensor([2, 3])
  const f = (a: Tensor, b: Tensor, _unused: Tensor): Tensor => a.mul(b).mul(c).sum()
  const [ga, gu, gb] = grad(f, { wrt: [0, 2, 1] })(tensor([1, 2]), tensor([3, 4]), tensor([5]))
  assert.equal([await values(ga!), await values(gu!), await values(gb!)], [[6, 12], [0], [2, 6]])
  const [value, g] = valueAndGrad(f, { wrt: 1 })(tensor([1, 2]), tensor([3, 4]), tensor([5]))
  assert.is(await value.item(), 30)
  assert.equal(await values(g), [2, 6])
})

test('closures stay fresh outside jit', async () => {
  let k = tensor([2])
  const df = grad((x: Tensor) => x.mul(k).sum())
  assert.equal(await values(df(tensor([1]))), [2])
  k = tensor([5])
  assert.equal(await values(df(tensor([1]))), [5])
})

test('a value read twice adds its gradients up; gradients of variables', async () => {
  const w = variable([3])
  const step = jit((x: Tensor) => gradients(w.mul(w).mul(x).sum(), [w])[0]!)
  assert.equal(await values(step(tensor([2]))), [12])
})

test('XOR trains', async () => {
  const random = (n: number, seed: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(seed + i * 12.9898))
  const w1 = variable(tensor(random(16, 1), [2, 8]))
  const b1 = variable(tensor(new Float32Array(8)))
  const w2 = variable(tensor(random(8, 2), [8, 1]))
  const all = [w1, b1, w2]
  const step = jit((x: Tensor, y: Tensor) => {
    const loss = x.matMul(w1).add(b1).tanh().matMul(w2).sub(y).square().sum()
    gradients(loss, all).forEach((g, i) => all[i]!.assign(all[i]!.sub(g.mul(0.05))))
    return loss
  })
  const x = tensor([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ])
  const y = tensor([[0], [1], [1], [0]])
  const first = await step(x, y).item()
  let last: Tensor | undefined
  for (let i = 0; i < 2000; i++) last = step(x, y)
  assert.ok(first > 0.5)
  assert.ok((await last!.item()) < 1e-3)
})

test('own ops: forward with its own gradient, several results, gradient of the composition', async () => {
  const cube = defineOp({
    name: 'test.cube',
    forward: ([x]) => x!.mul(x!).mul(x!),
    grad: ([g], { inputs: [x] }) => [g!.mul(x!.square()).mul(3)],
  })
  const odd = defineOp({ name: 'test.odd', forward: ([x]) => x!.mul(2), grad: ([g]) => [g!.mul(100)] })
  const both = defineOp({ name: 'test.both', forward: ([x]) => [x!.add(1), x!.mul(2)] })
  const x = tensor([2, 3])
  assert.equal(await values(cube([x]) as Tensor), [8, 27])
  assert.equal(await values(grad((t: Tensor) => (cube([t]) as Tensor).sum())(x)), [12, 27])
  assert.equal(await values(grad((t: Tensor) => (odd([t]) as Tensor).sum())(x)), [100, 100])
  const [a, b] = both([x]) as Tensor[]
  assert.equal(
    [await values(a!), await values(b!)],
    [
      [3, 4],
      [4, 6],
    ],
  )
  assert.equal(await values(grad((t: Tensor) => (both([t]) as Tensor[])[1]!.sum())(x)), [2, 2])
  assert.ok((await gradCheck((t) => (cube([t]) as Tensor).sum(), [[0.3, -1.2]])).ok)
  assert.not((await gradCheck((t) => (odd([t]) as Tensor).sum(), [[0.3, -1.2]])).ok)
  assert.is(
    codeOf(() => defineOp({ name: 'test.cube', forward: ([t]) => t! })),
    undefined,
  )
  assert.is(
    codeOf(() => defineOp({ name: 'add', forward: ([t]) => t! })),
    'ERR_ARGUMENT',
  )
})

test('gradCheck: a slope that is no number is an error, wherever it stands', async () => {
  const holed = defineOp({ name: 'test.holed', forward: ([x]) => x!.mul(1), grad: ([g], { inputs: [x] }) => [g!.mul(x!.div(x!))] })
  for (const x of [
    [0, 1],
    [1, 0],
  ]) {
    const { ok, maxError } = await gradCheck((t) => (holed([t]) as Tensor).sum(), [x])
    assert.not(ok)
    assert.ok(Number.isNaN(maxError))
  }
  assert.ok((await gradCheck((t) => (holed([t]) as Tensor).sum(), [[1, 2]])).ok)
})

test('what cannot be differentiated', () => {
  const x = tensor([1, 2])
  assert.is(
    codeOf(() => grad((t: Tensor) => t.mul(2))(x)),
    'ERR_SHAPE',
  )
  assert.is(
    codeOf(() => grad((t: Tensor) => t.sum())(tensor([1], { dtype: 'int32' }))),
    'ERR_DTYPE',
  )
  assert.is(
    codeOf(() => grad((t: Tensor) => t.sum(), { wrt: 1 })(x)),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => gradients(x.sum(), [x])),
    'ERR_TRACE',
  )
})

test('two optimizers in one step: weights that one has changed are read by the loss of the other', async () => {
  const [maker, judge] = [variable([1]), variable([3])]
  const [one, two] = [optimizers.adam({ learningRate: 0.5 }), optimizers.sgd({ learningRate: 0.5 })]
  const step = jit((noise: Tensor, isStopped: boolean) => {
    const made = noise.mul(maker)
    const judged = (isStopped ? made.stopGradient() : made).mul(judge).sum()
    one.apply(gradients(judged, [judge]), [judge])
    two.apply(gradients(made.mul(judge).sum(), [maker]), [maker])
  })
  step(tensor([2]), true)
  near((await values(judge))[0]!, 2.5)
  near((await values(maker))[0]!, 1 - 0.5 * 2 * 2.5)
  await rejects('ERR_ARGUMENT', /adam has no gradient.*stopGradient/, (async () => step(tensor([2]), false))())
})

test.run()
