// The entry 'weftjs/learn': classical models with the names and numbers of scikit-learn.
// preprocessing, selection, metrics and reports
export * from './metrics/index.js'
export * from './preprocessing/index.js'
export * from './report/index.js'
export * from './selection/index.js'
// models
export type { Classifier, Estimator, FitOptions, Transformer } from './estimator.js'
export { load, type LoadOptions } from './load.js'
export type { LearnOnnxOptions } from './onnx/export.js'
import './onnx/export.js'
export type { Label, LabelsLike, MatrixLike, TargetsLike } from './matrix.js'
export { type LinearRegression, linearRegression, type LinearRegressionOptions } from './linear/linear_regression.js'
export { type Ridge, ridge, type RidgeOptions } from './linear/ridge.js'
export type { ClassWeight } from './class_weight.js'
export { type LogisticRegression, logisticRegression, type LogisticRegressionOptions } from './linear/logistic_regression.js'
export type { KernelFunction, KernelName } from './svm/kernels.js'
export { type Svc, svc, type SvcOptions } from './svm/svc.js'
export { type LinearSvc, linearSvc, type LinearSvcOptions } from './svm/linear_svc.js'
export { type Svr, svr, type SvrOptions } from './svm/svr.js'
export {
  type GaussianNB,
  gaussianNB,
  type GaussianNBOptions,
  type MultinomialNB,
  multinomialNB,
  type MultinomialNBOptions,
} from './bayes/naive_bayes.js'
export {
  type DummyClassifier,
  dummyClassifier,
  type DummyClassifierOptions,
  type DummyRegressor,
  dummyRegressor,
  type DummyRegressorOptions,
} from './dummy/dummy.js'
export type { Metric } from './linalg/distances.js'
export { type ElasticNet, elasticNet, type ElasticNetOptions, type Lasso, lasso, type LassoOptions } from './linear/elastic_net.js'
export {
  type KNeighborsClassifier,
  kNeighborsClassifier,
  type KNeighborsRegressor,
  kNeighborsRegressor,
  type Neighbors,
  type NeighborsQuery,
} from './neighbors/k_neighbors.js'
export type { NeighborsOptions } from './neighbors/nearest.js'
export { type KMeans, kMeans, type KMeansOptions } from './cluster/k_means.js'
export { type Pca, pca, type PcaOptions } from './decomposition/pca.js'
export {
  type DecisionTreeClassifier,
  decisionTreeClassifier,
  type DecisionTreeRegressor,
  decisionTreeRegressor,
  type RandomForestClassifier,
  randomForestClassifier,
  type RandomForestRegressor,
  randomForestRegressor,
} from './tree/models.js'
export type {
  DecisionTreeClassifierOptions,
  DecisionTreeRegressorOptions,
  RandomForestClassifierOptions,
  RandomForestRegressorOptions,
} from './tree/settings.js'
export type { Tree } from './tree/tree.js'
export type { BoostedTree } from './boosting/grower.js'
export {
  type HistGradientBoostingClassifier,
  histGradientBoostingClassifier,
  type HistGradientBoostingClassifierOptions,
  type HistGradientBoostingRegressor,
  histGradientBoostingRegressor,
} from './boosting/hist_gradient_boosting.js'
export type { HistGradientBoostingOptions } from './boosting/options.js'
export type { SgdOptions } from './linear/sgd.js'
export {
  type SgdClassifier,
  sgdClassifier,
  type SgdClassifierOptions,
  type SgdRegressor,
  sgdRegressor,
  type SgdRegressorOptions,
} from './linear/sgd_models.js'
