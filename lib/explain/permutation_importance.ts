// permutationImportance: how much a score falls when a feature is shuffled.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { LabelsLike, MatrixLike } from '../learn/matrix.js'
import { readMatrix } from '../learn/matrix.js'
import { scoredOf } from '../learn/report/scored.js'
import { scorerOf, type Scoring } from '../learn/metrics/scorers.js'
import { RandomState } from '../learn/selection/random.js'
import type { Rowed } from '../learn/selection/rows.js'
import { factsOfData, Spread } from '../learn/selection/spread.js'

export interface PermutationImportanceOptions {
  /** How often each feature is shuffled. Default 5. */
  repeats?: number
  /** What falls. Default: accuracy for classes, R² for numbers. */
  scoring?: Scoring
  /** 0 to 2^32 - 1. Default: a new one, reproducible by setSeed(). */
  seed?: number
  /**
   * In a distributed run every rank calls with the same model and rows; each scores its part of the shuffled features,
   * and all get the same figures. Default false: each rank scores all.
   */
  ranks?: boolean
}
const OPTIONS: OptionTable<PermutationImportanceOptions> = { repeats: 'integer', scoring: 'any', seed: 'integer', ranks: 'boolean' }

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
  const spread = new Spread(what, options.ranks)
  const scorer = scorerOf(what, options.scoring)
  const { data, rows, columns } = await readMatrix(what, x, { missing: true })
  const scored = await scoredOf(what, model, { data, shape: [rows, columns] }, y)
  const measure = async (values: Float64Array): Promise<number> => {
    const score = await scorer(scored, { data: values, shape: [rows, columns] }, y)
    if (typeof score !== 'number') throw new WeftError('ERR_ARGUMENT', `${what}: the scorer gave ${show(score)}, a number is expected`)
    return score
  }
  const seed = await spread.meet(() => ({
    value: new RandomState(what, options.seed).seed,
    facts: { rows, columns, repeats, ...factsOfData(what, spread, { data, shape: [rows, columns] }, y as Rowed) },
  }))
  // the first job scores the rows as they are
  const run = async (places: readonly number[]): Promise<number[]> => {
    const random = new RandomState(what, seed)
    const scores: number[] = []
    let drawn = 0
    for (const at of places) {
      if (at === 0) {
        scores.push(await measure(data))
        continue
      }
      // orders are drawn one after the other, whoever scores them
      let order = random.permutation(rows)
      while (++drawn < at) order = random.permutation(rows)
      const column = Math.floor((at - 1) / repeats)
      const shuffled = data.slice()
      order.forEach((from, row) => {
        shuffled[row * columns + column] = data[from * columns + column]!
      })
      scores.push(await measure(shuffled))
    }
    return scores
  }
  const [baseScore, ...scores] = (await spread.deal(1 + columns * repeats, run, () => undefined)) as [number, ...number[]]
  const importances = Array.from({ length: columns }, (_, column) =>
    scores.slice(column * repeats, (column + 1) * repeats).map((score) => baseScore - score),
  )
  const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length
  return {
    importances,
    importancesMean: importances.map(mean),
    importancesStd: importances.map((list) => Math.sqrt(mean(list.map((value) => (value - mean(list)) ** 2)))),
    baseScore,
  }
}
