// A worker that trains with steps of some ten milliseconds until it is terminated.
import { parentPort } from 'node:worker_threads'
import { tensor } from '../../dist/lib/index.js'
import { networks } from '../shared/networks.mjs'
import { buildNetwork } from './networks.mjs'

const net = buildNetwork(networks.cifar)
net.compile({ optimizer: 'adam', loss: 'mse' })
const x = tensor(Float32Array.from({ length: 512 * 3072 }, Math.random), [512, 32, 32, 3])
const y = tensor(new Float32Array(512 * 10), [512, 10])
await net.fit(x, y, { epochs: 1, batchSize: 128, verbose: 0 })
parentPort.postMessage('training')
await net.fit(x, y, { epochs: 1_000_000, batchSize: 128, verbose: 0 })
