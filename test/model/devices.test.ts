// Training on a CUDA device beside training on the CPU: the same losses, the same accuracy; models that move between
// devices.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  conv2d,
  type DType,
  datasets,
  devices,
  grad,
  layers,
  type Model,
  maxPool2d,
  optimizers,
  sequential,
  setDevice,
  setSeed,
  sparseSoftmaxCrossEntropy,
  type Tensor,
  tensor,
  withDevice,
} from '../../lib/index.js'
import { testWith } from '../skip.js'

const cuda = devices().find(({ kind }) => kind === 'cuda')
const withCuda = (name: string, fn: () => void | Promise<void>): void =>
  testWith(cuda !== undefined, 'a CUDA device or its emulation', name, fn)

/** The digits CNN, trained on 1,437 of the 1,797 images. */
async function digitsNet(where: string, epochs: number): Promise<{ net: Model; losses: number[]; x: Tensor; y: Tensor }> {
  setDevice(where)
  setSeed(Number(process.env['WEFT_TEST_SEED'] ?? 1))
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
  return { net: net as unknown as Model, losses: history.history['loss']!, x, y }
}

async function digitsCnn(where: string, epochs: number): Promise<{ losses: number[]; accuracy: number }> {
  const { net, losses, x, y } = await digitsNet(where, epochs)
  const { accuracy } = await net.evaluate(x.slice([1437], [360]), y.slice([1437], [360]))
  assert.is(net.device, where)
  net.dispose()
  return { losses, accuracy: accuracy! }
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

/**
 * The gradients of the digits CNN, partly trained, over four batches: each is a list of the loss's and the parameters'
 * gradients. In float64 they say what is right.
 */
async function digitsGradients(where: string, dtype: DType, weights: readonly Tensor[], x: Tensor, y: Tensor): Promise<number[][]> {
  const found: number[][] = []
  for (let batch = 0; batch < 4; batch++) {
    const images = x
      .slice([batch * 64], [64])
      .cast(dtype)
      .div(16)
      .to(where)
    const labels = y.slice([batch * 64], [64]).to(where)
    const loss = (k1: Tensor, b1: Tensor, k2: Tensor, b2: Tensor, k3: Tensor, b3: Tensor): Tensor => {
      const pooled = maxPool2d(conv2d(images, k1, { padding: 'same' }).add(b1).relu(), { poolSize: 2 })
      const features = conv2d(pooled, k2, { padding: 'same' }).add(b2).relu().reshape([64, -1])
      return sparseSoftmaxCrossEntropy(features.matMul(k3).add(b3), labels).mean()
    }
    const gradients = grad(loss, { wrt: [0, 1, 2, 3, 4, 5] }) as unknown as (...inputs: Tensor[]) => Tensor[]
    for (const gradient of gradients(...weights.map((weight) => weight.cast(dtype).to(where))))
      found.push([...((await gradient.data()) as Float32Array)])
  }
  return found
}

withCuda('gradients on the device are as close to those in float64 as the CPU gives them', async () => {
  setDevice('cpu')
  const { net, x, y } = await digitsNet('cpu', 4)
  const weights = net.weights.map((weight) => weight)
  const right = await digitsGradients('cpu', 'float64', weights, x, y)
  /** Euclidean, relative to the gradient. */
  const errors = async (where: string): Promise<number[]> =>
    (await digitsGradients(where, 'float32', weights, x, y)).map((values, i) =>
      Math.sqrt(
        values.reduce((sum, value, k) => sum + (value - right[i]![k]!) ** 2, 0) / right[i]!.reduce((sum, value) => sum + value ** 2, 0),
      ),
    )
  const [here, there] = [await errors('cpu'), await errors(cuda!.id)]
  const total = (list: number[]): number => list.reduce((sum, error) => sum + error, 0)
  assert.ok(total(there) <= 1.5 * total(here), `errors ${there} beside ${here}`)
  there.forEach((error) => assert.ok(error < 1e-5, `${there}`))
  net.dispose()
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
