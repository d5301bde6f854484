// Masks and operations: pointwise operations keep them, others end them, and a functional model says where.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  add,
  input,
  layers,
  maximum,
  mean,
  model,
  mul,
  relu,
  reshape,
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

test('a mask does not survive where the first two axes are others', () => {
  const x = masked([2, 3, 4])
  assert.is(x.sum(1).mask, undefined)
  assert.is(x.sum().mask, undefined)
  assert.is(reshape(x, [6, 4]).mask, undefined)
  assert.is(maximum(masked([2, 3]), zeros([2, 2, 3])).mask, undefined)
  assert.is(x.add(zeros([5, 2, 3, 4])).mask, undefined)
})

const warnings: string[] = []
process.on('warning', (warning) => warnings.push(`${(warning as Error & { code?: string }).code}: ${warning.message}`))

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
  assert.equal(warnings, [])
})

test('an operation of a functional model that ends the mask says so', async () => {
  assert.equal(await pooled((x) => x.reshape([-1, 3, 2]).reverse(1)), [3, 3])
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(warnings.length, 1, warnings.join('\n'))
  assert.match(warnings[0]!, /WEFT_MASK: model '.*': (reshape|reverse) cannot keep the mask/)
})

test.run()
