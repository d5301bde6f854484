// Pictures of explanations: attention maps, overlays, and the part of reports that says why, in a real browser.
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import sharp from 'sharp'
import {
  bert,
  datasets,
  gpt,
  input,
  layers,
  loadPretrained,
  type Model,
  model,
  optimizers,
  type Sequential,
  sequential,
  setSeed,
  softmax,
  tensor,
  type Tensor,
} from '../../lib/index.js'
import * as explain from '../../lib/explain/index.js'
import { heat } from '../../lib/explain/pictures/parts.js'
import { pngOf } from '../../lib/io/png.js'
import * as learn from '../../lib/learn/index.js'
import { close, generator, rejects } from '../expect.js'
import { checkSealed, checkWithoutColour, inBrowser } from '../sealed_page.js'
import { hasChromium } from '../serve/browser.js'
import { testWith } from '../skip.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
const HOSTILE = '<img src=x onerror="window.hacked=1">'
const next = generator(4)
const numbers = async (t: Tensor): Promise<number[]> => Array.from((await t.data()) as Float32Array)

test('png: what it holds is what was put in', async () => {
  const rgb = Uint8Array.from({ length: 5 * 7 * 3 }, () => Math.floor(next() * 256))
  const { data, info } = await sharp(pngOf(rgb, 7, 5))
    .raw()
    .toBuffer({ resolveWithObject: true })
  assert.equal([info.width, info.height, info.channels, ...data], [7, 5, 3, ...rgb])
})

test('attention maps: the softmax of queries by keys, with masks, over several batches', async () => {
  setSeed(1)
  const [batch, steps, features] = [5, 4, 6]
  const x = tensor(
    Float32Array.from({ length: batch * steps * features }, () => next() - 0.5),
    [batch, steps, features],
  )
  const inside = layers.multiHeadAttention({ numHeads: 2, keyDim: 3, name: 'looks' })
  const a = input({ shape: [steps, features] })
  const net = model({ inputs: a, outputs: layers.dense({ units: 1 }).apply(layers.flatten().apply(inside.apply(a))) })
  const maps = await explain.attentionMaps(net, x, { batchSize: 2 })
  assert.equal(
    maps.map(({ layer, weights }) => [layer, weights.shape]),
    [['looks', [5, 2, 4, 4]]],
  )
  const [queryKernel, queryBias, keyKernel, keyBias] = inside.getWeights() as [Tensor, Tensor, Tensor, Tensor]
  const heads = (kernel: Tensor, bias: Tensor): Tensor =>
    x
      .reshape([batch * steps, features])
      .matMul(kernel.reshape([features, 6]))
      .add(bias.reshape([6]))
      .reshape([batch, steps, 2, 3])
      .transpose([0, 2, 1, 3])
  const expected = softmax(
    heads(queryKernel, queryBias)
      .matMul(heads(keyKernel, keyBias).transpose([0, 1, 3, 2]))
      .div(Math.sqrt(3)),
  )
  close(await numbers(maps[0]!.weights), await numbers(expected), 1e-5)

  // what may not be looked at has no share
  const causal = gpt({ vocabularySize: 11, sequenceLength: 6, numLayers: 2, numHeads: 2, hiddenDim: 8 })
  const ids = tensor([[1, 2, 3, 4, 5]], { dtype: 'int32' })
  const ofGpt = await explain.attentionMaps(causal as never, ids)
  assert.is(ofGpt.length, 2)
  assert.equal(ofGpt[0]!.weights.shape, [1, 2, 5, 5])
  for (const { weights } of ofGpt) {
    const rows = (await weights.array()) as unknown as number[][][][]
    for (const head of rows[0]!)
      head.forEach((row, query) => {
        close([row.reduce((sum, w) => sum + w, 0)], [1], 1e-5)
        assert.ok(
          row.every((w, key) => (key > query ? w === 0 : w > 0)),
          `${row}`,
        )
      })
  }
  const reader = bert({ vocabularySize: 20, sequenceLength: 8, numLayers: 1, numHeads: 2, hiddenDim: 8 })
  const found = await explain.attentionMaps(reader as never, tensor([[1, 2, 3]], { dtype: 'int32' }))
  assert.equal(
    found.map(({ weights }) => weights.shape),
    [[1, 2, 3, 3]],
  )
  // models of folders
  const fixtures = path.join(import.meta.dirname, '..', '..', '..', 'test', 'pretrained', 'fixtures')
  for (const [name, x, shape] of [
    ['llama', ids, [1, 4, 5, 5]],
    ['vit', tensor(new Float32Array(192), [1, 8, 8, 3]), undefined],
  ] as const) {
    const { model: loaded } = await loadPretrained(path.join(fixtures, name))
    const looked = await explain.attentionMaps(loaded as never, x)
    assert.is(looked.length, 2)
    if (shape) assert.equal(looked[0]!.weights.shape, shape)
    assert.is(looked[0]!.layer, loaded.name)
  }
  const plain = sequential([layers.dense({ units: 1, inputShape: [2] })])
  await rejects('ERR_ARGUMENT', /has no attention/, explain.attentionMaps(plain, [[1, 2]]))
  await rejects('ERR_ARGUMENT', /expected a network/, explain.attentionMaps((() => 1) as never, [[1, 2]]))
  await rejects('ERR_ARGUMENT', /unknown option/, explain.attentionMaps(plain, [[1, 2]], { size: 1 } as never))
})

test('overlay: what speaks for the output is light, the rest is dark', async () => {
  const x = tensor(
    new Float32Array(2 * 4 * 4).fill(1).map((_, i) => (i % 16 === 0 ? 0 : 1)),
    [2, 4, 4, 1],
  )
  const map = tensor(
    new Float32Array(32).map((_, i) => (i % 16 >= 8 ? 1 : -5)),
    [2, 4, 4],
  )
  const made = await explain.overlay(x, map)
  assert.equal([made.shape, made.dtype], [[2, 4, 4, 3], 'uint8'])
  const bytes = Array.from((await made.data()) as Uint8Array)
  const lightness = (pixel: number): number => bytes[3 * pixel]! + bytes[3 * pixel + 1]! + bytes[3 * pixel + 2]!
  for (const pixel of [1, 7, 17]) assert.ok(lightness(pixel) < 200, `${lightness(pixel)}`)
  for (const pixel of [8, 15, 31]) assert.ok(lightness(pixel) > 600, `${lightness(pixel)}`)
  // a map of each channel is added up; without anything positive all is dark
  assert.equal(await numbers(await explain.overlay(x, map.expandDims(-1))), bytes)
  const none = Array.from((await (await explain.overlay(x, map.mul(0))).data()) as Uint8Array)
  assert.is(Math.max(...none), 64)
  await rejects('ERR_SHAPE', /maps of the same height and width/, explain.overlay(x, map.slice([0, 0, 0], [2, 2, 4])))
  await rejects('ERR_SHAPE', /images \[samples/, explain.overlay([[1, 2]], map))
  // lighter for more, whatever the colour
  const light = heat([0, 0.2, 0.4, 0.6, 0.8, 1])
  const sums = [0, 1, 2, 3, 4, 5].map((i) => light[3 * i]! + light[3 * i + 1]! + light[3 * i + 2]!)
  assert.equal(
    sums,
    [...sums].sort((a, b) => a - b),
  )
})

/** Digits by a small convolution. */
async function digitsNet(): Promise<{ net: Sequential; x: Tensor; y: Tensor }> {
  setSeed(2)
  const { x, y } = await datasets.digits()
  const net = sequential([
    layers.rescaling({ scale: 1 / 16, inputShape: [8, 8, 1] }),
    layers.conv2d({ filters: 8, kernelSize: 3, activation: 'relu' }),
    layers.flatten(),
    layers.dense({ units: 10, activation: 'softmax' }),
  ])
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy' })
  await net.fit(x.slice([0], [600]), y.slice([0], [600]), { epochs: 3, verbose: 0 })
  return { net, x: x.slice([1500], [200]), y: y.slice([1500], [200]) }
}

test('reports of tables, texts and attention say why', async () => {
  const { x, y, featureNames } = await datasets.breastCancer()
  const [xTrain, xTest, yTrain, yTest] = learn.trainTestSplit(x, y, { seed: 0, stratify: y })
  const fitted = await learn.pipeline(learn.standardScaler(), learn.logisticRegression()).fit(xTrain, yTrain)
  const rows = await learn.report(
    fitted,
    { x: xTest, y: yTest },
    { explain: { samples: 3 }, featureNames, resamples: 50, importance: false, seed: 1 },
  )
  assert.match(rows.html, /Why: some samples/)
  assert.match(rows.html, /SHAP values/)
  assert.match(rows.html, /wrong: |right: /)
  assert.is(rows.html.match(/share in the /g)!.length >= 3, true)
  assert.not.match(rows.html, /NaN|undefined|<script/)
  const diabetes = await datasets.diabetes()
  const ridge = await learn.ridge().fit(diabetes.x, diabetes.y)
  const ofNumbers = await learn.report(ridge, diabetes, { explain: { samples: 2 }, resamples: 50, importance: false })
  assert.match(ofNumbers.html, /target [\d.]+, predicted [\d.]+/)

  // word 3 decides; 0 is padding
  setSeed(4)
  const ids = Array.from({ length: 80 }, () => Array.from({ length: 5 }, (_, i) => (i === 0 ? 0 : 1 + Math.floor(next() * 5))))
  const labels = ids.map((row) => Number(row.includes(3)))
  const a = input({ shape: [5], dtype: 'int32' })
  const embedded = layers.embedding({ inputDim: 6, outputDim: 8 }).apply(a)
  const looked = layers.multiHeadAttention({ numHeads: 2, keyDim: 4, name: 'looks' }).apply(embedded)
  const net = model({ inputs: a, outputs: layers.dense({ units: 2, activation: 'softmax' }).apply(layers.flatten().apply(looked)) })
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.02 }), loss: 'sparseCategoricalCrossentropy' })
  await net.fit(tensor(ids, { dtype: 'int32' }), labels, { epochs: 10, verbose: 0 })
  const names = ['', 'one', HOSTILE, 'three', 'four', 'five']
  const words = (own: readonly number[]): (string | undefined)[] => own.map((id) => (id === 0 ? undefined : names[id]))
  const texts = await learn.report(
    net as unknown as Model,
    { x: tensor(ids, { dtype: 'int32' }), y: labels },
    { explain: { words, samples: 4 }, resamples: 50, importance: false },
  )
  assert.is(texts.html.match(/class="words"/g)!.length, 4)
  assert.match(texts.html, /<span class="for" style="[^"]+" title="[\d.e-]+">/)
  assert.match(texts.html, /<h3>looks, mean of 2 heads<\/h3>/)
  assert.not.match(texts.html, /<img src=x|<script/)
  await rejects(
    'ERR_ARGUMENT',
    /words\(ids\) gives a word/,
    learn.report(
      net as unknown as Model,
      { x: tensor(ids, { dtype: 'int32' }), y: labels },
      { explain: { words: () => ['a'] }, resamples: 50, importance: false },
    ),
  )
  await rejects('ERR_ARGUMENT', /explain: unknown option 'sample'/, learn.report(ridge, diabetes, { explain: { sample: 1 } as never }))
  await rejects('ERR_ARGUMENT', /samples of explain/, learn.report(ridge, diabetes, { explain: { samples: 0 } }))
  await rejects('ERR_ARGUMENT', /explain: options are an object/, learn.report(ridge, diabetes, { explain: 3 as never }))
})

test('the same page for the same seed', async () => {
  const { net, x, y } = await digitsNet()
  const options = { explain: { samples: 2 }, seed: 3, resamples: 50 } as const
  const first = await learn.report(net, { x, y }, options)
  assert.is((await learn.report(net, { x, y }, options)).html, first.html)
  assert.is(first.html.match(/data:image\/png;base64/g)!.length, 2 * 4)
})

testWith(hasChromium, 'chromium', 'in a browser: pictures of images are seen, and nothing is asked for', async () => {
  const { net, x, y } = await digitsNet()
  const file = path.join(folder, 'why.html')
  await learn.report(
    net,
    { x, y },
    { file, explain: true, title: HOSTILE, classNames: Array.from('0123456789', (d) => `digit ${d}`), resamples: 50, seed: 1 },
  )
  await inBrowser(file, 'document.images.length === 24', async (browser) => {
    // each picture is decoded, and has more than one shade
    const shades = `Promise.all([...document.images].map(async (image) => {
      await image.decode()
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight)
      const context = canvas.getContext('2d')
      context.drawImage(image, 0, 0)
      return [image.naturalWidth, image.naturalHeight, image.alt !== '', new Set(context.getImageData(0, 0, 8, 8).data).size]
    }))`
    for (const [width, height, described, count] of await browser.evaluate<[number, number, boolean, number][]>(shades)) {
      assert.equal([width, height, described], [8, 8, true])
      assert.ok(count > 2, `${count} shades`)
    }
    const text = await browser.evaluate<string>('document.body.innerText')
    for (const part of ['saliency (smoothed)', 'Grad-CAM', 'occlusion', 'right: digit']) assert.ok(text.includes(part), part)
    await checkSealed(browser, file)
    await checkWithoutColour(browser, 'why.png')
  })
})

test.run()
