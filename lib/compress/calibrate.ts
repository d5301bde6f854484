// Calibration: the ranges that the inputs of layers have on data.
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { jit } from '../core/jit.js'
import type { Tensor } from '../core/tensor.js'
import type { AnyLayer } from '../layers/layer.js'
import type { Tree } from '../model/feed.js'
import type { AnyModel } from '../model/model.js'
import type { QuantizedRange } from '../ops/quantized.js'
import { type CompressData, eachBatch } from './data.js'

export type Calibration = 'minMax' | 'percentile' | 'entropy'

export interface CalibrationOptions {
  readonly method: Calibration
  /** Percent of the values that lie in the range, for 'percentile'. */
  readonly percentile: number
  /** Rows of the data that are looked at. */
  readonly samples: number
}

/** The least and the largest value. */
export interface Range {
  readonly low: number
  readonly high: number
}

/** Bins of a histogram of values; of their sizes for 'entropy' (Migacz 2017). */
const BINS = 2048
const LEVELS = 128

class Observer {
  low = Number.POSITIVE_INFINITY
  high = Number.NEGATIVE_INFINITY
  readonly counts = new Float64Array(BINS)

  widen(values: Float32Array): void {
    for (const value of values) {
      if (value < this.low) this.low = value
      if (value > this.high) this.high = value
    }
  }

  count(values: Float32Array, sizes: boolean): void {
    const [from, to] = sizes ? [0, Math.max(-this.low, this.high)] : [this.low, this.high]
    const factor = to > from ? BINS / (to - from) : 0
    for (const value of values) {
      const at = ((sizes ? Math.abs(value) : value) - from) * factor
      const bin = at >= BINS ? BINS - 1 : Math.floor(at)
      this.counts[bin] = this.counts[bin]! + 1
    }
  }
}

/** Runs the model on the data and gives the inputs of the layers, by the given names, to `take`. */
async function watch(
  what: string,
  model: AnyModel,
  layers: ReadonlyMap<string, AnyLayer>,
  data: CompressData,
  samples: number,
  take: (name: string, values: Float32Array) => void,
): Promise<void> {
  const names = new Map([...layers].map(([name, layer]) => [layer, name]))
  let seen: [string, Tensor][] = []
  for (const [layer, name] of names) {
    const call = layer.call.bind(layer)
    Object.defineProperty(layer, 'call', {
      value: (x: Tensor, options: never) => {
        seen.push([name, x])
        return call(x, options)
      },
      configurable: true,
      writable: true,
    })
  }
  const run = jit((x: Tree) => {
    seen = []
    model.apply(x, { training: false })
    return Object.fromEntries(seen.map(([name, t], i) => [`${i}/${name}`, t.dtype === 'float32' ? t : t.cast('float32')]))
  })
  try {
    await eachBatch(what, model, data, samples, async (x) => {
      const found = withDevice(model.device, () => run(x)) as Record<string, Tensor>
      for (const [key, t] of Object.entries(found)) {
        take(key.slice(key.indexOf('/') + 1), (await t.data()) as Float32Array)
        t.dispose()
      }
    })
  } finally {
    run.dispose()
    for (const layer of names.keys()) delete (layer as { call?: unknown }).call
  }
}

/** The ranges of the inputs of the layers. ERR_DATA where they are not finite. */
export async function calibrate(
  what: string,
  model: AnyModel,
  layers: ReadonlyMap<string, AnyLayer>,
  data: CompressData,
  { method, percentile, samples }: CalibrationOptions,
): Promise<Map<string, Range>> {
  const observers = new Map([...layers.keys()].map((name) => [name, new Observer()]))
  await watch(what, model, layers, data, samples, (name, values) => observers.get(name)!.widen(values))
  if (method !== 'minMax')
    await watch(what, model, layers, data, samples, (name, values) => observers.get(name)!.count(values, method === 'entropy'))
  return new Map([...observers].map(([name, observer]) => [name, rangeOf(what, name, observer, method, percentile)]))
}

function rangeOf(what: string, name: string, observer: Observer, method: Calibration, percentile: number): Range {
  const { low, high } = observer
  if (!Number.isFinite(low) || !Number.isFinite(high))
    throw new WeftError('ERR_DATA', `${what}: the inputs of the layer '${name}' are not finite on the data, or there were none`)
  if (method === 'percentile') return percentileRange(observer, percentile)
  if (method !== 'entropy' || high <= low) return { low, high }
  const most = entropyThreshold(observer.counts, Math.max(-low, high))
  return { low: Math.max(low, -most), high: Math.min(high, most) }
}

/** The range between the values that half of the rest lies below, and above. */
function percentileRange({ low, high, counts }: Observer, percentile: number): Range {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const outside = (total * (100 - percentile)) / 200
  const width = (high - low) / BINS
  let [from, to] = [0, BINS - 1]
  for (let sum = 0; from < BINS - 1 && sum + counts[from]! <= outside; from++) sum += counts[from]!
  for (let sum = 0; to > from && sum + counts[to]! <= outside; to--) sum += counts[to]!
  return { low: low + from * width, high: low + (to + 1) * width }
}

/**
 * The size at which values are cut off so that their distribution and that of their rounded sizes differ least in
 * entropy (Migacz, 8-bit inference with TensorRT, 2017).
 */
function entropyThreshold(all: Float64Array, most: number): number {
  // zeros are exact with any threshold, and relu makes many of them
  const counts = all.slice().fill(0, 0, 1)
  let best = BINS
  let least = Number.POSITIVE_INFINITY
  for (let end = LEVELS; end <= BINS; end += 8) {
    const reference = counts.slice(0, end)
    const outliers = counts.subarray(end).reduce((sum, count) => sum + count, 0)
    reference[end - 1] = reference[end - 1]! + outliers
    const divergence = divergenceOf(reference, rounded(counts.subarray(0, end)))
    if (divergence < least) {
      least = divergence
      best = end
    }
  }
  return (best / BINS) * most
}

/** The counts as `LEVELS` levels keep them, spread again over the bins that had any. */
function rounded(counts: Float64Array): Float64Array {
  const made = new Float64Array(counts.length)
  const width = counts.length / LEVELS
  for (let level = 0; level < LEVELS; level++) {
    const [from, to] = [Math.floor(level * width), level === LEVELS - 1 ? counts.length : Math.floor((level + 1) * width)]
    let [sum, filled] = [0, 0]
    for (let i = from; i < to; i++) {
      sum += counts[i]!
      filled += Number(counts[i]! > 0)
    }
    for (let i = from; i < to; i++) if (counts[i]! > 0) made[i] = sum / filled
  }
  return made
}

function divergenceOf(p: Float64Array, q: Float64Array): number {
  const [all, other] = [p, q].map((list) => list.reduce((sum, count) => sum + count, 0)) as [number, number]
  let sum = 0
  // what the rounded distribution does not have at all counts with the least that it could have
  for (let i = 0; i < p.length; i++) if (p[i]! > 0) sum += (p[i]! / all) * Math.log(p[i]! / all / Math.max(q[i]! / other, 1e-9))
  return sum
}

/** Scale and zero point of uint8 for a range; 0 is always in it, so that padding is exact (Jacob et al. 2018). */
export function uint8Range({ low, high }: Range): QuantizedRange {
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)]
  const scale = Math.fround((to - from) / 255)
  if (!(scale >= 2 ** -100)) return { scale: 1, zeroPoint: 0 }
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-from / scale))) }
}
