// Export of models from Hugging Face folders: every family, for several numbers of texts and steps.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadPretrained, type Tensor, tensor } from '../../lib/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { rejects } from '../expect.js'
import { values } from '../layers/check.js'
import { fixture } from '../pretrained/fixtures.js'
import { testWith } from '../skip.js'
import { agree, CHECKER, checkFiles, type Feed, hasChecker, hasRuntime, readModel, readsBack, RUNTIME, scratch } from './oracles.js'

const DECODERS = ['gpt2', 'llama', 'llama-bfloat16', 'mistral', 'qwen2', 'qwen3', 'gemma', 'gemma2', 'gemma3', 'rope-yarn', 'rope-llama3']
const ENCODERS = ['bert-classes', 'bert-encoder', 'bert-masked', 'distilbert-classes', 'roberta-masked', 'sentence']
const folder = scratch()
const fileOf = (name: string): string => path.join(folder, `${name}.onnx`)

const ids = (batch: number, steps: number): Tensor =>
  tensor(
    Int32Array.from({ length: batch * steps }, (_, i) => 3 + ((i * 7) % 9)),
    [batch, steps],
  )

const inputsOf = (name: string): string[] => readModel(fileOf(name)).graph!.input.map((port) => port.name)

/** Texts of different lengths, with the inputs that the file has. */
function texts(name: string): Feed[] {
  return [
    [1, 5],
    [3, 8],
  ].map(([batch, steps]) => {
    const tokenIds = ids(batch!, steps!)
    const paddingMask = tensor(Array.from({ length: batch! }, (_, i) => Array.from({ length: steps! }, (_, j) => j < steps! - i)))
    const all: Record<string, Tensor> = { tokenIds, segmentIds: tokenIds.mul(0), paddingMask }
    return Object.fromEntries(inputsOf(name).map((input) => [input, all[input]!]))
  })
}

interface Exported {
  readonly name: string
  readonly model: AnyModel
  readonly feeds: readonly Feed[]
}
const exported: Exported[] = []
const form = (feed: Feed): unknown => (Object.keys(feed).length === 1 ? Object.values(feed)[0] : feed)

test('every family is exported', async () => {
  for (const name of [...DECODERS, ...ENCODERS, 'vit']) {
    const { model } = await loadPretrained(fixture(name))
    await (model as AnyModel).exportOnnx(fileOf(name))
    const { inputShape } = model as unknown as { inputShape: readonly number[] }
    const feeds = DECODERS.includes(name)
      ? [{ ids: ids(1, 5) }, { ids: ids(3, 8) }]
      : name === 'vit'
        ? [{ x: values([2, ...inputShape], 1) }]
        : texts(name)
    exported.push({ name, model: model as AnyModel, feeds })
  }
  assert.equal(inputsOf('bert-encoder'), ['tokenIds', 'segmentIds', 'paddingMask'])
  assert.equal(inputsOf('distilbert-classes'), ['tokenIds', 'paddingMask'])
})

test('positions that depend on the length of the text are refused', async () => {
  const { model } = await loadPretrained(fixture('rope-longrope'))
  await rejects('ERR_ARGUMENT', /a constant that differs from size to size/, (model as AnyModel).exportOnnx(fileOf('rope-longrope')))
})

test('importOnnx reads every family back', async () => {
  for (const { name, model, feeds } of exported)
    await readsBack(model, fileOf(name), feeds, form).catch((error: Error) => assert.unreachable(`${name}: ${error.message}`))
})

testWith(hasChecker, CHECKER, 'the checker accepts every family', () => {
  assert.is(checkFiles(exported.map(({ name }) => fileOf(name))), exported.length)
})

testWith(hasRuntime, RUNTIME, 'onnxruntime computes every family alike', async () => {
  for (const { name, model, feeds } of exported)
    await agree(model, fileOf(name), feeds, form).catch((error: Error) => assert.unreachable(`${name}: ${error.message}`))
})

test.run()
