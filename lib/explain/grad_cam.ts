// gradCam: where in an image a convolutional network looks for a class.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { gradients } from '../core/grad.js'
import { jit } from '../core/jit.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import type { AnyLayer } from '../layers/layer.js'
import { type AnyModel, Model } from '../model/model.js'
import type { Samples } from '../learn/report/predictor.js'
import { zeros } from '../ops/index.js'
import { forwardOf, overBatches, type TargetOption } from './gradient.js'

export interface GradCamOptions extends TargetOption {
  /** The layer whose maps are weighted, by name or place. Default: the last convolution. */
  layer?: string | number
  /** Maps of the size of the images, by linear interpolation. Default true; false: of the layer's size. */
  resize?: boolean
}
const OPTIONS: OptionTable<GradCamOptions> = { target: 'any', batchSize: 'integer', layer: 'any', resize: 'boolean' }

export interface GradCam {
  /**
   * [samples, height, width], from 0 to 1 in each sample: where its largest value is. All 0 where nothing speaks for
   * the class.
   */
  attributions: Tensor
  targets: number[]
  /** Name of the layer. */
  layer: string
}

function layerOf(net: AnyModel, which: string | number | undefined): AnyLayer {
  if (which !== undefined) return net.getLayer(which)
  const found = net.layers.filter((layer) => /conv/i.test(layer.className)).at(-1)
  if (found) return found
  throw new WeftError('ERR_ARGUMENT', `gradCam: ${net.name} has no convolution`, {
    hint: `Say the layer: { layer: name }. Its layers: ${net.layers.map(({ name }) => name).join(', ')}`,
  })
}

/**
 * The maps of a layer, weighted by the mean gradient of the output by each: the positive part of their sum (Selvaraju
 * et al. 2017). Images are [samples, height, width, channels].
 */
export async function gradCam(net: AnyModel, x: Samples, options: GradCamOptions = {}): Promise<GradCam> {
  const what = 'gradCam'
  checkCall(`${what}(net, x, options)`, arguments, OPTIONS)
  if (!(net instanceof Model)) throw new WeftError('ERR_ARGUMENT', `${what}: expected a network, got ${show(net)}`)
  const layer = layerOf(net, options.layer)
  const forward = forwardOf(what, net)
  // What the layer gives, with something added by which to differentiate: no rewriting of the graph reaches over it.
  const watched = (input: Tensor, extra: Tensor | undefined): { maps: Tensor; outputs: Tensor } => {
    let maps: Tensor | undefined
    const call = layer.call as (...args: unknown[]) => unknown
    layer.call = (...args: unknown[]) => {
      const found = call.apply(layer, args)
      if (!(found instanceof Tensor))
        throw new WeftError('ERR_SHAPE', `${what}: the layer ${layer.name} gives ${show(found)}, one Tensor is expected`)
      maps = found
      return extra ? found.add(extra) : found
    }
    try {
      const outputs = forward(input)
      if (maps === undefined) throw new WeftError('ERR_ARGUMENT', `${what}: the layer ${layer.name} is not called for the output`)
      return { maps, outputs }
    } finally {
      // the method of the class again
      Reflect.deleteProperty(layer, 'call')
    }
  }
  const look = jit((input: Tensor) => watched(input, undefined).maps)
  const both = jit((input: Tensor, pick: Tensor, extra: Tensor) => {
    const { maps, outputs } = watched(input, extra)
    const [slope] = gradients(outputs.mul(pick).sum(), [extra])
    return maps
      .mul(slope!.mean([1, 2], { keepDims: true }))
      .sum(-1)
      .relu()
  })
  try {
    const { joined, targets } = await overBatches(what, net, x, options, async (batch) => {
      const shape = look(batch.x)
      const size = [...shape.shape]
      shape.dispose()
      if (size.length !== 4)
        throw new WeftError(
          'ERR_SHAPE',
          `${what}: the layer ${layer.name} gives shape [${size}], maps [samples, height, width, channels] are expected`,
        )
      const extra = zeros(size, { device: batch.x.device })
      const found = both(batch.x, batch.pick, extra)
      const data = (await found.data()) as Float32Array
      const device = batch.x.device
      extra.dispose()
      found.dispose()
      const [n, h, w] = size as [number, number, number, number]
      const [height, width] = (options.resize ?? true) ? [batch.x.shape[1]!, batch.x.shape[2]!] : [h, w]
      const made = new Float32Array(n * height * width)
      for (let i = 0; i < n; i++)
        made.set(unit(resized(data.subarray(i * h * w, (i + 1) * h * w), [h, w], [height, width])), i * height * width)
      return tensor(made, { shape: [n, height, width], device })
    })
    return { attributions: joined, targets, layer: layer.name }
  } finally {
    look.dispose()
    both.dispose()
  }
}

/** Divided by the largest value. */
function unit(map: Float32Array): Float32Array {
  const most = map.reduce((so, value) => Math.max(so, value), 0)
  return most > 0 ? map.map((value) => value / most) : map
}

/** Linear interpolation between the middles of the pixels. */
function resized(map: Float32Array, [h, w]: readonly [number, number], [height, width]: readonly number[]): Float32Array {
  const at = (i: number, from: number, to: number): [number, number, number] => {
    const place = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1)
    const low = Math.floor(place)
    return [low, Math.min(low + 1, from - 1), place - low]
  }
  const made = new Float32Array(height! * width!)
  for (let y = 0; y < height!; y++) {
    const [y0, y1, ty] = at(y, h, height!)
    for (let x = 0; x < width!; x++) {
      const [x0, x1, tx] = at(x, w, width!)
      const top = map[y0 * w + x0]! * (1 - tx) + map[y0 * w + x1]! * tx
      const bottom = map[y1 * w + x0]! * (1 - tx) + map[y1 * w + x1]! * tx
      made[y * width! + x] = top * (1 - ty) + bottom * ty
    }
  }
  return made
}
