// Metrics of weftjs/learn: functions of true and predicted values, with the names and numbers of scikit-learn 1.2.
export {
  type AccuracyOptions,
  type Average,
  accuracyScore,
  accuracyScore as accuracy,
  balancedAccuracyScore,
  type ConfusionOptions,
  confusionMatrix,
  type FBetaOptions,
  f1Score,
  f1Score as f1,
  fbetaScore,
  matthewsCorrcoef,
  precisionScore,
  precisionScore as precision,
  recallScore,
  recallScore as recall,
  type ScoreOptions,
} from './confusion.js'
export { type ClassificationReport, type ClassificationReportOptions, classificationReport, type ReportRow } from './report.js'
export {
  auc,
  averagePrecisionScore,
  averagePrecisionScore as averagePrecision,
  type CurveOptions,
  type PrecisionRecallCurve,
  precisionRecallCurve,
  type RocAucOptions,
  type RocCurve,
  type RocCurveOptions,
  rocAucScore,
  rocAucScore as rocAuc,
  rocCurve,
} from './ranking.js'
export {
  brierScoreLoss,
  brierScoreLoss as brier,
  type CalibrationCurve,
  type CalibrationOptions,
  calibrationCurve,
  type LogLossOptions,
  logLoss,
} from './probability.js'
export {
  explainedVarianceScore,
  maxError,
  meanAbsoluteError,
  meanAbsoluteError as mae,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredError as mse,
  medianAbsoluteError,
  type RegressionOptions,
  r2Score,
  r2Score as r2,
  rootMeanSquaredError,
  rootMeanSquaredError as rmse,
} from './regression.js'
export { type BootstrapOptions, bootstrapInterval, type Interval, type MetricFunction } from './bootstrap.js'
export type { Targets, WeightOption } from './targets.js'
export type { ScorerFunction, ScorerName, Scoring } from './scorers.js'
