// saliency, smoothGrad: how strongly an output changes with each input.
import { integer } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { tidy } from '../core/tidy.js'
import type { Samples } from '../learn/report/predictor.js'
import { RandomState } from '../learn/selection/random.js'
import { abs, add, mul } from '../ops/index.js'
import { type Differentiable, overBatches, type TargetOption } from './gradient.js'

export interface SaliencyOptions extends TargetOption {
  /** False: with the sign of the gradient. Default true: its amount. */
  absolute?: boolean
}
const SALIENCY: OptionTable<SaliencyOptions> = { target: 'any', batchSize: 'integer', absolute: 'boolean' }

export interface Attributions {
  /** Of the shape of x. */
  attributions: Tensor
  /** The output that was explained, of each sample. */
  targets: number[]
}

/** |∂f / ∂x|: the gradient of an output by each input (Simonyan, Vedaldi and Zisserman 2013). */
export async function saliency(net: Differentiable, x: Samples, options: SaliencyOptions = {}): Promise<Attributions> {
  checkCall('saliency(net, x, options)', arguments, SALIENCY)
  const { absolute = true } = options
  const { joined, targets } = await overBatches('saliency', net, x, options, async ({ x, pick }, f) =>
    tidy(() => (absolute ? abs(f.gradient(x, pick)) : f.gradient(x, pick))),
  )
  return { attributions: joined, targets }
}

export interface SmoothGradOptions extends SaliencyOptions {
  /** Noisy copies of each sample. Default 25. */
  samples?: number
  /** Deviation of the noise, as a share of the range of the values of x. Default 0.15. */
  noise?: number
  /** 0 to 2^32 - 1. Default: a new one, reproducible by setSeed(). */
  seed?: number
}
const SMOOTH: OptionTable<SmoothGradOptions> = { ...SALIENCY, samples: 'integer', noise: 'number', seed: 'integer' }

/** The mean of the saliency over noisy copies of each sample, which is less ragged (Smilkov et al. 2017). */
export async function smoothGrad(net: Differentiable, x: Samples, options: SmoothGradOptions = {}): Promise<Attributions> {
  const what = 'smoothGrad'
  checkCall(`${what}(net, x, options)`, arguments, SMOOTH)
  const { samples = 25, noise = 0.15, absolute = true } = options
  integer(what, 'samples', samples, 1)
  if (!(noise >= 0)) throw new WeftError('ERR_ARGUMENT', `${what}: noise is a share of at least 0, got ${show(noise)}`)
  const random = new RandomState(what, options.seed)
  const { joined, targets } = await overBatches(what, net, x, options, async ({ x, pick }, f) => {
    const values = (await x.data()) as Float32Array
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (const value of values) {
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
    const deviation = noise * (high - low)
    return tidy(() => {
      let sum: Tensor | undefined
      for (let i = 0; i < samples; i++) {
        const drawn = Float32Array.from(values, () => deviation * random.normal())
        const next = tidy(() => {
          const own = f.gradient(add(x, tensor(drawn, { shape: x.shape, device: x.device })), pick)
          const part = absolute ? abs(own) : own
          return sum ? add(sum, part) : part
        })
        sum?.dispose()
        sum = next
      }
      return mul(sum!, 1 / samples)
    })
  })
  return { attributions: joined, targets }
}
