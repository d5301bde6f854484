// predict: data that fits a batch is one native call.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, sequential, tensor, type Tensor, type Sequential } from '../../lib/index.js'
import { nativeCalls } from '../../lib/core/flights.js'
import { codeOfAsync, values } from '../expect.js'

const dense = (): Sequential => sequential([layers.dense({ units: 3, inputShape: [4] })])
const rows = (n: number): Float32Array[] => Array.from({ length: n }, (_, i) => Float32Array.from([i, 1, 2, -i]))

test('data that fits a batch: one native call, and the rows of larger batches', async () => {
  const net = dense()
  const x = tensor(rows(5))
  const counts: number[] = []
  for (let i = 0; i < 30; i++) {
    const before = nativeCalls()
    const y = await net.predict(x)
    counts.push(nativeCalls() - before)
    y.dispose()
  }
  if (net.device === 'cpu') assert.is(Math.min(...counts), 1, `${counts}`)
  const [whole, parts, host] = await Promise.all([net.predict(x), net.predict(x, { batchSize: 2 }), net.predict(rows(5))])
  assert.equal(await values(parts), await values(whole))
  assert.equal(await values(host), await values(whole))
  assert.equal(whole.shape, [5, 3])
})

test('an embedding index out of range rejects, and the next call goes on', async () => {
  const net = sequential([layers.embedding({ inputDim: 3, outputDim: 2, inputShape: [2] })])
  const ids = (...list: number[][]): Tensor => tensor(list, { dtype: 'int32' })
  for (let i = 0; i < 15; i++) (await net.predict(ids([0, 1]))).dispose()
  assert.is(await codeOfAsync(net.predict(ids([0, 9]))), 'ERR_DATA')
  assert.equal((await net.predict(ids([0, 1]))).shape, [1, 2, 2])
  assert.is(await codeOfAsync(net.predict(ids([0, 9], [0, 1], [0, 1]), { batchSize: 2 })), 'ERR_DATA')
})

test('a signal: aborted before, nothing runs; aborted meanwhile, it rejects with the reason', async () => {
  const net = dense()
  const x = tensor(rows(5))
  const early = AbortSignal.abort(new Error('early'))
  assert.is(await net.predict(x, { signal: early }).catch((error: Error) => error.message), 'early')
  const controller = new AbortController()
  const late = net.predict(x, { signal: controller.signal })
  controller.abort(new Error('late'))
  assert.is(await late.catch((error: Error) => error.message), 'late')
})

test("a layer that joins a layer of one's own after a prediction is part of the next", async () => {
  class Steps extends layers.Layer {
    readonly steps = [layers.rescaling({ scale: 2 })]
    call(x: Tensor): Tensor {
      return this.steps.reduce((value, step) => step.apply(value), x)
    }
  }
  const own = new Steps()
  const net = sequential([layers.activation({ activation: 'relu', inputShape: [2] }), own])
  const x = tensor([[1, -3]])
  assert.equal(await values(await net.predict(x)), [2, 0])
  own.steps.push(layers.rescaling({ scale: 5 }))
  assert.equal(await values(await net.predict(x)), [10, 0])
})

test('a frozen layer is noticed by the programs of a model', async () => {
  const net = dense()
  ;(await net.predict(rows(2))).dispose()
  const before = net.version
  net.layers[0]!.trainable = false
  assert.ok(net.version > before)
})

test('scalars have no rows', async () => {
  assert.is(await codeOfAsync(dense().predict(tensor(1))), 'ERR_SHAPE')
})

test.run()
