// Text encoders and the vision transformer of Hugging Face folders beside an oracle in PyTorch: outputs and training.
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type EncoderEncoding,
  loadPretrained,
  losses,
  optimizers,
  type PretrainedEncoder,
  type PretrainedVit,
  type Tensor,
  tensor,
} from '../../lib/index.js'
import { rejects } from '../expect.js'
import { distance, expectedOf, fixture } from './fixtures.js'

interface Expected {
  ids: number[][]
  segments: number[][]
  mask: number[][]
  output: number[]
  y?: number[]
  losses?: number[]
}

const NAMES = [
  'bert-classes',
  'bert-tokens',
  'bert-masked',
  'bert-encoder',
  'sentence',
  'roberta-classes',
  'roberta-masked',
  'distilbert-classes',
  'distilbert-masked',
]
const int32 = (values: number[][]): Tensor => tensor(values, { dtype: 'int32' })

/** Compiled as the oracle trains. */
const adam = () => ({
  optimizer: optimizers.adam({ learningRate: 1e-3 }),
  loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
})

for (const name of NAMES) {
  test(name, async () => {
    const { ids, segments, mask, output, y, losses: curve } = await expectedOf<Expected>(name)
    const { model } = await loadPretrained<PretrainedEncoder<Tensor | EncoderEncoding>>(fixture(name))
    const inputs = {
      tokenIds: int32(ids),
      paddingMask: int32(mask),
      ...(name.startsWith('distilbert') ? {} : { segmentIds: int32(segments) }),
    }
    const found = model.apply(inputs)
    const values = name === 'bert-encoder' ? (found as EncoderEncoding).sequenceOutput : (found as Tensor)
    const error = await distance(values, output)
    assert.ok(error < 1e-4, `outputs differ by ${error}`)
    // padding alone tells the mask
    const { paddingMask: _, ...alone } = inputs
    const again = model.apply(alone)
    const implied = name === 'bert-encoder' ? (again as EncoderEncoding).sequenceOutput : (again as Tensor)
    assert.equal(await implied.data(), await values.data())
    if (curve) {
      model.compile(adam())
      for (const [step, loss] of curve.entries()) {
        const figures = await model.trainOnBatch(inputs as never, y!)
        assert.ok(Math.abs(figures.loss - loss) < 1e-4, `step ${step}: loss ${figures.loss}, expected ${loss}`)
      }
    }
    model.dispose()
  })
}

test('a pooled vector where the files have a pooler', async () => {
  const { model } = await loadPretrained<PretrainedEncoder<EncoderEncoding>>(fixture('bert-encoder'))
  assert.equal(model.outputNames, ['sequenceOutput', 'pooledOutput'])
  assert.equal(model.apply(int32([[5, 6]])).pooledOutput!.shape, [1, 16])
  model.dispose()
})

test('vectors of sentences have length 1', async () => {
  const { model } = await loadPretrained<PretrainedEncoder>(fixture('sentence'))
  const vectors = (await model.apply(int32([[5, 6, 7, 0]])).array()) as number[][]
  assert.ok(Math.abs(vectors[0]!.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-5)
  model.dispose()
})

test('vit', async () => {
  const expected = await expectedOf<{ images: number[]; y: number[]; output: number[]; losses: number[] }>('vit')
  const { model } = await loadPretrained<PretrainedVit>(fixture('vit'))
  const images = tensor(Float32Array.from(expected.images), [3, 8, 8, 3])
  const error = await distance(model.apply(images), expected.output)
  assert.ok(error < 1e-4, `logits differ by ${error}`)
  model.compile(adam())
  for (const [step, loss] of expected.losses.entries()) {
    const figures = await model.trainOnBatch(images, expected.y)
    assert.ok(Math.abs(figures.loss - loss) < 1e-4, `step ${step}: loss ${figures.loss}, expected ${loss}`)
  }
  model.dispose()
})

/** A folder whose config asks for a head that its weights lack. */
const headless = await mkdtemp(path.join(os.tmpdir(), 'weft-headless-'))
test.after(() => rm(headless, { recursive: true }))
await copyFile(path.join(fixture('bert-masked'), 'model.safetensors'), path.join(headless, 'model.safetensors'))
await copyFile(path.join(fixture('bert-tokens'), 'config.json'), path.join(headless, 'config.json'))

test('a new head on weights that lack it, when it is asked for', async () => {
  const options = { task: 'tokenClassification', numLabels: 5 } as const
  await rejects('ERR_FORMAT', /'classifier.weight' has shape \[3,16\]/, loadPretrained(fixture('bert-tokens'), options))
  await rejects('ERR_FORMAT', /lacks 2 tensors.*task: 'tokenClassification'/, loadPretrained(headless))
  const { model, fresh, unused } = await loadPretrained<PretrainedEncoder>(fixture('bert-masked'), options)
  assert.equal([...fresh].sort(), ['classifier.bias', 'classifier.weight'])
  assert.ok(unused.every((name) => name.startsWith('cls.')))
  assert.equal(model.apply(int32([[5, 6, 7]])).shape, [1, 3, 5])
  const kernel = model.fileWeights().get('classifier.weight')!
  assert.ok((await kernel.data()).some((x) => x !== 0))
  model.dispose()
})

test.run()
