// The entry 'weftjs/learn': classical models with the names and numbers of scikit-learn.
export type { Classifier, Estimator, FitOptions, Transformer } from './estimator.js'
export { load, type LoadOptions } from './load.js'
export type { Label, LabelsLike, MatrixLike, TargetsLike } from './matrix.js'
// preprocessing, selection, metrics and reports
export * from './metrics/index.js'
export * from './selection/index.js'
