// permutationImportance: how much a score falls when a feature is shuffled.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { LabelsLike, MatrixLike } from '../learn/matrix.js'
import { readMatrix } from '../learn/matrix.js'
import { scoredOf } from '../learn/report/scored.js'
import { scorerOf, type Scoring } from '../learn/metrics/scorers.js'
import { RandomState } from '../learn/selection/random.js'

export interface PermutationImportanceOptions {
  /** How often each feature is shuffled. Default 5. */
  repeats?: number
  /** What falls. Default: accuracy for classes, R² for numbers. */
  scoring?: Scoring
  /** 0 to 2^32 - 1. Default: a new one, reproducible by setSeed(). */
  seed?: number
}
const OPTIONS: OptionTable<PermutationImportanceOptions> = { repeats: 'integer', scoring: 'any', seed: 'integer' }

export interface PermutationImportance {
  /** Mean fall of the score, for each feature. */
  importancesMean: number[]
  importancesStd: number[]
  /** [features][repeats]. */
  importances: number[][]
  /** The score of the rows as they are. */
  baseScore: number
}

/** A model of weftjs/learn, or a network. */
export type Scorable = { predict(x: never): Promise<unknown> }

/**
 * The fall of the score when the values of a feature change places between the rows (Breiman 2001), for each feature
 * of x [rows, features]. Use rows that the model was not fitted on. Of features that tell the same each may seem
 * unimportant: the model reads the other.
 */
export async function permutationImportance(
  model: Scorable,
  x: MatrixLike,
  y: LabelsLike,
  options: PermutationImportanceOptions = {},
): Promise<PermutationImportance> {
  const what = 'permutationImportance'
  checkCall(`${what}(model, x, y, options)`, arguments, OPTIONS)
  const repeats = integer(what, 'repeats', options.repeats ?? 5, 1)
  const random = new RandomState(what, options.seed)
  const scorer = scorerOf(what, options.scoring)
  const { data, rows, columns } = await readMatrix(what, x, { missing: true })
  const scored = await scoredOf(what, model, { data, shape: [rows, columns] }, y)
  const measure = async (values: Float64Array): Promise<number> => {
    const score = await scorer(scored, { data: values, shape: [rows, columns] }, y)
    if (typeof score !== 'number') throw new WeftError('ERR_ARGUMENT', `${what}: the scorer gave ${show(score)}, a number is expected`)
    return score
  }
  const baseScore = await measure(data)
  const importances: number[][] = []
  for (let column = 0; column < columns; column++) {
    const falls: number[] = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      const shuffled = data.slice()
      random.permutation(rows).forEach((from, row) => {
        shuffled[row * columns + column] = data[from * columns + column]!
      })
      falls.push(baseScore - (await measure(shuffled)))
    }
    importances.push(falls)
  }
  const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length
  return {
    importances,
    importancesMean: importances.map(mean),
    importancesStd: importances.map((list) => Math.sqrt(mean(list.map((value) => (value - mean(list)) ** 2)))),
    baseScore,
  }
}
