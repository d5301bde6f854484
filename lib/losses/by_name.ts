// Losses by name: what compile() makes of strings, factories and plain functions.
import { asTensor } from '../core/create.js'
import { unknownName, WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { sharing } from '../core/share.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { warnOnce } from '../core/warnings.js'
import * as factories from './factories.js'
import { alignOwn, defineLoss, type Loss, type LossCallOptions, type LossFunction } from './loss.js'

export type LossName = keyof typeof factories

const named: Readonly<Record<LossName, (options?: never) => Loss>> = factories

/** A name, one of losses.*, or a function. */
export type LossLike = LossName | LossFunction

/** The names that compile() takes. */
export const lossNames: readonly string[] = Object.keys(named)

export const isLoss = (value: unknown): value is Loss =>
  typeof value === 'function' && typeof (value as Partial<Loss>).lossName === 'string'

/** The loss of a string, a factory's result, a factory or a plain function. */
export function resolveLoss(value: unknown, config: object = {}): Loss {
  if (typeof value === 'string') {
    if (!Object.hasOwn(named, value)) throw unknownName('loss', value, lossNames)
    return named[value as LossName](config as never)
  }
  if (isLoss(value)) return value
  const factory = Object.values(named).find((candidate) => candidate === value)
  if (factory) return factory()
  if (typeof value !== 'function') {
    throw new WeftError(
      'ERR_ARGUMENT',
      `loss: expected a name, one of losses.*, or a function (yTrue, yPred) => Tensor, got ${show(value)}`,
    )
  }
  return ownLoss(value as LossFunction)
}

function warnOfShare(name: string): void {
  warnOnce(
    'WEFT_SHARED_LOSS',
    `loss ${name}: its result is a scalar, which is taken as the mean over the rows that each rank has of a batch. A sum, or what compares rows with each other, comes out wrong on several ranks. Return one value per sample, [n]: they are averaged over the whole batch`,
    name,
  )
}

/** A user's function as a loss: its result is a scalar already, or per sample and then weighted and averaged. */
function ownLoss(fn: LossFunction): Loss {
  const name = fn.name || 'loss'
  const average = defineLoss({ name, config: {}, reduction: 'mean', raw: true, each: (_, perSample) => perSample })
  const call = (yTrue: TensorLike, yPred: TensorLike, options: LossCallOptions = {}) => {
    const predictions = asTensor(yPred)
    const result = fn(alignOwn(name, asTensor(yTrue), predictions), predictions, options)
    if (!(result instanceof Tensor)) throw new WeftError('ERR_ARGUMENT', `loss ${name}: expected a Tensor as result, got ${show(result)}`)
    if (result.rank > 0) return average(result, result, options)
    const ignored = options.sampleWeight !== undefined ? 'sample or class weights' : options.mask ? 'a mask' : undefined
    if (ignored === undefined) {
      const share = sharing()
      if (share?.begin === 0 && share.weight > 0) warnOfShare(name)
      return result
    }
    throw new WeftError('ERR_ARGUMENT', `loss ${name}: the result is a scalar, so ${ignored} cannot be applied to it`, {
      hint: 'Return one value per sample, [n]: they are weighted and averaged then',
    })
  }
  return Object.assign(call, { lossName: name, config: {}, saved: false }) as unknown as Loss
}
