// State dicts of PyTorch in networks of one's own: outputs as PyTorch computes them, and files that come back.
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  layers,
  loadStateDict,
  type Model,
  safetensors,
  saveStateDict,
  sequential,
  type StateDictOptions,
  type Tensor,
  tensor,
} from '../../lib/index.js'
import { rejects } from '../expect.js'
import { distance, expectedOf, fixture } from './fixtures.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-state-'))
test.after(() => rm(folder, { recursive: true }))

const sequence = () =>
  sequential([
    layers.embedding({ name: 'table', inputDim: 12, outputDim: 6, inputShape: [7] }),
    layers.lstm({ name: 'first', units: 5, returnSequences: true }),
    layers.lstm({ name: 'second', units: 5, returnSequences: true }),
    layers.bidirectional({ name: 'gru', layer: layers.gru({ units: 4, returnSequences: true }) }),
    layers.simpleRnn({ name: 'rnn', units: 3, returnSequences: true }),
    layers.layerNormalization({ name: 'norm', epsilon: 1e-5 }),
  ])
const image = () =>
  sequential([
    layers.conv2d({ name: 'conv', filters: 4, kernelSize: 3, inputShape: [8, 8, 3] }),
    layers.batchNormalization({ name: 'batch', epsilon: 1e-5 }),
    layers.activation({ activation: 'relu' }),
    layers.depthwiseConv2d({ name: 'depthwise', kernelSize: 3, depthMultiplier: 2 }),
    layers.conv2dTranspose({ name: 'up', filters: 5, kernelSize: 2, strides: 2 }),
    layers.flatten(),
    layers.dense({ name: 'fc', units: 3 }),
  ])
const attention = () =>
  sequential([
    layers.conv1d({ name: 'conv', filters: 6, kernelSize: 3, useBias: false, inputShape: [6, 4] }),
    layers.multiHeadAttention({ name: 'attention', numHeads: 2, keyDim: 3 }),
  ])

// biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
const CASES: Readonly<Record<string, readonly [() => Model<any, any, any>, StateDictOptions]>> = {
  'state-sequence': [sequence, { names: { first: 'lstm', second: { module: 'lstm', layer: 1 } } }],
  'state-image': [
    image,
    {
      names: {
        conv: 'features.0',
        batch: 'features.1',
        depthwise: 'features.3',
        fc: { module: 'fc', flattened: [5, 8, 8] },
      },
    },
  ],
  'state-attention': [attention, {}],
}

for (const [name, [make, options]] of Object.entries(CASES)) {
  test(name, async () => {
    const { x, shape, output } = await expectedOf<{ x: number[]; shape: number[]; output: number[] }>(name)
    const net = make()
    const state = path.join(fixture(name), 'state.safetensors')
    await loadStateDict(net, state, options)
    const input = name === 'state-sequence' ? tensor(x, { dtype: 'int32' }) : tensor(Float32Array.from(x), shape)
    const error = await distance(net.apply(input) as Tensor, output)
    assert.ok(error < 1e-5, `outputs differ by ${error}`)
    const target = path.join(folder, `${name}.safetensors`)
    await saveStateDict(net, target, options)
    const [written, read] = [await safetensors.open(target), await safetensors.open(state)]
    assert.equal([...written.names].sort(), [...read.names].sort())
    for (const one of read.names) {
      assert.equal(written.info(one).shape, read.info(one).shape)
      // the two biases of a recurrent module are one here
      if (!/(lstm|rnn)\.bias_/.test(one)) assert.equal(await written.get(one).data(), await read.get(one).data(), one)
    }
    const again = make()
    await loadStateDict(again, target, options)
    assert.ok((await distance(again.apply(input) as Tensor, output)) < 1e-5)
  })
}

test('what does not fit is refused, and changes nothing', async () => {
  const net = attention()
  const before = await Promise.all(net.weights.map((weight) => weight.data()))
  const state = path.join(fixture('state-attention'), 'state.safetensors')
  await rejects('ERR_FORMAT', /lacks other.weight/, loadStateDict(net, state, { names: { conv: 'other' } }))
  await rejects('ERR_ARGUMENT', /names has 'none'/, loadStateDict(net, state, { names: { none: 'conv' } }))
  await rejects(
    'ERR_ARGUMENT',
    /flattened is for dense layers/,
    loadStateDict(net, state, { names: { conv: { module: 'conv', flattened: [1, 1, 1] } } }),
  )
  const small = sequential([layers.conv1d({ name: 'conv', filters: 6, kernelSize: 3, useBias: false, inputShape: [6, 4] })])
  await rejects('ERR_FORMAT', /no layer takes: attention/, loadStateDict(small, state))
  const wide = sequential([
    layers.conv1d({ name: 'conv', filters: 6, kernelSize: 5, useBias: false, inputShape: [6, 4] }),
    layers.multiHeadAttention({ name: 'attention', numHeads: 2, keyDim: 3 }),
  ])
  await rejects('ERR_FORMAT', /its kernel becomes \[3,4,6\], the layer has \[5,4,6\]/, loadStateDict(wide, state))
  assert.equal(await Promise.all(net.weights.map((weight) => weight.data())), before)
})

test.run()
