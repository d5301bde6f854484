// The entry weftjs/tfjs: programs of TensorFlow.js give the losses that they gave there, and its calls their results.
import { mkdtempSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rejects } from '../expect.js'
import { WeftError } from '../../lib/index.js'
import * as tf from '../../lib/tfjs/index.js'
import { given, PROGRAMS } from './given.js'

const root = path.join(import.meta.dirname, '..', '..', '..')
const recorded = JSON.parse(readFileSync(path.join(root, 'test', 'tfjs', 'recorded.json'), 'utf8')) as Record<string, number[]>
type Program = (module: typeof tf, values: Awaited<ReturnType<typeof given>>) => Promise<number[]>

const near = (values: ArrayLike<number>, expected: readonly number[], tolerance = 1e-6): void => {
  assert.is(values.length, expected.length)
  expected.forEach((value, i) =>
    assert.ok(Math.abs(values[i]! - value) <= tolerance * Math.max(1, Math.abs(value)), `${i}: ${values[i]} and ${value}`),
  )
}
const numbers = (t: tf.Tensor): number[] => Array.from(t.dataSync() as Float32Array)
function failure(run: () => unknown): WeftError {
  try {
    run()
  } catch (error) {
    assert.instance(error, WeftError)
    return error as WeftError
  }
  throw new Error('nothing was thrown')
}

for (const name of PROGRAMS)
  test(`${name}.js gives what it gives with TensorFlow.js`, async () => {
    const { run } = (await import(path.join(root, 'examples', 'tfjs', `${name}.js`))) as { run: Program }
    const values = await run(tf, await given())
    const expected = recorded[name]!
    assert.is(values.length, expected.length)
    values.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]!) <= 1e-3, `${name}: value ${i} is ${value}, TensorFlow.js has ${expected[i]}`)
    })
  })

test('tensors are made from values, shapes and dtypes', () => {
  assert.equal(tf.tensor([1, 2, 3, 4], [2, 2]).arraySync(), [
    [1, 2],
    [3, 4],
  ])
  assert.is(tf.tensor([true, false]).dtype, 'bool')
  assert.is(tf.tensor1d([1, 2], 'int32').dtype, 'int32')
  assert.equal(tf.tensor2d([1, 2, 3, 4], [2, 2], 'int32').shape, [2, 2])
  assert.is(tf.tensor(new Uint8Array([200])).dtype, 'int32')
  assert.is(tf.scalar(3).rank, 0)
  near(numbers(tf.linspace(0, 1, 5)), [0, 0.25, 0.5, 0.75, 1])
  near(numbers(tf.range(5, 0, -2)), [5, 3, 1])
  assert.equal(tf.eye(2, 2, [3]).shape, [3, 2, 2])
  assert.equal(numbers(tf.fill([2], 7)), [7, 7])
  assert.is(tf.oneHot(tf.tensor1d([1], 'int32'), 3).dtype, 'int32')
  const drawn = tf.randomUniform([100], 5, 8, 'int32', 3)
  assert.ok(numbers(drawn).every((v) => v >= 5 && v < 8 && Number.isInteger(v)))
  assert.match(
    failure(() => tf.tensor2d([1, 2])).message,
    /tensor2d: the values have shape \[2\], 2 axes are expected.*tensor2d\(values, \[n, n\]\)/,
  )
  assert.match(failure(() => tf.zeros([1], 'string' as never)).message, /'string'/)
})

test('operations and methods take the arguments of TensorFlow.js, and those of Weft', () => {
  const x = tf.tensor2d([1, 2, 3, 4], [2, 2])
  assert.equal(tf.sum(x, 1, true).shape, [2, 1])
  assert.equal((x as unknown as { sum(axis: number, keep: boolean): tf.Tensor }).sum(0, true).shape, [1, 2])
  assert.equal(x.sum(0, { keepDims: true }).shape, [1, 2])
  near(numbers(tf.matMul(x, x, true)), [10, 14, 14, 20])
  near(numbers(x.matMul(x, { transposeB: true })), [5, 11, 11, 25])
  near(numbers(tf.norm(x)), [Math.sqrt(30)])
  near(numbers(tf.norm(x, 1, 0)), [4, 6])
  const { mean, variance } = tf.moments(x, 0)
  near(numbers(mean), [2, 3])
  near(numbers(variance), [1, 1])
  near(numbers(x.clipByValue(2, 3)), [2, 2, 3, 3])
  near(numbers(x.cumsum(1, true)), [0, 1, 0, 3])
  near(numbers(tf.dot(tf.tensor1d([1, 2]), x)), [7, 10])
  near(numbers(tf.divNoNan(x, tf.tensor2d([0, 1, 0, 2], [2, 2]))), [0, 2, 0, 2])
  near(numbers(tf.asin(0.5)), [Math.asin(0.5)])
  near(numbers(tf.cosh(1)), [Math.cosh(1)])
  assert.equal(
    x.unstack().map((part) => numbers(part)),
    [
      [1, 2],
      [3, 4],
    ],
  )
  assert.equal(
    [numbers(tf.argMax(x)), numbers(x.argMin()), numbers(x.argMax(-1))],
    [
      [1, 1],
      [0, 0],
      [1, 1],
    ],
  )
  const quotient = tf.div(tf.tensor1d([7, -7], 'int32'), tf.tensor1d([2, 2], 'int32'))
  assert.equal([quotient.dtype, numbers(quotient)], ['int32', [3, -4]])
  assert.is(tf.tensor1d([2], 'int32').pow(tf.scalar(3, 'int32')).dtype, 'int32')
  assert.match(failure(() => tf.range(0, 1e12)).message, /too many/)
  const image = tf.range(0, 16).reshape([4, 4, 1])
  assert.equal(tf.maxPool(image, 2, 2, 'valid').shape, [2, 2, 1])
  near(numbers(tf.conv2d(image, tf.ones([2, 2, 1, 1]), 2, 'valid')), [10, 18, 42, 50])
  assert.match(failure(() => tf.conv2d(image, tf.ones([2, 2, 1, 1]), 1, 3)).message, /pad must be 'valid' or 'same', got 3/)
  assert.match(failure(() => tf.conv2d(image, tf.ones([2, 2, 1, 1]), 1, 'same', 'NCHW')).message, /NCHW/)
  near(numbers(tf.losses.huberLoss([1, 2], [1.5, 5])), [(0.125 + 2.5) / 2])
  near(numbers(tf.losses.meanSquaredError([1, 2], [2, 4], [1, 0])), [1])
  near(numbers(tf.losses.softmaxCrossEntropy([[0, 1]], [[0, 0]])), [Math.log(2)])
  near(numbers(tf.metrics.binaryAccuracy([[1, 0]], [[0.7, 0.8]])), [0.5])
})

test('gradients, and one step by gradients of named variables', () => {
  near(numbers(tf.grad((x) => x.square())([1, 2])), [2, 4])
  near(numbers(tf.grad((x) => x.square())([1, 2], [10, 0])), [20, 0])
  const { value, grads } = tf.valueAndGrads((a, b) => a!.mul(b!))([3, 5])
  near([value.dataSync()[0] as number, ...grads.map((g) => g.dataSync()[0] as number)], [15, 5, 3])
  const w = tf.variable(tf.tensor1d([1, 2]), true, 'weights')
  const found = tf.variableGrads(() => w.square().sum())
  near(numbers(found.grads['weights']!), [2, 4])
  const optimizer = tf.train.sgd(0.5)
  optimizer.applyGradients(found.grads)
  near(numbers(w), [0, 0])
  assert.match(failure(() => optimizer.applyGradients({ nobody: found.value })).message, /'nobody'/)
  assert.match(failure(() => optimizer.minimize(() => w)).message, /must return a scalar, got shape \[2\]/)
  assert.match(failure(() => optimizer.minimize(() => tf.scalar(1))).message, /reads no trainable variable/)
  const other = tf.scalar(1).variable()
  assert.match(failure(() => optimizer.minimize(() => other.square())).message, /state of other variables/)
})

test('print is done when it returns', () => {
  const { log } = console
  const lines: string[] = []
  console.log = (line: string) => void lines.push(line)
  try {
    tf.tensor1d([1]).add(1).print()
    lines.push('after')
  } finally {
    console.log = log
  }
  assert.equal(lines, ['Tensor float32 [1] cpu [2]', 'after'])
})

test('tidy frees what keep does not hold, and dispose what it is given', () => {
  const before = tf.memory().numTensors
  let kept: tf.Tensor | undefined
  const result = tf.tidy(() => {
    kept = tf.keep(tf.scalar(1).add(1))
    return tf.scalar(2).mul(3)
  })
  assert.is(kept!.isDisposed, false)
  tf.dispose({ kept, list: [result] })
  assert.is(tf.memory().numTensors, before)
})

test('models: functional ones, weights, saving and loading', async () => {
  const x = tf.input({ shape: [3] })
  const y = tf.layers.dense({ units: 2, activation: 'tanh' }).apply(x)
  const net = tf.model({ inputs: x, outputs: y as tf.Tensor })
  assert.is(net.countParams(), 8)
  assert.is(net.inputs.length, 1)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-tfjs-'))
  await net.save(`file://${folder}`)
  const again = await tf.loadLayersModel(`file://${folder}/model.json`)
  const rows = tf.tensor2d([1, 2, 3], [1, 3])
  near(numbers(again.predict(rows) as tf.Tensor), numbers(net.predict(rows) as tf.Tensor))
  again.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
  assert.type(await again.trainOnBatch(rows, tf.zeros([1, 2])), 'number')
  assert.is((again.evaluate(rows, tf.zeros([1, 2])) as tf.Tensor).rank, 0)
  const lines: string[] = []
  net.summary(undefined, undefined, (line) => lines.push(line))
  assert.match(lines.join('\n'), 'Total params: 8')
  await again.save(`file://${folder}/again`)
  let error: unknown
  await net.save('localstorage://net').catch((thrown: unknown) => (error = thrown))
  assert.match((error as Error).message, /only files are supported, got localstorage/)
})

test('datasets: zip, batch, shuffle, and columns of a file', async () => {
  const xs = tf.data.array([[1], [2], [3]])
  const ys = tf.data.array([10, 20, 30])
  const batches = (await tf.data.zip({ xs, ys }).batch(2).toArray()) as { xs: tf.Tensor; ys: tf.Tensor }[]
  assert.equal(
    batches.map((batch) => [batch.xs.shape, numbers(batch.ys)]),
    [
      [
        [2, 1],
        [10, 20],
      ],
      [[1, 1], [30]],
    ],
  )
  assert.equal((await ys.shuffle(3, 'seed').toArray()).sort(), [10, 20, 30])
  assert.equal(
    await ys
      .map((y) => y / 10)
      .filter((y) => y > 1)
      .take(1)
      .toArray(),
    [2],
  )
  const counted = tf.data.generator(function* () {
    yield 1
    yield 2
  })
  assert.equal(await counted.repeat(2).toArray(), [1, 2, 1, 2])
  const { csvUrl, label } = await given()
  const rows = tf.data.csv(csvUrl, { columnConfigs: { bmi: {}, [label]: { isLabel: true } }, configuredColumnsOnly: true })
  assert.equal(await rows.columnNames!(), ['bmi', 'progression'])
  assert.match(
    failure(() => tf.data.csv(csvUrl, { columnConfigs: { bmi: { default: 0 } } })).message,
    /default of column 'bmi' is not supported/,
  )
  assert.match(failure(() => tf.data.csv(csvUrl, { columnNames: ['a'] })).message, /hasHeader: false/)
  assert.equal(Object.keys(((await rows.take(1).toArray()) as { xs: object }[])[0]!.xs), ['bmi'])
})

test('batches join elements of any kind', async () => {
  const join = async (elements: unknown[]): Promise<unknown> => (await tf.data.array(elements).batch(9).toArray())[0]
  const values = async (t: unknown): Promise<unknown> => await (t as tf.Tensor).array()
  assert.equal(await values(await join([1, 2])), [1, 2])
  assert.equal(
    await values(
      await join([
        [1, 2],
        [3, 4],
      ]),
    ),
    [
      [1, 2],
      [3, 4],
    ],
  )
  assert.equal(await values(await join([tf.tensor1d([1, 2]), tf.tensor1d([3, 4])])), [
    [1, 2],
    [3, 4],
  ])
  assert.equal(await join(['a', 'b']), ['a', 'b'])
  const { a, text, inside } = (await join([
    { a: 1, text: 'x', inside: { b: [1] } },
    { a: 2, text: 'y', inside: { b: [2] } },
  ])) as { a: unknown; text: unknown; inside: { b: unknown } }
  assert.equal(
    [await values(a), text, await values(inside.b)],
    [
      [1, 2],
      ['x', 'y'],
      [[1], [2]],
    ],
  )
  await rejects('ERR_ARGUMENT', /sample 1 has no a/, join([{ a: 1 }, { b: 1 }].map((one, i) => (i === 0 ? one : {}))))
  await rejects('ERR_ARGUMENT', /sample 0 has no b, sample 1 has one/, join([{ a: 1 }, { a: 1, b: 1 }]))
  await rejects('ERR_SHAPE', /of sample 1 has shape \[1\]/, join([[1, 2], [3]]))
})

test('what is missing says what to write', () => {
  assert.match(failure(() => (tf.browser as unknown as { fromPixels(x: unknown): void }).fromPixels({})).message, /tf\.browser.*sharp/)
  assert.match(failure(() => tf.customGrad()).message, /defineOp/)
})

test.run()
