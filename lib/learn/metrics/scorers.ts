// Scorers: what cross-validation and searches compare models by. Larger is better, so errors are negative.
import { unknownName, WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import type { LabelsLike, MatrixLike } from '../matrix.js'
import { accuracyScore, type Average, balancedAccuracyScore, f1Score, precisionScore, recallScore } from './confusion.js'
import { brierScoreLoss, logLoss } from './probability.js'
import { averagePrecisionScore, rocAucScore } from './ranking.js'
import { maxError, meanAbsoluteError, meanSquaredError, medianAbsoluteError, r2Score, rootMeanSquaredError } from './regression.js'
import type { Label, Targets } from './targets.js'

/** What a scorer needs of a model. */
export interface Scored {
  predict(x: MatrixLike): Promise<unknown>
  score(x: MatrixLike, y: LabelsLike): Promise<number>
  readonly classes?: readonly Label[]
  predictProba?(x: MatrixLike): Promise<number[][]>
  decisionFunction?(x: MatrixLike): Promise<unknown>
}
export type ScorerFunction = (model: Scored, x: MatrixLike, y: LabelsLike) => number | Promise<number>

const predicted =
  (figure: (y: Targets, p: Targets) => number): ScorerFunction =>
  async (model, x, y) =>
    figure(y as Targets, (await model.predict(x)) as Targets)

async function probabilities(what: string, model: Scored, x: MatrixLike): Promise<number[][]> {
  if (typeof model.predictProba !== 'function')
    throw new WeftError('ERR_ARGUMENT', `scoring '${what}': the model has no predictProba()`, {
      hint: 'svc({ probability: true }) has one',
    })
  return await model.predictProba(x)
}

/** A curve's area, from decision values where the model has them, else from probabilities. */
const ranked =
  (name: string, figure: (y: Targets, scores: Targets, posLabel: Label) => number): ScorerFunction =>
  async (model, x, y) => {
    const { classes } = model
    if (classes?.length !== 2)
      throw new WeftError('ERR_ARGUMENT', `scoring '${name}' is of two classes, the model has ${classes?.length ?? 'none'}`, {
        hint: "For more classes use 'rocAucOvr' or 'f1Macro'",
      })
    const scores = model.decisionFunction ? await model.decisionFunction(x) : (await probabilities(name, model, x)).map((row) => row[1]!)
    return figure(y as Targets, scores as Targets, classes[1]!)
  }

/** The larger of two classes is the positive one where they are not 0 and 1. */
const averaged =
  (figure: typeof f1Score, average: Exclude<Average, 'none'>): ScorerFunction =>
  async (model, x, y) => {
    const found = (await model.predict(x)) as Targets
    const posLabel = average === 'binary' && model.classes?.length === 2 ? { posLabel: model.classes[1]! } : {}
    return figure(y as Targets, found, { average, zeroDivision: 0, ...posLabel })
  }

export type ScorerName =
  | 'accuracy'
  | 'balancedAccuracy'
  | 'precision'
  | 'precisionMicro'
  | 'precisionMacro'
  | 'precisionWeighted'
  | 'recall'
  | 'recallMicro'
  | 'recallMacro'
  | 'recallWeighted'
  | 'f1'
  | 'f1Micro'
  | 'f1Macro'
  | 'f1Weighted'
  | 'rocAuc'
  | 'averagePrecision'
  | 'rocAucOvr'
  | 'rocAucOvo'
  | 'negLogLoss'
  | 'negBrierScore'
  | 'r2'
  | 'negMeanSquaredError'
  | 'negRootMeanSquaredError'
  | 'negMeanAbsoluteError'
  | 'negMedianAbsoluteError'
  | 'negMaxError'

const SCORERS: Readonly<Record<ScorerName, ScorerFunction>> = {
  accuracy: predicted(accuracyScore),
  balancedAccuracy: predicted(balancedAccuracyScore),
  precision: averaged(precisionScore, 'binary'),
  precisionMicro: averaged(precisionScore, 'micro'),
  precisionMacro: averaged(precisionScore, 'macro'),
  precisionWeighted: averaged(precisionScore, 'weighted'),
  recall: averaged(recallScore, 'binary'),
  recallMicro: averaged(recallScore, 'micro'),
  recallMacro: averaged(recallScore, 'macro'),
  recallWeighted: averaged(recallScore, 'weighted'),
  f1: averaged(f1Score, 'binary'),
  f1Micro: averaged(f1Score, 'micro'),
  f1Macro: averaged(f1Score, 'macro'),
  f1Weighted: averaged(f1Score, 'weighted'),
  rocAuc: ranked('rocAuc', (y, scores, posLabel) => rocAucScore(y, scores, { posLabel })),
  averagePrecision: ranked('averagePrecision', (y, scores, posLabel) => averagePrecisionScore(y, scores, { posLabel })),
  rocAucOvr: async (model, x, y) =>
    rocAucScore(y as Targets, await probabilities('rocAucOvr', model, x), { multiClass: 'ovr', labels: model.classes ?? [] }),
  rocAucOvo: async (model, x, y) =>
    rocAucScore(y as Targets, await probabilities('rocAucOvo', model, x), { multiClass: 'ovo', labels: model.classes ?? [] }),
  negLogLoss: async (model, x, y) => -logLoss(y as Targets, await probabilities('negLogLoss', model, x), { labels: model.classes ?? [] }),
  negBrierScore: async (model, x, y) =>
    -brierScoreLoss(
      y as Targets,
      (await probabilities('negBrierScore', model, x)).map((row) => row[1]!),
      {
        posLabel: model.classes?.[1] ?? 1,
      },
    ),
  r2: predicted(r2Score),
  negMeanSquaredError: predicted((y, p) => -meanSquaredError(y, p)),
  negRootMeanSquaredError: predicted((y, p) => -rootMeanSquaredError(y, p)),
  negMeanAbsoluteError: predicted((y, p) => -meanAbsoluteError(y, p)),
  negMedianAbsoluteError: predicted((y, p) => -medianAbsoluteError(y, p)),
  negMaxError: predicted((y, p) => -maxError(y, p)),
}

/**
 * The name of a scorer, or a function of (model, x, y) whose result is the larger the better. Default: model.score().
 */
export type Scoring = ScorerName | ScorerFunction

/** The function behind a scoring. ERR_ARGUMENT for an unknown one. */
export function scorerOf(what: string, scoring: Scoring | undefined): ScorerFunction {
  if (scoring === undefined) return (model, x, y) => model.score(x, y)
  if (typeof scoring === 'function') return scoring
  if (typeof scoring !== 'string') throw new WeftError('ERR_ARGUMENT', `${what}: scoring is a name or a function, got ${show(scoring)}`)
  if (!Object.hasOwn(SCORERS, scoring)) throw unknownName(`scoring of ${what}`, scoring, Object.keys(SCORERS))
  return SCORERS[scoring]
}
