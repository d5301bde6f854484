// batcher: answers are those of predict, with the same bits alone and in any batch; one call's bad data are its own.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { input, layers, model, type Model, sequential, type Tensor, tensor } from '../../lib/index.js'
import { batcher } from '../../lib/serve/index.js'
import { codeOf, codeOfAsync, generator, rejects } from '../expect.js'

const mlp = () =>
  sequential([
    layers.dense({ units: 33, activation: 'relu', inputShape: [19] }),
    layers.layerNormalization(),
    layers.dense({ units: 7, activation: 'softmax' }),
  ])
const convolution = () =>
  sequential([
    layers.conv2d({ filters: 5, kernelSize: 3, activation: 'relu', inputShape: [9, 9, 2] }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.batchNormalization(),
    layers.flatten(),
    layers.dense({ units: 3 }),
  ])
const recurrent = () => sequential([layers.lstm({ units: 6, inputShape: [null, 4] }), layers.dense({ units: 2 })])
const words = () =>
  sequential([layers.embedding({ inputDim: 10, outputDim: 4, inputShape: [3] }), layers.flatten(), layers.dense({ units: 2 })])

const values = (random: () => number, size: number): Float32Array => Float32Array.from({ length: size }, () => random() * 4 - 2)
const bits = ({ buffer, byteOffset, byteLength }: ArrayBufferView): string =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('hex')

/** Calls of random sizes at once, each compared with its answer alone. */
async function compare(net: Model<object, never, Tensor>, shapes: readonly number[][], batches: number, seed: number): Promise<void> {
  const random = generator(seed)
  const infer = batcher(net as never, { maxBatchSize: 16, maxQueueSize: 10_000 }) as unknown as (x: Tensor) => Promise<Tensor>
  for (let batch = 0; batch < batches; batch++) {
    const calls = Array.from({ length: 1 + Math.floor(random() * 6) }, () => {
      const shape = [1 + Math.floor(random() * 4), ...shapes[Math.floor(random() * shapes.length)]!]
      return tensor(
        values(
          random,
          shape.reduce((a, b) => a * b),
        ),
        shape,
      )
    })
    const together = await Promise.all(calls.map((x) => infer(x)))
    for (const [i, x] of calls.entries()) {
      const alone = await infer(x)
      assert.equal(together[i]!.shape, alone.shape)
      assert.is(bits(await together[i]!.data()), bits(await alone.data()), `batch ${batch}, call ${i}`)
    }
  }
}

test('an answer has the same bits alone and in any batch: 1,000 random batches', async () => {
  await compare(mlp() as never, [[19]], 600, 1)
  await compare(convolution() as never, [[9, 9, 2]], 200, 2)
  await compare(
    recurrent() as never,
    [
      [5, 4],
      [6, 4],
    ],
    200,
    3,
  )
})

test('the answers are those of predict', async () => {
  const net = mlp()
  const infer = batcher(net, { maxBatchSize: 8 })
  const x = tensor(values(generator(4), 5 * 19), [5, 19])
  assert.is(bits(await (await infer(x)).data()), bits(await (await net.predict(x)).data()))
  // nested arrays, and values that stay on the host
  const nested = (await x.array()) as number[][]
  assert.is(bits(await (await infer(nested)).data()), bits(await (await infer({ data: await x.data(), shape: [5, 19] })).data()))
  const none = await infer(tensor(new Float32Array(0), [0, 19]))
  assert.equal(none.shape, [0, 7])
  await infer.close()
  assert.is(await codeOfAsync(infer(x)), 'ERR_UNAVAILABLE')
  assert.equal((await net.predict(x)).shape, [5, 7], 'the model stays')
})

test('an id out of range fails its own call, and none of those in its batch', async () => {
  const net = words()
  const infer = batcher(net, { maxBatchSize: 16 })
  const ids = (list: number[]): Tensor => tensor(Int32Array.from(list), [1, 3])
  const good = [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
    [0, 0, 0],
    [9, 9, 9],
  ]
  const expected = await Promise.all(good.map(async (list) => bits(await (await infer(ids(list))).data())))
  const calls = [...good.slice(0, 2), [1, 10, 1], ...good.slice(2), [-1, 0, 0]].map((list) => infer(ids(list)))
  await rejects('ERR_DATA', /10/, calls[2]!)
  await rejects('ERR_DATA', /-1/, calls[6]!)
  const found = await Promise.all([0, 1, 3, 4, 5].map(async (i) => bits(await (await calls[i]!).data())))
  assert.equal(found, expected)
})

test('batches that overlap: bad data fail their own call, whatever runs beside it', async () => {
  const infer = batcher(words(), { maxBatchSize: 2, instances: 4 })
  const random = generator(9)
  for (let round = 0; round < 60; round++) {
    const calls = Array.from({ length: 12 }, () => {
      const bad = random() < 0.3
      return { bad, answer: codeOfAsync(infer(tensor(Int32Array.of(1, bad ? 10 : 9, 3), [1, 3])).then((y) => y.data())) }
    })
    for (const { bad, answer } of calls) assert.is(await answer, bad ? 'ERR_DATA' : undefined, `round ${round}`)
  }
})

test('models of several inputs and outputs keep their form', async () => {
  const a = input({ shape: [2], name: 'a' })
  const b = input({ shape: [3], name: 'b' })
  const joined = layers.concatenate().apply([a, b]) as Tensor
  const net = model({ inputs: { a, b }, outputs: { sum: layers.dense({ units: 1 }).apply(joined), all: joined } })
  const infer = batcher(net)
  const calls = await Promise.all([1, 2, 3].map((k) => infer({ a: [[k, k]], b: [[k, k, k]] })))
  for (const [i, { sum, all }] of calls.entries()) {
    assert.equal(sum.shape, [1, 1])
    assert.equal(await all.array(), [Array(5).fill(i + 1)])
  }
  const list = model({ inputs: [a, b], outputs: [joined, joined.mul(2)] })
  const [first, second] = await batcher(list)([tensor([[1, 2]]), tensor([[3, 4, 5]])])
  assert.equal(await first.array(), [[1, 2, 3, 4, 5]])
  assert.equal(await second.array(), [[2, 4, 6, 8, 10]])
})

test('calls that cannot be taken', async () => {
  const net = mlp()
  const infer = batcher(net, { maxBatchSize: 2 })
  await rejects('ERR_ARGUMENT', /3 rows, maxBatchSize is 2/, infer(tensor(new Float32Array(57), [3, 19])))
  await rejects('ERR_SHAPE', /18/, infer(tensor(new Float32Array(18), [1, 18])))
  assert.is(await codeOfAsync(infer([[1]], { sginal: 1 } as never)), 'ERR_ARGUMENT')
  assert.is(
    codeOf(() => batcher(net, { maxBatch: 2 } as never)),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => batcher({} as never)),
    'ERR_ARGUMENT',
  )
  const stateful = sequential([layers.lstm({ units: 2, stateful: true, inputShape: [3, 1] })])
  assert.is(
    codeOf(() => batcher(stateful)),
    'ERR_ARGUMENT',
  )
  const controller = new AbortController()
  const call = infer(tensor(new Float32Array(19), [1, 19]), { signal: controller.signal })
  const reason = new Error('stopped')
  controller.abort(reason)
  assert.is(await call.catch((error: unknown) => error), reason)
})

test('a model that is trained meanwhile answers with its weights of the moment', async () => {
  const net = sequential([layers.dense({ units: 1, useBias: false, kernelInitializer: 'ones', inputShape: [1] })])
  const infer = batcher(net)
  assert.equal(await (await infer([[3]])).array(), [[3]])
  net.setWeights([tensor([[2]])])
  assert.equal(await (await infer([[3]])).array(), [[6]])
})

test.run()
