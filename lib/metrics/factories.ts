// The metrics that have a name. Every one of them can be made by its name alone, so each option has a default.
export {
  accuracy,
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  sparseTopKCategoricalAccuracy,
  topKCategoricalAccuracy,
} from './accuracy.js'
export { auc } from './auc.js'
export { f1, meanIoU, precision, recall } from './confusion.js'
export { falseNegatives, falsePositives, trueNegatives, truePositives } from './counts.js'
export { precisionAtRecall, recallAtPrecision, sensitivityAtSpecificity, specificityAtSensitivity } from './operating_points.js'
export { perplexity } from './perplexity.js'
export { mae, mse, r2, rmse } from './regression.js'
