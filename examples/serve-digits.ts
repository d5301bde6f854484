// A model from training to service in one program: handwritten digits are learned, saved as version 1 of a repository,
// served, and asked for by a client, each test image in a request of its own.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { datasets, layers, sequential } from 'weftjs'
import { connect, serve } from 'weftjs/serve'
import { majority, options, report, split } from './shared/setup.js'

const { epochs, limit, verbose } = options({ epochs: 20 })
const { x, y } = await datasets.digits()
const { train, test } = split(x, y, limit)

const net = sequential([
  layers.rescaling({ scale: 1 / 16, inputShape: [8, 8, 1] }),
  layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
  layers.flatten(),
  layers.dense({ units: 10, activation: 'softmax' }),
])
net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
await net.fit(train.x, train.y, { epochs, batchSize: 32, verbose })

const repository = await mkdtemp(path.join(tmpdir(), 'weft-models-'))
await net.save(path.join(repository, 'digits', '1'))
const server = await serve({ repository, http: { port: 0 }, batching: { maxBatchSize: 64 } })
const client = await connect(server.address.http!)

const labels = Array.from(await test.y.data(), Number)
const answers = await Promise.all(
  labels.map(async (label, i) => {
    const image = test.x.slice([i, 0, 0, 0], [1, 8, 8, 1])
    const { outputs } = await client.infer('digits', { inputs: { x: image } })
    const [scores] = Object.values(outputs)
    return (await scores!.argMax(-1).item()) === label
  }),
)
client.close()
await server.close()
await rm(repository, { recursive: true })
report(answers.filter(Boolean).length / answers.length, await majority(train.y, test.y))
