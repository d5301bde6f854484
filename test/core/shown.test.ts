// What console.log, String and JSON.stringify make of tensors, models, layers, optimizers, losses, metrics, datasets.
import { inspect } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  add,
  arange,
  data,
  type DType,
  input,
  layers,
  losses,
  metrics,
  model,
  optimizers,
  sequential,
  tensor,
  WeftError,
  zeros,
} from '../../lib/index.js'

async function printed(run: () => unknown): Promise<string> {
  const { log } = console
  const lines: string[] = []
  console.log = (line: string) => void lines.push(line)
  try {
    await run()
  } finally {
    console.log = log
  }
  return lines.join('\n')
}
const text = (values: Parameters<typeof tensor>[0], dtype?: DType): Promise<string> =>
  printed(() => tensor(values, dtype ? { dtype } : {}).print())

test('values stand in columns, with the decimals that tell them apart', async () => {
  assert.is(await text([1, 2.5, -0.1]), 'float32 [3] [ 1.0,  2.5, -0.1]')
  assert.is(
    await text([
      [1, 2],
      [3, 4],
    ]),
    'float32 [2,2]\n[[1, 2],\n [3, 4]]',
  )
  assert.is(await text([1, 200], 'int32'), 'int32 [2] [  1, 200]')
  assert.is(await text([true, false]), 'bool [2] [ true, false]')
  assert.is(await text(new BigInt64Array([2n ** 60n])), 'int64 [1] [1152921504606846976]')
  assert.is(await text([Number.NaN, Number.POSITIVE_INFINITY, 0.5]), 'float32 [3] [     NaN, Infinity,      0.5]')
  assert.is(await text([1e-9, 1]), 'float32 [2] [1e-9, 1e+0]')
  assert.is(await text([0.1], 'float64'), 'float64 [1] [0.1]')
  assert.is(await text([0.1], 'float16'), 'float16 [1] [0.099976]')
  assert.is(await text(3), 'float32 [] 3')
  assert.is(await printed(() => zeros([0, 3]).print()), 'float32 [0,3] []')
  assert.is(await printed(() => zeros([2, 1, 2]).print()), 'float32 [2,1,2]\n[[[0, 0]],\n\n [[0, 0]]]')
})

test('of more than 1000 values the ends of each axis are shown', async () => {
  const large = arange(2000).reshape([2, 1000])
  await large.data()
  const shown = '[[   0,    1,    2, ...,  997,  998,  999],\n [1000, 1001, 1002, ..., 1997, 1998, 1999]]'
  assert.is(await printed(() => large.print()), `int32 [2,1000]\n${shown}`)
  assert.is(inspect(large), `Tensor int32 [2,1000] cpu\n${shown}`)
  const lines = (await printed(() => zeros([100, 100]).print())).split('\n')
  assert.is(lines.length, 1 + 7)
  assert.is(lines[4], ' ...,')
})

test('a long row is broken into lines, those inside objects are indented', async () => {
  for (const line of (await text(Array.from({ length: 200 }, (_, i) => i / 7))).split('\n')) assert.ok(line.length <= 101, line)
  const held = tensor([[1], [2]])
  await held.data()
  assert.is(inspect({ held }), '{\n  held: Tensor float32 [2,1] cpu\n  [[1],\n   [2]]\n}')
})

test('a tensor has its text by toString() too, also before it is computed', async () => {
  const t = tensor([1, 2]).add(1)
  assert.match(t.toString(), /^Tensor float32 \[2\] cpu (\(not computed yet\)|\[2, 3\])$/)
  await t.data()
  assert.is(t.toString(), 'Tensor float32 [2] cpu [2, 3]')
})

test('models show their summary, which fits 80 columns and names operations', () => {
  const x = input({ shape: [4], name: 'measurements_of_the_flowers' })
  const h = layers.dense({ units: 3, name: 'a_layer_of_a_rather_long_name_for_a_table' }).apply(x)
  const net = model({ inputs: x, outputs: layers.dense({ units: 2 }).apply(add(h, 1)) })
  const lines = String(net).split('\n')
  assert.is(inspect(net), String(net))
  assert.ok(
    lines.every((line) => line.length <= 80),
    String(net),
  )
  assert.match(String(net), /add_\d+ \(function\)/)
  assert.match(lines[0]!, /^Model: "functional/)
  for (const held of [
    net,
    sequential([layers.flatten()]),
    layers.dense({ units: 1 }),
    optimizers.adam(),
    metrics.mae(),
    metrics.accuracy(),
  ]) {
    let error: unknown
    try {
      JSON.stringify({ held })
    } catch (thrown) {
      error = thrown
    }
    assert.instance(error, WeftError)
    assert.match((error as WeftError).message, /is not JSON\. Write /)
  }
})

test('parts of models show what they are and how they are set', () => {
  assert.is(inspect(layers.dense({ units: 3, name: 'last' })), "Dense 'last' { units: 3, name: 'last' }, not built")
  assert.is(inspect(sequential([layers.dense({ units: 3, inputShape: [2], name: 'one' })]).layers[0]!).endsWith(', 9 parameters'), true)
  assert.match(inspect(optimizers.sgd({ learningRate: 0.5 })), /^Optimizer sgd \{ learningRate: 0\.5, .*iterations: 0 \}$/)
  assert.is(inspect(losses.mse()), 'Loss meanSquaredError')
  assert.is(String(losses.huber({ delta: 2 })), 'Loss huber { delta: 2 }')
  assert.is(inspect(metrics.accuracy()), 'Metric accuracy')
  assert.match(inspect(metrics.precision()), /^Metric precision/)
  assert.is(inspect(data.from([[1], [2]], [0, 1])), 'Dataset of 2 elements')
})

test('structuredClone() of tensors, layers and models says what to do instead', () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [2] })])
  net.compile({ loss: 'mse' })
  for (const [value, cure] of [
    [tensor([1]), 'await t.data()'],
    [layers.dense({ units: 1 }), 'net.save(folder)'],
    [net, 'loadModel(folder)'],
    [{ nested: [net] }, 'loadModel(folder)'],
  ] as const)
    assert.throws(
      () => structuredClone(value),
      (error: unknown) => error instanceof WeftError && error.code === 'ERR_ARGUMENT' && error.message.includes(cure),
    )
})

test('summaries fit into 80 columns, also before the model is built and with long names', () => {
  const long = input({ shape: [28, 28, 3], name: 'images_that_have_a_name_of_many_words' })
  const wired = layers.conv2d({ filters: 8, kernelSize: 3, name: 'the_first_of_many_convolutions' }).apply(long).relu().reshape([-1, 5408])
  for (const net of [
    sequential(),
    sequential([layers.dense({ units: 3 })]),
    model({ inputs: long, outputs: layers.dense({ units: 1 }).apply(wired) }),
  ]) {
    const lines = inspect(net).split('\n')
    assert.ok(
      lines.every((line) => line.length <= 80),
      lines.join('\n'),
    )
  }
  assert.match(inspect(model({ inputs: long, outputs: wired })), /relu\w* \(function\)[\s\S]*reshape\w* \(function\)/)
})

test.run()
