// occlusion: how much an output falls when a part of the input is covered. It needs no gradients, so any model can be
// explained.
import { integer } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { type AnyPredictor, floatsOf, predictorOf, type Samples, targetsOf } from '../learn/report/predictor.js'

export interface OcclusionOptions {
  /** The output to explain: for all samples, or one for each. Default: the largest of each sample. */
  target?: number | readonly number[]
  /** Extent of what is covered along each axis of a sample but the channels. Default 1 for tables, 4 for images. */
  size?: number | readonly number[]
  /** How far it moves. Default: its size, or half of it in images. */
  stride?: number | readonly number[]
  /** What covers. Default 0. */
  value?: number
}
const OPTIONS: OptionTable<OcclusionOptions> = { target: 'any', size: 'any', stride: 'any', value: 'number' }

export interface Occlusion {
  /** [samples, ...] without channels: the mean fall of the output over the covers of each place. */
  attributions: Tensor
  targets: number[]
}

/**
 * f(x) - f(x with a part covered), for parts that slide over the sample (Zeiler and Fergus 2014). Samples are rows of
 * features [samples, features], series [samples, steps, channels], or images [samples, height, width, channels].
 */
export async function occlusion(model: AnyPredictor, x: Samples, options: OcclusionOptions = {}): Promise<Occlusion> {
  const what = 'occlusion'
  checkCall(`${what}(model, x, options)`, arguments, OPTIONS)
  const predictor = predictorOf(what, model)
  const { x: t, own } = floatsOf(what, x)
  try {
    if (t.rank < 2 || t.rank > 4)
      throw new WeftError(
        'ERR_SHAPE',
        `${what}: x has shape [${t.shape}], expected [samples, features], [samples, steps, channels] or images`,
      )
    const [n, ...sample] = t.shape as [number, ...number[]]
    const places = sample.length === 1 ? sample : sample.slice(0, -1)
    const channels = sample.length === 1 ? 1 : sample.at(-1)!
    const extent = (name: 'size' | 'stride', given: number | readonly number[] | undefined, fallback: readonly number[]): number[] => {
      const list = given === undefined ? [...fallback] : typeof given === 'number' ? places.map(() => given) : [...given]
      if (list.length !== places.length)
        throw new WeftError('ERR_ARGUMENT', `${what}: ${name} is of ${places.length} axes, got ${show(given)}`)
      for (const one of list) integer(what, name, one, 1)
      return list
    }
    const size = extent(
      'size',
      options.size,
      places.map((all) => (places.length === 1 ? 1 : Math.min(4, all))),
    )
    const stride = extent('stride', options.stride, places.length === 1 ? size : size.map((one) => Math.max(1, one >> 1)))
    const far = stride.findIndex((one, axis) => one > size[axis]!)
    if (far >= 0)
      throw new WeftError('ERR_ARGUMENT', `${what}: a stride of ${stride[far]} leaves places that no cover of ${size[far]} reaches`)
    const data = (await t.data()) as Float32Array
    const whole = await predictor.predict(t)
    const targets = targetsOf(what, whole, options.target)
    const area = places.reduce((a, b) => a * b, 1)
    const [sums, covers] = [new Float64Array(n * area), new Float64Array(area)]
    for (const covered of coversOf(places, size, stride)) {
      const hidden = data.slice()
      for (let i = 0; i < n; i++)
        for (const place of covered) hidden.fill(options.value ?? 0, (i * area + place) * channels, (i * area + place + 1) * channels)
      const rows = tensor(hidden, { shape: t.shape, device: t.device })
      const found = await predictor.predict(rows)
      rows.dispose()
      for (const place of covered) covers[place]!++
      for (let i = 0; i < n; i++) {
        const at = i * whole.columns + targets[i]!
        for (const place of covered) sums[i * area + place]! += whole.data[at]! - found.data[at]!
      }
    }
    const mean = Float32Array.from(sums, (sum, i) => sum / covers[i % area]!)
    return { attributions: tensor(mean, { shape: [n, ...places] }), targets: [...targets] }
  } finally {
    if (own) t.dispose()
  }
}

/** The places under each cover, in a grid of one or two axes; the last covers end where the grid ends. */
function coversOf(places: readonly number[], size: readonly number[], stride: readonly number[]): number[][] {
  const begins = places.map((all, axis) => {
    const last = Math.max(0, all - size[axis]!)
    const list: number[] = []
    for (let at = 0; at < last; at += stride[axis]!) list.push(at)
    return [...list, last]
  })
  const [rows, columns] = places.length === 1 ? [[0], begins[0]!] : [begins[0]!, begins[1]!]
  const [height, width] = places.length === 1 ? [1, size[0]!] : [size[0]!, size[1]!]
  const across = places.at(-1)!
  const down = places.length === 1 ? 1 : places[0]!
  return rows.flatMap((top) =>
    columns.map((left) => {
      const covered: number[] = []
      for (let y = top; y < Math.min(top + height, down); y++)
        for (let x = left; x < Math.min(left + width, across); x++) covered.push(y * across + x)
      return covered
    }),
  )
}
