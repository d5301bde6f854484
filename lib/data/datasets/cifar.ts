// CIFAR-10: its binary format (Krizhevsky; https://www.cs.toronto.edu/~kriz/cifar.html).
import { setImmediate } from 'node:timers/promises'
import { tensor } from '../../core/create.js'
import { WeftError } from '../../core/error.js'
import { checkCall } from '../../core/options.js'
import { type FileSet, type DatasetOptions, load } from './files.js'
import type { Split, TrainTest } from './idx.js'

const SIDE = 32
const PLANE = SIDE * SIDE
/** A label, then the red, the green and the blue plane. */
const RECORD = 1 + 3 * PLANE

export const cifar10Files: FileSet = {
  title: 'cifar10',
  folders: ['cifar-10-batches-bin', 'cifar-10', 'cifar10'],
  files: ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch'].map((name) => ({
    name: `${name}.bin`,
    bytes: 10_000 * RECORD,
  })),
  hint: 'Get the binary version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html) and unpack it',
}

/**
 * CIFAR-10: x uint8 [n, 32, 32, 3], 0..255; y int32 [n], 10 classes; 50,000 to train, 10,000 to test. Its files have no
 * published hash: sizes are checked.
 */
export async function cifar10(options: DatasetOptions = {}): Promise<TrainTest> {
  checkCall('datasets.cifar10(options)', arguments)
  const batches = await load(cifar10Files, options)
  const names = cifar10Files.files.map((file) => file.name)
  return { train: await split(batches.slice(0, 5), names), test: await split(batches.slice(5), names.slice(5)) }
}

async function split(batches: readonly Uint8Array[], names: readonly string[]): Promise<Split> {
  for (const [i, batch] of batches.entries()) {
    if (batch.length === 0 || batch.length % RECORD !== 0) {
      throw new WeftError('ERR_FORMAT', `${names[i]}: ${batch.length} bytes are not whole records of ${RECORD} bytes`)
    }
  }
  const n = batches.reduce((sum, batch) => sum + batch.length / RECORD, 0)
  const x = new Uint8Array(n * 3 * PLANE)
  const y = new Int32Array(n)
  let item = 0
  for (const [i, batch] of batches.entries()) {
    for (let at = 0; at < batch.length; at += RECORD, item++) {
      const label = batch[at]!
      if (label > 9) throw new WeftError('ERR_FORMAT', `${names[i]}: label ${label} of record ${at / RECORD} is not one of 0..9`)
      y[item] = label
      interleave(batch, at + 1, x, item * 3 * PLANE)
    }
    await setImmediate() // a batch of 10,000 takes tens of milliseconds: let the event loop turn
  }
  return { x: tensor(x, [n, SIDE, SIDE, 3]), y: tensor(y, [n]) }
}

/** One image from planes to channels last: [3, 32, 32] to [32, 32, 3]. */
function interleave(from: Uint8Array, at: number, to: Uint8Array, into: number): void {
  for (let pixel = 0; pixel < PLANE; pixel++) {
    to[into + 3 * pixel] = from[at + pixel]!
    to[into + 3 * pixel + 1] = from[at + PLANE + pixel]!
    to[into + 3 * pixel + 2] = from[at + 2 * PLANE + pixel]!
  }
}
