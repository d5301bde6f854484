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
  safetensors,
  savePretrained,
  type Tensor,
  tensor,
} from '../../lib/index.js'
import { ImageProcessor } from '../../lib/pretrained/image_processor.js'
import { near, rejects, throws } from '../expect.js'
import { distance, expectedOf, fixture } from './fixtures.js'

interface Expected {
  ids: number[][]
  segments: number[][]
  mask: number[][]
  output: number[]
  whole?: number[][]
  y?: number[] | number[][]
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
    const { ids, segments, mask, output, whole, y, losses: curve } = await expectedOf<Expected>(name)
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
        const figures = await model.trainOnBatch({ ...alone, tokenIds: int32(whole!) } as never, y!)
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

test('images are rescaled and normalized as the folder says', async () => {
  const processor = new ImageProcessor(
    { do_rescale: true, do_resize: true, size: { height: 2, width: 1 }, image_mean: [0.5, 0.25], image_std: [0.5, 2] },
    'file',
  )
  const pixels = tensor(Uint8Array.of(0, 255, 51, 102), [1, 2, 1, 2])
  await near(processor.apply(pixels), [-1, 0.375, -0.6, 0.075], 1e-6)
  throws('ERR_SHAPE', /Resize them to 2 × 1/, () => processor.apply(tensor(new Uint8Array(8), [1, 2, 2, 2])))
  throws('ERR_FORMAT', /do_pad: true is not supported/, () => new ImageProcessor({ do_pad: true }, 'file'))
  throws('ERR_FORMAT', /image_mean must be a list/, () => new ImageProcessor({ image_mean: 'x' }, 'file'))
})

test('names of old files: without the family, gamma and beta, masks that are no weights', async () => {
  const place = await mkdtemp(path.join(headless, 'old-'))
  for (const [base, rename] of [
    ['gpt2', (name: string) => name.replace(/^transformer\./, '')],
    ['bert-classes', (name: string) => name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta')],
  ] as const) {
    const file = await safetensors.open(path.join(fixture(base), 'model.safetensors'))
    const buffers: Record<string, Tensor> =
      base === 'gpt2' ? { 'h.0.attn.bias': tensor([[1]]) } : { 'bert.embeddings.position_ids': tensor([[0, 1]], { dtype: 'int32' }) }
    await safetensors.save(path.join(place, 'model.safetensors'), {
      ...Object.fromEntries(file.names.map((name) => [rename(name), file.get(name)])),
      ...buffers,
    })
    await copyFile(path.join(fixture(base), 'config.json'), path.join(place, 'config.json'))
    const [old, model] = [(await loadPretrained(place)).model, (await loadPretrained(fixture(base))).model]
    const ids = int32([[3, 4, 5]])
    assert.equal(await old.apply(ids).data(), await model.apply(ids).data(), base)
    await savePretrained(old, path.join(place, 'again'))
    const again = await safetensors.open(path.join(place, 'again'))
    assert.equal([...again.names].sort(), file.names.map(rename).sort())
    for (const one of [old, model]) one.dispose()
    await file.close()
  }
})

test('a new head on weights that lack it, when it is asked for', async () => {
  const options = { task: 'tokenClassification', numLabels: 5 } as const
  await rejects('ERR_FORMAT', /'classifier.weight' has shape \[3,16\]/, loadPretrained(fixture('bert-tokens'), options))
  await rejects('ERR_FORMAT', /lacks 2 tensors.*task: 'tokenClassification'/, loadPretrained(headless))
  const { model, fresh, unused } = await loadPretrained<PretrainedEncoder>(fixture('bert-masked'), options)
  assert.equal([...fresh].sort(), ['classifier.bias', 'classifier.weight'])
  assert.ok(unused.every((name) => name.startsWith('cls.')))
  assert.equal(model.apply(int32([[5, 6, 7]])).shape, [1, 3, 5])
  const pooled = await loadPretrained(fixture('bert-masked'), { task: 'sequenceClassification' })
  assert.equal([...pooled.fresh].sort(), ['bert.pooler.dense.bias', 'bert.pooler.dense.weight', 'classifier.bias', 'classifier.weight'])
  pooled.model.dispose()
  const kernel = model.fileWeights().get('classifier.weight')!
  assert.ok((await kernel.data()).some((x) => x !== 0))
  model.dispose()
})

test.run()
