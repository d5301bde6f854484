// overlay: an explanation of an image laid over it. What matters is light, what does not is dark, so that no colour is
// needed to see it.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { checkCall, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { type Samples, tensorOf } from '../learn/report/predictor.js'

/** Bytes of red, green and blue, row by row. */
export type Rgb = Uint8Array

/** The lightest and darkest value of an image are white and black. Other channels than 1 or 3 are averaged. */
export function rgbOf(values: ArrayLike<number>, pixels: number, channels: number): Rgb {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]!)
    high = Math.max(high, values[i]!)
  }
  const rgb = new Uint8Array(3 * pixels)
  for (let i = 0; i < pixels; i++) {
    let sum = 0
    for (let c = 0; c < channels; c++) sum += values[i * channels + c]!
    for (let c = 0; c < 3; c++) {
      const value = channels === 3 ? values[3 * i + c]! : sum / channels
      rgb[3 * i + c] = high > low ? Math.round(((value - low) / (high - low)) * 255) : 0
    }
  }
  return rgb
}

/**
 * The positive part of a map from 0 to 1, channels added up. The largest hundredth of the values counts as 1, so that a
 * single pixel does not darken the rest.
 */
export function shareOf(map: ArrayLike<number>, pixels: number): Float64Array {
  const channels = map.length / pixels
  const sums = Float64Array.from({ length: pixels }, (_, i) => {
    let sum = 0
    for (let c = 0; c < channels; c++) sum += map[i * channels + c]!
    return Math.max(0, sum)
  })
  const sorted = Float64Array.from(sums).sort()
  const most = sorted[Math.floor(0.99 * (pixels - 1))]! || sorted[pixels - 1]!
  return most > 0 ? sums.map((value) => Math.min(1, value / most)) : sums
}

/** Lightness of what does not matter, and how much of the mark is laid on what does. */
const [DARK, MARKED] = [0.25, 0.35]
const MARK = [255, 190, 60] as const

export function laidOver(rgb: Rgb, share: Float64Array): Rgb {
  return rgb.map((value, i) => {
    const part = share[Math.floor(i / 3)]!
    const dimmed = value * (DARK + (1 - DARK) * part)
    return Math.round(dimmed + (MARK[i % 3]! - dimmed) * MARKED * part)
  })
}

/**
 * Images with their explanations laid over them, uint8 [samples, height, width, 3], for images.write(): what speaks for
 * the output is light and marked, the rest is dark. `attributions` are those of saliency, smoothGrad,
 * integratedGradients, gradCam or occlusion.
 * @param x [samples, height, width, channels]
 * @param attributions [samples, height, width] or [samples, height, width, channels]
 */
export async function overlay(x: Samples, attributions: Tensor): Promise<Tensor> {
  const what = 'overlay'
  checkCall(`${what}(x, attributions)`, arguments)
  if (!(attributions instanceof Tensor))
    throw new WeftError('ERR_ARGUMENT', `${what}: attributions are a Tensor, got ${show(attributions)}`, {
      hint: 'Write overlay(x, (await saliency(net, x)).attributions)',
    })
  const { x: t, own } = tensorOf(what, x)
  try {
    const [n, height, width, channels] = t.shape as [number, number, number, number]
    const [samples, rows, columns] = attributions.shape
    const fits =
      t.rank === 4 && (attributions.rank === 3 || attributions.rank === 4) && samples === n && rows === height && columns === width
    if (!fits)
      throw new WeftError(
        'ERR_SHAPE',
        `${what}: images [samples, height, width, channels] and maps of the same height and width are expected, got [${t.shape}] and [${attributions.shape}]`,
        { shapes: [t.shape, attributions.shape] },
      )
    const [values, maps] = [(await t.data()) as Float32Array, (await attributions.data()) as Float32Array]
    const pixels = height * width
    const perMap = maps.length / n
    const made = new Uint8Array(n * pixels * 3)
    for (let i = 0; i < n; i++) {
      const image = rgbOf(values.subarray(i * pixels * channels, (i + 1) * pixels * channels), pixels, channels)
      made.set(laidOver(image, shareOf(maps.subarray(i * perMap, (i + 1) * perMap), pixels)), i * pixels * 3)
    }
    return tensor(made, { shape: [n, height, width, 3] })
  } finally {
    if (own) t.dispose()
  }
}
