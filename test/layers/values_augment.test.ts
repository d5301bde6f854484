// Layers that change images at random: what each does to known images, what is drawn, and that it is drawn again.
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, jit, layers, loadModel, sequential, setSeed, tensor, type Tensor, toCategorical } from '../../lib/index.js'
import { betaWeights } from '../../lib/layers/beta.js'
import { randomState } from '../../lib/index.js'
import { Issues, readLayer } from '../../lib/keras/layers.js'
import { close, rejects, throws } from '../expect.js'

const numbers = async (t: Tensor): Promise<number[]> => Array.from((await t.data()) as Float32Array)
/** One image of one channel. */
const image = (rows: readonly (readonly number[])[]): Tensor => tensor([rows.map((row) => row.map((value) => [value]))])
const training = { training: true }
const abcd = [1, 2, 3, 4]

test('beyond the edges: reflect, constant, wrap, nearest', async () => {
  const moved = async (by: number, options: layers.FillOptions): Promise<number[]> => {
    const layer = layers.randomTranslation({ heightFactor: 0, widthFactor: [by, by], ...options })
    return numbers(layer.apply(image([abcd]), training))
  }
  // three pixels to the right
  assert.equal(await moved(0.75, {}), [3, 2, 1, 1])
  assert.equal(await moved(0.75, { fillMode: 'reflect' }), [3, 2, 1, 1])
  assert.equal(await moved(0.75, { fillMode: 'constant', fillValue: 9 }), [9, 9, 9, 1])
  assert.equal(await moved(0.75, { fillMode: 'constant' }), [0, 0, 0, 1])
  assert.equal(await moved(0.75, { fillMode: 'wrap' }), [2, 3, 4, 1])
  assert.equal(await moved(0.75, { fillMode: 'nearest' }), [1, 1, 1, 1])
  assert.equal(await moved(-0.75, { fillMode: 'reflect' }), [4, 4, 3, 2])
  assert.equal(await moved(-0.75, { fillMode: 'wrap' }), [4, 1, 2, 3])
  assert.equal(await moved(-1, { fillMode: 'nearest' }), [4, 4, 4, 4])
  // half a pixel: between two, or the nearest one
  assert.equal(await moved(0.125, { fillMode: 'nearest' }), [1, 1.5, 2.5, 3.5])
  assert.equal(await moved(0.125, { fillMode: 'constant', fillValue: 5 }), [3, 1.5, 2.5, 3.5])
  assert.equal(await moved(0.2, { interpolation: 'nearest', fillMode: 'nearest' }), [1, 1, 2, 3])
  assert.equal(
    await numbers(
      layers
        .randomTranslation({ heightFactor: [0.5, 0.5], widthFactor: 0, fillMode: 'constant' })
        .apply(image([[1], [2], [3], [4]]), training),
    ),
    [0, 0, 1, 2],
  )
})

test('rotation is counter-clockwise, about the middle', async () => {
  const turned = async (factor: number, rows: number[][], options: layers.FillOptions = {}): Promise<number[]> =>
    numbers(layers.randomRotation({ factor: [factor, factor], ...options }).apply(image(rows), training))
  const square = [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ]
  close(await turned(0.25, square), [3, 6, 9, 2, 5, 8, 1, 4, 7], 1e-5)
  close(await turned(-0.25, square), [7, 4, 1, 8, 5, 2, 9, 6, 3], 1e-5)
  close(await turned(0.5, square), [9, 8, 7, 6, 5, 4, 3, 2, 1], 1e-5)
  close(
    await turned(0.5, [
      [1, 2],
      [3, 4],
      [5, 6],
    ]),
    [6, 5, 4, 3, 2, 1],
    1e-5,
  )
  // an eighth: corners come from outside
  const eighth = await turned(0.125, square, { fillMode: 'constant', fillValue: -100 })
  close([eighth[4]!], [5], 1e-5)
  assert.ok(
    [0, 2, 6, 8].every((corner) => eighth[corner]! < 0),
    `${eighth}`,
  )
})

test('zoom: positive shows more, negative less', async () => {
  const zoomed = async (
    factor: number,
    options: layers.FillOptions & { widthFactor?: readonly [number, number] } = {},
  ): Promise<number[]> =>
    numbers(
      layers.randomZoom({ heightFactor: [factor, factor], ...options }).apply(image([[0, 0, 0, 0], abcd, abcd, [0, 0, 0, 0]]), training),
    )
  // each pixel of the result stands for two by two
  close((await zoomed(1, { fillMode: 'constant' })).slice(4, 8), [0, 0.75, 1.75, 0], 1e-5)
  close((await zoomed(-0.5)).slice(4, 8), [1.75, 2.25, 2.75, 3.25], 1e-5)
  close((await zoomed(-0.5, { widthFactor: [0, 0] })).slice(4, 8), abcd, 1e-5)
})

test('flips: each image by itself, half of them', async () => {
  setSeed(2)
  const x = tensor(
    new Float32Array(400).map((_, i) => i % 4),
    [100, 2, 2, 1],
  )
  const kinds = async (mode: layers.FlipMode): Promise<Record<string, number>> => {
    const flat = await numbers(layers.randomFlip({ mode }).apply(x, training))
    const found: Record<string, number> = {}
    for (let i = 0; i < 100; i++) {
      const key = flat.slice(4 * i, 4 * i + 4).join('')
      found[key] = (found[key] ?? 0) + 1
    }
    return found
  }
  const [sideways, upDown, both] = [await kinds('horizontal'), await kinds('vertical'), await kinds('horizontalAndVertical')]
  assert.equal(Object.keys(sideways).sort(), ['0123', '1032'])
  assert.equal(Object.keys(upDown).sort(), ['0123', '2301'])
  assert.equal(Object.keys(both).sort(), ['0123', '1032', '2301', '3210'])
  for (const count of [sideways['1032']!, upDown['2301']!]) assert.ok(count > 30 && count < 70, `${count} of 100`)
  // bytes stay bytes
  assert.is(layers.randomFlip().apply(x.cast('uint8'), training).dtype, 'uint8')
})

test('contrast and brightness', async () => {
  const low = await numbers(layers.randomContrast({ factor: [0.5, 0] }).apply(image([[0, 100]]), training))
  const share = (low[1]! - low[0]!) / 100
  assert.ok(share >= 0.5 && share <= 1, `${low}`)
  close([low[0]! + low[1]!], [100], 1e-3)
  const many = tensor(
    new Float32Array(2000).map((_, i) => (i % 2) * 0.5 + 0.25),
    [1000, 1, 2, 1],
  )
  const spread = await numbers(layers.randomContrast({ factor: 0.8, valueRange: [0, 1] }).apply(many, training))
  const differences = Array.from({ length: 1000 }, (_, i) => (spread[2 * i + 1]! - spread[2 * i]!) / 0.5)
  assert.ok(Math.min(...differences) < 0.25 && Math.max(...differences) > 1.7 && Math.max(...differences) <= 1.8)
  const bright = await numbers(layers.randomBrightness({ factor: [0.2, 0.2] }).apply(image([[0, 100, 250]]), training))
  close(bright, [51, 151, 255], 1e-3)
  close(
    await numbers(layers.randomBrightness({ factor: [-0.5, -0.5], valueRange: [0, 1] }).apply(image([[0.25, 1]]), training)),
    [0, 0.5],
    1e-5,
  )
})

test('crops: one part of all images of a batch, and the middle when not training', async () => {
  setSeed(3)
  const x = tensor(
    new Float32Array(2 * 36).map((_, i) => i),
    [2, 6, 6, 1],
  )
  const layer = layers.randomCrop({ height: 2, width: 3 })
  const seen = new Set<number>()
  for (let i = 0; i < 60; i++) {
    const found = await numbers(layer.apply(x, training))
    const [first] = found as [number]
    seen.add(first)
    assert.equal(
      found,
      [0, 36].flatMap((image) => [0, 1, 2, 6, 7, 8].map((at) => image + first + at)),
    )
  }
  assert.ok(seen.size > 10, `${seen.size} of 20 places`)
  assert.ok([...seen].every((first) => Math.floor(first / 6) <= 4 && first % 6 <= 3))
  const middle = layer.apply(x)
  assert.equal(middle.shape, [2, 2, 3, 1])
  // 4 rows of 6 columns, halved
  close((await numbers(middle)).slice(0, 3), [9.5, 11.5, 13.5], 1e-4)
  assert.equal(layers.randomCrop({ height: 8, width: 8 }).apply(x, training).shape, [2, 8, 8, 1])
})

test('mixUp: one weight for images and labels, from Beta(alpha, alpha)', async () => {
  setSeed(4)
  const x = tensor(
    new Float32Array(8 * 4).map((_, i) => Math.floor(i / 4)),
    [8, 2, 2, 1],
  )
  const y = toCategorical([0, 1, 2, 3, 4, 5, 6, 7], 8)
  const layer = layers.mixUp({ alpha: 1 })
  for (let i = 0; i < 5; i++) {
    const { images, labels } = layer.apply({ images: x, labels: y }, training) as layers.LabelledImages
    const rows = (await labels.array()) as unknown as number[][]
    const pixels = await numbers(images)
    rows.forEach((row, sample) => {
      close([row.reduce((a, b) => a + b, 0)], [1], 1e-5)
      // the image is the same mixture: image k has the value k
      const value = row.reduce((sum, share, k) => sum + share * k, 0)
      close(pixels.slice(4 * sample, 4 * sample + 4), new Array(4).fill(value), 1e-4)
    })
  }
  const [images] = layer.apply([x, y], training) as readonly Tensor[]
  assert.equal(images!.shape, x.shape)
  assert.equal(await numbers((layer.apply({ images: x, labels: y }) as layers.LabelledImages).images), await numbers(x))
})

test('weights: mean, variance and ends of Beta(a, a)', async () => {
  for (const alpha of [0.1, 0.2, 1, 4]) {
    const state = randomState(7)
    const drawn = await numbers(betaWeights(20_000, tensor([alpha]), state))
    const mean = drawn.reduce((a, b) => a + b, 0) / drawn.length
    const variance = drawn.reduce((sum, v) => sum + (v - mean) ** 2, 0) / drawn.length
    assert.ok(Math.abs(mean - 0.5) < 0.012, `mean ${mean} of ${alpha}`)
    assert.ok(Math.abs(variance - 1 / (4 * (2 * alpha + 1))) < 0.006, `variance ${variance} of ${alpha}`)
    assert.ok(drawn.every((v) => v >= 0 && v <= 1))
    // the share below 0.1, known in closed form for 1
    if (alpha === 1) assert.ok(Math.abs(drawn.filter((v) => v < 0.1).length / drawn.length - 0.1) < 0.01)
  }
  // so small that both numbers underflow
  assert.ok((await numbers(betaWeights(500, tensor([1e-6]), randomState(1)))).every((v) => v === 0 || v === 1))
})

test('cutMix: rectangles, and labels by their area', async () => {
  setSeed(5)
  const n = 16
  const x = tensor(
    new Float32Array(n * 30).map((_, i) => Math.floor(i / 30)),
    [n, 5, 6, 1],
  )
  const y = toCategorical(
    Array.from({ length: n }, (_, i) => i),
    n,
  )
  const layer = layers.cutMix({ factor: [1, 1] })
  let cut = 0
  for (let round = 0; round < 5; round++) {
    const { images, labels } = layer.apply({ images: x, labels: y }, training) as layers.LabelledImages
    const rows = (await labels.array()) as unknown as number[][]
    const pixels = await numbers(images)
    rows.forEach((row, sample) => {
      const own = pixels.slice(30 * sample, 30 * sample + 30)
      const others = own.flatMap((value, at) => (value === sample ? [] : [at]))
      close([row[sample]!], [1 - others.length / 30], 1e-5)
      if (others.length === 0) return
      cut++
      assert.is(new Set(others.map((at) => own[at])).size, 1, 'of one other image')
      const [down, across] = [others.map((at) => Math.floor(at / 6)), others.map((at) => at % 6)]
      assert.is((Math.max(...down) - Math.min(...down) + 1) * (Math.max(...across) - Math.min(...across) + 1), others.length, 'a rectangle')
      close([row[own[others[0]!]!]!], [others.length / 30], 1e-5)
    })
  }
  assert.ok(cut > 20, `${cut} of 80 images`)
})

test('mixing in a pipeline, and what is refused', async () => {
  setSeed(6)
  const x = tensor(
    new Uint8Array(40 * 16).map((_, i) => (Math.floor(i / 16) % 2) * 200),
    [40, 4, 4, 1],
  )
  const y = toCategorical(
    Array.from({ length: 40 }, (_, i) => i % 2),
    2,
  )
  const mixed = layers.cutMix()
  const batches = data
    .from(x, y)
    .batch(8)
    .map(layers.mixUp({ alpha: 0.4 }).mix)
    .map(mixed.mix)
  const [first] = await batches.toArray()
  assert.equal([(first!.x as Tensor).shape, (first!.x as Tensor).dtype, (first!.y as Tensor).shape], [[8, 4, 4, 1], 'float32', [8, 2]])
  assert.ok((await numbers(first!.y as Tensor)).some((v) => v > 0.01 && v < 0.99))
  const net = sequential([
    layers.rescaling({ scale: 1 / 255, inputShape: [4, 4, 1] }),
    layers.flatten(),
    layers.dense({ units: 2, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy' })
  await net.fit(batches, { epochs: 2, verbose: 0 })
  throws('ERR_ARGUMENT', /mixes labels as well.*layers\.mixUp\(\)\.mix/s, () => layers.mixUp().apply(x as never, training))
  throws('ERR_SHAPE', /toCategorical/, () => layers.cutMix().apply({ images: x, labels: tensor(new Int32Array(40)) }, training))
  throws('ERR_ARGUMENT', /mix: expected a batch/, () => layers.mixUp().mix({ x: 1 }))
  throws('ERR_ARGUMENT', /alpha is above 0/, () => layers.mixUp({ alpha: 0 }))
  throws('ERR_ARGUMENT', /factor is a number/, () => layers.cutMix({ factor: 2 }))
  throws('ERR_ARGUMENT', /factor is a number or two of them, from -1 to 1, got nothing/, () => layers.randomRotation({} as never))
  throws('ERR_ARGUMENT', /heightFactor/, () => layers.randomTranslation({ heightFactor: 2, widthFactor: 0 }))
  throws('ERR_ARGUMENT', /from 0 to 1/, () => layers.randomContrast({ factor: -0.1 }))
  throws('ERR_ARGUMENT', /valueRange is/, () => layers.randomBrightness({ factor: 0.1, valueRange: [1, 0] }))
  throws('ERR_ARGUMENT', /fillMode is one of/, () => layers.randomZoom({ heightFactor: 0.1, fillMode: 'mirror' as never }))
  throws('ERR_ARGUMENT', /fillValue/, () => layers.randomZoom({ heightFactor: 0.1, fillValue: Number.NaN }))
  throws('ERR_ARGUMENT', /height must be an integer/, () => layers.randomCrop({ width: 1 } as never))
  throws('ERR_SHAPE', /batch, height, width, channels/, () => layers.randomFlip().apply(tensor([[1]]), training))
  await rejects(
    'ERR_ARGUMENT',
    /mix: expected a batch/,
    data
      .from(x, y)
      .map((sample) => mixed.mix(sample))
      .toArray(),
  )
})

test('files of Keras 3: layers as its get_config() writes them', () => {
  const read = (className: string, config: object): object => {
    const reading = { dialect: 'keras3', issues: new Issues() } as const
    const made = readLayer(
      { class_name: className, config: { name: 'one', trainable: true, seed: null, data_format: 'channels_last', ...config } },
      reading,
    )
    assert.equal(reading.issues.list, [])
    const { name: _, trainable: __, ...options } = made!.config as Record<string, unknown>
    return options
  }
  assert.equal(read('RandomFlip', { mode: 'horizontal_and_vertical' }), { mode: 'horizontalAndVertical' })
  const fill = { fill_mode: 'wrap', fill_value: 0, interpolation: 'nearest' }
  const filled = { fillMode: 'wrap', fillValue: 0, interpolation: 'nearest' }
  assert.equal(read('RandomRotation', { factor: [-0.1, 0.2], ...fill }), { factor: [-0.1, 0.2], ...filled })
  assert.equal(read('RandomZoom', { height_factor: 0.2, width_factor: null, ...fill }), { heightFactor: 0.2, ...filled })
  assert.equal(read('RandomTranslation', { height_factor: 0.2, width_factor: [0, 0.1], ...fill }), {
    heightFactor: 0.2,
    widthFactor: [0, 0.1],
    ...filled,
  })
  assert.equal(read('RandomCrop', { height: 3, width: 4 }), { height: 3, width: 4 })
  assert.equal(read('RandomContrast', { factor: [0, 0.2], value_range: [0, 255] }), { factor: [0, 0.2], valueRange: [0, 255] })
  assert.equal(read('RandomBrightness', { factor: [-0.1, 0.1], value_range: [0, 1] }), { factor: [-0.1, 0.1], valueRange: [0, 1] })
  assert.equal(read('MixUp', { alpha: 0.3 }), { alpha: 0.3 })
  assert.equal(read('CutMix', { factor: [0, 1] }), { factor: [0, 1] })
})

test('in a model: drawn anew at each step, the same for the same seed, saved, and not used in predict', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-augment-'))
  const made = (): ReturnType<typeof sequential> => {
    setSeed(9)
    const net = sequential([
      layers.randomFlip({ inputShape: [6, 6, 1] }),
      layers.randomRotation({ factor: 0.1 }),
      layers.randomZoom({ heightFactor: 0.2 }),
      layers.randomTranslation({ heightFactor: 0.1, widthFactor: 0.1 }),
      layers.randomContrast({ factor: 0.3, valueRange: [0, 1] }),
      layers.randomBrightness({ factor: 0.1, valueRange: [0, 1] }),
      layers.randomCrop({ height: 4, width: 4 }),
      layers.flatten(),
      layers.dense({ units: 3 }),
    ])
    net.compile({ optimizer: 'adam', loss: 'mse' })
    return net
  }
  const x = tensor(
    new Float32Array(20 * 36).map((_, i) => ((i * 7) % 11) / 11),
    [20, 6, 6, 1],
  )
  const y = tensor(
    new Float32Array(60).map((_, i) => i % 3),
    [20, 3],
  )
  const losses = async (net: ReturnType<typeof sequential>): Promise<unknown> =>
    (await net.fit(x, y, { epochs: 3, batchSize: 5, shuffle: false, verbose: 0 })).history['loss']
  const [a, b] = [made(), made()]
  assert.equal(await losses(a), await losses(b))
  // another seed, other numbers
  setSeed(1)
  const other = layers.randomRotation({ factor: 0.5 })
  const f = jit((t: Tensor) => other.apply(t, training))
  assert.not.equal(await numbers(f(x)), await numbers(f(x)))
  await a.save(path.join(folder, 'net'))
  const again = await loadModel(path.join(folder, 'net'))
  assert.equal(await numbers((await again.predict(x)) as Tensor), await numbers((await a.predict(x)) as Tensor))
  assert.equal(await losses(again as never), await losses(a))
  const still = sequential([layers.randomFlip({ inputShape: [6, 6, 1] }), layers.randomZoom({ heightFactor: 0.5 })])
  assert.equal(await numbers((await still.predict(x)) as Tensor), await numbers(x))
  await rm(folder, { recursive: true })
})

test.run()
