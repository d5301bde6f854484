// The losses that have a name. Every one of them can be made by its name alone, so each option has a default.
export { binaryCrossentropy, categoricalCrossentropy, sparseCategoricalCrossentropy } from './crossentropy.js'
export { cosineSimilarity, hinge, huber, klDivergence, logCosh, meanAbsoluteError, meanSquaredError, poisson } from './regression.js'
export { meanAbsoluteError as mae, meanSquaredError as mse } from './regression.js'
