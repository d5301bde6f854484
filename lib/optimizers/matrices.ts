// Optimizers that look at matrices as wholes: adafactor, muon. Formulas and defaults: Keras 3.
import type { Shape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { matMul, maximum, minimum } from '../ops/index.js'
import { optimizer, type OptimizerFactory } from './factory.js'
import type { OptimizerOptions } from './optimizer.js'

const meanSquare = (t: Tensor): Tensor => t.square().mean()

export interface AdafactorOptions extends OptimizerOptions {
  /**
   * How fast the moving averages of the squares become slow: their share of the new is step^beta2Decay. Default -0.8.
   */
  beta2Decay?: number
  /** Added to the squares of the gradient. Default 1e-30. */
  epsilon1?: number
  /** The least size of a parameter that the step is measured by. Default 0.001. */
  epsilon2?: number
  /** The root mean square of a step is no more than this. Default 1. */
  clipThreshold?: number
  /** The rate is at most 1 / √step. Default true. */
  relativeStep?: boolean
}

/** Of matrices it keeps rows and columns, of others all places; a slot that is not used is a scalar. */
const factoredShape = (slot: string, shape: Shape): Shape => {
  const isMatrix = shape.length >= 2
  if (slot === 'v') return isMatrix ? [] : shape
  if (!isMatrix) return []
  return slot === 'r' ? shape.slice(0, -1) : [...shape.slice(0, -2), shape.at(-1)!]
}

/**
 * Divides the gradient by the root of a moving average of its squares, of which matrices keep the means of rows and
 * columns alone. Steps are in proportion to the parameter. learningRate 0.001. Shazeer and Stern, 2018.
 */
export const adafactor: OptimizerFactory<AdafactorOptions> = optimizer<AdafactorOptions>({
  name: 'adafactor',
  defaults: { learningRate: 0.001, beta2Decay: -0.8, epsilon1: 1e-30, epsilon2: 1e-3, clipThreshold: 1, relativeStep: true },
  slots: ['r', 'c', 'v'],
  slotShape: factoredShape,
  needsShape: true,
  update: (w, g, slots, rate, t, { beta2Decay, epsilon1, epsilon2, clipThreshold, relativeStep }) => {
    const [r, c, v] = [slots['r']!, slots['c']!, slots['v']!]
    const fresh = t.log().mul(beta2Decay).exp()
    const moved = (old: Tensor, value: Tensor): Tensor => old.add(value.sub(old).mul(fresh))
    const squares = g.square().add(epsilon1)
    const isMatrix = w.rank >= 2
    const kept = isMatrix ? { r: moved(r, squares.mean(-1)), c: moved(c, squares.mean(-2)), v } : { r, c, v: moved(v, squares) }
    const size = isMatrix
      ? kept.r
          .div(kept.r.mean(-1, { keepDims: true }))
          .expandDims(-1)
          .mul(kept.c.expandDims(-2))
      : kept.v
    const step = g.mul(size.rsqrt())
    const length = maximum(meanSquare(step).sqrt().div(clipThreshold), 1)
    const speed = (relativeStep ? minimum(rate, t.rsqrt()) : rate).mul(maximum(meanSquare(w).sqrt(), epsilon2))
    return { w: w.sub(step.mul(speed.div(length))), ...kept }
  },
})

export interface MuonOptions extends OptimizerOptions {
  /** Default 0.95. */
  momentum?: number
  /** Looks ahead along the momentum. Default true. */
  nesterov?: boolean
  /** Steps of the iteration that makes the momentum orthogonal. Default 6. */
  nsSteps?: number
  /** Coefficients of that iteration. Defaults 3.4445, -4.775, 2.0315. */
  muonA?: number
  muonB?: number
  muonC?: number
  /** What is no matrix, and embeddings, learn by adam at the rate times this. Default 0.1. */
  adamLrRatio?: number
  /** Default 0.9. */
  adamBeta1?: number
  /** Default 0.999. */
  adamBeta2?: number
  /** Default 1e-7. */
  epsilon?: number
  /** Whether parameters with 'embedding' in their name learn by adam. Default true. */
  excludeEmbeddings?: boolean
}

type MuonSettings = { nsSteps: number; muonA: number; muonB: number; muonC: number }

/** The nearest matrix whose singular values are about 1 (Newton and Schulz's iteration, its fifth power). */
function orthogonal(m: Tensor, { nsSteps, muonA, muonB, muonC }: MuonSettings): Tensor {
  const [rows, columns] = m.shape as [number, number]
  const tall = rows > columns
  const turned = tall ? m.transpose() : m
  let x = turned.div(turned.square().sum().sqrt().add(1e-7))
  for (let i = 0; i < nsSteps; i++) {
    const a = matMul(x, x, { transposeB: true })
    const b = a.mul(muonB).add(matMul(a, a).mul(muonC))
    x = x.mul(muonA).add(matMul(b, x))
  }
  return tall ? x.transpose() : x
}

/**
 * The momentum of a matrix with its singular values made equal, times √max(1, rows / columns). Kernels of convolutions
 * are matrices [inputs, outputs]. Biases, scales and embeddings learn by adam. learningRate 0.001, weightDecay 0.1.
 * Jordan et al., 2024.
 */
export const muon: OptimizerFactory<MuonOptions> = optimizer<MuonOptions>({
  name: 'muon',
  defaults: {
    learningRate: 0.001,
    weightDecay: 0.1,
    momentum: 0.95,
    nesterov: true,
    nsSteps: 6,
    muonA: 3.4445,
    muonB: -4.775,
    muonC: 2.0315,
    adamLrRatio: 0.1,
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    epsilon: 1e-7,
    excludeEmbeddings: true,
  },
  slots: ['m', 'v'],
  needsShape: true,
  update: (w, g, slots, rate, t, settings, name) => {
    const { momentum, nesterov, adamLrRatio, adamBeta1, adamBeta2, epsilon, excludeEmbeddings } = settings
    if (w.rank >= 2 && w.rank <= 4 && !(excludeEmbeddings && /embedding/i.test(name))) {
      const m = slots['m']!.mul(momentum).add(g)
      const ahead = (nesterov ? g.add(m.mul(momentum)) : m).reshape([-1, w.shape.at(-1)!])
      const scale = Math.sqrt(Math.max(1, ahead.shape[0]! / ahead.shape[1]!))
      const step = orthogonal(ahead, settings).reshape(w.shape)
      return { w: w.sub(step.mul(rate.mul(scale))), m, v: slots['v']! }
    }
    const [m, v] = [slots['m']!.mul(adamBeta1).add(g.mul(1 - adamBeta1)), slots['v']!.mul(adamBeta2).add(g.square().mul(1 - adamBeta2))]
    const filled = (beta: number): Tensor => t.mul(Math.log(beta)).expm1().neg()
    const speed = rate.mul(adamLrRatio).mul(filled(adamBeta2).sqrt()).div(filled(adamBeta1))
    return { w: w.sub(speed.mul(m).div(v.sqrt().add(epsilon))), m, v }
  },
})
