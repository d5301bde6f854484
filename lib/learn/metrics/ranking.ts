// Ranking: ROC and precision-recall curves, and the exact areas under them. Definitions: scikit-learn 1.2.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import {
  classesOf,
  columnOf,
  type Label,
  labelsOf,
  numbersOf,
  plain,
  type Rows,
  sameLength,
  type Targets,
  type WeightOption,
  weightsOf,
} from './targets.js'

export interface CurveOptions extends WeightOption {
  /** The positive class. Default 1; where the classes are neither 0 and 1 nor -1 and 1 it must be said. */
  posLabel?: Label
}
export const CURVE: OptionTable<CurveOptions> = { sampleWeight: 'any', posLabel: 'any' }

/** Whether each sample is of the positive class. */
export function positives(what: string, yTrue: Targets, posLabel: Label | undefined): boolean[] {
  const truth = labelsOf(what, 'yTrue', yTrue)
  const classes = classesOf(what, truth)
  if (classes.length > 2)
    throw new WeftError('ERR_ARGUMENT', `${what}: yTrue has ${classes.length} classes, the curve is of two`, {
      hint: 'Compare one class with the rest: y.map((c) => (c === 2 ? 1 : 0))',
    })
  const known = classes.every((label) => label === 0 || label === 1) || classes.every((label) => label === -1 || label === 1)
  if (posLabel === undefined && !known)
    throw new WeftError('ERR_ARGUMENT', `${what}: which of the classes ${show(classes)} is positive?`, {
      hint: `Write { posLabel: ${show(classes.at(-1))} }`,
    })
  const positive = plain(posLabel ?? 1)
  return truth.map((label) => label === positive)
}

interface Steps {
  /** Weights of true and false positives where the scores reach each threshold. */
  readonly truePositives: number[]
  readonly falsePositives: number[]
  /** The different scores, from the largest on. */
  readonly thresholds: number[]
}

/** True and false positives at each different score. */
function stepsOf(what: string, truth: readonly boolean[], scores: Float64Array, weights: Float64Array | undefined): Steps {
  sameLength(what, truth, scores)
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b)
  const found: Steps = { truePositives: [], falsePositives: [], thresholds: [] }
  let [right, wrong] = [0, 0]
  order.forEach((at, i) => {
    const weight = weights?.[at] ?? 1
    if (truth[at]) right += weight
    else wrong += weight
    const next = order[i + 1]
    if (next !== undefined && scores[next] === scores[at]) return
    found.truePositives.push(right)
    found.falsePositives.push(wrong)
    found.thresholds.push(scores[at]!)
  })
  return found
}

function binarySteps(what: string, yTrue: Targets, yScore: Targets, { posLabel, sampleWeight }: CurveOptions): Steps {
  const truth = positives(what, yTrue, posLabel)
  return stepsOf(what, truth, columnOf(what, 'yScore', yScore), weightsOf(what, sampleWeight, truth.length))
}

const missing = (what: string, kind: string): WeftError =>
  new WeftError('ERR_DATA', `${what}: yTrue has no ${kind} sample, so the curve is undefined`, {
    hint: 'Evaluate on data with both classes, as stratified splits give',
  })

export interface RocCurve {
  /** Share of the negative samples at or above each threshold. */
  fpr: number[]
  /** Share of the positive samples at or above each threshold. */
  tpr: number[]
  /** Scores from the largest on; before them one that no score reaches: the largest + 1. */
  thresholds: number[]
}

export interface RocCurveOptions extends CurveOptions {
  /** Leaves out points on straight lines between others. Default true. */
  dropIntermediate?: boolean
}

function rocOf(what: string, steps: Steps, drop: boolean): RocCurve {
  let { truePositives: t, falsePositives: f, thresholds } = steps
  if (!(f.at(-1)! > 0)) throw missing(what, 'negative')
  if (!(t.at(-1)! > 0)) throw missing(what, 'positive')
  if (drop && t.length > 2) {
    const bend = (list: readonly number[], i: number): boolean => list[i + 1]! - list[i]! !== list[i]! - list[i - 1]!
    const kept = thresholds.flatMap((_, i) => (i === 0 || i === t.length - 1 || bend(f, i) || bend(t, i) ? [i] : []))
    ;[t, f, thresholds] = [t, f, thresholds].map((list) => kept.map((i) => list[i]!)) as [number[], number[], number[]]
  }
  const [positive, negative] = [t.at(-1)!, f.at(-1)!]
  return {
    fpr: [0, ...f.map((n) => n / negative)],
    tpr: [0, ...t.map((n) => n / positive)],
    thresholds: [thresholds[0]! + 1, ...thresholds],
  }
}

/**
 * The receiver operating characteristic of scores: the larger, the more probably positive. ERR_DATA without both
 * classes.
 */
export function rocCurve(yTrue: Targets, yScore: Targets, options: RocCurveOptions = {}): RocCurve {
  checkCall('rocCurve(yTrue, yScore, options)', arguments, { ...CURVE, dropIntermediate: 'boolean' } satisfies OptionTable<RocCurveOptions>)
  return rocOf('rocCurve', binarySteps('rocCurve', yTrue, yScore, options), options.dropIntermediate ?? true)
}

/** The area under a curve of points, by trapezoids. x goes up, or down throughout. */
export function auc(x: readonly number[], y: readonly number[]): number {
  checkCall('auc(x, y)', arguments)
  if (x.length !== y.length || x.length < 2)
    throw new WeftError('ERR_SHAPE', `auc: needs at least two points, got ${x.length} x and ${y.length} y`)
  const up = x.every((value, i) => i === 0 || value >= x[i - 1]!)
  if (!up && !x.every((value, i) => i === 0 || value <= x[i - 1]!))
    throw new WeftError('ERR_ARGUMENT', 'auc: x goes neither up nor down throughout', { hint: 'Sort the points by x' })
  let area = 0
  for (let i = 1; i < x.length; i++) area += ((x[i]! - x[i - 1]!) * (y[i]! + y[i - 1]!)) / 2
  return up ? area : -area
}

export interface RocAucOptions extends CurveOptions {
  /** For more than two classes: each against the rest ('ovr'), or each pair ('ovo'; Hand and Till 2001). */
  multiClass?: 'ovr' | 'ovo'
  /** How the areas of several classes become one. Default 'macro'. */
  average?: 'macro' | 'weighted'
  /** Classes of the columns of yScore. Default: those of yTrue, sorted. */
  labels?: readonly Label[]
}
const ROC_AUC: OptionTable<RocAucOptions> = {
  ...CURVE,
  multiClass: ['ovr', 'ovo'],
  average: ['macro', 'weighted'],
  labels: 'list',
}

/**
 * The exact area under the ROC curve: the probability that a positive sample scores higher than a negative one. Scores
 * are one column, or probabilities [samples, 2] of two classes; for more classes [samples, classes] with { multiClass
 * }.
 */
export function rocAucScore(yTrue: Targets, yScore: Targets, options: RocAucOptions = {}): number {
  const what = 'rocAucScore'
  checkCall('rocAucScore(yTrue, yScore, options)', arguments, ROC_AUC)
  const scores = numbersOf(what, 'yScore', yScore)
  const { multiClass, average = 'macro', labels, sampleWeight } = options
  if (scores.columns <= 2) {
    const column = scores.columns === 1 ? scores.data : columnAt(scores, 1)
    const posLabel =
      options.posLabel ?? (scores.columns === 2 ? classesOf(what, labels ?? labelsOf(what, 'yTrue', yTrue)).at(-1)! : undefined)
    const truth = positives(what, yTrue, posLabel)
    return areaOf(what, truth, column, weightsOf(what, sampleWeight, truth.length))
  }
  const truth = labelsOf(what, 'yTrue', yTrue)
  sameLength(what, truth, { length: scores.rows })
  const classes = labels ? labels.map(plain) : classesOf(what, truth)
  if (multiClass === undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: yScore has ${scores.columns} columns`, { hint: "Write { multiClass: 'ovr' } or 'ovo'" })
  if (classes.length !== scores.columns)
    throw new WeftError('ERR_SHAPE', `${what}: yScore has ${scores.columns} columns for the ${classes.length} classes ${show(classes)}`, {
      hint: 'Name the class of each column: { labels: model.classes }',
    })
  const stranger = truth.find((label) => !classes.includes(label))
  if (stranger !== undefined) throw new WeftError('ERR_DATA', `${what}: yTrue has the class ${show(stranger)}, which is none of the labels`)
  checkProbabilities(what, scores)
  const weights = weightsOf(what, sampleWeight, truth.length)
  if (multiClass === 'ovo' && weights) throw new WeftError('ERR_ARGUMENT', `${what}: sampleWeight goes with multiClass 'ovr' only`)
  return multiClass === 'ovr'
    ? oneVersusRest(what, truth, scores, classes, average, weights)
    : oneVersusOne(what, truth, scores, classes, average)
}

const columnAt = ({ data, rows, columns }: Rows, at: number): Float64Array =>
  Float64Array.from({ length: rows }, (_, row) => data[row * columns + at]!)

function areaOf(what: string, truth: readonly boolean[], scores: Float64Array, weights?: Float64Array): number {
  const { fpr, tpr } = rocOf(what, stepsOf(what, truth, scores, weights), true)
  return auc(fpr, tpr)
}

/** ERR_DATA unless every row of probabilities adds up to 1. */
export function checkProbabilities(what: string, { data, rows, columns }: Rows): void {
  for (let row = 0; row < rows; row++) {
    let sum = 0
    for (let i = 0; i < columns; i++) sum += data[row * columns + i]!
    if (Math.abs(sum - 1) > 1e-3)
      throw new WeftError('ERR_DATA', `${what}: the probabilities of row ${row} add up to ${sum}, not to 1`, {
        hint: 'Pass the output of softmax or predictProba()',
      })
  }
}

function meanOf(areas: readonly number[], weights: readonly number[]): number {
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  return areas.reduce((sum, area, i) => sum + area * weights[i]!, 0) / all
}

function oneVersusRest(
  what: string,
  truth: readonly Label[],
  scores: Rows,
  classes: readonly Label[],
  average: 'macro' | 'weighted',
  weights?: Float64Array,
): number {
  const areas = classes.map((label, i) =>
    areaOf(
      what,
      truth.map((own) => own === label),
      columnAt(scores, i),
      weights,
    ),
  )
  const support = classes.map((label) => truth.reduce<number>((sum, own, i) => sum + (own === label ? (weights?.[i] ?? 1) : 0), 0))
  return meanOf(areas, average === 'macro' ? classes.map(() => 1) : support)
}

function oneVersusOne(
  what: string,
  truth: readonly Label[],
  scores: Rows,
  classes: readonly Label[],
  average: 'macro' | 'weighted',
): number {
  const areas: number[] = []
  const shares: number[] = []
  for (let a = 0; a < classes.length; a++)
    for (let b = a + 1; b < classes.length; b++) {
      const rows = truth.flatMap((label, i): number[] => (label === classes[a] || label === classes[b] ? [i] : []))
      const of = (at: number): number => {
        const column = columnAt(scores, at)
        return areaOf(
          what,
          rows.map((i) => truth[i] === classes[at]),
          Float64Array.from(rows, (i) => column[i]!),
        )
      }
      areas.push((of(a) + of(b)) / 2)
      shares.push(average === 'macro' ? 1 : rows.length / truth.length)
    }
  return meanOf(areas, shares)
}

export interface PrecisionRecallCurve {
  /** Precision at each threshold, from the smallest on; last 1. */
  precision: number[]
  /** Recall at each threshold; last 0. */
  recall: number[]
  /** The different scores, from the smallest on: one fewer than points. */
  thresholds: number[]
}

function precisionRecall(what: string, { truePositives, falsePositives, thresholds }: Steps): PrecisionRecallCurve {
  const positive = truePositives.at(-1)!
  if (!(positive > 0)) throw missing(what, 'positive')
  return {
    precision: [...truePositives.map((n, i) => (n === 0 ? 0 : n / (n + falsePositives[i]!))).reverse(), 1],
    recall: [...truePositives.map((n) => n / positive).reverse(), 0],
    thresholds: [...thresholds].reverse(),
  }
}

/** Precision against recall, over all thresholds. ERR_DATA without a positive sample. */
export function precisionRecallCurve(yTrue: Targets, yScore: Targets, options: CurveOptions = {}): PrecisionRecallCurve {
  checkCall('precisionRecallCurve(yTrue, yScore, options)', arguments, CURVE)
  return precisionRecall('precisionRecallCurve', binarySteps('precisionRecallCurve', yTrue, yScore, options))
}

/**
 * Σ (recallₙ - recallₙ₋₁) · precisionₙ: the area under the precision-recall curve as steps. ERR_DATA without a positive
 * sample.
 */
export function averagePrecisionScore(yTrue: Targets, yScore: Targets, options: CurveOptions = {}): number {
  checkCall('averagePrecisionScore(yTrue, yScore, options)', arguments, CURVE)
  const { precision, recall } = precisionRecall('averagePrecisionScore', binarySteps('averagePrecisionScore', yTrue, yScore, options))
  let area = 0
  for (let i = 0; i + 1 < recall.length; i++) area -= (recall[i + 1]! - recall[i]!) * precision[i]!
  return area
}
