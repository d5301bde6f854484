// Data sets: the shipped tables against known sums, the loaders on generated files in the official layouts.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as datasets from '../../lib/data/datasets/index.js'
import { parseIdx } from '../../lib/data/datasets/idx.js'
import type { Tensor } from '../../lib/index.js'
import { hasFashionMnist, testWith } from '../skip.js'
import { rejects, throws } from '../expect.js'

const scratch = mkdtempSync(path.join(tmpdir(), 'weft-datasets-'))
let folders = 0
const folder = (files: Record<string, Uint8Array>, name = String(folders++)): string => {
  const dir = path.join(scratch, name)
  mkdirSync(dir, { recursive: true })
  for (const [file, bytes] of Object.entries(files)) writeFileSync(path.join(dir, file), bytes)
  return dir
}
const environment = { ...process.env }
test.before.each(() => {
  process.env['XDG_CACHE_HOME'] = path.join(scratch, 'cache')
  delete process.env['WEFT_DATA']
})
test.after(() => {
  process.env = environment
  rmSync(scratch, { recursive: true })
})

const sum = (values: ArrayLike<number>): number => Array.prototype.reduce.call(values, (a, b) => (a as number) + (b as number), 0) as number
const counts = async (y: Tensor): Promise<number[]> => {
  const result: number[] = []
  for (const label of (await y.data()) as Int32Array) result[label] = (result[label] ?? 0) + 1
  return result
}

test('digits: 1797 images of 8 by 8, 0..16', async () => {
  const { x, y, classNames } = await datasets.digits()
  assert.equal([x.shape, x.dtype, y.shape, y.dtype, classNames.length], [[1797, 8, 8, 1], 'float32', [1797], 'int32', 10])
  const values = (await x.data()) as Float32Array
  assert.is(Math.max(...values), 16)
  assert.is(Math.min(...values), 0)
  assert.is(sum(values), 561718)
  assert.equal([...values.subarray(0, 16)], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0])
  assert.equal(await counts(y), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
})

test('iris, wine and breast cancer: rows, columns, classes', async () => {
  for (const [loader, shape, classes, first, total] of [
    [datasets.iris, [150, 4], [50, 50, 50], [5.1, 3.5, 1.4, 0.2], 2078.7],
    [datasets.wine, [178, 13], [59, 71, 48], [14.23, 1.71, 2.43, 15.6], 159_975.3],
    [datasets.breastCancer, [569, 30], [212, 357], [17.99, 10.38, 122.8, 1001], 1_056_474.46],
  ] as const) {
    const { x, y, featureNames, classNames } = await loader()
    assert.equal([x.shape, x.dtype, y.dtype], [[...shape], 'float32', 'int32'])
    assert.equal([featureNames.length, classNames.length], [shape[1], classes.length])
    assert.equal(await counts(y), [...classes])
    const values = (await x.data()) as Float32Array
    assert.equal([...values.subarray(0, 4)], [...Float32Array.from(first)])
    assert.ok(Math.abs(sum(values) / total - 1) < 1e-5, `${loader.name}: sum ${sum(values)}`)
  }
})

test('diabetes: scaled columns as scikit-learn gives them, or the measured values', async () => {
  const { x, y } = await datasets.diabetes()
  assert.equal([x.shape, y.shape, y.dtype], [[442, 10], [442], 'float32'])
  const scaled = (await x.data()) as Float32Array
  for (let column = 0; column < 10; column++) {
    const values = scaled.filter((_, i) => i % 10 === column)
    assert.ok(Math.abs(sum(values)) < 1e-5)
    assert.ok(Math.abs(sum(values.map((v) => v * v)) - 1) < 1e-5)
  }
  assert.ok(Math.abs(scaled[0]! - 0.03807591) < 1e-7)
  assert.is(sum((await y.data()) as Float32Array), 67243)
  const raw = (await (await datasets.diabetes({ scaled: false })).x.data()) as Float32Array
  assert.equal([...raw.subarray(0, 4)], [...Float32Array.from([59, 2, 32.1, 101])])
})

/** An IDX file of bytes with these sizes. */
function idx(shape: number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length)
  header[2] = 8
  header[3] = shape.length
  for (const [axis, n] of shape.entries()) header.writeUInt32BE(n, 4 + 4 * axis)
  return Buffer.concat([header, values])
}

const pixels = (n: number, from: number): Uint8Array => Uint8Array.from({ length: n * 784 }, (_, i) => (from + i) % 256)
const tiny = (): Record<string, Uint8Array> => ({
  'train-images-idx3-ubyte': idx([3, 28, 28], pixels(3, 1)),
  'train-labels-idx1-ubyte': idx([3], Uint8Array.of(5, 0, 9)),
  't10k-images-idx3-ubyte': idx([2, 28, 28], pixels(2, 7)),
  't10k-labels-idx1-ubyte': idx([2], Uint8Array.of(1, 2)),
})

test('IDX files, plain and gzipped', async () => {
  const plain = folder(tiny())
  const gzipped = folder(Object.fromEntries(Object.entries(tiny()).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)])))
  for (const dir of [plain, gzipped]) {
    for (const loader of [datasets.mnist, datasets.fashionMnist]) {
      const { train, test } = await loader({ dir, verify: false })
      assert.equal([train.x.shape, train.x.dtype, train.y.dtype], [[3, 28, 28, 1], 'uint8', 'int32'])
      assert.equal(await train.x.data(), pixels(3, 1))
      assert.equal(await train.y.data(), Int32Array.of(5, 0, 9))
      assert.equal(await test.x.data(), pixels(2, 7))
      assert.equal(await test.y.data(), Int32Array.of(1, 2))
    }
  }
})

test('official sizes and hashes are checked unless verify is false', async () => {
  await rejects('ERR_FORMAT', /2368 bytes, but train-images-idx3-ubyte has 47040016.*verify/, datasets.mnist({ dir: folder(tiny()) }))
  const right = tiny()
  right['train-images-idx3-ubyte'] = idx([60_000, 28, 28], new Uint8Array(60_000 * 784))
  await rejects(
    'ERR_FORMAT',
    /SHA-256 [0-9a-f]{64}, but that of train-images-idx3-ubyte is ba891046/,
    datasets.mnist({ dir: folder(right) }),
  )
  const long = tiny()
  long['train-images-idx3-ubyte.gz'] = gzipSync(new Uint8Array(50_000_000))
  delete long['train-images-idx3-ubyte']
  await rejects('ERR_FORMAT', /more than 47040016 bytes unpacked/, datasets.mnist({ dir: folder(long) }))
})

test('corrupt IDX files', async () => {
  const broken = async (name: string, bytes: Uint8Array): Promise<unknown> =>
    datasets.mnist({ dir: folder({ ...tiny(), [name]: bytes }), verify: false })
  await rejects('ERR_FORMAT', /not an IDX file/, broken('train-images-idx3-ubyte', Uint8Array.of(1, 2, 3, 4, 5)))
  await rejects('ERR_FORMAT', /not an IDX file/, broken('train-images-idx3-ubyte', idx([3], new Uint8Array(3))))
  await rejects(
    'ERR_FORMAT',
    /takes 2352 bytes, the file has 2351/,
    broken('train-images-idx3-ubyte', idx([3, 28, 28], new Uint8Array(2351))),
  )
  await rejects('ERR_FORMAT', /3 images, .* 2 labels/, broken('train-labels-idx1-ubyte', idx([2], new Uint8Array(2))))
  await rejects('ERR_FORMAT', /label 10 of item 1/, broken('train-labels-idx1-ubyte', idx([3], Uint8Array.of(1, 10, 2))))
  await rejects(
    'ERR_FORMAT',
    /damaged/,
    datasets.mnist({
      dir: folder({ 'train-images-idx3-ubyte.gz': Uint8Array.of(1, 2, 3), ...without('train-images-idx3-ubyte') }),
      verify: false,
    }),
  )
  const cut = gzipSync(tiny()['train-images-idx3-ubyte']!).subarray(0, 100)
  await rejects(
    'ERR_FORMAT',
    /damaged/,
    datasets.mnist({ dir: folder({ 'train-images-idx3-ubyte.gz': cut, ...without('train-images-idx3-ubyte') }), verify: false }),
  )
  throws('ERR_FORMAT', /takes/, () => parseIdx(idx([0xffffffff, 0xffffffff, 0xffffffff], new Uint8Array(0)), 3, 'huge'))
  assert.equal(parseIdx(idx([0], new Uint8Array(0)), 1, 'empty').shape, [0])
})

const without = (name: string): Record<string, Uint8Array> => Object.fromEntries(Object.entries(tiny()).filter(([key]) => key !== name))

test('CIFAR-10: planes become channels last', async () => {
  const record = (label: number, seed: number): Uint8Array =>
    Buffer.concat([Uint8Array.of(label), Uint8Array.from({ length: 3072 }, (_, i) => (i * 7 + seed) % 256)])
  const files: Record<string, Uint8Array> = {}
  for (let i = 1; i <= 5; i++) files[`data_batch_${i}.bin`] = Buffer.concat([record(i, i), record(9 - i, 100 + i)])
  files['test_batch.bin'] = record(3, 50)
  const { train, test } = await datasets.cifar10({ dir: folder(files), verify: false })
  assert.equal([train.x.shape, train.x.dtype, train.y.shape, test.x.shape], [[10, 32, 32, 3], 'uint8', [10], [1, 32, 32, 3]])
  assert.equal([...((await train.y.data()) as Int32Array)], [1, 8, 2, 7, 3, 6, 4, 5, 5, 4])
  const x = (await train.x.data()) as Uint8Array
  for (const [item, row, column, channel, seed] of [
    [0, 0, 0, 0, 1],
    [0, 0, 1, 2, 1],
    [3, 17, 5, 1, 102],
    [9, 31, 31, 2, 105],
  ] as const) {
    const plane = channel * 1024 + row * 32 + column
    assert.is(x[((item * 32 + row) * 32 + column) * 3 + channel], (plane * 7 + seed) % 256)
  }
  await rejects(
    'ERR_FORMAT',
    /not whole records of 3073/,
    datasets.cifar10({ dir: folder({ ...files, 'test_batch.bin': new Uint8Array(3072) }), verify: false }),
  )
  await rejects(
    'ERR_FORMAT',
    /label 10 of record 0/,
    datasets.cifar10({ dir: folder({ ...files, 'test_batch.bin': record(10, 0) }), verify: false }),
  )
  await rejects('ERR_FORMAT', /data_batch_1\.bin has 30730000/, datasets.cifar10({ dir: folder(files) }))
})

test('places are tried in order: dir, WEFT_DATA, the system, the cache', async () => {
  const make = (dir: string, label: number): string =>
    folder({ ...tiny(), 't10k-labels-idx1-ubyte': idx([2], Uint8Array.of(label, label)) }, dir)
  const label = async (options: datasets.DatasetOptions): Promise<number> =>
    ((await (await datasets.mnist({ verify: false, ...options })).test.y.data()) as Int32Array)[0]!
  make('cache/weft/mnist', 1)
  assert.is(await label({}), 1)
  make('env/MNIST/raw', 2)
  process.env['WEFT_DATA'] = path.join(scratch, 'env')
  assert.is(await label({}), 2)
  make('own/mnist', 3)
  assert.is(await label({ dir: path.join(scratch, 'own') }), 3, 'the folder above')
  assert.is(await label({ dir: make('flat', 4) }), 4, 'the folder itself')
  rmSync(path.join(scratch, 'cache'), { recursive: true })
})

test('without the files the error names them, their sizes and the places', async () => {
  process.env['WEFT_DATA'] = '/nowhere/data'
  const message =
    /train-images-idx3-ubyte \(47040016 bytes.*t10k-labels-idx1-ubyte \(10008 bytes.*\/own.*\/nowhere\/data\/mnist.*\/usr\/share\/datasets\/mnist.*cache\/weft\/mnist.*Nothing is downloaded/s
  await rejects('ERR_ARGUMENT', message, datasets.mnist({ dir: '/own' }))
  await rejects('ERR_ARGUMENT', /data_batch_5\.bin \(30730000 bytes/, datasets.cifar10())
  await rejects(
    'ERR_ARGUMENT',
    /has only some of the files; missing: train-images/,
    datasets.mnist({ dir: folder(without('train-images-idx3-ubyte')) }),
  )
  await rejects('ERR_ARGUMENT', /datasets\.mnist: unknown option 'folder'/, datasets.mnist({ folder: 'x' } as object))
})

testWith(hasFashionMnist, 'the Debian package dataset-fashion-mnist', 'Fashion-MNIST from the system, hashes checked', async () => {
  const { train, test } = await datasets.fashionMnist()
  assert.equal([train.x.shape, train.y.shape, test.x.shape, test.y.shape], [[60_000, 28, 28, 1], [60_000], [10_000, 28, 28, 1], [10_000]])
  assert.equal([train.x.dtype, train.y.dtype], ['uint8', 'int32'])
  assert.equal(await counts(train.y), Array(10).fill(6000))
  assert.equal([...((await train.y.data()) as Int32Array).subarray(0, 5)], [9, 0, 0, 3, 0])
  assert.ok(Math.abs(sum((await train.x.data()) as Uint8Array) / 47_040_000 - 72.94035223) < 1e-5)
})

test.run()
