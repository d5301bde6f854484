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
export { type CrossValPredictOptions, crossValPredict } from './cross_val_predict.js'
export {
  type CrossValidated,
  type CrossValidateOptions,
  type CrossValidation,
  type CrossValidationOptions,
  crossValidate,
  crossValScore,
} from './cross_validation.js'
export { logUniform, type ParamDistributions, type ParamGrid, randomInteger, uniform } from './candidates.js'
export {
  type BuildNetwork,
  type BuildSource,
  NetworkClassifier,
  type NetworkFacts,
  type NetworkParams,
  NetworkRegressor,
  networkClassifier,
  networkRegressor,
} from './network.js'
export { Search, type SearchOptions, type SearchResults } from './search.js'
export { gridSearch, type HalvingSearchOptions, halvingSearch, type RandomSearchOptions, randomSearch } from './searches.js'
