// Curves of a report: ROC, precision and recall, calibration, and predictions against targets, as SVG.
import { barsSvg, chartSvg, type Point, type Series } from '../../io/chart.js'
import { calibrationCurve } from '../metrics/probability.js'
import { averagePrecisionScore, precisionRecallCurve, rocAucScore, rocCurve } from '../metrics/ranking.js'
import type { ClassFigures, NumberFigures } from './figures.js'

/** Classes that are drawn: more lines cannot be told apart. */
const MOST_LINES = 6
/** Points of a picture. */
const MOST_POINTS = 2000
const UNIT = [0, 1] as const

/** Every so many points, with the last one. */
function thinned(points: readonly Point[]): readonly Point[] {
  if (points.length <= MOST_POINTS) return points
  const step = points.length / MOST_POINTS
  return [...Array.from({ length: MOST_POINTS }, (_, i) => points[Math.floor(i * step)]!), points.at(-1)!]
}

const join = (x: readonly number[], y: readonly number[]): Point[] => x.map((value, i) => [value, y[i]!])

export async function classCurves({ classes, names, truth, probabilities }: ClassFigures): Promise<string[]> {
  if (!probabilities) return []
  // of two classes the second is the positive one
  const shown = (classes.length === 2 ? [1] : classes.map((_, i) => i)).filter((i) => {
    const hits = truth.filter((label) => label === classes[i]).length
    return hits > 0 && hits < truth.length
  })
  const drawn = shown.slice(0, MOST_LINES)
  if (drawn.length === 0) return []
  const [roc, pr, calibration]: [Series[], Series[], Series[]] = [[], [], []]
  for (const i of drawn) {
    const yes = truth.map((label) => Number(label === classes[i]))
    const scores = probabilities.map((row) => row[i]!)
    const { fpr, tpr } = rocCurve(yes, scores)
    const { precision, recall } = precisionRecallCurve(yes, scores)
    roc.push({ name: `${names[i]}: area ${rocAucScore(yes, scores).toFixed(3)}`, points: thinned(join(fpr, tpr)) })
    pr.push({ name: `${names[i]}: ${averagePrecisionScore(yes, scores).toFixed(3)}`, points: thinned(join(recall, precision)) })
    const { probPred, probTrue } = calibrationCurve(
      yes,
      scores.map((p) => Math.min(1, Math.max(0, p))),
      { nBins: 10 },
    )
    calibration.push({ name: names[i]!, points: join(probPred, probTrue), drawn: 'both' })
  }
  const more = shown.length > drawn.length ? ` (the first ${drawn.length} classes)` : ''
  const only = drawn.length === 1
  return await Promise.all([
    chartSvg({
      title: only ? `ROC, area ${roc[0]!.name.split(' ').at(-1)}` : `ROC${more}`,
      x: 'share of the others that are taken for it',
      y: 'share of the class that is found',
      series: roc,
      xDomain: UNIT,
      yDomain: UNIT,
      diagonal: 'chance',
    }),
    chartSvg({
      title: only ? `Precision and recall, mean precision ${pr[0]!.name.split(' ').at(-1)}` : `Precision and recall${more}`,
      x: 'recall',
      y: 'precision',
      series: pr,
      xDomain: UNIT,
      yDomain: UNIT,
    }),
    chartSvg({
      title: `Calibration${more}`,
      x: 'predicted probability',
      y: 'share that is of the class',
      series: calibration,
      xDomain: UNIT,
      yDomain: UNIT,
      diagonal: 'calibrated',
    }),
  ])
}

export async function numberCurves({ truth, predicted }: NumberFigures): Promise<string[]> {
  const against = thinned(join([...truth], [...predicted]))
  const errors = thinned(join([...predicted], [...truth.map((value, i) => value - predicted[i]!)]))
  return await Promise.all([
    chartSvg({
      title: 'Predictions',
      x: 'target',
      y: 'prediction',
      series: [{ name: 'rows', points: against, drawn: 'marks' }],
      diagonal: 'right',
    }),
    chartSvg({ title: 'Errors', x: 'prediction', y: 'target - prediction', series: [{ name: 'rows', points: errors, drawn: 'marks' }] }),
  ])
}

export const importanceBars = (names: readonly string[], means: readonly number[], deviations: readonly number[]): Promise<string> => {
  const order = means
    .map((_, i) => i)
    .sort((a, b) => means[b]! - means[a]!)
    .slice(0, 20)
  const bars = order.map((i) => ({ name: names[i]!, value: means[i]!, error: deviations[i]! }))
  return barsSvg('What the model reads', 'fall of the score when the feature is shuffled', bars)
}
