// weftjs info: the summary of a saved model, from a process that knows nothing but the folder.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as convert from '../../lib/cli/convert.js'
import * as infoCommand from '../../lib/cli/info.js'
import { layers, loadModel, sequential } from '../../lib/index.js'

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
const scratch = mkdtempSync(path.join(tmpdir(), 'weft-info-'))
test.after(() => rmSync(scratch, { recursive: true }))

const models = path.join(path.dirname(program), '../../../test/io/keras')

const info = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [program, 'info', ...args], { encoding: 'utf8' })

test('the command is a program by itself, as npx runs it in a checkout', () => {
  const { status, stdout } = spawnSync(program, ['--help'], { encoding: 'utf8' })
  assert.is(status, 0)
  assert.match(stdout, /weftjs <command>/)
})

test('prints the layers and parameters of a saved model', async () => {
  const folder = path.join(scratch, 'digits')
  const net = sequential([
    layers.dense({ units: 5, activation: 'relu', inputShape: [3], name: 'first' }),
    layers.dense({ units: 2, name: 'second' }),
  ])
  await net.save(folder, { assets: { names: ['ham', 'spam'] } })
  const text = info(folder)
  assert.is(text.status, 0, text.stderr)
  for (const part of [/first/, /second/, /\b32\b/, /^Assets: names$/m]) assert.match(text.stdout, part)
  const report = JSON.parse(info(folder, '--json').stdout) as {
    layers: string[]
    parameters: number
    weights: { shape: number[]; dtype: string }[]
  }
  assert.equal(report.layers, ['first', 'second'])
  assert.is(report.parameters, net.countParams())
  assert.equal(
    report.weights.map(({ shape, dtype }) => [shape, dtype]),
    [
      [[3, 5], 'float32'],
      [[5], 'float32'],
      [[5, 2], 'float32'],
      [[2], 'float32'],
    ],
  )
})

/** A command in this process: what it prints, or the error it throws. */
async function inProcess(
  command: { run(args: string[]): Promise<number> },
  ...args: string[]
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const lines: string[] = []
  const { log } = console
  console.log = (line: string) => void lines.push(line)
  try {
    const status = await command.run(args)
    return { status, stdout: lines.join('\n'), stderr: '' }
  } catch (error) {
    return { status: null, stdout: '', stderr: (error as Error).message }
  } finally {
    console.log = log
  }
}

test('each format: inputs, outputs, bytes and operations; convert writes one as another', async () => {
  const folder = path.join(scratch, 'convert')
  const net = sequential([
    layers.dense({ units: 5, activation: 'relu', inputShape: [3], name: 'first' }),
    layers.dense({ units: 2, name: 'second' }),
  ])
  await net.save(folder)
  const tfjs = path.join(scratch, 'tfjs', 'model.json')
  const weights = path.join(scratch, 'w.safetensors')
  const back = path.join(scratch, 'back')
  const first = spawnSync(process.execPath, [program, 'convert', folder, tfjs], { encoding: 'utf8' })
  assert.is(first.status, 0, first.stderr)
  assert.match(first.stdout, /is written to .*model\.json \(layers model of TensorFlow\.js\)/)
  for (const [from, to] of [
    [tfjs, back],
    [path.join(models, 'images.keras'), path.join(scratch, 'images')],
    [folder, weights],
  ] as const) {
    const { status, stderr } = await inProcess(convert, from, to)
    assert.is(status, 0, stderr)
  }
  for (const [place, format] of [
    [folder, 'weft'],
    [tfjs, 'tfjs'],
    [path.dirname(tfjs), 'tfjs'],
    [back, 'weft'],
  ] as const) {
    const report = JSON.parse((await inProcess(infoCommand, place, '--json')).stdout) as Record<string, unknown>
    assert.is(report['format'], format)
    assert.is(report['parameters'], 32)
    assert.ok((report['bytes'] as number) >= 32 * 4)
    // 2 · 3 · 5 and 2 · 5 · 2, and some for biases and the activation
    assert.ok((report['flops'] as number) >= 50 && (report['flops'] as number) < 100, String(report['flops']))
    assert.equal((report['inputs'] as { shape: unknown }[])[0]!.shape, [null, 3])
    assert.equal((report['outputs'] as { shape: unknown }[])[0]!.shape, [null, 2])
  }
  const onnx = path.join(scratch, 'net.onnx')
  assert.is((await inProcess(convert, tfjs, onnx)).status, 0)
  const graph = JSON.parse((await inProcess(infoCommand, onnx, '--json')).stdout) as Record<string, unknown>
  assert.is(graph['format'], 'onnx')
  assert.is(graph['parameters'], 32)
  const again = await loadModel(back)
  for (const [i, weight] of again.weights.entries()) assert.equal(await weight.data(), await net.weights[i]!.data())
  assert.is((await loadModel(path.join(scratch, 'images'))).countParams(), 203)
  const keras = await inProcess(infoCommand, path.join(models, 'images.keras'))
  for (const part of [/conv2d/, /Format: file of Keras 3/, /Inputs: input float32 \[null, 7, 6, 2\]/, /Operations for one sample: [\d,]+/])
    assert.match(keras.stdout, part)
  const tensors = await inProcess(infoCommand, weights)
  assert.match(tensors.stdout, /first\/kernel {2}float32 \[3, 5\]/)
  assert.match(tensors.stdout, /4 tensors, 32 values/)
  assert.match((await inProcess(convert, weights, back)).stderr, /has weights but no structure/)
  assert.match(
    (await inProcess(convert, folder, back, '--to', 'keras')).stderr,
    /'keras' is not a format that is written; there are weft, tfjs/,
  )
  assert.match((await inProcess(convert, folder)).stderr, /takes two places/)
})

test('a folder without a model: exit code 1; wrong usage: 2', () => {
  const missing = info(path.join(scratch, 'none'))
  assert.is(missing.status, 1)
  assert.match(missing.stderr, /none/)
  assert.is(info().status, 2)
  assert.is(info('a', 'b').status, 2)
})

test.run()
