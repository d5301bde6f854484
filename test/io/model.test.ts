// save and loadModel: equal outputs, training that goes on bit for bit, corrupt folders, and saves that fail half-way.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, type Shape, type Tensor, tensor, type Variable } from '../../lib/index.js'
import { loadModel } from '../../lib/io/index.js'
import { replaceFolder } from '../../lib/io/folder.js'
import * as layers from '../../lib/layers/index.js'
import * as losses from '../../lib/losses/index.js'
import * as metrics from '../../lib/metrics/index.js'
import { sequential } from '../../lib/model/sequential.js'
import * as optimizers from '../../lib/optimizers/index.js'
import { setSeed } from '../../lib/core/random.js'
import * as schedules from '../../lib/schedules/index.js'
import { codeOfAsync, generator, rejection, until } from '../expect.js'

type Net = ReturnType<typeof sequential>
const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
let count = 0
const fresh = (): string => path.join(folder, `model-${count++}`)

const random = generator(8)
const x = Array.from({ length: 40 }, () => Array.from({ length: 5 }, random))
const y = x.map((row) => Math.floor(row[0]! * 2.99))
const values = async (net: { weights: readonly Variable[] }): Promise<number[]> =>
  (await Promise.all(net.weights.map((w) => w.data()))).flatMap((data) => Array.from(data as Float32Array))

function make(optimizer: optimizers.OptimizerLike = 'adam'): Net {
  const net = sequential([
    layers.dense({ units: 8, activation: 'relu', inputShape: [5] }),
    layers.batchNormalization(),
    layers.dropout({ rate: 0.4 }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  net.compile({
    optimizer,
    loss: losses.sparseCategoricalCrossentropy(),
    metrics: ['accuracy', metrics.topKCategoricalAccuracy({ k: 2, name: 'top2' })],
  })
  return net
}

test('outputs, weights, assets and compilation come back', async () => {
  const net = make()
  await net.fit(x, y, { epochs: 2, verbose: 0 })
  const place = fresh()
  await net.save(place, { assets: { names: ['a', 'b', 'c'], limit: 3 } })
  assert.equal((await readdir(place)).sort(), ['model.json', 'optimizer.safetensors', 'training.json', 'weights.safetensors'])
  const again = await loadModel(place)
  assert.equal(again.assets, { names: ['a', 'b', 'c'], limit: 3 })
  assert.equal(await values(again), await values(net))
  assert.equal(await ((await again.predict(x)) as Tensor).array(), await (await net.predict(x)).array())
  assert.equal(await again.evaluate(x, y), await net.evaluate(x, y))
  assert.equal(Object.keys(await again.evaluate(x, y)), ['loss', 'accuracy', 'top2'])
  assert.is(again.epochsTrained, 2)
})

const everyOptimizer: optimizers.OptimizerLike[] = [
  'sgd',
  optimizers.sgd({ momentum: 0.9, nesterov: true }),
  'adam',
  optimizers.adam({ amsgrad: true, learningRate: schedules.cosineDecay({ initialLearningRate: 0.01, decaySteps: 20 }) }),
  'adamw',
  'rmsprop',
  optimizers.rmsprop({ momentum: 0.5, centered: true }),
  'adagrad',
  'adadelta',
  'adamax',
  'nadam',
  'lion',
]
for (const optimizer of everyOptimizer) {
  const name = typeof optimizer === 'string' ? optimizer : JSON.stringify((optimizer as optimizers.Optimizer).config)
  test(`training goes on bit for bit: ${name}`, async () => {
    setSeed(4)
    const net = make(optimizer)
    await net.fit(x, y, { epochs: 2, batchSize: 16, verbose: 0 })
    const place = fresh()
    await net.save(place)
    const again = await loadModel(place)
    const one = await net.fit(x, y, { epochs: 2, batchSize: 16, verbose: 0 })
    const two = await again.fit(x, y, { epochs: 2, batchSize: 16, verbose: 0 })
    assert.equal(two.history, one.history)
    assert.equal(await values(again), await values(net))
    assert.is(again.optimizer.iterations, net.optimizer.iterations)
    assert.is(again.optimizer.learningRate, net.optimizer.learningRate)
  })
}

test('a learning rate that was set by hand comes back', async () => {
  const net = make()
  net.optimizer.learningRate = 0.3
  const place = fresh()
  await net.save(place)
  assert.is((await loadModel(place)).optimizer.learningRate, 0.3)
})

test('saving again replaces the model; other folders and files are left alone', async () => {
  const net = make()
  const place = fresh()
  await net.save(place)
  await net.fit(x, y, { verbose: 0 })
  await net.save(place)
  assert.equal(await values(await loadModel(place)), await values(net))
  assert.equal(
    (await readdir(folder)).filter((name) => name.startsWith(path.basename(place))),
    [path.basename(place)],
  )
  const other = fresh()
  await mkdir(other)
  await net.save(other)
  const foreign = fresh()
  await mkdir(foreign)
  await writeFile(path.join(foreign, 'thesis.txt'), 'years of work')
  assert.is(await codeOfAsync(net.save(foreign)), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.save(path.join(foreign, 'thesis.txt'))), 'ERR_ARGUMENT')
  assert.is(await readFile(path.join(foreign, 'thesis.txt'), 'utf8'), 'years of work')
})

test('a save while fit runs is of one step', async () => {
  const net = sequential([layers.dense({ units: 1, useBias: false, inputShape: [1] }), layers.dense({ units: 1, useBias: false })])
  net.compile({ optimizer: optimizers.sgd({ learningRate: 0.01 }), loss: 'mse' })
  const running = net.fit(
    Array.from({ length: 2000 }, () => [1]),
    new Array(2000).fill(0),
    { batchSize: 1, epochs: 2, verbose: 0 },
  )
  await until(() => net.optimizer.iterations > 0, 'it trains')
  const place = fresh()
  await net.save(place)
  await running
  const again = await loadModel(place)
  assert.ok(again.optimizer.iterations > 0 && again.optimizer.iterations <= 4000)
})

test('a save that fails leaves the old model and nothing else', async () => {
  const net = make()
  const place = fresh()
  await net.save(place)
  const error = await rejection(
    replaceFolder(place, async (half) => {
      await writeFile(path.join(half, 'model.json'), '{')
      throw new Error('disk full')
    }),
  )
  assert.is(error.message, 'disk full')
  assert.equal(await values(await loadModel(place)), await values(net))
  assert.equal(
    (await readdir(folder)).filter((name) => name.startsWith(path.basename(place))),
    [path.basename(place)],
  )
})

test('a process that dies while it saves leaves the old model or the new one', async () => {
  const net = make()
  const place = fresh()
  await net.save(place)
  const script = `
    import { replaceFolder } from ${JSON.stringify(new URL('../../lib/io/folder.js', import.meta.url).href)}
    import { writeFile } from 'node:fs/promises'
    await replaceFolder(${JSON.stringify(place)}, async (half) => { await writeFile(half + '/model.json', '{}'); process.kill(process.pid, 'SIGKILL'); await new Promise(() => setTimeout(() => {}, 1e5)) })`
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script])
  assert.is(signal, 'SIGKILL')
  assert.equal(await values(await loadModel(place)), await values(net))
  // between the two renames the old one has another name, under which it is found, and put back by the next save
  await rename(place, `${place}.previous`)
  assert.equal(await values(await loadModel(place)), await values(net))
  await net.save(place)
  assert.not.ok(existsSync(`${place}.previous`))
})

test('corrupt and missing files are ERR_FORMAT', async () => {
  const net = make()
  await net.fit(x, y, { verbose: 0 })
  assert.is(await codeOfAsync(loadModel(fresh())), 'ERR_FORMAT')
  for (const file of ['model.json', 'weights.safetensors', 'optimizer.safetensors', 'training.json']) {
    const place = fresh()
    await net.save(place)
    const whole = await readFile(path.join(place, file))
    for (const bytes of [whole.subarray(0, whole.length / 2), Buffer.alloc(0), Buffer.from('{}'), Buffer.from('[1]')]) {
      await writeFile(path.join(place, file), bytes)
      assert.is(await codeOfAsync(loadModel(place)), 'ERR_FORMAT', `${file}: ${bytes.length} bytes`)
      // training.json without a compilation is a model that was never compiled
      const unverified = file === 'training.json' && bytes.toString() === '{}' ? undefined : 'ERR_FORMAT'
      assert.is(await codeOfAsync(loadModel(place, { verify: false })), unverified, `${file}: ${bytes.length} bytes`)
    }
    await rm(path.join(place, file))
    assert.is(await codeOfAsync(loadModel(place)), 'ERR_FORMAT', `${file} missing`)
  }
})

test('weights of another model are refused', async () => {
  const [one, two] = [fresh(), fresh()]
  await make().save(one)
  const other = sequential([layers.dense({ units: 2, inputShape: [5] })])
  await other.save(two)
  await writeFile(path.join(one, 'weights.safetensors'), await readFile(path.join(two, 'weights.safetensors')))
  assert.is(await codeOfAsync(loadModel(one)), 'ERR_FORMAT')
})

class Scale extends layers.Layer<{ by: number }> {
  scale!: Variable
  override build(inputShape: Shape): void {
    this.scale = this.addWeight({ name: 'scale', shape: [inputShape.at(-1)!], initializer: 'ones', trainable: true })
  }
  override call(t: Tensor): Tensor {
    return t.mul(this.scale).mul(this.config.by)
  }
}

test("a user's own layers come back when their class is given; lambdas cannot be saved", async () => {
  const net = sequential([layers.dense({ units: 2, inputShape: [5] }), new Scale({ by: 3 })])
  const place = fresh()
  await net.save(place)
  const again = await loadModel(place, { layers: { Scale } })
  assert.equal(await ((await again.predict(x)) as Tensor).array(), await (await net.predict(x)).array())
  const error = await rejection(loadModel(place))
  assert.is(error.code, 'ERR_FORMAT')
  assert.match(error.message, 'Scale')
  const nameless = sequential([layers.dense({ units: 2, inputShape: [5] }), layers.lambda((t: Tensor) => t.mul(2))])
  assert.is(await codeOfAsync(nameless.save(fresh())), 'ERR_ARGUMENT')
})

test('a model compiled with a function is saved without its compilation, with a warning', async () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [1] })])
  net.compile({ loss: (yTrue, yPred) => yPred.sub(yTrue).abs().mean() })
  const place = fresh()
  const warned = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve))
  await net.save(place)
  assert.is((await warned).code, 'WEFT_SAVE')
  const again = await loadModel(place)
  assert.is(again.isCompiled, false)
  assert.is(await codeOfAsync(again.fit([[1]], [1])), 'ERR_STATE')
})

test('scalers are assets, and scale as before', async () => {
  const net = make()
  await net.build([null, 5] as unknown as Shape)
  const standard = await data.standardScaler().fit(x)
  const range = await data.minMaxScaler({ range: [-1, 1] }).fit(x)
  const place = fresh()
  await net.save(place, { assets: { standard, list: [range] } })
  const again = (await loadModel(place)).assets as { standard: data.StandardScaler; list: [data.MinMaxScaler] }
  assert.instance(again.standard, data.StandardScaler)
  assert.equal(again.standard.transform(x), standard.transform(x))
  assert.equal(again.list[0].inverseTransform(x), range.inverseTransform(x))
  await writeFile(
    path.join(place, 'model.json'),
    (await readFile(path.join(place, 'model.json'), 'utf8')).replace('StandardScaler', 'Scaler'),
  )
  assert.is(await codeOfAsync(loadModel(place)), 'ERR_FORMAT')
})

test('assets must be JSON values; unbuilt models and bad names are refused', async () => {
  const net = make()
  assert.is(await codeOfAsync(net.save(fresh(), { assets: { big: 1n } })), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.save(fresh(), { assets: { when: new Map() } })), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.save('')), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(sequential([layers.dense({ units: 1 })]).save(fresh())), 'ERR_STATE')
  assert.is(await codeOfAsync(loadModel(3 as never)), 'ERR_ARGUMENT')
  assert.is((await tensor([1]).data())[0], 1)
})

test.run()
