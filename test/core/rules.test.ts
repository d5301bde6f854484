// Each rewrite rule: it applies where it should, not where an inner value is read elsewhere, and changes no result
// beyond rounding.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gradCheck, gradients, jit, tensor, type Tensor } from '../../lib/index.js'
import { averagePool2d, conv2d, logSoftmax, maxPool2d, softmax } from '../../lib/ops/index.js'
import { generator } from '../expect.js'

const random = generator(7)
const some = (...shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1),
    shape,
  )

interface Case {
  rule: string
  inputs: Tensor[]
  fn: (...x: Tensor[]) => Tensor
  /** Op that must be in the graph, and op that must not. */
  gains: string
  loses: string
}

const dense = { x: some(4, 6), w: some(6, 5), b: some(5) }
const image = { x: some(2, 8, 8, 3), k: some(3, 3, 3, 4), b: some(4) }
const cases: Case[] = [
  { rule: 'matMul + bias', inputs: [dense.x, dense.w, dense.b], fn: (x, w, b) => x!.matMul(w!).add(b!), gains: 'dense', loses: 'matMul(' },
  { rule: 'bias first', inputs: [dense.x, dense.w, dense.b], fn: (x, w, b) => b!.add(x!.matMul(w!)), gains: 'dense', loses: 'add(' },
  {
    rule: 'dense + relu',
    inputs: [dense.x, dense.w, dense.b],
    fn: (x, w, b) => x!.matMul(w!).add(b!).relu(),
    gains: 'activation=relu',
    loses: 'relu(',
  },
  {
    rule: 'dense + tanh',
    inputs: [dense.x, dense.w, dense.b],
    fn: (x, w, b) => x!.matMul(w!).add(b!).tanh(),
    gains: 'activation=tanh',
    loses: 'tanh(',
  },
  {
    rule: 'dense + sigmoid',
    inputs: [dense.x, dense.w, dense.b],
    fn: (x, w, b) => x!.matMul(w!).add(b!).sigmoid(),
    gains: 'activation=sigmoid',
    loses: 'sigmoid(',
  },
  {
    rule: 'conv2d + bias',
    inputs: [image.x, image.k, image.b],
    fn: (x, k, b) => conv2d(x!, k!).add(b!),
    gains: 'conv2dBias',
    loses: 'conv2d(',
  },
  {
    rule: 'conv2d + bias + relu',
    inputs: [image.x, image.k, image.b],
    fn: (x, k, b) => conv2d(x!, k!, { padding: 'same' }).add(b!).relu(),
    gains: 'activation=relu',
    loses: 'relu(',
  },
  {
    rule: 'conv2d + bias + relu + pool',
    inputs: [image.x, image.k, image.b],
    fn: (x, k, b) => maxPool2d(conv2d(x!, k!).add(b!).relu(), { poolSize: 2 }),
    gains: 'conv2dReluPool',
    loses: 'maxPool2d(',
  },
  { rule: 'log of softmax', inputs: [dense.x], fn: (x) => softmax(x!).log(), gains: 'logSoftmax', loses: 'log(' },
  {
    rule: 'softmax cross-entropy',
    inputs: [dense.x, softmax(some(4, 6))],
    fn: (x, y) => y!.mul(logSoftmax(x!)).sum(-1).neg(),
    gains: 'softmaxCrossEntropy',
    loses: 'neg(',
  },
  {
    rule: 'transpose into matMul',
    inputs: [dense.x, dense.w],
    fn: (x, w) => x!.transpose().matMul(w!.transpose().transpose().slice([0, 0], [4, 5])),
    gains: 'transposeA=true',
    loses: 'transpose(%0',
  },
]

for (const { rule, inputs, fn, gains, loses } of cases) {
  test(`${rule}: applies, and values and gradients equal those op by op`, async () => {
    const fused = jit(fn)
    const text = fused.graph(...inputs)
    assert.ok(text.includes(gains), `${gains} is missing in\n${text}`)
    assert.not(text.includes(` ${loses}`), `${loses} is left in\n${text}`)
    const expected = await fn(...inputs).data()
    const got = await fused(...inputs).data()
    got.forEach((v, i) => assert.ok(Math.abs(Number(v) - Number(expected[i])) < 2e-5))

    const weights = tensor(Float64Array.from((await some(...fn(...inputs).shape).data()) as Float32Array), {
      shape: fn(...inputs).shape,
      dtype: 'float64',
    })
    const { ok, maxError } = await gradCheck(
      (...x) =>
        fn(...x)
          .mul(weights)
          .sum(),
      inputs,
    )
    assert.ok(ok, `${rule}: gradient differs by ${maxError}`)
  })
}

test('an inner value that is read elsewhere keeps its own call', () => {
  const f = jit((x: Tensor, w: Tensor, b: Tensor) => {
    const linear = x.matMul(w).add(b)
    return [linear.relu(), linear]
  })
  const text = f.graph(dense.x, dense.w, dense.b)
  assert.ok(text.includes('activation=linear') && text.includes('relu('))
  const average = jit((x: Tensor, k: Tensor, b: Tensor) => averagePool2d(conv2d(x, k).add(b).relu(), { poolSize: 2 }))
  assert.not(average.graph(image.x, image.k, image.b).includes('conv2dReluPool'))
})

test('what is read after gradients() uses the fused call, computed once', () => {
  const f = jit((x: Tensor, k: Tensor, b: Tensor) => {
    const pooled = maxPool2d(conv2d(x, k).add(b).relu(), { poolSize: 2 })
    const [g] = gradients(pooled.square().sum(), [k])
    return [g!, pooled.mean()]
  })
  const text = f.graph(image.x, image.k, image.b)
  assert.is(text.split('conv2dReluPool(').length, 2, text)
  assert.not(text.includes('conv2d('))
})

test('equal calls are merged, dead ones dropped, x·1 and x+0 vanish, constants are computed', () => {
  const f = jit((x: Tensor) => {
    x.exp()
    return x.tanh().add(x.tanh()).mul(1).add(0)
  })
  const text = f.graph(tensor([1, 2]))
  assert.is(text.split('tanh(').length, 2)
  assert.not(text.includes('exp('))
  assert.is(text.split('add(').length, 2)
  assert.not(text.includes('mul('))
  assert.ok(
    jit((x: Tensor) => gradients(x.mean(), [x])[0]!)
      .graph(tensor([1, 2]))
      .includes('fill(value=0.5'),
  )
})

test.run()
