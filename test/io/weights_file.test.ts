// saveWeights and loadWeights: the weights alone, by their paths in the model.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, sequential, type Tensor, tensor } from '../../lib/index.js'
import { readSafetensors, writeSafetensors } from '../../lib/io/safetensors.js'
import { codeOfAsync, rejects } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
let count = 0
const fresh = (): string => path.join(folder, `weights-${count++}.safetensors`)

const x = [
  [1, 2, 3],
  [3, 1, 2],
]
const make = (units = 4): ReturnType<typeof sequential> =>
  sequential([
    layers.dense({ units, inputShape: [3], name: 'first' }),
    layers.batchNormalization({ name: 'norm' }),
    layers.dropout({ rate: 0.5, name: 'drop' }),
    layers.dense({ units: 1, name: 'last' }),
  ])
const outputs = async (net: ReturnType<typeof make>): Promise<unknown> => ((await net.predict(x)) as Tensor).array()
const NAMES = [
  'first/kernel',
  'first/bias',
  'norm/gamma',
  'norm/beta',
  'norm/movingMean',
  'norm/movingVariance',
  'last/kernel',
  'last/bias',
]

test('weights go into a file by their names, and into another model', async () => {
  const net = make()
  net.compile({ optimizer: 'sgd', loss: 'mse' })
  await net.fit(x, [1, 2], { epochs: 3, verbose: 0 })
  const file = fresh()
  await net.saveWeights(file)
  const stored = await readSafetensors(file)
  assert.equal([...stored.keys()], NAMES)
  assert.equal(
    NAMES,
    net.weights.map(({ name }) => name),
  )
  assert.equal(
    [...stored.values()].map(({ shape }) => shape),
    net.weights.map(({ shape }) => shape),
  )
  for (let i = 0; i < 5; i++) layers.dense({ units: 1 })
  const other = make()
  assert.not.equal(await outputs(other), await outputs(net))
  await other.loadWeights(file)
  assert.equal(await outputs(other), await outputs(net))
  // URLs, and the file of a saved model, which has states of layers too
  await other.saveWeights(pathToFileURL(fresh()))
  const model = path.join(folder, 'model')
  await net.save(model)
  const third = make()
  await third.loadWeights(pathToFileURL(path.join(model, 'weights.safetensors')).href)
  assert.equal(await outputs(third), await outputs(net))
})

test('the values are those at the time of the call, and the old file stays until the new one is whole', async () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [1], useBias: false, kernelInitializer: 'ones', name: 'd' })])
  const file = fresh()
  await net.saveWeights(file)
  const saves = [1, 2, 3].map((value) => {
    net.setWeights([[[value]]])
    return net.saveWeights(file)
  })
  net.setWeights([[[9]]])
  const kernel = async (): Promise<number> => new Float32Array((await readSafetensors(file)).get('d/kernel')!.bytes.slice().buffer)[0]!
  for (const save of saves) {
    await save
    assert.ok([1, 2, 3].includes(await kernel()))
  }
  assert.is(await kernel(), 3)
  assert.not((await readdir(folder)).some((name) => name.startsWith('.weft')))
  // a link stays one
  const link = fresh()
  await symlink(file, link)
  await net.saveWeights(link)
  assert.is(await kernel(), 9)
  const deep = path.join(folder, 'a', 'b', 'w.safetensors')
  await net.saveWeights(deep)
  await net.loadWeights(deep)
})

test('names that the weights themselves show are taken too', async () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [2], name: 'd' })])
  const file = fresh()
  const values = new Map<string, Tensor>([
    ['d/kernel', tensor([[1], [2]])],
    ['d/bias', tensor([3])],
  ])
  assert.equal(
    net.weights.map(({ name }) => name),
    [...values.keys()],
  )
  await writeSafetensors(file, values)
  await net.loadWeights(file)
  assert.equal(await ((await net.predict([[1, 1]])) as Tensor).array(), [[6]])
})

test('a file that does not fit changes nothing', async () => {
  const net = make()
  const before = await outputs(net)
  const refused = async (values: Map<string, Tensor>, message: RegExp): Promise<void> => {
    const file = fresh()
    await writeSafetensors(file, values)
    await rejects('ERR_FORMAT', message, net.loadWeights(file))
    assert.equal(await outputs(net), before)
  }
  const good = (): Map<string, Tensor> => new Map(net.weights.map((w, i): [string, Tensor] => [NAMES[i]!, w.mul(0)]))
  await refused(new Map([...good()].slice(1)), /has no 'first\/kernel'\. It has first\/bias, norm\/gamma, .* and 2 more/)
  await refused(good().set('other', tensor([1])), /has 'other', which the model does not have/)
  await refused(good().set('last/kernel', tensor([1, 2])), /'last\/kernel' is float32 \[2\], the model has float32 \[4,1\]/)
  await refused(good().set('last/bias', tensor([1], { dtype: 'int32' })), /'last\/bias' is int32 \[1\], the model has float32/)
  await refused(new Map(), /has no 'first\/kernel'\. It has no tensors/)
  const file = fresh()
  await net.saveWeights(file)
  const bytes = await readFile(file)
  await writeFile(file, bytes.subarray(0, bytes.length - 1))
  await rejects('ERR_FORMAT', /not a whole safetensors file/, net.loadWeights(file))
  await rejects('ERR_FORMAT', /weights-absent.*ENOENT/, net.loadWeights(path.join(folder, 'weights-absent')))
  assert.equal(await outputs(net), before)
})

test('places and states in which it cannot be done', async () => {
  const net = make()
  for (const bad of ['', 3, null, {}, undefined, 'http://example.com/w', 'a\0b']) {
    assert.is(await codeOfAsync(net.saveWeights(bad as never)), 'ERR_ARGUMENT', String(bad))
    assert.is(await codeOfAsync(net.loadWeights(bad as never)), 'ERR_ARGUMENT', String(bad))
  }
  await rejects('ERR_ARGUMENT', /saveWeights: expected the name of a file, got 3.*saveWeights\('file'\)/, net.saveWeights(3 as never))
  await rejects('ERR_ARGUMENT', /Write saveWeights\(file\)/, (net.saveWeights as (...args: unknown[]) => Promise<void>)('w', {}))
  const inTheWay = path.join(folder, 'inTheWay')
  await mkdir(path.join(inTheWay, 'x'), { recursive: true })
  await rejects('ERR_ARGUMENT', /inTheWay cannot be written/, net.saveWeights(inTheWay))
  assert.equal(await readdir(inTheWay), ['x'])
  await rejects('ERR_FORMAT', /is a folder/, net.loadWeights(inTheWay))
  const unbuilt = sequential([layers.dense({ units: 1 })])
  await rejects('ERR_STATE', /saveWeights\(\) before the weights exist.*inputShape/, unbuilt.saveWeights(fresh()))
  await rejects('ERR_STATE', /loadWeights\(\) before the weights exist/, unbuilt.loadWeights(fresh()))
})

test.run()
