// A small trained network on the digits of scikit-learn, and what the tests of compress share.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { datasets, layers, sequential, setSeed, type Tensor } from '../../lib/index.js'
import type { Sequential } from '../../lib/model/sequential.js'

/** A folder that is removed when the process ends. */
export function scratch(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-compress-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return path.join(folder, 'model')
}

/** 1,797 digits of 8 by 8, as [n, 8, 8, 1] from 0 to 1; the last 297 are to test with. */
export async function digits(): Promise<Record<'x' | 'y' | 'xTest' | 'yTest', Tensor>> {
  const { x, y } = (await datasets.digits()) as unknown as { x: Tensor; y: Tensor }
  const images = x.reshape([-1, 8, 8, 1]).cast('float32').div(16)
  return {
    x: images.slice([0, 0, 0, 0], [1500, 8, 8, 1]),
    y: y.slice([0], [1500]),
    xTest: images.slice([1500, 0, 0, 0], [297, 8, 8, 1]),
    yTest: y.slice([1500], [297]),
  }
}

/** A network with all that is folded and passed through. */
export function network(filters = 16): Sequential {
  const net = sequential([
    layers.conv2d({ filters, kernelSize: 3, inputShape: [8, 8, 1] }),
    layers.batchNormalization({ momentum: 0.9 }),
    layers.relu(),
    layers.conv2d({ filters, kernelSize: 3, activation: 'relu', padding: 'same' }),
    layers.maxPooling2d(),
    layers.flatten(),
    layers.dropout({ rate: 0.2 }),
    layers.dense({ units: 32, activation: 'relu' }),
    layers.dense({ units: 10, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  return net
}

/** The network, trained a little, with 256 of the images that it was trained on. */
export async function convolutional(epochs = 4): Promise<{ net: Sequential; x: Tensor; y: Tensor }> {
  setSeed(1)
  const { x, y } = await digits()
  const net = network()
  await net.fit(x, y, { epochs, verbose: 0 })
  return { net, x: x.slice([0, 0, 0, 0], [256, 8, 8, 1]), y: y.slice([0], [256]) }
}

export function difference(a: Tensor, b: Tensor): number {
  const [p, q] = [a.dataSync() as Float32Array, b.dataSync() as Float32Array]
  return p.reduce((most, value, i) => Math.max(most, Math.abs(value - q[i]!)), 0)
}
