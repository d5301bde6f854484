// Linear models in an ONNX graph: one product, and the probabilities that follow from its scores.
import type { Planes } from '../linear/linear_classifier.js'
import type { Line } from '../linear/linear_model.js'
import { bothChances, classified, normalized, softmaxOf } from './classes.js'
import type { Features, Made, Sheet } from './sheet.js'

export function line(sheet: Sheet, x: Features, { coef, intercept }: Line): Made {
  const from = sheet.affine(sheet.wide(x), coef, [intercept], coef.length)
  return { outputs: [{ name: 'prediction', from, dtype: 'float64', columns: 1 }] }
}

const scoresOf = (sheet: Sheet, x: Features, { coef, intercept }: Planes): string =>
  sheet.affine(sheet.wide(x), coef, intercept, coef.length / intercept.length)

/** Scores alone: linear support vector machines. */
export function planes(sheet: Sheet, x: Features, state: Planes): Made {
  const scores = scoresOf(sheet, x, state)
  return classified(sheet, { classes: state.classes, scores, chances: undefined }, state.intercept.length === 1)
}

export function logistic(sheet: Sheet, x: Features, state: Planes & { softmax: boolean }): Made {
  const scores = scoresOf(sheet, x, state)
  const { classes, softmax } = state
  const single = state.intercept.length === 1
  const chances = single
    ? bothChances(sheet, scores)
    : softmax
      ? softmaxOf(sheet, scores)
      : normalized(sheet, sheet.op('Sigmoid', [scores]), classes.length)
  return classified(sheet, { classes, scores, chances }, single)
}

/** The probabilities of sgdClassifier's losses, where they have some. */
export function descended(sheet: Sheet, x: Features, state: Planes, { loss }: { loss: string }): Made {
  if (loss !== 'logLoss' && loss !== 'modifiedHuber') return planes(sheet, x, state)
  const scores = scoresOf(sheet, x, state)
  const { classes } = state
  const single = state.intercept.length === 1
  const chance = (z: string): string => {
    if (loss === 'logLoss') return sheet.op('Sigmoid', [z])
    const within = sheet.op('Max', [sheet.op('Min', [z, sheet.constant('most', [1], [])]), sheet.constant('least', [-1], [])])
    return sheet.mul(sheet.add(within, sheet.constant('one', [1], [])), sheet.constant('half', [0.5], []))
  }
  const chances = single
    ? sheet.concat([chance(sheet.op('Neg', [scores])), chance(scores)])
    : normalized(sheet, chance(scores), classes.length)
  return classified(sheet, { classes, scores, chances }, single)
}
