// Model selection of weftjs/learn: splits, cross-validation and searches, with the names and rows of scikit-learn 1.2.
export {
  type GroupKFoldOptions,
  groupKFold,
  type KFoldOptions,
  kFold,
  type Split,
  type Splitter,
  stratifiedKFold,
  type TimeSeriesSplitOptions,
  timeSeriesSplit,
} from './split.js'
export { type TrainTestParts, type TrainTestSplitOptions, trainTestSplit } from './train_test_split.js'
