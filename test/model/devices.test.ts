// Training on a CUDA device beside training on the CPU: the same losses, the same accuracy; models that move between devices.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  datasets,
  devices,
  layers,
  type Model,
  optimizers,
  sequential,
  setDevice,
  setSeed,
  type Tensor,
  tensor,
  withDevice,
} from '../../lib/index.js'
import { testWith } from '../skip.js'

const cuda = devices().find(({ kind }) => kind === 'cuda')
const withCuda = (name: string, fn: () => void | Promise<void>): void =>
  testWith(cuda !== undefined, 'a CUDA device or its emulation', name, fn)

async function digitsCnn(where: string, epochs: number): Promise<{ losses: number[]; accuracy: number }> {
  setDevice(where)
  setSeed(1)
  const { x, y } = await datasets.digits()
  const net = sequential([
    layers.rescaling({ scale: 1 / 16, inputShape: [8, 8, 1] }),
    layers.conv2d({ filters: 16, kernelSize: 3, padding: 'same', activation: 'relu' }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.conv2d({ filters: 32, kernelSize: 3, padding: 'same', activation: 'relu' }),
    layers.flatten(),
    layers.dropout({ rate: 0.25 }),
    layers.dense({ units: 10, activation: 'softmax' }),
  ])
  net.compile({ optimizer: optimizers.adam({ learningRate: 2e-3 }), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  const history = await net.fit(x.slice([0], [1437]), y.slice([0], [1437]), { epochs, batchSize: 64, verbose: 0 })
  const { accuracy } = await net.evaluate(x.slice([1437], [360]), y.slice([1437], [360]))
  assert.is(net.device, where)
  net.dispose()
  return { losses: history.history['loss']!, accuracy: accuracy! }
}

withCuda('the fit of the digits CNN has the losses and the accuracy of the CPU', async () => {
  const epochs = Number(process.env['WEFT_TEST_EPOCHS'] ?? 3)
  const here = await digitsCnn('cpu', epochs)
  const there = await digitsCnn(cuda!.id, epochs)
  there.losses.forEach((loss, i) => {
    assert.ok(Math.abs(loss - here.losses[i]!) <= 1e-4 * Math.max(1, here.losses[i]!), `epoch ${i}: ${loss} beside ${here.losses[i]}`)
  })
  assert.ok(Math.abs(there.accuracy - here.accuracy) <= 2 / 360 + 1e-9, `${there.accuracy} beside ${here.accuracy}`)
})

/** A small network, trained a little. */
async function small(where: string): Promise<{ net: Model; x: Tensor; y: Tensor }> {
  return withDevice(where, () => {
    setSeed(3)
    const x = tensor(
      Float32Array.from({ length: 64 * 4 }, (_, i) => Math.sin(i)),
      [64, 4],
    )
    const y = tensor(
      Float32Array.from({ length: 64 }, (_, i) => Math.cos(i)),
      [64, 1],
    )
    const net = sequential([
      layers.dense({ units: 8, activation: 'tanh', inputShape: [4] }),
      layers.batchNormalization(),
      layers.dense({ units: 1 }),
    ])
    net.compile({ optimizer: optimizers.adam(), loss: 'mse' })
    return { net: net as unknown as Model, x, y }
  })
}

withCuda('a model that moves to the device goes on training there, and comes back with its weights', async () => {
  setDevice('cpu')
  const { net, x, y } = await small('cpu')
  await net.fit(x, y, { epochs: 2, verbose: 0, shuffle: false })
  const reference = await small('cpu')
  await reference.net.fit(x, y, { epochs: 2, verbose: 0, shuffle: false })
  assert.is(net.to(cuda!.id), net)
  assert.is(net.device, cuda!.id)
  const [there, target] = [x.to(cuda!.id), y.to(cuda!.id)]
  await net.fit(there, target, { epochs: 2, verbose: 0, shuffle: false })
  await reference.net.fit(x, y, { epochs: 2, verbose: 0, shuffle: false })
  const predicted = net.predict(there)
  assert.is(((await predicted) as Tensor).device, cuda!.id)
  net.to('cpu')
  for (const [i, weight] of net.weights.entries()) {
    const [a, b] = [await weight.data(), await reference.net.weights[i]!.data()]
    for (let k = 0; k < a.length; k++) assert.ok(Math.abs(Number(a[k]) - Number(b[k])) < 1e-5, `${weight.name}[${k}]`)
  }
  const host = (await ((await net.predict(x)) as Tensor).data()) as Float32Array
  const device = (await ((await predicted) as Tensor).data()) as Float32Array
  host.forEach((value, i) => assert.ok(Math.abs(value - device[i]!) < 1e-5))
})

withCuda('a model on the device takes host arrays whatever the current device is', async () => {
  const { net } = await small(cuda!.id)
  setDevice('cpu')
  const rows = Array.from({ length: 40 }, (_, i) => [i / 40, 1, 0, -1])
  await net.fit(
    rows,
    rows.map(([a]) => [a!]),
    { epochs: 1, verbose: 0 },
  )
  const out = (await net.predict(rows)) as Tensor
  assert.is(out.device, cuda!.id)
  assert.equal([...out.shape], [40, 1])
})

test.run()
