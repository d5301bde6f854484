// The losses that have a name. Every one of them can be made by its name alone, so each option has a default.
export { binaryCrossentropy, categoricalCrossentropy, sparseCategoricalCrossentropy } from './crossentropy.js'
export { ctc } from './ctc.js'
export { dice } from './dice.js'
export { binaryFocalCrossentropy, categoricalFocalCrossentropy } from './focal.js'
export {
  categoricalHinge,
  cosineSimilarity,
  hinge,
  huber,
  klDivergence,
  logCosh,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
  squaredHinge,
} from './regression.js'
export {
  meanAbsoluteError as mae,
  meanAbsolutePercentageError as mape,
  meanSquaredError as mse,
  meanSquaredLogarithmicError as msle,
} from './regression.js'
