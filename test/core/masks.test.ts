// Masks and operations: pointwise operations keep them, others end them, and a functional model says where.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  add,
  concat,
  gather,
  gradients,
  input,
  jit,
  layers,
  losses,
  maximum,
  mean,
  metrics,
  model,
  mul,
  oneHot,
  relu,
  reshape,
  sequential,
  softmax,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../../lib/index.js'

const mask = (rows: boolean[][]): Tensor => tensor(rows)
const ONE = [
  [true, true, false],
  [true, false, false],
]
const OTHER = [
  [true, false, true],
  [true, true, true],
]

function masked(shape: number[], rows = ONE): Tensor {
  const x = zeros(shape)
  x.mask = mask(rows)
  return x
}

test('a pointwise operation keeps the mask of its operand', () => {
  const x = masked([2, 3, 4])
  for (const y of [
    x.mul(2),
    relu(x),
    add(1, x),
    x.add(zeros([4])),
    x.cast('bfloat16'),
    x.greater(0),
    x.clip(0, 1),
    x.leakyRelu(0.1),
    x.dropout(0.5),
  ])
    assert.is(y.mask, x.mask)
  assert.is(where(x.greater(0), x, 0).mask, x.mask)
  assert.is(softmax(x).mask, x.mask)
  assert.is(mean(x, -1).mask, x.mask)
  assert.is(x.gelu().sub(1).mask, x.mask)
})

test('steps count where both operands say so', async () => {
  const sum = add(masked([2, 3, 4]), masked([2, 3, 4], OTHER))
  assert.equal(await sum.mask!.array(), [
    [true, false, false],
    [true, false, false],
  ])
})

const warnings: string[] = []
process.on('warning', (warning) => warnings.push(`${(warning as Error & { code?: string }).code}: ${warning.message}`))
/** The warnings since the last call. */
async function warned(): Promise<string[]> {
  await new Promise((resolve) => setImmediate(resolve))
  return warnings.splice(0)
}

test('an operation that leaves the first two axes as they are keeps the mask', async () => {
  const x = masked([2, 3, 4])
  const ids = tensor(
    [
      [0, 1, 2],
      [2, 1, 0],
    ],
    { dtype: 'int32' },
  )
  ids.mask = x.mask
  for (const y of [
    x.matMul(zeros([4, 5])),
    x.reshape([2, 3, 2, 2]),
    x.expandDims(-1),
    x.reshape([2, 3, 4, 1]).squeeze(-1),
    x.slice([0, 0, 1], [2, 3, 2]),
    x.reverse(-1),
    x.transpose([0, 1, 2]),
    ...x.split(2, -1),
    concat([x, zeros([2, 3, 1])], -1),
    x.argMax(-1),
    gather(zeros([3, 5]), ids),
    oneHot(ids, 3),
  ])
    assert.is(y.mask, x.mask)
  assert.equal(await warned(), [])
})

test('a mask does not survive where the first two axes are others, and that is said once', async () => {
  const x = masked([2, 3, 4])
  const ends: readonly (readonly [name: string, run: () => Tensor])[] = [
    ['sum', () => x.sum(1)],
    ['mean', () => x.mean()],
    ['reshape', () => reshape(x, [6, 4])],
    ['maximum', () => maximum(masked([2, 3]), zeros([2, 2, 3]))],
    ['add', () => x.add(zeros([5, 2, 3, 4]))],
    ['transpose', () => x.transpose([1, 0, 2])],
    ['slice', () => x.slice([0, 1])],
    ['reverse', () => x.reverse(1)],
    ['concat', () => concat([x, x], 1)],
    ['matMul', () => zeros([2, 3, 3]).matMul(x)],
    ['cumSum', () => x.cumSum(1)],
    ['argMax', () => x.argMax(1)],
    ['gather', () => gather(x, tensor([0, 0], { dtype: 'int32' }))],
  ]
  for (const [name, run] of ends) {
    assert.is(run().mask, undefined, name)
    assert.match((await warned()).join(), new RegExp(`^WEFT_MASK: ${name} cannot keep the mask of its operand`))
    run()
    assert.equal(await warned(), [], `${name} again`)
  }
})

class Own extends layers.Layer {
  protected override readonly supportsMasking: boolean = true
  readonly ids = layers.embedding({ inputDim: 4, outputDim: 2, maskZero: true })
  readonly read = layers.globalAveragePooling1d()
  override call(x: Tensor): Tensor {
    return this.read.apply(this.ids.apply(x).reverse(1))
  }
}
/** Sees to the mask that it is told of. */
class Pool extends layers.Layer {
  protected override readonly supportsMasking: boolean = true
  override call(x: Tensor, { mask: steps }: layers.CallOptions): Tensor {
    const count = steps!.cast('float32')
    return x
      .mul(count.expandDims(-1))
      .sum(1)
      .div(count.sum(1, { keepDims: true }))
  }
  override computeMask(): undefined {
    return undefined
  }
}

test("a mask that ends is said in layers of one's own, in traced functions and in loops", async () => {
  const ids = tensor([[1, 2, 0]], { dtype: 'int32' })
  const own = new Own({ name: 'own' })
  own.apply(ids)
  assert.match((await warned()).join(), /^WEFT_MASK: layer 'own': reverse cannot keep the mask/)
  const vectors = layers.embedding({ inputDim: 4, outputDim: 2, maskZero: true })
  const step = jit((x: Tensor) => {
    const loss = vectors.apply(x).abs().min()
    return gradients(loss, vectors.trainableWeights)
  })
  step(ids)
  assert.match((await warned()).join(), /^WEFT_MASK: min cannot keep the mask/)
  const net = sequential([own, layers.dense({ units: 1 })])
  net.compile({ optimizer: 'sgd', loss: 'mse' })
  for await (const _ of net.train(ids, [[1]], { verbose: 0 })) void 0
  assert.equal(await warned(), [], 'said before')
})

test('what sees to masks itself does not warn: layers, losses, metrics, gradients', async () => {
  const x = masked([2, 3, 4])
  const pool = new Pool()
  assert.is(pool.apply(x).mask, undefined)
  const y = zeros([2, 3, 4])
  const net = sequential([layers.lstm({ units: 4, returnSequences: true }), layers.multiHeadAttention({ numHeads: 1, keyDim: 2 })])
  const run = jit((t: Tensor) => gradients(losses.meanSquaredError()(y, net.apply(t)), net.trainableWeights))
  run(x)
  metrics.mae().update(y, x)
  metrics.r2().update(y, x)
  layers.globalAveragePooling1d().apply(x)
  layers.bidirectional({ layer: layers.gru({ units: 2 }) }).apply(x)
  assert.equal(await warned(), [])
})

test('a layer whose result has other steps does not hand on its mask', async () => {
  const summed = layers.lambda((x) => x.sum(1), { name: 'summed' }).apply(masked([2, 3, 4]))
  assert.is(summed.mask, undefined)
  assert.match((await warned()).join(), /layer 'summed' gives a result of shape \[2,4\], which has no mask \[2,3\]/)
})

test('losses leave out the steps that the predictions mask', async () => {
  const p = tensor([
    [[1], [1], [9]],
    [[2], [9], [9]],
  ])
  p.mask = mask(ONE)
  const zero = zeros([2, 3, 1])
  assert.is(await losses.meanSquaredError()(zero, p).item(), 2)
  assert.is(
    await losses
      .meanSquaredError()(zero, p, { mask: mask(OTHER) })
      .item(),
    Math.fround(248 / 5),
  )
  const labels = zeros([2, 3], { dtype: 'int32' })
  const logits = concat([p, zero], -1)
  const each = [1, 1, 2].map((v) => Math.log1p(Math.exp(-v)))
  const found = await losses.sparseCategoricalCrossentropy({ fromLogits: true })(labels, logits).item()
  assert.ok(Math.abs(found - each.reduce((a, b) => a + b) / 3) < 1e-6)
})

async function pooled(between: (x: Tensor) => Tensor): Promise<number[]> {
  const ids = input({ shape: [3], dtype: 'int32' })
  const vectors = layers.embedding({ inputDim: 4, outputDim: 2, maskZero: true, embeddingsInitializer: 'ones' }).apply(ids)
  const places = layers.rescaling({ scale: 1, offset: 0 }).apply(vectors)
  const out = layers.globalAveragePooling1d().apply(between(mul(places, tensor([[[1], [2], [6]]]))))
  const net = model({ inputs: ids, outputs: out })
  const prediction = await net.predict(tensor([[1, 2, 0]], { dtype: 'int32' }))
  return Array.from((await prediction.data()) as Float32Array)
}

test('operations between the layers of a functional model keep the mask', async () => {
  assert.equal(await pooled((x) => x), [1.5, 1.5])
  assert.equal(await pooled((x) => x.mul(2).add(1)), [4, 4])
  assert.equal(
    await pooled((x) =>
      x.matMul(
        tensor([
          [2, 0],
          [0, 2],
        ]),
      ),
    ),
    [3, 3],
  )
  assert.equal(await warned(), [])
})

test('an operation of a functional model that ends the mask says so', async () => {
  assert.equal(await pooled((x) => x.reshape([-1, 3, 2]).reverse(1)), [3, 3])
  const said = await warned()
  assert.is(said.length, 1, said.join('\n'))
  assert.match(said[0]!, /WEFT_MASK: model '.*': reverse cannot keep the mask/)
})

test.run()
