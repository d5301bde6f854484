// Labels and probabilities of classifiers in an ONNX graph.
import type { Label } from '../matrix.js'
import type { Made, Output, Sheet } from './sheet.js'

/** The label output from the places of classes [rows], int64. */
export function labelOf(sheet: Sheet, classes: readonly Label[], place: string): Output {
  const output = (dtype: Output['dtype'], from: string): Output => ({ name: 'label', from, dtype, columns: undefined })
  if (typeof classes[0] === 'string')
    return output(
      'string',
      sheet.op('ai.onnx.ml.LabelEncoder', [place], {
        keys_int64s: { ints: classes.map((_, k) => k) },
        values_strings: { texts: classes as string[] },
        default_string: { text: classes[0] },
      }),
    )
  // in ascending order: false, true
  if (typeof classes[0] === 'boolean') return output('bool', sheet.cast(place, 'bool'))
  return output('int64', sheet.op('Gather', [sheet.nodes.ints(classes as number[]), place]))
}

/** The place of the first of the largest scores [rows, classes]: [rows]. */
export const largestOf = (sheet: Sheet, scores: string): string => sheet.op('ArgMax', [scores], { axis: { int: 1 }, keepdims: { int: 0 } })

/** Of two classes: whether the score of the second [rows, 1] is above 0, as the place of the class: [rows]. */
export const aboveZero = (sheet: Sheet, score: string): string =>
  sheet.op('Squeeze', [sheet.cast(sheet.op('Greater', [score, sheet.constant('zero', [0], [])]), 'int64'), sheet.nodes.ints([1])])

/** sigmoid(-z), sigmoid(z) of scores [rows, 1]. */
export const bothChances = (sheet: Sheet, score: string): string =>
  sheet.concat([sheet.op('Sigmoid', [sheet.op('Neg', [score])]), sheet.op('Sigmoid', [score])])

export const softmaxOf = (sheet: Sheet, scores: string): string => sheet.op('Softmax', [scores], { axis: { int: 1 } })

/** Chances of each class by itself, divided by their sum; where all are 0 the classes are equally likely. */
export function normalized(sheet: Sheet, chances: string, count: number): string {
  const sums = sheet.rowSums(chances)
  const there = sheet.op('Greater', [sums, sheet.constant('zero', [0], [])])
  const divisor = sheet.op('Where', [there, sums, sheet.constant('one', [1], [])])
  return sheet.op('Where', [there, sheet.op('Div', [chances, divisor]), sheet.constant('share', [1 / count], [])])
}

export interface Scored {
  readonly classes: readonly Label[]
  /** [rows, classes], or [rows, 1] of two classes: float64 */
  readonly scores: string
  /** [rows, classes]; undefined where the model has none */
  readonly chances: string | undefined
}

/** Label, and probabilities where there are some, otherwise scores as decisionFunction() gives them. */
export function classified(sheet: Sheet, { classes, scores, chances }: Scored, single: boolean): Made {
  const label = labelOf(sheet, classes, single ? aboveZero(sheet, scores) : largestOf(sheet, scores))
  const numbers: Output =
    chances === undefined
      ? { name: 'scores', from: scores, dtype: 'float64', columns: single ? 1 : classes.length }
      : { name: 'probabilities', from: chances, dtype: 'float64', columns: classes.length }
  return { outputs: [label, numbers] }
}
