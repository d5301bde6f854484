// Determinism: equal bits on one thread and on two, and for a row whatever batch it is in.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { device, layers, matMul, sequential, type Tensor, tensor } from '../../lib/index.js'
import { generator } from '../expect.js'

const onCpu = device() === 'cpu'
/** Samples: batches of 64 and a rest. The emulated device takes seconds for each. */
const rows = onCpu ? 200 : 72

const images = `
    const net = sequential([
      layers.conv2d({ filters: 16, kernelSize: 3, activation: 'relu', inputShape: [28, 28, 1] }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.conv2d({ filters: 12, kernelSize: 3, activation: 'relu' }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.batchNormalization(),
      layers.flatten(),
      layers.dropout({ rate: 0.2 }),
      layers.dense({ units: 64, activation: 'relu' }),
      layers.dense({ units: 10, activation: 'softmax' }),
    ])
    const shape = [${rows}, 28, 28, 1]`
// units that fill vectors and panels in part
const sequences = `
    const net = sequential([
      layers.embedding({ inputDim: 50, outputDim: 20, inputShape: [23] }),
      layers.lstm({ units: 40, returnSequences: true, recurrentDropout: 0.2 }),
      layers.gru({ units: 24, returnSequences: true }),
      layers.gru({ units: 40, returnSequences: true, resetAfter: false }),
      layers.simpleRnn({ units: 40 }),
      layers.dense({ units: 10, activation: 'softmax' }),
    ])
    const shape = [${rows}, 23]`

/** Trains a network in a process of its own; returns a digest of its weights. */
function trained(threads: number, network: string): string {
  const lib = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)
  const script = `
    import { createHash } from 'node:crypto'
    import { layers, sequential, setSeed, tensor } from ${lib}
    setSeed(3)
    ${network}
    net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    const values = (_, i) => Math.sin(i * 0.37) + Math.cos(i * i * 0.001)
    const size = shape.reduce((a, b) => a * b)
    const x = shape.length > 2 ? Float32Array.from({ length: size }, values) : Int32Array.from({ length: size }, (_, i) => (i * i) % 50)
    const y = Int32Array.from({ length: ${rows} }, (_, i) => i % 10)
    const { history } = await net.fit(tensor(x, shape), tensor(y, [${rows}]), { epochs: 2, batchSize: 64, verbose: 0 })
    const hash = createHash('sha256').update(JSON.stringify(history))
    for (const w of net.weights) hash.update(new Uint8Array((await w.data()).buffer))
    console.log(hash.digest('hex'))`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_THREADS: String(threads) },
  })
  assert.is(status, 0, stderr)
  return stdout.trim()
}

// other devices do not compute on the threads of the CPU: training twice tells as much
const counts = onCpu ? [1, 2, 3] : [2]
for (const [name, network] of Object.entries({ images, sequences })) {
  test(`training on ${name} gives the same bits twice, and on ${counts} threads`, () => {
    const one = trained(1, network)
    assert.match(one, /^[0-9a-f]{64}$/)
    for (const threads of counts) assert.is(trained(threads, network), one, `${threads} threads`)
  })
}

test('orthogonal initial values have the same bits on 1, 2 and 3 threads', () => {
  const script = `
    import { createHash } from 'node:crypto'
    import { initializers } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
    const hash = createHash('sha256')
    for (const shape of [[40, 160], [200, 900], [700, 300]]) hash.update(await initializers.orthogonal({ seed: 2 })(shape).data())
    console.log(hash.digest('hex'))`
  const drawn = (threads: number): string => {
    const env = { ...process.env, WEFT_THREADS: String(threads) }
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env })
    assert.is(status, 0, stderr)
    return stdout.trim()
  }
  const one = drawn(1)
  assert.match(one, /^[0-9a-f]{64}$/)
  for (const threads of [2, 3]) assert.is(drawn(threads), one, `${threads} threads`)
})

// the kernels of a GPU are chosen by shape, the batch included
const invariant = onCpu ? test : (): void => undefined
invariant("a row's answer does not depend on its batch", async () => {
  const random = generator(6)
  const x = tensor(Float32Array.from({ length: 37 * 64 }, random), [37, 8, 8, 1])
  const net = sequential([
    layers.conv2d({ filters: 8, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1] }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.flatten(),
    layers.dense({ units: 19, activation: 'tanh' }),
    layers.layerNormalization(),
    layers.dense({ units: 5, activation: 'softmax' }),
  ])
  const whole = await ((await net.predict(x, { batchSize: 37 })) as Tensor).data()
  for (const batchSize of [1, 2, 7, 16, 32])
    assert.equal(await ((await net.predict(x, { batchSize })) as Tensor).data(), whole, `batches of ${batchSize}`)
})

invariant('a row of a product does not depend on its batch', async () => {
  const random = generator(7)
  const values = (n: number): Float32Array => Float32Array.from({ length: n }, random)
  const [rows, terms] = [9, 1300]
  const x = values(rows * terms)
  for (const units of [1, 7, 10, 20, 33])
    for (const activation of ['linear', 'relu', 'tanh'] as const) {
      const net = sequential([layers.dense({ units, activation, inputShape: [terms] })])
      const whole = await ((await net.predict(tensor(x, [rows, terms]))) as Tensor).data()
      for (let i = 0; i < rows; i++) {
        const one = await ((await net.predict(tensor(x.slice(i * terms, (i + 1) * terms), [1, terms]))) as Tensor).data()
        assert.equal(one, whole.slice(i * units, (i + 1) * units), `row ${i}, ${units} units, ${activation}`)
      }
    }
})

/**
 * [rows, terms, columns, a transposed, b transposed]: products that are cut and packed in each of the ways there are,
 * at one level or another.
 */
const PRODUCTS = [
  [300, 70, 150, false, false],
  [64, 1024, 256, false, false],
  [200, 520, 520, false, false],
  [600, 1024, 256, false, false],
  [8, 1100, 250, false, false],
  [20, 1100, 250, false, false],
  [70, 1100, 300, false, false],
  [40, 900, 600, false, true],
  [300, 64, 40, false, true],
  [130, 90, 40, true, false],
  [300, 600, 140, true, false],
  [1030, 33, 50, true, false],
] as const

invariant('a row of a product has the right values, however the product is cut and packed', async () => {
  const random = generator(8)
  const values = (n: number): Float32Array => Float32Array.from({ length: n }, () => random() - 0.5)
  for (const [m, k, n, transposeA, transposeB] of PRODUCTS) {
    const [a, b] = [values(m * k), values(k * n)]
    const bTensor = tensor(b, transposeB ? [n, k] : [k, n])
    const whole = await matMul(tensor(a, transposeA ? [k, m] : [m, k]), bTensor, { transposeA, transposeB }).data()
    for (const i of [0, 1, (m >> 1) + 1, m - 2, m - 1]) {
      const row = Float32Array.from({ length: k }, (_, p) => a[transposeA ? p * m + i : i * k + p]!)
      const name = `row ${i} of ${m} × ${k} × ${n}`
      const part = whole.slice(i * n, (i + 1) * n)
      assert.equal(await matMul(tensor(row, [1, k]), bTensor, { transposeB }).data(), part, `${name} is that of the row alone`)
      for (let j = 0; j < n; j++) {
        let sum = 0
        for (let p = 0; p < k; p++) sum += row[p]! * b[transposeB ? j * k + p : p * n + j]!
        assert.ok(Math.abs(Number(part[j]) - sum) < 2 ** -23 * k, `${name}, column ${j}: ${part[j]}, not ${sum}`)
      }
    }
  }
})

invariant('a product of a batch is that of its matrices alone', async () => {
  const random = generator(9)
  const values = (n: number): Float32Array => Float32Array.from({ length: n }, () => random() - 0.5)
  for (const [m, k, n, transposeA, transposeB] of [...PRODUCTS, [520, 520, 520, false, false], [300, 600, 200, true, true]] as const) {
    const [a, b] = [values(2 * m * k), values(2 * k * n)]
    const matrices = (x: Float32Array, i: number, shape: number[]): Tensor =>
      tensor(x.slice((i * x.length) / 2, ((i + 1) * x.length) / 2), shape)
    const [aShape, bShape] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]]
    const whole = await matMul(tensor(a, [2, ...aShape]), tensor(b, [2, ...bShape]), { transposeA, transposeB }).data()
    for (const i of [0, 1]) {
      const one = await matMul(matrices(a, i, aShape), matrices(b, i, bShape), { transposeA, transposeB }).data()
      assert.equal(whole.slice(i * m * n, (i + 1) * m * n), one, `matrix ${i} of ${m} × ${k} × ${n}`)
    }
  }
})

test.run()
