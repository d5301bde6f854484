// Files of Keras 3: predictions equal those of numpy, and hostile files are errors.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { strToU8, type Unzipped, unzipSync, zipSync } from 'fflate'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKeras, type Tensor, tensor } from '../../lib/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { close, rejection, rejects } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
/** Made by test/io/keras_models.py. */
const models = path.join(import.meta.dirname, '..', '..', '..', 'test', 'io', 'keras')

interface Values {
  shape: number[]
  data: number[]
}

const names = (await readdir(models)).filter((name) => name.endsWith('.keras')).map((name) => name.slice(0, -6))
assert.ok(names.length >= 5)
for (const name of names) {
  test(`${name}.keras predicts what its formulas give`, async () => {
    const { inputs, outputs } = JSON.parse(await readFile(path.join(models, `${name}.json`), 'utf8')) as Record<string, Values[]>
    const net = await loadKeras(path.join(models, `${name}.keras`))
    const tensors = inputs!.map(({ data, shape }) => tensor(data, { shape }))
    const found = [net.apply(tensors.length === 1 ? tensors[0]! : tensors)].flat() as Tensor[]
    assert.is(found.length, outputs!.length)
    for (const [i, { shape, data }] of outputs!.entries()) {
      assert.equal(found[i]!.shape, shape)
      close((await found[i]!.data()) as Float32Array, data, 5e-6)
    }
    // it is a model like any other: it is saved, and trains
    net.compile({ optimizer: 'sgd', loss: 'mse' })
    const x = tensors.length === 1 ? tensors[0]! : tensors
    const y = found.length === 1 ? found[0]! : found
    const { loss } = await net.evaluate(x, y, { verbose: 0 })
    assert.ok(loss < 1e-10)
    await net.save(path.join(folder, name))
  })
}

const parts = unzipSync(await readFile(path.join(models, 'images.keras')))
let count = 0
/** The file with other parts. */
async function changed(
  change: Readonly<Record<string, Uint8Array | undefined>>,
  zip: (files: Unzipped) => Uint8Array = zipSync,
): Promise<string> {
  const files = Object.fromEntries(Object.entries({ ...parts, ...change }).filter(([, bytes]) => bytes !== undefined)) as Unzipped
  const file = path.join(folder, `${count++}.keras`)
  await writeFile(file, zip(files))
  return file
}
type Json = { config: { layers: { class_name: string; config: Record<string, unknown> }[] } }
const config = (edit: (json: Json) => void): Promise<AnyModel> => {
  const json = JSON.parse(Buffer.from(parts['config.json']!).toString()) as Json
  edit(json)
  return changed({ 'config.json': strToU8(JSON.stringify(json)) }).then((file) => loadKeras(file))
}

test('code in a file is refused, with everything else that is not supported', async () => {
  const { message } = await rejection(
    config(({ config: { layers } }) => {
      layers[4] = { class_name: 'Lambda', config: { name: 'f', function: { class_name: '__lambda__', config: { code: '4wEAAAA=' } } } }
      layers[3]!.config['data_format'] = 'channels_first'
      layers[1]!.config['activation'] = { class_name: 'function', config: 'mine' }
    }),
  )
  assert.match(message, /'f' \(Lambda\): it holds code, and nothing in a model file is executed/)
  assert.match(message, /'max_pooling2d' \(MaxPooling2D\): data_format: 'channels_first' is not supported/)
  assert.match(message, /'conv2d' \(Conv2D\): activation: 'mine' is not known/)
  await rejects(
    'ERR_FORMAT',
    /subclasses of Model hold code/,
    config((json) => Object.assign(json, { class_name: 'MyModel' })),
  )
})

test('bombs, tricks with names and damaged files are errors', async () => {
  const load = async (...given: Parameters<typeof changed>): Promise<AnyModel> => loadKeras(await changed(...given))
  await rejects('ERR_FORMAT', /unpacks to more than 32 times its size/, load({ 'model.weights.h5': new Uint8Array(50 << 20) }))
  await rejects('ERR_FORMAT', /has no model\.weights\.h5/, load({ 'model.weights.h5': undefined }))
  await rejects('ERR_FORMAT', /has no config\.json/, load({ 'config.json': undefined, '../config.json': parts['config.json']! }))
  await rejects('ERR_FORMAT', /is not JSON/, load({ 'config.json': strToU8('{') }))
  await rejects('ERR_FORMAT', /is not an HDF5 file/, load({ 'model.weights.h5': strToU8('nothing') }))
  await rejects('ERR_FORMAT', /is not an HDF5 file/, load({ 'model.weights.h5': parts['model.weights.h5']!.subarray(0, 900) }))
  await rejects('ERR_FORMAT', /written by Keras 2\.15/, load({ 'metadata.json': strToU8('{"keras_version":"2.15.0"}') }))
  const text = path.join(folder, 'text.keras')
  await writeFile(text, 'no zip')
  await rejects('ERR_FORMAT', /is not a zip file/, loadKeras(text))
  await writeFile(text, Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'))
  await rejects('ERR_FORMAT', /the format before Keras 3/, loadKeras(text))
  await rejects('ERR_FORMAT', /does not exist/, loadKeras(path.join(folder, 'none.keras')))
  await rejects('ERR_FORMAT', /a folder, not a regular file/, loadKeras(folder))
  await rejects(
    'ERR_FORMAT',
    /needs more weights than the file has/,
    config(({ config: { layers } }) => Object.assign(layers.at(-1)!.config, { units: 1e9 })),
  )
  await rejects(
    'ERR_FORMAT',
    /is \[\d+,3\], the layer 'dense' \(Dense\) has \[\d+,4\]/,
    config(({ config: { layers } }) => Object.assign(layers.at(-1)!.config, { units: 4 })),
  )
})

test.run()
