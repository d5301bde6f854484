// exportOnnx as a call: options, errors that list everything, files that are put in place as a whole.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defineOp, importOnnx, input, jit, model, randomNormal, sequential, type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { readModelFile } from '../../lib/onnx/model_file.js'
import { storedTensor } from '../../lib/onnx/stored_tensor.js'
import type { AnyModel } from '../../lib/model/model.js'
import { rejection, rejects } from '../expect.js'
import { testWith } from '../skip.js'
import { agree, CHECKER, checkFiles, hasChecker, hasRuntime, readModel, readsBack, RUNTIME, scratch } from './oracles.js'

const folder = scratch()
const at = (name: string): string => path.join(folder, name)

const small = (): AnyModel => sequential([layers.dense({ units: 2, inputShape: [3] })])
/** Its weights are large enough to be put into a file of their own. */
const wide = (): AnyModel => sequential([layers.dense({ units: 300, inputShape: [20], activation: 'relu' }), layers.dense({ units: 7 })])

/** A weight in a file, wherever its values are. */
async function weightIn(file: string, name: string): Promise<Float32Array> {
  const { model: read } = await readModelFile(file)
  const found = read.graph!.initializer.find((one) => one.name === name)
  assert.ok(found, name)
  const { bytes } = storedTensor(found!, name)
  return new Float32Array(bytes.slice().buffer)
}

test('the line of the documentation', async () => {
  await small().exportOnnx(at('digits.onnx'), { opset: 17 })
  const read = readModel(at('digits.onnx'))
  assert.is(read.irVersion, 8n)
  assert.equal(
    read.opsetImport.map(({ domain, version }) => [domain, version]),
    [['', 17n]],
  )
  assert.is(read.producerName, 'weftjs')
})

test('each version of the operators is written as such', async () => {
  for (const [opset, irVersion] of [
    [18, 8n],
    [19, 9n],
    [20, 9n],
    [21, 10n],
  ] as const) {
    await small().exportOnnx(at('versions.onnx'), { opset })
    const read = readModel(at('versions.onnx'))
    assert.is(read.irVersion, irVersion)
    assert.is(read.opsetImport[0]!.version, BigInt(opset))
  }
})

test('options that are wrong', async () => {
  const net = small()
  await rejects('ERR_ARGUMENT', /opset must be 17 to 21, got 16/, net.exportOnnx(at('no.onnx'), { opset: 16 }))
  await rejects('ERR_ARGUMENT', /opset must be 17 to 21, got 22/, net.exportOnnx(at('no.onnx'), { opset: 22 }))
  await rejects('ERR_ARGUMENT', /opset is an integer, got 17.5/, net.exportOnnx(at('no.onnx'), { opset: 17.5 }))
  await rejects('ERR_ARGUMENT', /maxLength must be a positive integer, got 0/, net.exportOnnx(at('no.onnx'), { maxLength: 0 }))
  await rejects('ERR_ARGUMENT', /unknown option 'version'/, net.exportOnnx(at('no.onnx'), { version: 17 } as never))
  await rejects('ERR_ARGUMENT', /expected the name of a file/, net.exportOnnx(3 as never))
  await rejects('ERR_ARGUMENT', /at most 2/, (net.exportOnnx as (...args: unknown[]) => Promise<void>)(at('no.onnx'), {}, {}))
  assert.not.ok(existsSync(at('no.onnx')))
})

test('a model that is not built, and a call inside a traced function', async () => {
  await rejects('ERR_STATE', /before the weights exist/, sequential([layers.dense({ units: 2 })]).exportOnnx(at('no.onnx')))
  const net = small()
  let pending: Promise<void> | undefined
  jit(() => {
    pending = net.exportOnnx(at('no.onnx'))
    return tensor(1)
  })()
  await rejects('ERR_TRACE', /being traced/, pending!)
})

test('a model that was built by its first data', async () => {
  const net = sequential([layers.dense({ units: 2 })])
  await net.predict(randomNormal([4, 3]))
  await net.exportOnnx(at('late.onnx'))
  assert.ok(readModel(at('late.onnx')).graph)
})

const unknown = defineOp({ name: 'test.unknown', shape: ([x]) => x! })

test('everything that cannot be exported is told at once, with its layers', async () => {
  const x = input({ shape: [3], name: 'x' })
  const noisy = layers.dropout({ rate: 0.5, name: 'noisy' }).apply(x, { training: true })
  const product = layers.lambda((t: Tensor) => t.cumProd(1), { name: 'product' }).apply(noisy)
  const mine = layers.lambda((t: Tensor) => unknown([t], {}) as Tensor, { name: 'mine' }).apply(product)
  const error = await rejection(model({ inputs: x, outputs: layers.dense({ units: 2 }).apply(mine) }).exportOnnx(at('no.onnx')))
  assert.is(error.code, 'ERR_ARGUMENT')
  assert.match(error.message, /3 things/)
  assert.match(error.message, /dropout in layer 'noisy': it draws random numbers/)
  assert.match(error.message, /cumProd in layer 'product': ONNX has no such operator/)
  assert.match(error.message, /test\.unknown in layer 'mine': ONNX has no such operator/)
})

test('a stateful layer, and one that writes to its variables', async () => {
  const stateful = sequential([layers.lstm({ units: 2, stateful: true, name: 'memory', inputShape: [4, 3] })])
  await rejects('ERR_ARGUMENT', /layer 'memory' is stateful/, stateful.exportOnnx(at('no.onnx')))
  class Counting extends layers.Layer {
    count = this.addWeight({ name: 'count', shape: [], initializer: 'zeros', trainable: false })
    call(x: Tensor): Tensor {
      this.count.assign(this.count.add(1))
      return x.mul(this.count)
    }
  }
  const counting = sequential([new Counting({ inputShape: [3] }), layers.dense({ units: 1 })])
  await rejects('ERR_ARGUMENT', /writes to the variable 'counting\/count'/, counting.exportOnnx(at('no.onnx')))
})

test('bfloat16 is refused: most operators do not take it', async () => {
  const net = sequential([layers.dense({ units: 2, dtype: 'bfloat16', inputShape: [3] })])
  await rejects('ERR_ARGUMENT', /bfloat16/, net.exportOnnx(at('no.onnx')))
})

test('values are those at the time of the call', async () => {
  const net = wide()
  const before = (await net.weights[0]!.data()) as Float32Array
  const exporting = net.exportOnnx(at('now.onnx'))
  net.setWeights(net.weights.map((w) => w.mul(0)))
  await exporting
  assert.equal(await weightIn(at('now.onnx'), net.weights[0]!.name), before)
})

test('weights in a file beside the model', async () => {
  const net = wide()
  await net.exportOnnx(at('apart.onnx'), { externalData: true })
  const beside = (): string[] => readdirSync(folder).filter((name) => name.startsWith('apart-'))
  const [data] = beside()
  assert.match(data!, /^apart-[0-9a-f]{12}\.data$/)
  assert.is(statSync(at(data!)).size % 4, 0)
  assert.equal(await weightIn(at('apart.onnx'), net.weights[0]!.name), await net.weights[0]!.data())
  // another model in its place: the old data go, once the new model is there
  const other = wide()
  await other.exportOnnx(at('apart.onnx'), { externalData: true })
  assert.is(beside().length, 1)
  assert.not.equal(beside(), [data])
  assert.equal(await weightIn(at('apart.onnx'), other.weights[0]!.name), await other.weights[0]!.data())
  await net.exportOnnx(at('apart.onnx'))
  assert.equal(beside(), [])
})

testWith(hasChecker, CHECKER, 'the checker reads data beside the model', async () => {
  await wide().exportOnnx(at('checked.onnx'), { externalData: true })
  assert.is(checkFiles([at('checked.onnx')]), 1)
})

testWith(hasRuntime, RUNTIME, 'onnxruntime reads data beside the model', async () => {
  const net = wide()
  await net.exportOnnx(at('run.onnx'), { externalData: true })
  await agree(net, at('run.onnx'), [{ x: randomNormal([3, 20]) }])
})

test('what was there stays when an export fails', async () => {
  const net = wide()
  const place = at('kept')
  mkdirSync(place)
  await net.exportOnnx(path.join(place, 'm.onnx'), { externalData: true })
  const files = readdirSync(place)
  const before = files.map((name) => readFileSync(path.join(place, name)))
  const failing = wide()
  // values that cannot be read any more stop the export in the middle
  const exporting = failing.exportOnnx(path.join(place, 'm.onnx'), { externalData: true })
  const { Kept } = await import('../../lib/core/keep.js')
  const read = Kept.prototype.read
  Kept.prototype.read = async () => {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC', syscall: 'write' })
  }
  try {
    const error = await rejection(exporting)
    assert.match(error.message, /exportOnnx/)
  } finally {
    Kept.prototype.read = read
  }
  assert.equal(readdirSync(place), files)
  assert.equal(
    files.map((name) => readFileSync(path.join(place, name))),
    before,
  )
})

test('places: folders are made, URLs and links followed, folders and devices refused', async () => {
  const net = small()
  await net.exportOnnx(at('new/deep/m.onnx'))
  assert.ok(existsSync(at('new/deep/m.onnx')))
  await net.exportOnnx(pathToFileURL(at('url.onnx')))
  assert.ok(existsSync(at('url.onnx')))
  symlinkSync(at('target.onnx'), at('link.onnx'))
  await net.exportOnnx(at('link.onnx'))
  assert.ok(statSync(at('target.onnx')).isFile())
  mkdirSync(at('folder.onnx'))
  assert.is((await rejection(net.exportOnnx(at('folder.onnx')))).code, 'ERR_ARGUMENT')
  await rejects('ERR_ARGUMENT', /a device, not a regular file/, net.exportOnnx('/dev/null'))
  writeFileSync(at('old.onnx'), 'something else')
  await net.exportOnnx(at('old.onnx'))
  assert.ok(readModel(at('old.onnx')).graph)
  assert.equal(
    readdirSync(folder).filter((name) => name.startsWith('.weft')),
    [],
  )
})

test('exports to one place follow each other', async () => {
  const nets = Array.from({ length: 4 }, small)
  await Promise.all(nets.map((net) => net.exportOnnx(at('many.onnx'))))
  assert.equal(await weightIn(at('many.onnx'), nets[3]!.weights[0]!.name), await nets[3]!.weights[0]!.data())
})

test('one value as two outputs, an input as an output, an output named as an input', async () => {
  const x = input({ shape: [3], name: 'x' })
  const y = layers.dense({ units: 2, name: 'x_dense' }).apply(x)
  const net = model({ inputs: { x }, outputs: { x: y, twice: y, same: x } })
  await net.exportOnnx(at('names.onnx'))
  const { graph } = readModel(at('names.onnx'))
  assert.equal(
    graph!.output.map(({ name }) => name),
    ['x_output_0', 'twice', 'same'],
  )
  if (hasRuntime) await agree(net as AnyModel, at('names.onnx'), [{ x: randomNormal([2, 3]) }], (feed) => feed)
})

test('a network that was read is written again, with what it has learned', async () => {
  await wide().exportOnnx(at('given.onnx'))
  const net = await importOnnx(at('given.onnx'))
  net.compile({ optimizer: 'sgd', loss: 'mse' })
  const x = randomNormal([8, 20])
  await net.fit(x, randomNormal([8, 7]), { epochs: 1, verbose: 0 })
  await net.exportOnnx(at('tuned.onnx'))
  await readsBack(net as AnyModel, at('tuned.onnx'), [{ x }])
})

test('tracing leaves nothing behind: the model computes as before, and exporting twice gives the same file', async () => {
  const net = sequential([layers.lstm({ units: 3, inputShape: [null, 2] }), layers.dropout({ rate: 0.2 }), layers.dense({ units: 1 })])
  const x = randomNormal([2, 5, 2])
  const before = await (await net.predict(x)).data()
  await net.exportOnnx(at('once.onnx'))
  await net.exportOnnx(at('again.onnx'))
  assert.equal(readFileSync(at('once.onnx')), readFileSync(at('again.onnx')))
  assert.equal(await (await net.predict(x)).data(), before)
  rmSync(at('once.onnx'))
})

test.run()
