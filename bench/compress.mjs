// Models of few bits against the same models in float32, on one thread: batches of 64 images, and the writing of a
// text.
import { interleave } from './shared/measure.mjs'
import { Report, readOptions } from './shared/report.mjs'

// The addon reads it when it starts: before the import.
process.env.WEFT_THREADS ??= '1'
process.env.WEFT_DEVICE ??= 'cpu'
const { gpt, layers, sequential, setSeed, tensor } = await import('../dist/lib/index.js')
const { quantize } = await import('../dist/lib/compress/index.js')

const options = readOptions({ rounds: { type: 'string', default: '15' }, hidden: { type: 'string', default: '768' } })
const rounds = options.quick ? 5 : Number(options.rounds)
const report = new Report(
  `Models of few bits on ${process.env.WEFT_THREADS} thread(s), best of ${rounds} interleaved rounds or more`,
  options,
)

/** Random bytes, the same in every run. */
const bytes = (count) => {
  let state = 1
  return Uint8Array.from({ length: count }, () => (state = (state * 48271) % 2147483647) & 255)
}

const timed = async (fn, count) => {
  const before = process.cpuUsage()
  const start = performance.now()
  for (let i = 0; i < count; i++) await fn()
  const { user, system } = process.cpuUsage(before)
  return { microseconds: ((performance.now() - start) * 1000) / count, processor: (user + system) / count }
}

setSeed(1)
const image = [28, 28, 1]
const networks = {
  'Fashion CNN': [
    layers.rescaling({ scale: 1 / 255, inputShape: image }),
    layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
    layers.flatten(),
    layers.dense({ units: 10, activation: 'softmax' }),
  ],
  'two convolutions and pools': [
    layers.rescaling({ scale: 1 / 255, inputShape: image }),
    layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
    layers.maxPooling2d(),
    layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
    layers.maxPooling2d(),
    layers.flatten(),
    layers.dense({ units: 128, activation: 'relu' }),
    layers.dense({ units: 10, activation: 'softmax' }),
  ],
}
const x = tensor(bytes(64 * 784), { shape: [64, ...image] })
for (const [name, list] of Object.entries(networks)) {
  const float = sequential(list)
  const int8 = await quantize(float, { data: x })
  const [p, q] = [await float.predict(x, { batchSize: 64 }), await int8.predict(x, { batchSize: 64 })]
  const [own, other] = [await p.data(), await q.data()]
  report.check(`${name}, int8`, Math.max(...Array.from(own, (value, i) => Math.abs(value - other[i]))), 0.05)
  const run = (net) => () => timed(async () => (await net.predict(x, { batchSize: 64 })).dispose(), 40)
  const figures = await interleave({ int8: run(int8), float32: run(float) }, { rounds })
  report.compare(`${name}, batch 64, int8`, figures.int8, figures.float32, { peerName: 'float32', goal: 1.5 })
}

const hiddenDim = Number(options.hidden)
const language = gpt({ vocabularySize: 8192, sequenceLength: 64, numLayers: 4, numHeads: 12, hiddenDim, tieWeights: false })
const prompt = [1, 2, 3, 4]
const write = (net) => async () => {
  for await (const _ of net.generate(prompt, { maxTokens: 24, temperature: 0 }));
}
const kinds = { int4: await quantize(language, { bits: 4 }), int8: await quantize(language, { method: 'weightOnly' }) }
const sides = Object.fromEntries(Object.entries({ ...kinds, float32: language }).map(([name, net]) => [name, () => timed(write(net), 1)]))
const figures = await interleave(sides, { rounds: Math.min(rounds, 7) })
for (const [name, goal] of [
  ['int4', 3],
  ['int8', 2],
])
  report.compare(`gpt of width ${hiddenDim}, 24 tokens, ${name}`, figures[name], figures.float32, { peerName: 'float32', goal })
report.finish()
