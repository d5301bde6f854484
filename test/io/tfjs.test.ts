// Models of TensorFlow.js: each of its layers loads here with equal predictions, and what is written loads again.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { input, layers, loadTfjs, model, sequential, type Tensor, tensor } from '../../lib/index.js'
import { halfToFloat } from '../../lib/keras/half.js'
import type { AnyModel } from '../../lib/model/model.js'
import { close, rejection, rejects } from '../expect.js'
import { testWith } from '../skip.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))

interface Values {
  shape: number[]
  data: number[]
}
interface Row {
  name: string
  json: { modelTopology: object; weightSpecs: { name: string; shape: number[]; dtype: string }[] }
  weights: string
  inputs: Values[]
  outputs: Values[]
}
/** Made by bench/peers/tfjs-models.mjs. */
const source = path.join(import.meta.dirname, '..', '..', '..', 'test', 'io', 'tfjs_models.json')
const rows = JSON.parse(await readFile(source, 'utf8')) as Row[]
const rowOf = (name: string): Row => rows.find((row) => row.name === name)!

async function written(name: string, json: object, files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const place = path.join(folder, name)
  await mkdir(place, { recursive: true })
  await writeFile(path.join(place, 'model.json'), JSON.stringify(json))
  for (const [file, bytes] of Object.entries(files)) await writeFile(path.join(place, file), bytes)
  return path.join(place, 'model.json')
}

const place = ({ name, json, weights }: Row, changes: object = {}): Promise<string> => {
  const { weightSpecs, ...facts } = json
  const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }]
  return written(name, { ...facts, weightsManifest, ...changes }, { 'weights.bin': Buffer.from(weights, 'base64') })
}

async function predictions(net: AnyModel, inputs: readonly Values[]): Promise<Tensor[]> {
  const tensors = inputs.map(({ data, shape }) => tensor(data, { shape }))
  return [net.apply(tensors.length === 1 ? tensors[0]! : tensors)].flat() as Tensor[]
}

async function same(net: AnyModel, { inputs, outputs }: Row): Promise<void> {
  const found = await predictions(net, inputs)
  assert.is(found.length, outputs.length)
  for (const [i, { shape, data }] of outputs.entries()) {
    assert.equal(found[i]!.shape, shape)
    close((await found[i]!.data()) as Float32Array, data, 1e-5)
  }
}

for (const row of rows) {
  test(`${row.name} predicts what it predicts there, and so does what is written of it`, async () => {
    const file = await place(row)
    const net = await loadTfjs(file)
    await same(net, row)
    const out = path.join(folder, `${row.name}-out`)
    await net.exportTfjs(out)
    await same(await loadTfjs(out), row)
  })
}

test('weights in several files, and quantized ones', async () => {
  const net = sequential([layers.dense({ units: 40, inputShape: [30], name: 'one' }), layers.dense({ units: 3, name: 'two' })])
  const out = path.join(folder, 'shards')
  await net.exportTfjs(out, { shardBytes: 1024 })
  assert.is((await readdir(out)).length, 1 + Math.ceil((4 * (30 * 40 + 40 + 40 * 3 + 3)) / 1024))
  const again = await loadTfjs(path.join(out, 'model.json'))
  for (const [i, weight] of again.weights.entries()) assert.equal(await weight.data(), await net.weights[i]!.data())

  const json = {
    modelTopology: { class_name: 'Sequential', config: { name: 'q', layers: [dense('d', 2, [null, 3])] } },
    weightsManifest: [
      {
        paths: ['w.bin'],
        weights: [
          { name: 'd/kernel', shape: [3, 2], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.5, min: -1 } },
          { name: 'd/bias', shape: [2], dtype: 'float32', quantization: { dtype: 'float16', original_dtype: 'float32' } },
        ],
      },
    ],
  }
  const bytes = Buffer.from([0, 1, 2, 3, 4, 255, 0x00, 0x3c, 0x01, 0x80])
  const quantized = await loadTfjs(await written('q', json, { 'w.bin': bytes }))
  assert.equal([...(await quantized.weights[0]!.data())], [-1, -0.5, 0, 0.5, 1, 126.5])
  assert.equal([...(await quantized.weights[1]!.data())], [1, -(2 ** -24)])
  json.weightsManifest[0]!.weights[0]!.quantization!.dtype = 'uint16'
  const wide = Buffer.concat([Buffer.from(new Uint16Array([0, 1, 2, 3, 4, 65535]).buffer), bytes.subarray(6)])
  const other = await loadTfjs(await written('q', json, { 'w.bin': wide }))
  assert.is((await other.weights[0]!.data())[5], 65535 * 0.5 - 1)
})

const dense = (name: string, units: number, batch?: unknown): object => ({
  class_name: 'Dense',
  config: { name, units, activation: 'linear', use_bias: true, ...(batch ? { batch_input_shape: batch } : {}) },
})

test('float16', () => {
  assert.equal([0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x8000, 0x7c00].map(halfToFloat), [1, -2, 65504, 2 ** -24, 2 ** -14, -0, Infinity])
  assert.ok(Number.isNaN(halfToFloat(0x7e00)))
})

test('everything that is not supported is listed at once, and no code runs', async () => {
  const list = [
    { class_name: 'Lambda', config: { name: 'f', function: 'process.exit(7)' } },
    { class_name: 'Dense', config: { name: 'a', units: 1, activation: 'wobble', batch_input_shape: [null, 2] } },
    { class_name: 'Mystery', config: { name: 'm' } },
    { class_name: 'Conv2D', config: { name: 'c', filters: 1, kernel_size: 2, data_format: 'channels_first', secret: 5 } },
  ]
  const file = await written('bad', { modelTopology: { class_name: 'Sequential', config: { name: 's', layers: list } } }, {})
  const { message } = await rejection(loadTfjs(file))
  for (const part of [/'f' \(Lambda\): it holds code/, /'a' \(Dense\): activation: 'wobble'/, /'m' \(Mystery\): there is no such layer/])
    assert.match(message, part)
  assert.match(
    message,
    /'c' \(Conv2D\): data_format: 'channels_first' is not supported; 'c' \(Conv2D\): the option secret: 5 is not supported/,
  )
})

test('files that are not as they should be: ERR_FORMAT that says why', async () => {
  const row = rowOf('dense')
  const load = async (changes: object): Promise<AnyModel> => loadTfjs(await place(row, changes))
  const specs = row.json.weightSpecs
  const manifest = (weights: readonly object[], paths: readonly unknown[] = ['weights.bin']): object => ({
    weightsManifest: [{ paths, weights }],
  })
  await rejects('ERR_FORMAT', /beside it/, load(manifest(specs, ['../weights.bin'])))
  await rejects('ERR_FORMAT', /beside it/, load(manifest(specs, ['/etc/passwd'])))
  await rejects('ERR_FORMAT', /does not exist/, load(manifest(specs, ['none.bin'])))
  await rejects('ERR_FORMAT', /take 60 bytes, the files .* have more/, load(manifest(specs, ['weights.bin', 'weights.bin'])))
  await rejects('ERR_FORMAT', /take 48 bytes, the files .* have more/, load(manifest(specs.slice(0, 1))))
  await rejects('ERR_FORMAT', /has the shape/, load(manifest([{ ...specs[0], shape: [2 ** 40, 2 ** 40] }])))
  await rejects('ERR_FORMAT', /is 'string'/, load(manifest([{ ...specs[0], dtype: 'string' }])))
  await rejects('ERR_FORMAT', /has 2 weights .* the file has none/, load({ weightsManifest: [] }))
  const turned = [{ ...specs[0], shape: [3, 4] }, specs[1]!]
  await rejects('ERR_FORMAT', /is \[3,4\], the layer .* has \[4,3\]/, load(manifest(turned)))
  await rejects(
    'ERR_FORMAT',
    /weights that no layer of the model takes: other\/kernel/,
    load(manifest([...specs, { name: 'other/kernel', shape: [0], dtype: 'float32' }])),
  )
  await rejects('ERR_FORMAT', /graph model/, load({ format: 'graph-model' }))
  await rejects('ERR_FORMAT', /no modelTopology/, load({ modelTopology: undefined }))
  await rejects('ERR_FORMAT', /does not exist/, loadTfjs(path.join(folder, 'nowhere')))
  const circle = {
    class_name: 'Model',
    config: {
      name: 'm',
      layers: [
        { name: 'x', class_name: 'InputLayer', config: { name: 'x', batch_input_shape: [null, 2] }, inbound_nodes: [] },
        { name: 'a', ...dense('a', 2), inbound_nodes: [[['b', 0, 0, {}]]] },
        { name: 'b', ...dense('b', 2), inbound_nodes: [[['a', 0, 0, {}]]] },
      ],
      input_layers: [['x', 0, 0]],
      output_layers: [['b', 0, 0]],
    },
  }
  await rejects('ERR_FORMAT', /go round in a circle/, loadTfjs(await written('circle', { modelTopology: circle }, {})))
  const huge = { class_name: 'Sequential', config: { name: 's', layers: [dense('d', 1e9, [null, 1e6])] } }
  await rejects('ERR_FORMAT', /needs more weights than the file has/, loadTfjs(await written('huge', { modelTopology: huge }, {})))
})

test('exportTfjs refuses what TensorFlow.js lacks, all of it, before it writes', async () => {
  const x = input({ shape: [4, 4, 2] })
  const y = layers
    .gru({ units: 2 })
    .apply(layers.reshape({ targetShape: [4, 8] }).apply(layers.conv2d({ filters: 2, kernelSize: 1, groups: 2 }).apply(x)))
  const net = model({ inputs: x, outputs: layers.rmsNormalization().apply(y.sub(1)) })
  const out = path.join(folder, 'refused')
  const { message } = await rejection(net.exportTfjs(out))
  for (const part of [
    /has no groups: 2/,
    /no resetAfter: true/,
    /\(RmsNormalization\): there is no such layer/,
    /'sub' \(call\): it has no counterpart/,
  ])
    assert.match(message, part)
  assert.not(existsSync(out))
  await rejects('ERR_STATE', /before the weights exist/, sequential([layers.dense({ units: 1 })]).exportTfjs(out))
  await rejects('ERR_ARGUMENT', /shardBytes/, sequential([layers.dense({ units: 1, inputShape: [1] })]).exportTfjs(out, { shardBytes: 3 }))
})

test('names are unique in what is written, also of models in models', async () => {
  const inner = (): AnyModel => sequential([layers.dense({ units: 3, inputShape: [3], name: 'same' })])
  const net = sequential([layers.dense({ units: 3, inputShape: [3], name: 'same' }), inner(), inner()])
  const out = path.join(folder, 'names')
  await net.exportTfjs(out)
  const again = await loadTfjs(out)
  const x = tensor([[1, -2, 3]])
  close((await (again.apply(x) as Tensor).data()) as Float32Array, [...((await net.apply(x).data()) as Float32Array)], 1e-6)
})

/** Models made here, with the defaults of this library, that there are others of there. */
async function ownRows(): Promise<(Row & { net: AnyModel })[]> {
  const x = input({ shape: [6, 6, 2] })
  const h = layers.conv2d({ filters: 3, kernelSize: 3, activation: 'relu', padding: 'same' }).apply(x)
  const y = layers
    .batchNormalization()
    .apply(layers.depthwiseConv2d({ kernelSize: 2, strides: 2 }).apply(h.add(layers.leakyRelu().apply(h))))
  const inner = sequential([layers.dense({ units: 3, activation: 'elu', inputShape: [3] }), layers.layerNormalization()])
  const nets: Record<string, AnyModel> = {
    lstm: sequential([
      layers.embedding({ inputDim: 5, outputDim: 3, maskZero: true, inputShape: [4] }),
      layers.bidirectional({ layer: layers.lstm({ units: 2, returnSequences: true }) }),
      layers.lstm({ units: 3 }),
      layers.dense({ units: 2, activation: 'softmax', kernelRegularizer: 'l2' }),
    ]),
    gru: sequential([
      layers.gru({ units: 3, resetAfter: false, inputShape: [4, 2] }),
      layers.dropout({ rate: 0.5 }),
      layers.dense({ units: 1 }),
    ]),
    images: model({ inputs: x, outputs: [inner.apply(layers.globalAveragePooling2d().apply(y)), layers.flatten().apply(y)] }) as AnyModel,
  }
  const made = Object.entries(nets).map(async ([name, net]) => {
    const shape = [2, ...(net as unknown as { inputShape: number[] }).inputShape]
    const size = shape.reduce((a, b) => a * b, 1)
    const data = Array.from({ length: size }, (_, i) => (name === 'lstm' ? (i * 3) % 5 : Math.sin(i)))
    const found = await predictions(net, [{ shape, data }])
    const outputs = await Promise.all(found.map(async (t) => ({ shape: [...t.shape], data: [...((await t.data()) as Float32Array)] })))
    return { name: `own-${name}`, json: { modelTopology: {}, weightSpecs: [] }, weights: '', inputs: [{ shape, data }], outputs, net }
  })
  return Promise.all(made)
}

const peer = path.join(import.meta.dirname, '..', '..', '..', 'bench', 'node_modules', '@tensorflow', 'tfjs', 'dist', 'tf.node.js')
testWith(
  existsSync(peer),
  'TensorFlow.js in bench/ (npm install there)',
  'TensorFlow.js itself loads what is written, with equal predictions',
  async () => {
    const { default: tf } = (await import(pathToFileURL(peer).href)) as { default: never } as { default: Tf }
    await tf.setBackend('cpu')
    for (const row of [...rows, ...(await ownRows())]) {
      const net = 'net' in row ? (row.net as AnyModel) : await loadTfjs(await place(row))
      const out = path.join(folder, `${row.name}-there`)
      await net.exportTfjs(out)
      const json = JSON.parse(await readFile(path.join(out, 'model.json'), 'utf8')) as {
        modelTopology: object
        weightsManifest: { paths: string[]; weights: object[] }[]
      }
      const parts = await Promise.all((json.weightsManifest[0]?.paths ?? []).map((file) => readFile(path.join(out, file))))
      const bytes = Buffer.concat(parts)
      const there = await tf.loadLayersModel({
        load: async () => ({
          modelTopology: json.modelTopology,
          weightSpecs: json.weightsManifest[0]?.weights ?? [],
          weightData: Uint8Array.from(bytes).buffer,
        }),
      })
      const tensors = row.inputs.map(({ data, shape }) => tf.tensor(data, shape))
      const results = [there.apply(tensors.length === 1 ? tensors[0] : tensors)].flat()
      for (const [i, { data }] of row.outputs.entries()) close(results[i]!.dataSync(), data, 1e-5)
    }
  },
)
interface Tf {
  setBackend(name: string): Promise<boolean>
  tensor(data: number[], shape: number[]): { dataSync(): Float32Array }
  loadLayersModel(handler: object): Promise<{ apply(x: unknown): { dataSync(): Float32Array } | { dataSync(): Float32Array }[] }>
}

test.run()
