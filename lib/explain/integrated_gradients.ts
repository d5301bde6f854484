// integratedGradients: what each input adds to an output, from the gradients on the way from a baseline.
import { integer } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { tidy } from '../core/tidy.js'
import type { AnyModel } from '../model/model.js'
import { floatsOf, type Samples } from '../learn/report/predictor.js'
import { add, mul, slice, sub } from '../ops/index.js'
import { embeddingOf } from './embedded.js'
import { type Differentiable, overBatches, type TargetOption } from './gradient.js'
import { wordGradients } from './word_gradients.js'

export interface IntegratedGradientsOptions extends TargetOption {
  /** What an input without meaning is: a number for all, or a sample, or one for each sample. Default 0. */
  baseline?: number | Samples
  /**
   * Points on the way. Default: 32, and twice as many until the completeness error is at most 1e-3 of what is
   * explained (or of 1), at most 4096.
   */
  steps?: number
}
const OPTIONS: OptionTable<IntegratedGradientsOptions> = { target: 'any', batchSize: 'integer', baseline: 'any', steps: 'integer' }

export interface IntegratedGradients {
  /** Of the shape of x: the part of each input, or of each word, in f(x) - f(baseline). */
  attributions: Tensor
  /** The largest |sum of attributions - (f(x) - f(baseline))| of a sample. */
  error: number
  /** The output that was explained, of each sample. */
  targets: number[]
  /** Points that were used. */
  steps: number
}
const [FIRST, MOST, TOLERANCE] = [32, 4096, 1e-3]

/**
 * (x - baseline) · the mean gradient on the straight way from the baseline to x (Sundararajan, Taly and Yan 2017), by
 * the midpoint rule. The attributions of a sample add up to f(x) - f(baseline); `error` says how closely. f is the
 * output of the network as it is: a probability after softmax. Where the network begins with an embedding, x are ids
 * [samples, time], and the way is that of their vectors, from zeros or from those of the ids of a baseline.
 */
export async function integratedGradients(
  net: Differentiable,
  x: Samples,
  options: IntegratedGradientsOptions = {},
): Promise<IntegratedGradients> {
  const what = 'integratedGradients'
  checkCall(`${what}(net, x, options)`, arguments, OPTIONS)
  if (options.steps !== undefined) integer(what, 'steps', options.steps, 1)
  const { baseline = 0 } = options
  const embedding = embeddingOf(net)
  if (embedding !== undefined) {
    if (baseline !== 0 && !(Array.isArray(baseline) && (baseline as unknown[]).every((id) => Number.isInteger(id))))
      throw new WeftError('ERR_ARGUMENT', `${what}: the network reads ids; a baseline is the ids of one sample, got ${show(baseline)}`, {
        hint: 'Leave it out for vectors of zeros',
      })
    const ids = baseline === 0 ? undefined : (baseline as readonly number[])
    const size = integer(what, 'batchSize', options.batchSize ?? 64, 1)
    return await wordGradients(what, net as AnyModel, embedding, x, ids, options.target, options.steps, size)
  }
  let [error, used, from] = [0, 0, 0]
  const start = typeof baseline === 'number' ? undefined : floatsOf(what, baseline)
  try {
    const { joined, targets } = await overBatches(what, net, x, options, async (batch, f) => {
      const base = baselineOf(what, batch.x, start?.x ?? (baseline as number), from)
      from += batch.x.shape[0]!
      try {
        const low = await f.value(base, batch.pick)
        const expected = batch.values.map((value, row) => value - low[row]!)
        for (let steps = options.steps ?? FIRST; ; steps *= 2) {
          const found = along(batch.x, base, steps, (point) => f.gradient(point, batch.pick))
          const sums = await sumsOf(found)
          const errors = sums.map((sum, row) => Math.abs(sum - expected[row]!))
          const bad = errors.some((one, row) => !(one <= TOLERANCE * Math.max(1, Math.abs(expected[row]!))))
          if (options.steps === undefined && bad && steps < MOST) {
            found.dispose()
            continue
          }
          error = errors.reduce((most, one) => (Number.isNaN(one) || one > most ? one : most), error)
          used = Math.max(used, steps)
          return found
        }
      } finally {
        base.dispose()
      }
    })
    return { attributions: joined, error, targets, steps: used }
  } finally {
    if (start?.own) start.x.dispose()
  }
}

/** The baselines of a batch. */
function baselineOf(what: string, x: Tensor, baseline: number | Tensor, from: number): Tensor {
  if (typeof baseline === 'number') {
    if (!Number.isFinite(baseline)) throw new WeftError('ERR_ARGUMENT', `${what}: baseline is ${show(baseline)}`)
    return tidy(() => add(mul(x, 0), baseline))
  }
  const sample = x.shape.slice(1)
  const own = baseline.shape
  if (String(own) === String(sample) || (own.length === x.rank && own[0] === 1 && String(own.slice(1)) === String(sample)))
    return tidy(() => add(mul(x, 0), baseline))
  if (own.length === x.rank && String(own.slice(1)) === String(sample) && from + x.shape[0]! <= own[0]!)
    return slice(baseline, [from, ...sample.map(() => 0)], [x.shape[0]!, ...sample])
  throw new WeftError('ERR_SHAPE', `${what}: the baseline has shape [${own}], the samples [${x.shape}]`, {
    hint: 'Give a number, one sample, or one for each sample',
  })
}

/** (x - base) · the mean of the gradients at the middles of `steps` even parts of the way. */
function along(x: Tensor, base: Tensor, steps: number, gradient: (point: Tensor) => Tensor): Tensor {
  return tidy(() => {
    const way = sub(x, base)
    let sum: Tensor | undefined
    for (let i = 0; i < steps; i++) {
      const next = tidy(() => {
        const own = gradient(add(base, mul(way, tensor([(i + 0.5) / steps], { device: x.device }))))
        return sum ? add(sum, own) : own
      })
      sum?.dispose()
      sum = next
    }
    return mul(way, mul(sum!, 1 / steps))
  })
}

/** The sum of each sample, in float64. */
export async function sumsOf(t: Tensor): Promise<Float64Array> {
  const data = (await t.data()) as Float32Array
  const rows = t.shape[0]!
  const size = data.length / rows
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let i = 0; i < size; i++) sum += data[row * size + i]!
    return sum
  })
}
