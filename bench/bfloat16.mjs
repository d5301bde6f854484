// Products and training steps of precision 'mixedBfloat16' against float32, on one thread: operands rounded to bfloat16
// and multiplied in pairs. Needs a processor with AVX-512 BF16.
import { calibrate, interleave, time } from './shared/measure.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'

// The addon reads it when it starts: before the import.
process.env.WEFT_THREADS ??= '1'
process.env.WEFT_DEVICE ??= 'cpu'
const { jit, layers, optimizers, sequential, setSeed, tensor } = await import('../dist/lib/index.js')

const options = readOptions({ rounds: { type: 'string', default: '15' } })
const rounds = options.quick ? 5 : Number(options.rounds)
const milliseconds = options.quick ? 30 : 100
const report = new Report(
  `Operands rounded to bfloat16 on ${process.env.WEFT_THREADS} thread(s): µs, best of ${rounds} interleaved rounds or more`,
  options,
)
const precisions = { bfloat16: 'mixedBfloat16', float32: 'float32' }

let state = 1
/** Random values in [-1, 1), the same in every run. */
const random = (count) => Float32Array.from({ length: count }, () => (state = (state * 48271) % 2147483647) / 1073741823.5 - 1)

/** One row: the same function of either precision, called often enough to fill a round. */
const compare = async (name, functions) => {
  const count = await calibrate(functions.float32, milliseconds)
  const sides = Object.fromEntries(Object.entries(functions).map(([side, fn]) => [side, () => time(fn, count)]))
  const figures = await interleave(sides, { rounds })
  report.compare(name, figures.bfloat16, figures.float32, { peerName: 'float32' })
}

const products = [
  { m: 512, k: 512, n: 512 },
  { m: 1024, k: 1024, n: 1024 },
  { m: 1024, k: 1024, n: 1024, transposeA: true },
  { m: 1024, k: 1024, n: 1024, transposeB: true },
  { m: 32, k: 1000, n: 128 },
  { m: 4, k: 1024, n: 1024 },
  { m: 1, k: 1024, n: 1024 },
]
for (const { m, k, n, ...transposed } of products) {
  const of = ['A', 'B'].filter((operand) => transposed[`transpose${operand}`]).map((operand) => `, ${operand.toLowerCase()} transposed`)
  const name = `matMul ${m}x${k}x${n}${of.join('')}`
  const a = tensor(random(m * k), transposed.transposeA ? [k, m] : [m, k])
  const b = tensor(random(k * n), transposed.transposeB ? [n, k] : [k, n])
  const functions = {}
  const values = {}
  for (const [side, precision] of Object.entries(precisions)) {
    const product = jit((x, y) => x.matMul(y, transposed), { precision })
    values[side] = await product(a, b).data()
    functions[side] = async () => {
      const c = product(a, b)
      await c.data()
      c.dispose()
    }
  }
  // two roundings of 2^-9 each, in sums whose terms have either sign
  report.check(name, relativeDifference(values.bfloat16, values.float32), 2 ** -7)
  await compare(name, functions)
}

const networks = [
  { sizes: [1000, 128, 64, 10], batch: 32 },
  { sizes: [784, 512, 512, 10], batch: 128 },
]
for (const { sizes, batch } of networks) {
  const [inputs, ...units] = sizes
  const samples = 2048
  const x = tensor(random(samples * inputs), [samples, inputs])
  const y = tensor(
    Int32Array.from({ length: samples }, (_, i) => i % units.at(-1)),
    [samples],
  )
  const functions = {}
  for (const [side, precision] of Object.entries(precisions)) {
    setSeed(1)
    const net = sequential(
      units.map((count, i) =>
        layers.dense({ units: count, activation: i < units.length - 1 ? 'relu' : 'softmax', ...(i === 0 ? { inputShape: [inputs] } : {}) }),
      ),
    )
    net.compile({ optimizer: optimizers.adam({ learningRate: 1e-3 }), loss: 'sparseCategoricalCrossentropy', precision })
    functions[side] = () => net.fit(x, y, { epochs: 1, batchSize: batch, verbose: 0 })
  }
  await compare(`MLP ${sizes.join('-')}, ${samples / batch} training steps with Adam, batch ${batch}`, functions)
}
report.finish()
