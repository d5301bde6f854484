// Pictures: read as they look, resized as by the definition, written and read again; what cannot be read is named.
import { spawnSync } from 'node:child_process'
import { mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import sharp, { type Sharp } from 'sharp'
import { grad, images, jit, layers, sequential, setSeed, tensor, type Tensor } from '../../lib/index.js'
import { rejects, throws } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-images-'))
test.after(() => rm(folder, { recursive: true }))
const at = (name: string): string => path.join(folder, name)
const bytes = async (t: Tensor): Promise<number[]> => Array.from((await t.data()) as Uint8Array)

/** A picture of `height` rows: each pixel has other colours. */
const pattern = (height: number, width: number, channels: number): Uint8Array =>
  Uint8Array.from({ length: height * width * channels }, (_, i) => (i * 37 + 11 * (i % channels)) % 256)
const raw = (data: Uint8Array, height: number, width: number, channels: 1 | 2 | 3 | 4): Sharp =>
  sharp(data, { raw: { width, height, channels } })

test('load: colours, grey and alpha, of files, URLs and bytes', async () => {
  const colours = pattern(5, 7, 3)
  const png = await raw(colours, 5, 7, 3).png().toBuffer()
  await writeFile(at('a.png'), png)
  for (const from of [at('a.png'), new URL(`file://${at('a.png')}`), png, png.buffer.slice(png.byteOffset, png.byteOffset + png.length)]) {
    const t = await images.load(from as string)
    assert.equal([t.shape, t.dtype], [[5, 7, 3], 'uint8'])
    assert.equal(await bytes(t), [...colours])
  }
  // grey as PIL has it
  const grey = await images.load(png, { channels: 1 })
  assert.equal(grey.shape, [5, 7, 1])
  const [r, g, b] = colours as unknown as [number, number, number]
  assert.is((await bytes(grey))[0], (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16)
  assert.equal((await bytes(await images.load(png, { channels: 4 }))).slice(0, 8), [r, g, b, 255, ...colours.slice(3, 6), 255])
  // a grey file: three equal colours, or one
  const one = pattern(4, 3, 1)
  const greyPng = await raw(one, 4, 3, 1).toColourspace('b-w').png().toBuffer()
  assert.is((await sharp(greyPng).metadata()).channels, 1)
  assert.equal(
    await bytes(await images.load(greyPng)),
    [...one].flatMap((v) => [v, v, v]),
  )
  assert.equal(await bytes(await images.load(greyPng, { channels: 1 })), [...one])
  assert.equal(
    await bytes(await images.load(greyPng, { channels: 4 })),
    [...one].flatMap((v) => [v, v, v, 255]),
  )
})

test('load: alpha is left out, or lies on a background', async () => {
  const data = Uint8Array.from([200, 100, 50, 0, 200, 100, 50, 255])
  const png = await raw(data, 1, 2, 4).png().toBuffer()
  assert.equal(await bytes(await images.load(png)), [200, 100, 50, 200, 100, 50])
  assert.equal(await bytes(await images.load(png, { channels: 4 })), [...data])
  assert.equal(await bytes(await images.load(png, { background: [10, 20, 30] })), [10, 20, 30, 200, 100, 50])
  assert.equal(await bytes(await images.load(png, { background: [255, 255, 255], channels: 1 })), [255, 124])
})

test('load: 16 bits, palettes, jpeg, webp, gif', async () => {
  const colours = pattern(8, 8, 3)
  const deep = await sharp(
    Uint16Array.from(colours, (v) => v * 257),
    { raw: { width: 8, height: 8, channels: 3 } },
  )
    .toColourspace('rgb16')
    .png()
    .toBuffer()
  assert.is((await sharp(deep).metadata()).depth, 'ushort')
  assert.equal(await bytes(await images.load(deep)), [...colours])
  const lossless = await raw(colours, 8, 8, 3).webp({ lossless: true }).toBuffer()
  assert.equal(await bytes(await images.load(lossless)), [...colours])
  const even = new Uint8Array(8 * 8 * 3).map((_, i) => [250, 120, 10][i % 3]!)
  for (const file of [
    await raw(even, 8, 8, 3).jpeg({ quality: 100 }).toBuffer(),
    await raw(even, 8, 8, 3).gif().toBuffer(),
    await raw(even, 8, 8, 3).png({ palette: true }).toBuffer(),
    await raw(even, 8, 8, 3).tiff().toBuffer(),
    await raw(even, 8, 8, 3).jpeg({ quality: 100 }).toColourspace('cmyk').toBuffer(),
  ])
    for (const [i, value] of (await bytes(await images.load(file))).entries())
      assert.ok(Math.abs(value - even[i]!) <= 12, `${value} for ${even[i]} in ${(await sharp(file).metadata()).format}`)
})

test('load: upright as the camera says, unless it is asked not to', async () => {
  // orientation 6: the stored rows are columns
  const stored = Uint8Array.from([10, 10, 10, 200, 200, 200])
  const turned = await raw(stored, 1, 2, 3).png().withMetadata({ orientation: 6 }).toBuffer()
  const upright = await images.load(turned)
  assert.equal([upright.shape, await bytes(upright)], [[2, 1, 3], [...stored]])
  assert.equal((await images.load(turned, { orient: false })).shape, [1, 2, 3])
})

test('load: to a size, stretched, cropped or padded', async () => {
  // left half black, right half white
  const data = new Uint8Array(4 * 8 * 3).map((_, i) => (Math.floor(i / 3) % 8 < 4 ? 0 : 255))
  const png = await raw(data, 4, 8, 3).png().toBuffer()
  const stretched = await images.load(png, { size: [2, 2], channels: 1 })
  assert.equal(stretched.shape, [2, 2, 1])
  const near = async (t: Tensor, expected: readonly number[]): Promise<void> => {
    for (const [i, value] of (await bytes(t)).entries()) assert.ok(Math.abs(value - expected[i]!) <= 6, `${await bytes(t)} for ${expected}`)
  }
  await near(stretched, await bytes(images.resize(tensor(data, [4, 8, 3]), [2, 2], { antialias: true }).slice([0, 0, 0], [2, 2, 1])))
  await near(
    await images.load(png, { size: [4, 4], channels: 1, cropToAspectRatio: true, method: 'nearest' }),
    [0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255],
  )
  const padded = await bytes(await images.load(png, { size: [8, 8], channels: 1, padToAspectRatio: true, method: 'nearest' }))
  assert.equal(padded.slice(0, 16), new Array(16).fill(0))
  assert.equal(padded.slice(16, 24), [0, 0, 0, 0, 255, 255, 255, 255])
  // what shrinks is smoothed: each pixel is the mean of the many it stands for
  const stripes = new Uint8Array(32 * 32 * 3).map((_, i) => (Math.floor(i / 3) % 2) * 255)
  const small = await bytes(await images.load(await raw(stripes, 32, 32, 3).png().toBuffer(), { size: [4, 4], channels: 1 }))
  assert.ok(
    small.every((value) => Math.abs(value - 127) < 10),
    `${small}`,
  )
})

test('load: what is no picture is refused by name', async () => {
  const png = await raw(pattern(60, 60, 3), 60, 60, 3)
    .png()
    .toBuffer()
  await writeFile(at('cut.png'), png.subarray(0, png.length >> 1))
  await writeFile(at('text.png'), 'not a picture')
  await writeFile(at('empty.jpg'), '')
  await writeFile(
    at('drawing.svg'),
    '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><image href="file:///etc/passwd"/></svg>',
  )
  await rejects('ERR_FORMAT', /cut\.png cannot be read/, images.load(at('cut.png')))
  await rejects('ERR_FORMAT', /text\.png is no picture/, images.load(at('text.png')))
  await rejects('ERR_FORMAT', /empty\.jpg is empty/, images.load(at('empty.jpg')))
  await rejects('ERR_FORMAT', /drawing\.svg is no picture/, images.load(at('drawing.svg')))
  await rejects('ERR_FORMAT', /missing\.png cannot be read/, images.load(at('missing.png')))
  await rejects('ERR_FORMAT', /is a folder/, images.load(folder))
  await rejects('ERR_ARGUMENT', /bytes of a picture/, images.load(new Float32Array(3) as never))
  await rejects('ERR_ARGUMENT', /name of a file/, images.load(3 as never))
  await rejects('ERR_ARGUMENT', /unknown option 'chanels'/, images.load(png, { chanels: 1 } as never))
  await rejects('ERR_ARGUMENT', /channels is 1/, images.load(png, { channels: 2 as never }))
  await rejects('ERR_ARGUMENT', /a size is \[height, width\]/, images.load(png, { size: [0, 3] }))
  await rejects('ERR_ARGUMENT', /cropped or padded/, images.load(png, { size: [2, 2], cropToAspectRatio: true, padToAspectRatio: true }))
  await rejects('ERR_ARGUMENT', /how to reach a size/, images.load(png, { method: 'bicubic' }))
  await rejects('ERR_ARGUMENT', /background is/, images.load(png, { background: [0, 0, 300] }))
  // every byte changed: an error or a picture, never an end of the process
  for (let i = 0; i < png.length; i += 97) {
    const bad = Uint8Array.from(png)
    bad[i]! ^= 0xff
    await images.load(bad).catch((error: { code: string }) => assert.is(error.code, 'ERR_FORMAT'))
  }
})

test('without sharp: the error says what to install', () => {
  const hook =
    'export const resolve = (name, context, next) => { if (name === "sharp") throw Object.assign(new Error("no"), { code: "ERR_MODULE_NOT_FOUND" }); return next(name, context) }'
  const program = `
    import { register } from 'node:module'
    register('data:text/javascript,${encodeURIComponent(hook)}')
    const { images, tensor } = await import(${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)})
    const code = (promise) => promise.then(() => 'none', (error) => error.code + ' ' + error.message)
    const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])
    console.log(await code(images.load(png)), '|', await code(images.write('/tmp/no.png', tensor([[1]]))))
    console.log((await images.resize(tensor([[[1], [3]]]), [1, 1]).data())[0])`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.match(
    stdout,
    /ERR_STATE images\.load: .*not installed.*npm install sharp \| ERR_STATE images\.write: .*npm install sharp\n2\n/,
    stderr,
  )
})

const RAMP = Float32Array.from({ length: 36 }, (_, i) => ((i * i * 7) % 101) - 20)

/** What one pixel of the result is, straight from the definition: a weighted mean over all pixels within reach. */
function defined(
  x: Float32Array,
  [h, w]: readonly [number, number],
  [rows, columns]: readonly [number, number],
  cubic: boolean,
  smooth: boolean,
): number[] {
  const kernel = (d: number): number => {
    const a = Math.abs(d)
    if (!cubic) return Math.max(0, 1 - a)
    return a < 1 ? 1.5 * a ** 3 - 2.5 * a ** 2 + 1 : a < 2 ? -0.5 * a ** 3 + 2.5 * a ** 2 - 4 * a + 2 : 0
  }
  const weights = (place: number, from: number, to: number): number[] => {
    const wide = smooth ? Math.max(1, from / to) : 1
    const all = Array.from({ length: from }, (_, j) => kernel((j + 0.5 - ((place + 0.5) * from) / to) / wide))
    const sum = all.reduce((a, b) => a + b, 0)
    return all.map((weight) => weight / sum)
  }
  return Array.from({ length: rows * columns }, (_, i) => {
    const [down, across] = [weights(Math.floor(i / columns), h, rows), weights(i % columns, w, columns)]
    return down.reduce((sum, a, y) => sum + across.reduce((so, b, z) => so + a * b * x[y * w + z]!, 0), 0)
  })
}

test('resize: by the definition, smaller and larger, smoothed and not', async () => {
  const x = tensor(RAMP, [6, 6, 1])
  for (const method of ['bilinear', 'bicubic'] as const)
    for (const antialias of [false, true])
      for (const size of [
        [3, 4],
        [2, 2],
        [9, 7],
        [6, 6],
        [1, 1],
      ] as const) {
        const made = Array.from((await images.resize(x, size, { method, antialias }).data()) as Float32Array)
        const expected = defined(RAMP, [6, 6], size, method === 'bicubic', antialias)
        made.forEach((value, i) =>
          assert.ok(Math.abs(value - expected[i]!) < 2e-4, `${method} ${antialias} [${size}]: ${made} not ${expected}`),
        )
      }
  // the middle of four pixels
  const four = tensor([
    [[0], [10], [20], [30]],
    [[40], [50], [60], [70]],
  ])
  assert.equal(await images.resize(four, [1, 2]).array(), [[[25], [45]]])
  assert.equal(await images.resize(four, [1, 4], { method: 'nearest' }).array(), [[[40], [50], [60], [70]]])
})

test('resize: dtypes, batches, traced functions and gradients', async () => {
  const picture = tensor(pattern(4, 4, 3), [4, 4, 3])
  const batch = picture.expandDims(0)
  for (const method of ['nearest', 'bilinear', 'bicubic'] as const) {
    const one = images.resize(picture, [7, 5], { method })
    assert.equal([one.shape, one.dtype], [[7, 5, 3], 'uint8'])
    assert.equal(await images.resize(batch, [7, 5], { method }).array(), [await one.array()])
  }
  // a cubic overshoots: bytes stay bytes
  const edge = tensor(Uint8Array.from([0, 0, 255, 255]), [1, 4, 1])
  const curved = await bytes(images.resize(edge, [1, 9], { method: 'bicubic' }))
  assert.is(Math.min(...curved), 0)
  assert.is(Math.max(...curved), 255)
  const f = jit((t: Tensor) => images.resize(t, [2, 2]).sum())
  const x = tensor(RAMP, [1, 6, 6, 1])
  assert.ok(Number.isFinite(await f(x).item()))
  const slope = (await grad((t: Tensor) => images.resize(t, [2, 2], { antialias: true }).sum())(x).data()) as Float32Array
  assert.ok(Math.abs(slope.reduce((a, b) => a + b, 0) - 4) < 1e-4)
  throws('ERR_SHAPE', /expandDims\(-1\)/, () => images.resize(tensor([[1, 2]]), [1, 1]))
  throws('ERR_ARGUMENT', /a size is/, () => images.resize(x, [2] as never))
  throws('ERR_ARGUMENT', /method is one of/, () => images.resize(x, [2, 2], { method: 'cubic' as never }))
})

test('write: what is read again is what was written', async () => {
  const colours = tensor(pattern(6, 5, 3), [6, 5, 3])
  await images.write(at('w.png'), colours)
  assert.equal(await bytes(await images.load(at('w.png'))), await bytes(colours))
  await images.write(at('w.webp'), colours, { lossless: true })
  assert.equal(await bytes(await images.load(at('w.webp'))), await bytes(colours))
  const alpha = tensor(pattern(2, 2, 4), [1, 2, 2, 4])
  await images.write(at('alpha.png'), alpha)
  assert.equal(await bytes(await images.load(at('alpha.png'), { channels: 4 })), await bytes(alpha))
  await images.write(new URL(`file://${at('grey.png')}`), [
    [0, 0.5],
    [1, 0.25],
  ])
  assert.equal(await bytes(await images.load(at('grey.png'), { channels: 1 })), [0, 128, 255, 64])
  assert.is((await sharp(at('grey.png')).metadata()).channels, 1)
  await images.write(at('range.png'), tensor([[-1, 0, 1]]), { range: [-1, 1] })
  assert.equal(await bytes(await images.load(at('range.png'), { channels: 1 })), [0, 128, 255])
  await images.write(at('w.jpg'), colours, { quality: 95 })
  assert.is((await sharp(at('w.jpg')).metadata()).format, 'jpeg')
  await images.write(at('named'), colours, { format: 'png' })
  assert.is((await sharp(at('named')).metadata()).format, 'png')
  // floats as a network gives them, and those that are bytes by another name
  await rejects('ERR_DATA', /the value 255 is not within \[0, 1\]/, images.write(at('no.png'), tensor([[255]])))
  await rejects('ERR_DATA', /the value NaN/, images.write(at('no.png'), tensor([[Number.NaN]])))
  await rejects('ERR_DATA', /the value -1 is not within \[0, 255\]/, images.write(at('no.png'), tensor([[-1]], { dtype: 'int32' })))
  await rejects('ERR_SHAPE', /1, 3 or 4 channels/, images.write(at('no.png'), tensor(pattern(2, 2, 2), [2, 2, 2])))
  await rejects('ERR_SHAPE', /one of the batch at a time/, images.write(at('no.png'), tensor(pattern(4, 2, 3), [2, 2, 2, 3])))
  await rejects('ERR_ARGUMENT', /says no format/, images.write(at('no.bmp'), colours))
  await rejects('ERR_ARGUMENT', /jpeg files have no alpha/, images.write(at('no.jpg'), alpha))
  await rejects('ERR_ARGUMENT', /png files have no quality/, images.write(at('no.png'), colours, { quality: 3 }))
  await rejects('ERR_ARGUMENT', /range is/, images.write(at('no.png'), colours, { range: [1, 0] }))
  await rejects('ERR_ARGUMENT', /no webp file .* too large/, images.write(at('no.webp'), tensor(pattern(1, 16384, 1), [1, 16384, 1])))
  await rejects('ERR_FORMAT', /no\.png cannot be read/, images.load(at('no.png')))
})

/** A folder of pictures of one colour: 12 red, 8 green, in all shapes and formats. */
async function photos(name: string): Promise<string> {
  const root = at(name)
  for (const [kind, count, colour] of [
    ['red', 12, [250, 10, 10]],
    ['green', 8, [10, 250, 10]],
  ] as const) {
    await mkdir(path.join(root, kind, 'more'), { recursive: true })
    for (let i = 0; i < count; i++) {
      const [height, width] = [8 + (i % 3), 8 + (i % 4)]
      const picture = raw(
        new Uint8Array(height * width * 3).map((_, j) => colour[j % 3]!),
        height,
        width,
        3,
      )
      const format = (['png', 'jpeg', 'webp'] as const)[i % 3]!
      const inside = i === 5 ? path.join(root, kind, 'more') : path.join(root, kind)
      await writeFile(path.join(inside, `${String(i).padStart(2, '0')}.${format}`), await picture.toFormat(format).toBuffer())
    }
  }
  await writeFile(path.join(root, 'red', 'notes.txt'), 'not one of them')
  await mkdir(path.join(root, '.cache'))
  return root
}

test('fromFolder: classes, batches, and a network that learns them', async () => {
  setSeed(1)
  const root = await photos('learned')
  await symlink(path.join(root, 'green', '00.png'), path.join(root, 'green', 'linked.png'))
  const { train, validation, classNames } = images.fromFolder(root, { size: [8, 8], validationSplit: 0.25, seed: 3 })
  assert.equal(classNames, ['green', 'red'])
  assert.equal([train.size, validation.size], [6 + 9, 3 + 3])
  assert.equal([...train.files, ...validation.files].sort(), [...images.fromFolder(root).files].sort())
  assert.equal(
    train.ignored.map((file) => path.basename(file)),
    ['notes.txt'],
  )
  for (const part of [train, validation])
    for (const [i, file] of part.files.entries()) assert.is(classNames[part.labels[i]!], path.relative(root, file).split(path.sep)[0])
  const [batch] = await train.batch(32).toArray()
  const { x, y } = batch as { x: Tensor; y: Tensor }
  assert.equal([x.shape, x.dtype, y.shape, y.dtype], [[15, 8, 8, 3], 'uint8', [15], 'int32'])
  // y is that of x
  const red = (await x.cast('float32').mean([1, 2]).array()) as unknown as number[][]
  assert.equal(
    Array.from(await y.data(), Number),
    red.map(([r, g]) => Number(r! > g!)),
  )
  const net = sequential([
    layers.rescaling({ scale: 1 / 255, inputShape: [8, 8, 3] }),
    layers.globalAveragePooling2d(),
    layers.dense({ units: 2, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  net.optimizer.learningRate = 0.1
  await net.fit(train.batch(8).prefetch(), { epochs: 20, verbose: 0 })
  assert.is((await net.evaluate(validation.batch(8), { verbose: 0 }))['accuracy'], 1)
})

test('fromFolder: the same order for the same seed, another one on each pass', async () => {
  const root = await photos('ordered')
  const order = async (options: images.FromFolderOptions & { validationSplit?: undefined }, passes: number): Promise<string[]> => {
    const pictures = images.fromFolder(root, { size: [2, 2], channels: 1, ...options })
    const orders: string[] = []
    for (let i = 0; i < passes; i++) orders.push((await pictures.toArray()).map(({ y }) => y).join(''))
    return orders
  }
  const [first, second] = await order({ seed: 7 }, 2)
  assert.not.equal(first, second)
  assert.equal(await order({ seed: 7 }, 2), [first, second])
  assert.not.equal((await order({ seed: 8 }, 1))[0], first)
  const sorted = '0'.repeat(8) + '1'.repeat(12)
  assert.equal(await order({ shuffle: false }, 2), [sorted, sorted])
  assert.equal(await order({ shuffle: false, classNames: ['red', 'green'] }, 1), ['0'.repeat(12) + '1'.repeat(8)])
  setSeed(5)
  const drawn = await order({}, 1)
  setSeed(5)
  assert.equal(await order({}, 1), drawn)
  // shuffle() of a Dataset goes on from there, reading only what it gives
  assert.is((await images.fromFolder(root, { shuffle: false }).shuffle({ seed: 1 }).take(3).toArray()).length, 3)
  const split = (seed: number): string[] => [...images.fromFolder(root, { validationSplit: 0.5, seed }).validation.files]
  assert.equal(split(1), split(1))
  assert.not.equal(split(1), split(2))
})

test('fromFolder: labels', async () => {
  const root = await photos('labelled')
  const y = async (labels: images.LabelMode): Promise<unknown> => {
    const [batch] = await images
      .fromFolder(root, { size: [2, 2], labels, shuffle: false })
      .batch(20)
      .toArray()
    const found = batch!.y as Tensor | undefined
    return found && [found.dtype, found.shape, Array.from(await found.data(), Number).slice(14, 16)]
  }
  assert.equal(await y('int'), ['int32', [20], [1, 1]])
  assert.equal(await y('binary'), ['float32', [20], [1, 1]])
  assert.equal(await y('categorical'), ['float32', [20, 2], [1, 0]])
  assert.is(await y('none'), undefined)
  assert.is(images.fromFolder(path.join(root, 'red'), { labels: 'none' }).size, 12)
  throws('ERR_FORMAT', /labels: 'none'/, () => images.fromFolder(path.join(root, 'red', 'more')))
})

test('fromFolder: what is damaged is named, or left out when asked', async () => {
  const root = await photos('damaged')
  await writeFile(path.join(root, 'green', '01.jpeg'), 'nothing')
  await rejects('ERR_FORMAT', /green.01\.jpeg is no picture/, images.fromFolder(root, { size: [4, 4] }).toArray())
  const pictures = images.fromFolder(root, { size: [4, 4], onError: 'skip', seed: 1 })
  assert.is(pictures.size, undefined)
  for (let pass = 0; pass < 2; pass++) {
    assert.is((await pictures.toArray()).length, 19)
    assert.equal(
      pictures.skipped.map(({ file }) => path.basename(file)),
      ['01.jpeg'],
    )
  }
  // a file that has gone since
  const before = images.fromFolder(root, { classNames: ['red'], shuffle: false })
  await rm(path.join(root, 'red', '00.png'))
  await rejects('ERR_FORMAT', /red.00\.png cannot be read/, before.toArray())
  throws('ERR_FORMAT', /no folder 'blue'/, () => images.fromFolder(root, { classNames: ['blue', 'red'] }))
  throws('ERR_FORMAT', /does not exist/, () => images.fromFolder(at('nowhere')))
  throws('ERR_ARGUMENT', /validationSplit is a share/, () => images.fromFolder(root, { validationSplit: 1 }))
  throws('ERR_ARGUMENT', /names of folders/, () => images.fromFolder(root, { classNames: ['../damaged/red'] }))
  throws('ERR_ARGUMENT', /a name twice/, () => images.fromFolder(root, { classNames: ['red', 'red'] }))
  await mkdir(path.join(root, 'blank'))
  throws('ERR_FORMAT', /the class 'blank' has no pictures/, () => images.fromFolder(root))
  throws('ERR_ARGUMENT', /labels 'binary' are of two classes/, () => images.fromFolder(root, { classNames: ['red'], labels: 'binary' }))
  await mkdir(at('round/a'), { recursive: true })
  await symlink(at('round'), at('round/a/again'))
  throws('ERR_FORMAT', /circle/, () => images.fromFolder(at('round')))
  // of different sizes: batch() says so
  await rejects(
    'ERR_SHAPE',
    /of sample \d+ has shape/,
    images
      .fromFolder(root, { classNames: ['red'] })
      .batch(12)
      .toArray(),
  )
})

test.run()
