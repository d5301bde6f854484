// The entry 'weftjs/learn': classical models with the names and numbers of scikit-learn.
// preprocessing, selection, metrics and reports
export * from './metrics/index.js'
export * from './preprocessing/index.js'
export * from './selection/index.js'
// models
export type { Classifier, Estimator, FitOptions, Transformer } from './estimator.js'
export { load, type LoadOptions } from './load.js'
export type { Label, LabelsLike, MatrixLike, TargetsLike } from './matrix.js'
export { type LinearRegression, linearRegression, type LinearRegressionOptions } from './linear/linear_regression.js'
export { type Ridge, ridge, type RidgeOptions } from './linear/ridge.js'
export type { ClassWeight } from './class_weight.js'
export { type LogisticRegression, logisticRegression, type LogisticRegressionOptions } from './linear/logistic_regression.js'
