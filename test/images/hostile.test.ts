// Hostile calls of images, of layers that change them, and of pictures of explanations.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import sharp from 'sharp'
import * as explain from '../../lib/explain/index.js'
import { callbacks, images, layers, sequential, tensor, type Tensor } from '../../lib/index.js'
import { type AnyFunction, hostileTests, type Target } from '../hostile.js'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
test.after(() => rmSync(folder, { recursive: true }))
const png = await sharp(new Uint8Array(48), { raw: { width: 4, height: 4, channels: 3 } })
  .png()
  .toBuffer()
mkdirSync(path.join(folder, 'photos/a'), { recursive: true })
writeFileSync(path.join(folder, 'photos/a/1.png'), png)
const picture = (): Tensor => tensor(new Uint8Array(48), [4, 4, 3])
const batch = (): Tensor => tensor(new Float32Array(96), [2, 4, 4, 3])
const net = sequential([layers.multiHeadAttention({ numHeads: 1, keyDim: 2, inputShape: [3, 2] } as never)])
const pass = async (made: unknown): Promise<void> => {
  const { train = made } = (made ?? {}) as { train?: unknown }
  if (typeof (train as { take?: unknown } | null)?.take === 'function')
    for await (const _ of (train as images.PictureDataset).take(2)) void 0
}
/** An option of a function with each hostile value. */
const optionsOf = (name: string, names: readonly string[], call: (options: object) => unknown): Record<string, Target> =>
  Object.fromEntries(
    names.map((key) => [
      `${name} ${key}`,
      { fn: (value: unknown) => call({ [key]: value }), args: [() => undefined], follow: pass } as Target,
    ]),
  )

hostileTests({
  'images.load': { fn: images.load as AnyFunction, args: [() => png, () => ({ channels: 3 })] },
  ...optionsOf('images.load', ['channels', 'size', 'method', 'background', 'orient', 'cropToAspectRatio', 'device'], (options) =>
    images.load(png, options),
  ),
  'images.resize': { fn: images.resize as AnyFunction, args: [picture, () => [2, 2], () => ({ method: 'bicubic' })] },
  'images.write': {
    fn: (x, options) => images.write(path.join(folder, 'out.png'), x as never, options as never),
    args: [picture, () => ({ range: [0, 255] })],
  },
  'images.write to': {
    fn: (file) => images.write(file as string, picture(), { format: 'png' }),
    args: [() => path.join(folder, 'to.png')],
  },
  ...optionsOf('images.write', ['format', 'quality', 'lossless', 'range'], (options) =>
    images.write(path.join(folder, 'out.webp'), picture(), options),
  ),
  'images.fromFolder': {
    fn: images.fromFolder as AnyFunction,
    args: [() => path.join(folder, 'photos'), () => ({ seed: 1 })],
    follow: pass,
  },
  ...optionsOf('images.fromFolder', ['size', 'labels', 'classNames', 'shuffle', 'seed', 'validationSplit', 'onError'], (options) =>
    images.fromFolder(path.join(folder, 'photos'), options),
  ),
  'layers.mixUp mix': {
    fn: (given) => layers.mixUp().mix(given as never),
    args: [() => ({ x: batch(), y: tensor([[1], [0]]) })],
  },
  'layers.cutMix': {
    fn: (given) => layers.cutMix().apply(given as never, { training: true }),
    args: [() => ({ images: batch(), labels: tensor([[1], [0]]) })],
  },
  'explain.overlay': { fn: explain.overlay as AnyFunction, args: [batch, () => tensor(new Float32Array(32), [2, 4, 4])] },
  'explain.attentionMaps': {
    fn: explain.attentionMaps as AnyFunction,
    args: [() => net, () => tensor(new Float32Array(6), [1, 3, 2]), () => ({ batchSize: 1 })],
  },
  'callbacks.dashboard': { fn: callbacks.dashboard as AnyFunction, args: [() => ({ port: 0 })] },
})

test.run()
