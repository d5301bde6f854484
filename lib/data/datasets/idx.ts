// MNIST and Fashion-MNIST: the IDX format (LeCun; http://yann.lecun.com/exdb/mnist/).
import { tensor } from '../../core/create.js'
import { sizeOf } from '../../core/spec.js'
import { WeftError } from '../../core/error.js'
import { checkCall } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { type FileSet, type DatasetOptions, load } from './files.js'

export interface Split {
  x: Tensor
  y: Tensor
}

export interface TrainTest {
  train: Split
  test: Split
}

const files = (hashes: readonly [string, string, string, string]): FileSet['files'] => [
  { name: 'train-images-idx3-ubyte', bytes: 47_040_016, sha256: hashes[0] },
  { name: 'train-labels-idx1-ubyte', bytes: 60_008, sha256: hashes[1] },
  { name: 't10k-images-idx3-ubyte', bytes: 7_840_016, sha256: hashes[2] },
  { name: 't10k-labels-idx1-ubyte', bytes: 10_008, sha256: hashes[3] },
]

export const fashionMnistFiles: FileSet = {
  title: 'fashionMnist',
  folders: ['fashion-mnist', 'FashionMNIST/raw'],
  files: files([
    'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
  ]),
  hint: 'On Debian and Ubuntu: apt-get install dataset-fashion-mnist. Elsewhere get the four files from https://github.com/zalandoresearch/fashion-mnist',
}

export const mnistFiles: FileSet = {
  title: 'mnist',
  folders: ['mnist', 'MNIST/raw'],
  files: files([
    'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  ]),
  hint: 'Get the four files of MNIST (http://yann.lecun.com/exdb/mnist/ or a mirror)',
}

/**
 * Fashion-MNIST (Zalando, MIT): x uint8 [n, 28, 28, 1], 0..255; y int32 [n], 10 kinds of clothes; 60,000 to train,
 * 10,000 to test.
 */
export async function fashionMnist(options: DatasetOptions = {}): Promise<TrainTest> {
  checkCall('datasets.fashionMnist(options)', arguments)
  return images(fashionMnistFiles, options)
}

/** MNIST: x uint8 [n, 28, 28, 1], 0..255; y int32 [n], digits; 60,000 to train, 10,000 to test. */
export async function mnist(options: DatasetOptions = {}): Promise<TrainTest> {
  checkCall('datasets.mnist(options)', arguments)
  return images(mnistFiles, options)
}

async function images(set: FileSet, options: DatasetOptions): Promise<TrainTest> {
  const [trainX, trainY, testX, testY] = await load(set, options)
  return { train: split(set, 0, trainX!, trainY!), test: split(set, 2, testX!, testY!) }
}

function split(set: FileSet, first: number, imageBytes: Uint8Array, labelBytes: Uint8Array): Split {
  const images = parseIdx(imageBytes, 3, set.files[first]!.name)
  const labels = parseIdx(labelBytes, 1, set.files[first + 1]!.name)
  if (images.shape[0] !== labels.shape[0]) {
    throw new WeftError(
      'ERR_FORMAT',
      `${set.title}: ${set.files[first]!.name} has ${images.shape[0]} images, ${set.files[first + 1]!.name} has ${labels.shape[0]} labels`,
    )
  }
  const bad = labels.data.findIndex((label) => label > 9)
  if (bad >= 0)
    throw new WeftError('ERR_FORMAT', `${set.files[first + 1]!.name}: label ${labels.data[bad]} of item ${bad} is not one of 0..9`)
  return { x: tensor(images.data, [...images.shape, 1]), y: tensor(Int32Array.from(labels.data), [labels.data.length]) }
}

/**
 * An IDX file of unsigned bytes with `rank` axes: 0, 0, 8, rank, the sizes as big-endian 32-bit integers, the values.
 */
export function parseIdx(bytes: Uint8Array, rank: number, name: string): { data: Uint8Array; shape: number[] } {
  const header = 4 + 4 * rank
  if (bytes.length < header || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== 8 || bytes[3] !== rank) {
    throw new WeftError(
      'ERR_FORMAT',
      `${name}: not an IDX file of unsigned bytes with ${rank} axes (starts with [${bytes.slice(0, 4)}], expected [0,0,8,${rank}])`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const size = sizeOf(shape)
  if (bytes.length - header !== size) {
    throw new WeftError('ERR_FORMAT', `${name}: shape [${shape}] takes ${size} bytes, the file has ${bytes.length - header}`)
  }
  return { data: bytes.subarray(header), shape }
}
