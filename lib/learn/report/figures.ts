// Figures of a report: what a model's predictions are worth on data, as numbers with their intervals beside a baseline.
import { type Label, readLabelList, readTargets, type LabelsLike } from '../matrix.js'
import { bootstrapInterval, type Interval, type MetricFunction } from '../metrics/bootstrap.js'
import { accuracyScore, balancedAccuracyScore, confusionMatrix, f1Score } from '../metrics/confusion.js'
import { logLoss } from '../metrics/probability.js'
import { rocAucScore } from '../metrics/ranking.js'
import { meanAbsoluteError, r2Score, rootMeanSquaredError } from '../metrics/regression.js'
import { type ClassificationReport, classificationReport } from '../metrics/report.js'
import type { Targets } from '../metrics/targets.js'
import type { MatrixLike } from '../matrix.js'
import { tellsProbabilities } from '../selection/cross_validation.js'
import type { ScoredModel } from './scored.js'

/** A metric with its interval, beside what a model without knowledge reaches. */
export interface Figure {
  readonly name: string
  readonly interval: Interval
  /** Of the most frequent class, or of the mean. */
  readonly baseline: number
  /** Whether a larger value is better. */
  readonly larger: boolean
}

export interface ClassFigures {
  readonly tells: 'classes'
  readonly rows: number
  readonly classes: readonly Label[]
  /** What the classes are called. */
  readonly names: readonly string[]
  readonly truth: readonly Label[]
  readonly predicted: readonly Label[]
  /** [rows][classes], where the model has probabilities. */
  readonly probabilities: readonly (readonly number[])[] | undefined
  readonly confusion: readonly (readonly number[])[]
  readonly byClass: ClassificationReport
  readonly figures: readonly Figure[]
}
export interface NumberFigures {
  readonly tells: 'numbers'
  readonly rows: number
  readonly truth: Float64Array
  readonly predicted: Float64Array
  readonly figures: readonly Figure[]
}

export interface FigureOptions {
  readonly seed: number | undefined
  readonly classNames: readonly string[] | undefined
  readonly resamples: number
}

export async function classFigures(model: ScoredModel, x: MatrixLike, y: LabelsLike, options: FigureOptions): Promise<ClassFigures> {
  const predicted = (await model.predict(x)) as Label[]
  const truth = await readLabelList('report', y, predicted.length)
  const classes = model.classes ?? [...new Set([...truth, ...predicted])].sort()
  const probabilities = tellsProbabilities(model) ? await model.predictProba!(x) : undefined
  const counts = classes.map((label) => truth.filter((own) => own === label).length)
  const most = classes[counts.indexOf(Math.max(...counts))]!
  const guess = truth.map(() => most)
  const present = counts.filter((count) => count > 0).length
  const shares = classes.map((_, i) => counts[i]! / truth.length)
  const figures: Figure[] = []
  const add = (name: string, values: readonly unknown[], metric: MetricFunction, baseline: number, larger = true): void => {
    const interval = bootstrapInterval(truth, values as Targets, metric, { resamples: options.resamples, ...seeded(options) })
    figures.push({ name, interval, baseline, larger })
  }
  const macro = (a: Targets, b: Targets): number => f1Score(a, b, { average: 'macro', zeroDivision: 0 })
  add('accuracy', predicted, accuracyScore, accuracyScore(truth, guess))
  add('balanced accuracy', predicted, balancedAccuracyScore, balancedAccuracyScore(truth, guess))
  add('F1, mean of the classes', predicted, macro, macro(truth, guess))
  if (probabilities && present > 1) {
    if (classes.length === 2) {
      const area = (a: Targets, b: Targets): number => rocAucScore(a, b, { posLabel: classes[1]! })
      add(
        'area under ROC',
        probabilities.map((row) => row[1]!),
        area,
        0.5,
      )
    } else if (present === classes.length) {
      const area = (a: Targets, b: Targets): number => rocAucScore(a, b, { multiClass: 'ovr', labels: classes })
      add('area under ROC, mean of the classes', probabilities, area, 0.5)
    }
    const loss = (a: Targets, b: Targets): number => logLoss(a, b, { labels: classes })
    add(
      'log loss',
      probabilities,
      loss,
      loss(
        truth,
        probabilities.map(() => shares),
      ),
      false,
    )
  }
  return {
    tells: 'classes',
    rows: truth.length,
    classes,
    names: options.classNames ?? classes.map(String),
    truth,
    predicted,
    probabilities,
    confusion: confusionMatrix(truth, predicted, { labels: classes }),
    byClass: classificationReport(truth, predicted, { labels: classes, outputDict: true, zeroDivision: 0 }),
    figures,
  }
}

export async function numberFigures(model: ScoredModel, x: MatrixLike, y: LabelsLike, options: FigureOptions): Promise<NumberFigures> {
  const given = (await model.predict(x)) as ArrayLike<number>
  const predicted = Float64Array.from(given)
  const truth = await readTargets('report', y, predicted.length)
  const mean = truth.reduce((sum, value) => sum + value, 0) / truth.length
  const guess = truth.map(() => mean)
  const add = (name: string, metric: MetricFunction, larger: boolean): Figure => ({
    name,
    larger,
    interval: bootstrapInterval(truth, predicted, metric, { resamples: options.resamples, ...seeded(options) }),
    baseline: (metric as (a: Targets, b: Targets) => number)(truth, guess),
  })
  const figures = [
    add('R²', (a: Targets, b: Targets) => r2Score(a, b), true),
    add('root mean squared error', (a: Targets, b: Targets) => rootMeanSquaredError(a, b), false),
    add('mean absolute error', (a: Targets, b: Targets) => meanAbsoluteError(a, b), false),
  ]
  return { tells: 'numbers', rows: truth.length, truth, predicted, figures }
}

const seeded = ({ seed }: FigureOptions): { seed?: number } => (seed === undefined ? {} : { seed })
