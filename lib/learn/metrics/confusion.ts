// Confusion: how often each class was taken for each other, and what follows from it: accuracy, precision, recall, F1.
// Formulas: scikit-learn 1.2, sklearn.metrics.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { warnOnce } from '../../core/warnings.js'
import { classesOf, type Label, labelsOf, plain, sameLength, type Targets, type WeightOption, weightsOf } from './targets.js'

export interface ConfusionOptions extends WeightOption {
  /** Classes of the rows and columns, in order. Default: all that occur, sorted. */
  labels?: readonly Label[]
  /** Shares of the true class ('true'), of the predicted one ('pred'), or of all samples. Default: counts. */
  normalize?: 'true' | 'pred' | 'all'
}
const CONFUSION: OptionTable<ConfusionOptions> = { sampleWeight: 'any', labels: 'list', normalize: ['true', 'pred', 'all'] }

/** Samples by true class (rows) and predicted class (columns), in the order of `classes`. */
export interface Confusion {
  readonly classes: readonly Label[]
  readonly counts: readonly Float64Array[]
  /** Weights of all samples. */
  readonly total: number
}

/** Counts over all classes that occur, and over `extra` ones. */
export function countClasses(
  what: string,
  yTrue: Targets,
  yPred: Targets,
  sampleWeight: Targets | undefined,
  extra: readonly Label[] = [],
): Confusion {
  const truth = labelsOf(what, 'yTrue', yTrue)
  const predicted = labelsOf(what, 'yPred', yPred)
  sameLength(what, truth, predicted)
  const weights = weightsOf(what, sampleWeight, truth.length)
  const classes = classesOf(what, truth, predicted, extra)
  const place = new Map(classes.map((label, i) => [label, i]))
  const counts = classes.map(() => new Float64Array(classes.length))
  let total = 0
  truth.forEach((label, i) => {
    const weight = weights?.[i] ?? 1
    counts[place.get(label)!]![place.get(predicted[i]!)!]! += weight
    total += weight
  })
  return { classes, counts, total }
}

/**
 * Row i, column j: how many samples of class i were predicted as class j. ERR_ARGUMENT where none of `labels` is a true
 * class. Shares of a class without samples are 0.
 */
export function confusionMatrix(yTrue: Targets, yPred: Targets, options: ConfusionOptions = {}): number[][] {
  checkCall('confusionMatrix(yTrue, yPred, options)', arguments, CONFUSION)
  const { classes, counts } = countClasses('confusionMatrix', yTrue, yPred, options.sampleWeight)
  const labels = (options.labels ?? classes).map(plain)
  const places = labels.map((label) => classes.indexOf(label))
  if (!places.some((at) => at >= 0 && counts[at]!.some((n) => n > 0)))
    throw new WeftError('ERR_ARGUMENT', `confusionMatrix: none of the labels ${show(labels)} is in yTrue`, {
      hint: `The classes are ${show(classes)}`,
    })
  const matrix = places.map((row) => places.map((column) => (row < 0 || column < 0 ? 0 : counts[row]![column]!)))
  const { normalize } = options
  if (normalize === undefined) return matrix
  const rows = matrix.map((row) => row.reduce((sum, n) => sum + n, 0))
  const columns = labels.map((_, j) => matrix.reduce((sum, row) => sum + row[j]!, 0))
  const all = rows.reduce((sum, n) => sum + n, 0)
  const share = (n: number, of: number): number => (of === 0 ? 0 : n / of)
  return matrix.map((row, i) => row.map((n, j) => share(n, normalize === 'all' ? all : normalize === 'true' ? rows[i]! : columns[j]!)))
}

export interface AccuracyOptions extends WeightOption {
  /** False: the number of right predictions instead of their share. Default true. */
  normalize?: boolean
}
const ACCURACY: OptionTable<AccuracyOptions> = { sampleWeight: 'any', normalize: 'boolean' }

/** The share of samples whose class was predicted. */
export function accuracyScore(yTrue: Targets, yPred: Targets, options: AccuracyOptions = {}): number {
  checkCall('accuracyScore(yTrue, yPred, options)', arguments, ACCURACY)
  const { counts, total } = countClasses('accuracyScore', yTrue, yPred, options.sampleWeight)
  const right = counts.reduce((sum, row, i) => sum + row[i]!, 0)
  return (options.normalize ?? true) ? right / total : right
}

/** The mean of the recalls of all true classes. */
export function balancedAccuracyScore(yTrue: Targets, yPred: Targets, options: WeightOption = {}): number {
  checkCall('balancedAccuracyScore(yTrue, yPred, options)', arguments, { sampleWeight: 'any' } satisfies OptionTable<WeightOption>)
  const { counts } = countClasses('balancedAccuracyScore', yTrue, yPred, options.sampleWeight)
  const recalls = counts.flatMap((row, i) => {
    const support = row.reduce((sum, n) => sum + n, 0)
    return support > 0 ? [row[i]! / support] : []
  })
  return recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length
}

/** How the figures of several classes become one; 'none': one of each class. */
export type Average = 'binary' | 'micro' | 'macro' | 'weighted' | 'none'

export interface ScoreOptions extends WeightOption {
  /** Default 'binary': the figure of `posLabel`, for two classes. */
  average?: Average
  /** The class that counts as positive. Default 1; where the classes are not 0 and 1 it must be said. */
  posLabel?: Label
  /** Classes to look at. Default: all that occur. */
  labels?: readonly Label[]
  /** What 0 / 0 is, as where a class is never predicted. Default: 0, with a warning. */
  zeroDivision?: number
}
const SCORE: OptionTable<ScoreOptions> = {
  sampleWeight: 'any',
  average: ['binary', 'micro', 'macro', 'weighted', 'none'],
  posLabel: 'any',
  labels: 'list',
  zeroDivision: 'number',
}

export interface Score {
  precision: number
  recall: number
  f1: number
  support: number
}

/** Precision, recall, F-beta and support of true positives, predicted positives and positives. */
export function scoreOf(what: string, hit: number, predicted: number, support: number, beta: number, zero: number | undefined): Score {
  const ratio = (name: string, above: number, below: number): number => {
    if (below !== 0) return above / below
    if (zero === undefined)
      warnOnce('WEFT_UNDEFINED_METRIC', `${what}: ${name} is 0 / 0 for a class, and taken as 0; say { zeroDivision: 0 } to mean it`, what)
    return zero ?? 0
  }
  const precision = ratio('precision', hit, predicted)
  const recall = ratio('recall', hit, support)
  const below = beta * beta * precision + recall
  if (predicted === 0 && support === 0) return { precision, recall, f1: ratio('F1', 0, 0), support }
  return { precision, recall, f1: below === 0 ? 0 : ((1 + beta * beta) * precision * recall) / below, support }
}

export interface Scores {
  readonly each: readonly Score[]
  micro(): Score
  macro(): Score
  weighted(): Score
}

/** The scores of some classes of a confusion, one by one and averaged. */
export function scoresOf(what: string, confusion: Confusion, labels: readonly Label[], beta: number, zero: number | undefined): Scores {
  const { classes, counts } = confusion
  const parts = labels.map((label) => {
    const at = classes.indexOf(label)
    if (at < 0) return { hit: 0, predicted: 0, support: 0 }
    return {
      hit: counts[at]![at]!,
      predicted: counts.reduce((sum, row) => sum + row[at]!, 0),
      support: counts[at]!.reduce((sum, n) => sum + n, 0),
    }
  })
  const each = parts.map(({ hit, predicted, support }) => scoreOf(what, hit, predicted, support, beta, zero))
  const sum = (name: 'hit' | 'predicted' | 'support'): number => parts.reduce((so, part) => so + part[name], 0)
  const support = sum('support')
  const mean = (weightOf: (score: Score) => number): Score => {
    const weights = each.map(weightOf)
    const all = weights.reduce((so, weight) => so + weight, 0)
    const over = (name: 'precision' | 'recall' | 'f1'): number =>
      all === 0 ? (zero ?? 0) : each.reduce((so, score, i) => so + score[name] * weights[i]!, 0) / all
    return { precision: over('precision'), recall: over('recall'), f1: over('f1'), support }
  }
  return {
    each,
    micro: (): Score => scoreOf(what, sum('hit'), sum('predicted'), support, beta, zero),
    macro: (): Score => mean(() => 1),
    weighted: (): Score => mean((score) => score.support),
  }
}

/** Precision, recall and F-beta as the options say: one score, or one of each class with average 'none'. */
function averagedScore(what: string, yTrue: Targets, yPred: Targets, options: ScoreOptions, beta = 1): Score | Score[] {
  const { average = 'binary', labels, zeroDivision } = options
  const posLabel = plain(options.posLabel ?? 1)
  const confusion = countClasses(what, yTrue, yPred, options.sampleWeight)
  const { classes } = confusion
  if (average === 'binary') {
    if (classes.length > 2)
      throw new WeftError('ERR_ARGUMENT', `${what}: ${classes.length} classes have no positive one`, {
        hint: "Write { average: 'macro' }, 'micro', 'weighted' or 'none'",
      })
    if (!classes.includes(posLabel) && (classes.length === 2 || typeof classes[0] === 'string'))
      throw new WeftError('ERR_ARGUMENT', `${what}: posLabel ${show(posLabel)} is none of the classes ${show(classes)}`, {
        hint: `Write { posLabel: ${show(classes.at(-1))} }`,
      })
    return scoresOf(what, confusion, [posLabel], beta, zeroDivision).each[0]!
  }
  const scores = scoresOf(what, confusion, (labels ?? classes).map(plain), beta, zeroDivision)
  return average === 'none' ? [...scores.each] : scores[average]()
}

const one =
  (name: string, pick: 'precision' | 'recall' | 'f1') =>
  (yTrue: Targets, yPred: Targets, options: ScoreOptions, beta?: number): number | number[] => {
    const found = averagedScore(name, yTrue, yPred, options, beta)
    return Array.isArray(found) ? found.map((score) => score[pick]) : found[pick]
  }
type Scorer = {
  (yTrue: Targets, yPred: Targets, options: ScoreOptions & { average: 'none' }): number[]
  (yTrue: Targets, yPred: Targets, options?: ScoreOptions & { average?: Exclude<Average, 'none'> }): number
}

/** Of the samples predicted as positive, the share that is. */
export const precisionScore = function (yTrue: Targets, yPred: Targets, options: ScoreOptions = {}) {
  checkCall('precisionScore(yTrue, yPred, options)', arguments, SCORE)
  return one('precisionScore', 'precision')(yTrue, yPred, options)
} as Scorer

/** Of the positive samples, the share that was predicted as such. */
export const recallScore = function (yTrue: Targets, yPred: Targets, options: ScoreOptions = {}) {
  checkCall('recallScore(yTrue, yPred, options)', arguments, SCORE)
  return one('recallScore', 'recall')(yTrue, yPred, options)
} as Scorer

/** The harmonic mean of precision and recall. */
export const f1Score = function (yTrue: Targets, yPred: Targets, options: ScoreOptions = {}) {
  checkCall('f1Score(yTrue, yPred, options)', arguments, SCORE)
  return one('f1Score', 'f1')(yTrue, yPred, options)
} as Scorer

export interface FBetaOptions extends ScoreOptions {
  /** Recall counts beta times as much as precision. */
  beta: number
}

/** (1 + β²) · precision · recall / (β² · precision + recall). */
export const fbetaScore = function (yTrue: Targets, yPred: Targets, options: FBetaOptions) {
  checkCall('fbetaScore(yTrue, yPred, options)', arguments, { ...SCORE, beta: 'number' } satisfies OptionTable<FBetaOptions>)
  const beta = options?.beta
  if (!(beta > 0)) throw new WeftError('ERR_ARGUMENT', `fbetaScore: beta must be above 0, got ${show(beta)}`)
  return one('fbetaScore', 'f1')(yTrue, yPred, options, beta)
} as {
  (yTrue: Targets, yPred: Targets, options: FBetaOptions & { average: 'none' }): number[]
  (yTrue: Targets, yPred: Targets, options: FBetaOptions): number
}

const sumOf = (list: ArrayLike<number>): number => Array.from(list).reduce((sum, n) => sum + n, 0)

/**
 * The correlation of true and predicted classes, from -1 to 1 (Matthews 1975; Gorodkin 2004); 0 where it is undefined.
 */
export function matthewsCorrcoef(yTrue: Targets, yPred: Targets, options: WeightOption = {}): number {
  checkCall('matthewsCorrcoef(yTrue, yPred, options)', arguments, { sampleWeight: 'any' } satisfies OptionTable<WeightOption>)
  const { counts, total } = countClasses('matthewsCorrcoef', yTrue, yPred, options.sampleWeight)
  const t = counts.map(sumOf)
  const p = counts.map((_, j) => sumOf(counts.map((row) => row[j]!)))
  const right = sumOf(counts.map((row, i) => row[i]!))
  const dot = (a: number[], b: number[]): number => a.reduce((sum, n, i) => sum + n * b[i]!, 0)
  const below = (total ** 2 - dot(p, p)) * (total ** 2 - dot(t, t))
  return below === 0 ? 0 : (right * total - dot(t, p)) / Math.sqrt(below)
}
