// losses: the loss functions, by factory and by string.
import { unknownName, WeftError } from '../core/error.js'
import { binaryCrossentropy, categoricalCrossentropy, sparseCategoricalCrossentropy } from './crossentropy.js'
import { defineLoss, type Loss, type LossFunction } from './loss.js'
import { cosineSimilarity, hinge, huber, klDivergence, logCosh, meanAbsoluteError, meanSquaredError, poisson } from './regression.js'

export { binaryCrossentropy, categoricalCrossentropy, sparseCategoricalCrossentropy } from './crossentropy.js'
export { cosineSimilarity, hinge, huber, klDivergence, logCosh, meanAbsoluteError, meanSquaredError, poisson } from './regression.js'
export { meanAbsoluteError as mae, meanSquaredError as mse } from './regression.js'
export type { Loss, LossCallOptions, LossFunction, Reduction } from './loss.js'

export type LossName =
  | 'meanSquaredError'
  | 'mse'
  | 'meanAbsoluteError'
  | 'mae'
  | 'binaryCrossentropy'
  | 'categoricalCrossentropy'
  | 'sparseCategoricalCrossentropy'
  | 'huber'
  | 'hinge'
  | 'klDivergence'
  | 'cosineSimilarity'
  | 'poisson'
  | 'logCosh'

const factories: Readonly<Record<LossName, (options?: never) => Loss>> = {
  meanSquaredError,
  mse: meanSquaredError,
  meanAbsoluteError,
  mae: meanAbsoluteError,
  binaryCrossentropy,
  categoricalCrossentropy,
  sparseCategoricalCrossentropy,
  huber,
  hinge,
  klDivergence,
  cosineSimilarity,
  poisson,
  logCosh,
}

/** A name, one of losses.*, or a function. */
export type LossLike = LossName | LossFunction

/** The names that compile() takes. */
export const lossNames: readonly string[] = Object.keys(factories)

export const isLoss = (value: unknown): value is Loss =>
  typeof value === 'function' && typeof (value as Partial<Loss>).lossName === 'string'

/** The loss of a string, a factory's result, a factory or a plain function. */
export function resolveLoss(value: unknown, config: object = {}): Loss {
  if (typeof value === 'string') {
    if (!Object.hasOwn(factories, value)) throw unknownName('loss', value, lossNames)
    return factories[value as LossName](config as never)
  }
  if (isLoss(value)) return value
  const factory = Object.values(factories).find((candidate) => candidate === value)
  if (factory) return factory()
  if (typeof value !== 'function') {
    throw new WeftError(
      'ERR_ARGUMENT',
      `loss: expected a name, one of losses.*, or a function (yTrue, yPred) => Tensor, got ${value === null ? 'null' : typeof value}`,
    )
  }
  return ownLoss(value as LossFunction)
}

/** A user's function as a loss: its result is a scalar already, or per sample and then weighted and averaged. */
function ownLoss(fn: LossFunction): Loss {
  const name = fn.name || 'loss'
  const average = defineLoss({ name, config: {}, reduction: 'mean', raw: true, each: (_, perSample) => perSample })
  const call = (yTrue: never, yPred: never, options: object = {}) => {
    const result = fn(yTrue, yPred, options)
    return result.rank === 0 ? result : average(result, result, options)
  }
  return Object.assign(call, { lossName: name, config: {}, saved: false }) as unknown as Loss
}
