// Names in files: paths of layers' fields, the same in every process; files of version 1; losses and metrics of the
// user's own.
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, loadModel, sequential, type Tensor, type Variable } from '../../lib/index.js'
import { parseSafetensors, readSafetensors, toTensor, writeSafetensors } from '../../lib/io/safetensors.js'
import { codeOfAsync, rejection } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
let count = 0
const fresh = (): string => path.join(folder, `model-${count++}`)

class Residual extends layers.Layer<{ units: number }> {
  readonly first = layers.dense({ units: this.config.units, activation: 'relu' })
  readonly rest = [layers.dense({ units: this.config.units }), layers.layerNormalization()]
  factor!: Variable
  override build(): void {
    this.factor = this.addWeight({ name: 'factor', shape: [], initializer: 'ones' })
  }
  override call(x: Tensor): Tensor {
    return this.rest
      .reduce((y: Tensor, layer) => layer.apply(y) as Tensor, this.first.apply(x) as Tensor)
      .mul(this.factor)
      .add(x)
  }
}

const make = (): ReturnType<typeof sequential> =>
  sequential([
    layers.dense({ units: 4, inputShape: [3], name: 'first' }),
    new Residual({ units: 4, name: 'res' }),
    layers.dense({ units: 1, name: 'last' }),
  ])
const x = [
  [1, 2, 3],
  [3, 1, 2],
]
const namesIn = async (place: string, file = 'weights.safetensors'): Promise<string[]> => [
  ...parseSafetensors(await readFile(path.join(place, file)), file).keys(),
]
const outputs = async (net: { predict: (x: number[][]) => Promise<unknown> }): Promise<unknown> =>
  ((await net.predict(x)) as Tensor).array()

const NAMES = [
  'first.kernel',
  'first.bias',
  'res.factor',
  'res.first.kernel',
  'res.first.bias',
  'res.rest.0.kernel',
  'res.rest.0.bias',
  'res.rest.1.gamma',
  'res.rest.1.beta',
  'last.kernel',
  'last.bias',
]

test('weights are named by their paths, and layers inside own layers load again and again', async () => {
  const net = make()
  net.compile({ optimizer: 'adam', loss: 'mse' })
  await net.fit(x, [1, 2], { verbose: 0 })
  const place = fresh()
  await net.save(place)
  assert.equal(await namesIn(place), NAMES)
  const state = await namesIn(place, 'optimizer.safetensors')
  assert.ok(state.includes('res.rest.0.kernel/m') || state.some((name) => name.startsWith('res.rest.0.kernel/')), state.join())
  for (let i = 0; i < 3; i++) {
    layers.dense({ units: 7 })
    const again = await loadModel(place, { layers: { Residual } })
    assert.equal(await outputs(again), await outputs(net))
    const other = fresh()
    await again.save(other)
    assert.equal(await namesIn(other), NAMES)
  }
})

/** The folder as version 1 wrote it: other names, no checksums. */
async function asVersion1(place: string, rename: (name: string) => string): Promise<void> {
  const file = path.join(place, 'model.json')
  const { files: _, sha256: __, ...json } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
  await writeFile(file, JSON.stringify({ ...json, version: 1 }))
  for (const name of ['weights.safetensors', 'optimizer.safetensors']) {
    const stored = await readSafetensors(path.join(place, name))
    await rm(path.join(place, name))
    await writeSafetensors(path.join(place, name), new Map([...stored].map(([key, value]) => [rename(key), toTensor(value, 'cpu')])))
  }
}

test('files of version 1 load, also those with automatic names of layers inside own layers', async () => {
  const net = make()
  net.compile({ optimizer: 'adam', loss: 'mse' })
  await net.fit(x, [1, 2], { verbose: 0 })
  const place = fresh()
  await net.save(place)
  // as a process wrote them in which many layers were made before
  const part: Record<string, string> = {
    'res.first': 'res/dense_90',
    'res.rest.0': 'res/dense_91',
    'res.rest.1': 'res/layer_normalization_7',
  }
  await asVersion1(place, (name) => {
    const slot = name.includes('/') ? name.slice(name.indexOf('/')) : ''
    const weight = slot === '' ? name : name.slice(0, -slot.length)
    const at = weight.lastIndexOf('.')
    if (at < 0) return name
    const layer = weight.slice(0, at)
    return `${part[layer] ?? layer}/${weight.slice(at + 1)}${slot}`
  })
  assert.ok((await namesIn(place)).includes('res/dense_91/kernel'))
  const again = await loadModel(place, { layers: { Residual } })
  assert.equal(await outputs(again), await outputs(net))
  const one = await net.fit(x, [1, 2], { verbose: 0 })
  assert.equal((await again.fit(x, [1, 2], { verbose: 0 })).history, one.history)
  assert.equal(await outputs(again), await outputs(net))
})

test('a model saved in another process loads, and its names are the same', async () => {
  const script = `
    import { layers, sequential } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
    for (let i = 0; i < 41; i++) layers.dense({ units: 1 })
    await sequential([layers.lstm({ units: 2, inputShape: [4, 3], name: 'l' }), layers.dense({ units: 1, name: 'd' })], { name: 'net' }).save(process.argv[1])`
  const [one, two] = [fresh(), fresh()]
  assert.is(spawnSync(process.execPath, ['--input-type=module', '-e', script, one]).status, 0)
  const net = sequential([layers.lstm({ units: 2, inputShape: [4, 3], name: 'l' }), layers.dense({ units: 1, name: 'd' })], { name: 'net' })
  await net.save(two)
  assert.equal(await namesIn(one), await namesIn(two))
  const structure = async (place: string): Promise<unknown> =>
    (JSON.parse(await readFile(path.join(place, 'model.json'), 'utf8')) as { model: unknown }).model
  assert.equal(await structure(one), await structure(two))
  await loadModel(one)
})

// every kind of layer that holds others, without a name of the user's
const UNNAMED = `
  const { layers, sequential, input, model } = weft
  const a = input({ shape: [4, 3] })
  const joined = layers.add().apply([
    layers.bidirectional({ layer: layers.lstm({ units: 2 }) }).apply(a),
    layers.rnn({ cell: [layers.lstmCell({ units: 3 }), layers.gruCell({ units: 4 })] }).apply(a),
  ])
  const tail = sequential([layers.dense({ units: 3, inputShape: [4] }), layers.dense({ units: 2 })])
  const each = layers.flatten().apply(layers.timeDistributed({ layer: layers.dense({ units: 1 }) }).apply(a))
  const nets = [
    model({ inputs: a, outputs: [tail.apply(joined), layers.dense({ units: 2 }).apply(each)] }),
    sequential([layers.conv1d({ filters: 2, kernelSize: 2, inputShape: [4, 3] }), layers.flatten(), layers.dense({ units: 2 })]),
  ]
  for (const net of nets) net.compile({ optimizer: 'adam', loss: 'mse' })
  return nets`

test('names that nobody gave do not depend on what else the process made', async () => {
  const url = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)
  const texts = [
    '',
    'for (let i = 0; i < 41; i++) (layers.dense({ units: 1 }), layers.lstm({ units: 1 }), layers.add(), sequential([]))',
  ].map((before) => {
    const places = [fresh(), fresh()]
    const script = `
        import * as weft from ${url}
        const { layers, sequential } = weft
        ${before}
        const nets = new Function('weft', ${JSON.stringify(UNNAMED)})(weft)
        for (const [i, net] of nets.entries()) await net.save(process.argv[1 + i])`
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, ...places], { encoding: 'utf8' })
    assert.is(status, 0, stderr)
    return places
  })
  for (const i of [0, 1]) {
    const [one, other] = texts.map((places) => places[i]!) as [string, string]
    for (const file of ['model.json', 'training.json']) {
      const [a, b] = await Promise.all([one, other].map(async (place) => JSON.parse(await readFile(path.join(place, file), 'utf8'))))
      // weights are drawn anew in each process, and their checksums with them
      for (const json of [a, b]) delete json.files, delete json.sha256, delete json.shuffle
      assert.is(JSON.stringify(a), JSON.stringify(b))
      assert.not.match(JSON.stringify(a), /_[1-9]\d/)
    }
    for (const file of ['weights.safetensors', 'optimizer.safetensors']) assert.equal(await namesIn(one, file), await namesIn(other, file))
    const again = await loadModel(other)
    const third = fresh()
    await again.save(third)
    const structure = async (place: string): Promise<string> =>
      JSON.stringify(JSON.parse(await readFile(path.join(place, 'model.json'), 'utf8')).model)
    assert.is(await structure(third), await structure(other))
  }
})

test('losses and metrics of the user are given to loadModel, and training goes on', async () => {
  const weighted = (t: Tensor, p: Tensor): Tensor => p.sub(t).square().mul(3).mean(-1)
  const distance = (t: Tensor, p: Tensor): Tensor => p.sub(t).abs().mean(-1)
  const net = make()
  net.compile({ optimizer: 'adam', loss: weighted, metrics: [distance, 'mse'] })
  await net.fit(x, [[1], [2]], { epochs: 3, verbose: 0 })
  const place = fresh()
  await net.save(place)
  const options = { layers: { Residual }, losses: { weighted }, metrics: { distance } }
  const again = await loadModel(place, options)
  assert.is(again.optimizer.iterations, net.optimizer.iterations)
  const one = await net.fit(x, [[1], [2]], { epochs: 2, verbose: 0 })
  assert.equal((await again.fit(x, [[1], [2]], { epochs: 2, verbose: 0 })).history, one.history)
  assert.equal(Object.keys(one.history), ['loss', 'distance', 'mse'])
  // without them the weights load alone
  for (const missing of [{}, { losses: { weighted } }, { metrics: { distance } }]) {
    const plain = await loadModel(place, { layers: { Residual }, ...missing })
    assert.is(plain.isCompiled, false)
    assert.is(await codeOfAsync(plain.fit(x, [[1], [2]])), 'ERR_STATE')
  }
  assert.is((await rejection(loadModel(place, { ...options, losses: { weighted: 'mse' } }))).code, 'ERR_ARGUMENT')
})

test.run()
