// Loaded models are written again as they were read: names, shapes, dtypes and bits; and saved as models of our own.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  loadModel,
  loadPretrained,
  type PretrainedDecoder,
  type PretrainedModel,
  safetensors,
  savePretrained,
  type Tensor,
  tensor,
} from '../../lib/index.js'
import { expectedOf, fixture } from './fixtures.js'
import { rejects } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-pretrained-'))
test.after(() => rm(folder, { recursive: true }))

const bytesOf = async (place: string): Promise<Map<string, string>> => {
  const file = await safetensors.open(place)
  const found = new Map<string, string>()
  for (const name of file.names) {
    const t = file.get(name)
    found.set(name, `${file.info(name).type} [${t.shape}] ${Buffer.from(t.held().view()).toString('hex')}`)
  }
  await file.close()
  return found
}

for (const name of [
  'gpt2',
  'llama',
  'llama-bfloat16',
  'qwen2',
  'gemma3',
  'bert-classes',
  'bert-encoder',
  'roberta-masked',
  'distilbert-classes',
  'vit',
]) {
  test(`${name} is written as it was read, bit for bit`, async () => {
    const place = path.join(folder, name)
    const { model } = await loadPretrained<PretrainedModel<Tensor, Tensor>>(fixture(name), { dtype: 'auto' })
    await savePretrained(model, place)
    assert.equal(await bytesOf(place), await bytesOf(fixture(name)))
    const config = async (dir: string): Promise<Record<string, unknown>> =>
      JSON.parse(await readFile(path.join(dir, 'config.json'), 'utf8'))
    const { torch_dtype: _, ...written } = await config(place)
    const { torch_dtype: __, ...read } = await config(fixture(name))
    assert.equal(written, read)
    model.dispose()
  })
}

test('in shards, and again in one file', async () => {
  const place = path.join(folder, 'shards')
  const { model } = await loadPretrained(fixture('gpt2'))
  await savePretrained(model, place, { maxShardBytes: 10_000 })
  const sharded = await bytesOf(place)
  assert.equal(sharded, await bytesOf(fixture('gpt2')))
  await savePretrained(model, place, { maxShardBytes: 1e9 })
  assert.equal(await bytesOf(place), sharded)
  await rejects('ERR_FORMAT', /cannot be read/, safetensors.open(path.join(place, 'model.safetensors.index.json')))
  model.dispose()
})

test('bfloat16 in memory computes in float32', async () => {
  const { model } = await loadPretrained(fixture('llama-bfloat16'), { dtype: 'bfloat16' })
  const wide = await loadPretrained(fixture('llama-bfloat16'))
  assert.ok(model.weights.every((weight) => weight.dtype === 'bfloat16'))
  const ids = tensor((await expectedOf<{ ids: number[][] }>('llama-bfloat16')).ids, { dtype: 'int32' })
  assert.equal(await model.apply(ids).data(), await wide.model.apply(ids).data())
  model.compile({ optimizer: 'sgd', loss: 'mse' })
  await rejects('ERR_DTYPE', /weights of bfloat16 are not trained/, model.fit([[1, 2]], [[2, 3]], { verbose: 0 }))
  await rejects('ERR_DTYPE', /weights of bfloat16 are not trained/, model.trainOnBatch([[1, 2]], [[2, 3]]))
  model.dispose()
  wide.model.dispose()
})

test('save() and loadModel() keep a loaded model too', async () => {
  const place = path.join(folder, 'own')
  const { model } = await loadPretrained(fixture('llama'))
  await model.save(place)
  const again = (await loadModel(place)) as unknown as PretrainedDecoder
  const ids = tensor([[1, 2, 3]], { dtype: 'int32' })
  assert.equal(await again.apply(ids).data(), await model.apply(ids).data())
  await savePretrained(again, path.join(folder, 'own-again'))
  assert.equal(await bytesOf(path.join(folder, 'own-again')), await bytesOf(fixture('llama')))
  model.dispose()
  again.dispose()
})

test.run()
