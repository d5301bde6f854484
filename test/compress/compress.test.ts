// compress(): pruning, fine-tuning and quantization in one call, its report, the command, and Fashion-MNIST.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compress, prune, quantize } from '../../lib/compress/index.js'
import { data as pipelines, datasets, gpt, layers, loadModel, safetensors, sequential, setSeed, type Tensor } from '../../lib/index.js'
import { rejects } from '../expect.js'
import { hasFashionMnist, testWith } from '../skip.js'
import { convolutional, scratch } from './models.js'

const folder = scratch()
const { net, x, y } = await convolutional()

test('a report of size, latency and accuracy, and a model that is half zeros in 8 bits', async () => {
  const { model, report } = await compress(net, { quantize: 'int8', prune: 0.5, data: { x, y }, epochs: 2 })
  assert.ok(report.ratio < 0.32, `${report.ratio}`)
  assert.ok(report.after.zeros >= 0.5 && report.before.zeros < 0.05)
  assert.ok(report.before.latency! > 0 && report.after.latency! > 0 && report.speedup! > 0)
  assert.is(report.rows, 64)
  assert.is(report.size.after / report.size.before, report.ratio)
  assert.is(report.latency!.before / report.latency!.after, report.speedup)
  assert.is(report.accuracy!.after, report.after.figures!['accuracy'])
  assert.ok(Math.abs(report.after.figures!['accuracy']! - (await model.evaluate(x, y)).accuracy) < 1e-6)
  assert.ok(Math.abs(report.before.figures!['accuracy']! - (await net.evaluate(x, y)).accuracy) < 1e-6)
  const lines = String(report).split('\n')
  assert.equal(
    lines.map((line) => line.split('  ')[0]!.trim()),
    ['', 'size', 'zeros', 'latency, 64 rows', 'loss', 'accuracy'],
  )
  assert.match(lines[1]!, /kB .*kB .*0\.\d\d×$/)
  assert.is(model.layers[0]!.className, 'QuantizedConv2d')
})

test('every way: names, options, batches, no data, language models', async () => {
  const kinds = ['int8', 'int4', 'bfloat16', 'float16'] as const
  for (const kind of kinds) assert.ok((await compress(net, { quantize: kind })).report.ratio < 1)
  const batches = pipelines.from(x, y).batch(64)
  const { report } = await compress(net, { quantize: { calibration: 'percentile' }, data: batches })
  assert.ok(report.after.figures!['accuracy']! > 0.5)
  const smaller = await compress(net, { prune: { sparsity: 0.5, structured: 'channels' }, data: { x, y } })
  assert.ok(smaller.report.after.parameters < 0.5 * smaller.report.before.parameters)
  const language = gpt({ vocabularySize: 50, sequenceLength: 8, numLayers: 1, numHeads: 2, hiddenDim: 32 })
  const plain = await compress(language, { quantize: 'int4' })
  assert.is(plain.report.after.latency, undefined)
  assert.not.match(String(plain.report), /latency|accuracy/)
  await rejects('ERR_ARGUMENT', /nothing to do/, compress(net))
  await rejects('ERR_ARGUMENT', /must be one of int8/, compress(net, { quantize: 'int2' as never }))
  await rejects('ERR_ARGUMENT', /a schedule of pruning needs/, compress(net, { prune: { sparsity: 0.5, schedule: 'polynomial' } }))
})

const command = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [path.join(import.meta.dirname, '..', '..', 'lib', 'cli', 'weftjs.js'), 'compress', ...args], {
    encoding: 'utf8',
  })

test('weftjs compress writes the smaller model and prints the report', async () => {
  const [from, to, file] = [`${folder}-from`, `${folder}-to`, `${folder}-data.safetensors`]
  await net.save(from)
  await safetensors.save(file, { x, y })
  const { status, stdout, stderr } = command(from, to, '--quantize', 'int8', '--data', file, '--skip', 'dense_1')
  assert.is(status, 0, stderr)
  assert.match(stdout, /size .*kB.*\n.*zeros[\s\S]*accuracy[\s\S]*is written to/)
  const small = await loadModel(to)
  assert.is(small.layers[0]!.className, 'QuantizedConv2d')
  assert.is(small.getLayer('dense_1').className, 'Dense')
  const onnx = `${folder}.onnx`
  assert.is(command(from, onnx, '--quantize', 'float16').status, 0)
  assert.ok(statSync(onnx).size > 1000)
  for (const wrong of [
    [from],
    [from, to],
    [from, to, '--prune', 'half'],
    [from, to, '--prune', '0.5', '--skip', 'dense'],
    [from, to, '--quantise', 'int8'],
    [from, `${from}/`, '--quantize', 'int8'],
  ])
    assert.is(command(...wrong).status, 2, wrong.join(' '))
  assert.is(command(from, to, '--quantize', 'int2').status, 1)
  assert.is(command(from, to, '--quantize', 'int8', '--epochs', '2').status, 1)
  assert.match(command('--help').stdout, /^Usage: weftjs compress <model> <out>/)
})

testWith(hasFashionMnist, "Debian's dataset-fashion-mnist", 'Fashion-MNIST: int8 and 80 % pruning cost what they may', async () => {
  setSeed(1)
  const { train, test } = await datasets.fashionMnist()
  const [xs, ys] = [train.x.slice([0, 0, 0, 0], [4_000, 28, 28, 1]), train.y.slice([0], [4_000])]
  const fashion = sequential([
    layers.rescaling({ scale: 1 / 255, inputShape: [28, 28, 1] }),
    layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
    layers.flatten(),
    layers.dense({ units: 10, activation: 'softmax' }),
  ])
  fashion.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  await fashion.fit(xs, ys, { epochs: 1, batchSize: 32, verbose: 0 })
  const [xTest, yTest] = [test.x.slice([0, 0, 0, 0], [4_000, 28, 28, 1]), test.y.slice([0], [4_000])]
  const before = await fashion.evaluate(xTest, yTest, { batchSize: 64 })
  const small = await quantize(fashion, { data: xs })
  const after = await small.evaluate(xTest, yTest, { batchSize: 64 })
  assert.ok(after.accuracy >= before.accuracy - 0.005, `${before.accuracy} → ${after.accuracy}`)
  const sizeOf = async (model: { save(folder: string): Promise<void> }): Promise<number> => {
    await model.save(folder)
    return statSync(path.join(folder, 'weights.safetensors')).size
  }
  const ratio = (await sizeOf(small)) / (await sizeOf(fashion))
  assert.ok(ratio <= 0.27, `${ratio} of the file`)
  const pruning = prune(fashion, { sparsity: 0.8, schedule: 'polynomial' })
  await fashion.fit(xs, ys, { epochs: 1, batchSize: 32, verbose: 0, callbacks: [pruning] })
  const pruned = await fashion.evaluate(xTest, yTest, { batchSize: 64 })
  assert.ok(pruned.accuracy >= before.accuracy - 0.01, `${before.accuracy} → ${pruned.accuracy}`)
  assert.ok(Math.abs(pruning.sparsity - 0.8) < 1e-3)
  const zeros = (weight: Tensor): number => (weight.dataSync() as Float32Array).reduce((sum, value) => sum + Number(value === 0), 0)
  assert.is(zeros(fashion.weights[2]!), Math.round(0.8 * fashion.weights[2]!.size))
})

test.run()
