// Optimizers with moving averages of the gradient and of its size: adam, adamw, adamax, nadam, lamb. Formulas and
// defaults: Keras 3.
import type { Tensor } from '../core/tensor.js'
import { where } from '../ops/index.js'
import type { OptimizerOptions } from './optimizer.js'
import { optimizer, type OptimizerFactory } from './factory.js'

export interface MomentsOptions extends OptimizerOptions {
  /** Default 0.9. */
  beta1?: number
  /** Default 0.999. */
  beta2?: number
  /** Default 1e-7. */
  epsilon?: number
}
export interface AdamOptions extends MomentsOptions {
  /** Uses the largest second moment so far. Default false. */
  amsgrad?: boolean
}

const MOMENTS = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }

/** share · old + (1 - share) · value: a step of a moving average. */
const moved = (old: Tensor, value: Tensor, share: number): Tensor => old.mul(share).add(value.mul(1 - share))
/** 1 - beta^t, precise in float32 too: how much of a moving average that started from 0 is data. */
const filled = (beta: number, t: Tensor): Tensor => t.mul(Math.log(beta)).expm1().neg()

type AdamSettings = Parameters<typeof optimizer<AdamOptions>>[0]
const ADAM: Omit<AdamSettings, 'name'> = {
  defaults: { ...MOMENTS, amsgrad: false },
  slots: ({ amsgrad }) => (amsgrad ? ['m', 'v', 'vmax'] : ['m', 'v']),
  kernel: 'adam',
  update: (w, g, slots, rate, t, { beta1, beta2, epsilon, amsgrad }) => {
    const [m, v] = [moved(slots['m']!, g, beta1), moved(slots['v']!, g.square(), beta2)]
    const vmax = amsgrad ? slots['vmax']!.maximum(v) : v
    const speed = rate.mul(filled(beta2, t).sqrt()).div(filled(beta1, t))
    return { w: w.sub(speed.mul(m).div(vmax.sqrt().add(epsilon))), m, v, vmax }
  },
}

/** Moving averages of the gradient and its square. learningRate 0.001. Kingma and Ba, 2014. */
export const adam: OptimizerFactory<AdamOptions> = optimizer<AdamOptions>({ name: 'adam', ...ADAM })

/** Adam with decoupled weight decay, by default 0.004. Loshchilov and Hutter, 2017. */
export const adamw: OptimizerFactory<AdamOptions> = optimizer<AdamOptions>({
  name: 'adamw',
  ...ADAM,
  defaults: { ...ADAM.defaults, weightDecay: 0.004 },
})

/** Adam with the largest gradient so far instead of the second moment. learningRate 0.001. */
export const adamax: OptimizerFactory<MomentsOptions> = optimizer<MomentsOptions>({
  name: 'adamax',
  defaults: MOMENTS,
  slots: ['m', 'u'],
  kernel: 'adamax',
  update: (w, g, slots, rate, t, { beta1, beta2, epsilon }) => {
    const [m, u] = [moved(slots['m']!, g, beta1), slots['u']!.mul(beta2).maximum(g.abs())]
    return { w: w.sub(rate.div(filled(beta1, t)).mul(m).div(u.add(epsilon))), m, u }
  },
})

/** Momentum of update t: it approaches beta1 from below. */
const momentumAt = (beta1: number, t: Tensor): Tensor => t.mul(Math.log(0.96)).exp().mul(-0.5).add(1).mul(beta1)

/** Adam that looks ahead as Nesterov's momentum does. learningRate 0.001. Dozat, 2015. */
export const nadam: OptimizerFactory<MomentsOptions> = optimizer<MomentsOptions>({
  name: 'nadam',
  defaults: MOMENTS,
  slots: ['m', 'v'],
  // the product of the momenta of all updates so far
  shared: { name: 'product', update: (product, t, { beta1 }) => product.mul(momentumAt(beta1, t)) },
  kernel: 'nadam',
  update: (w, g, slots, rate, t, { beta1, beta2, epsilon }) => {
    const [m, v] = [moved(slots['m']!, g, beta1), moved(slots['v']!, g.square(), beta2)]
    const [now, next, product] = [momentumAt(beta1, t), momentumAt(beta1, t.add(1)), slots['product']!]
    const left = (share: Tensor): Tensor => share.neg().add(1)
    const mean = m.mul(next.div(left(product.mul(next)))).add(g.mul(left(now).div(left(product))))
    return { w: w.sub(rate.mul(mean).div(v.div(filled(beta2, t)).sqrt().add(epsilon))), m, v }
  },
})

/**
 * Adam whose step for each parameter has the length of the parameter, times the learning rate 0.001; where either is 0,
 * its own. Weight decay is no part of that length. You et al., 2019.
 */
export const lamb: OptimizerFactory<MomentsOptions> = optimizer<MomentsOptions>({
  name: 'lamb',
  defaults: MOMENTS,
  slots: ['m', 'v'],
  update: (w, g, slots, rate, t, { beta1, beta2, epsilon }, _, total) => {
    const [m, v] = [moved(slots['m']!, g, beta1), moved(slots['v']!, g.square(), beta2)]
    const step = m.div(filled(beta1, t)).div(v.div(filled(beta2, t)).sqrt().add(epsilon))
    const norm = (t: Tensor): Tensor => total(t.square().sum()).sqrt()
    const [size, length] = [norm(w), norm(step)]
    const trust = where(size.greater(0).logicalAnd(length.greater(0)), size.div(length), 1)
    return { w: w.sub(rate.mul(trust).mul(step)), m, v }
  },
})
