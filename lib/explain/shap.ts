// shap: the share of each feature in a prediction, in all orders in which features may become known (Shapley 1953).
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Label, MatrixLike } from '../learn/matrix.js'
import { type Matrix, readMatrix } from '../learn/matrix.js'
import { type AnyPredictor, type Outputs, predictorOf } from '../learn/report/predictor.js'
import { RandomState } from '../learn/selection/random.js'
import { type Coalitions, coalitionsOf, sharesOf } from './coalitions.js'
import { linearOf, linearShares } from './linear_shap.js'
import { treeShares, treesOf } from './tree_shap.js'

export interface ShapOptions {
  /**
   * Rows that stand for "not known": their values take the place of a feature's. 20 to 200 rows of the training part.
   */
  background: MatrixLike
  /**
   * 'linear' and 'tree': exactly, for linear models and for trees, forests and boosted trees; 'kernel': any model, by
   * its predictions. Default 'auto': the one that fits the model.
   */
  method?: 'auto' | 'linear' | 'tree' | 'kernel'
  /**
   * Sets of known features that 'kernel' looks at, at most. Default 2 · features + 2048: all of them up to 11 features.
   */
  samples?: number
  /** 0 to 2^32 - 1, of the sets that are drawn. Default: a new one, reproducible by setSeed(). */
  seed?: number
}
const OPTIONS: OptionTable<ShapOptions> = {
  background: 'any',
  method: ['auto', 'linear', 'tree', 'kernel'],
  samples: 'integer',
  seed: 'integer',
}

export interface Shap {
  /** [samples][features] of a model with one output; [samples][features][outputs] of one with several. */
  values: number[][] | number[][][]
  /** The mean output of the background, of each output. values of a sample add up to its output - base. */
  baseValues: number[]
  /** What is explained: probabilities of the classes, a decision value, predictions, or what a network gives. */
  output: 'probability' | 'decision' | 'prediction' | 'output'
  /** Classes of the outputs, where they are known. */
  classes: readonly Label[] | undefined
  method: 'linear' | 'tree' | 'kernel'
}

/**
 * Shares of the features in each prediction of x [samples, features] (Lundberg and Lee 2017). 'linear' gives
 * β · (x - mean of the background) of the decision value, exactly; 'tree' is exact too: of probabilities of forests, of
 * the decision value of boosted trees. 'kernel' asks the model with features of the
 * background in place of those not known: exactly where all sets are looked at, else by drawn ones.
 */
export async function shap(model: AnyPredictor, x: MatrixLike, options: ShapOptions): Promise<Shap> {
  const what = 'shap'
  checkCall(`${what}(model, x, options)`, arguments, OPTIONS)
  if (options?.background === undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: background is missing`, {
      hint: `Write ${what}(model, x, { background: xTrain.slice(0, 100) })`,
    })
  const matrix = await readMatrix(what, x)
  const background = await readMatrix(`${what} (background)`, options.background, { columns: matrix.columns })
  const { method = 'auto' } = options
  const linear = method === 'auto' || method === 'linear' ? linearOf(model, matrix.columns) : undefined
  if (linear) {
    const { values, base } = linearShares(linear, matrix, background)
    return { values: narrow(values), baseValues: base, output: linear.output, classes: linear.classes, method: 'linear' }
  }
  const trees = method === 'auto' || method === 'tree' ? treesOf(model) : undefined
  if (trees) {
    const { values, base } = treeShares(trees, matrix, background)
    return { values: narrow(values), baseValues: base, output: trees.output, classes: trees.classes, method: 'tree' }
  }
  if (method === 'linear' || method === 'tree')
    throw new WeftError('ERR_ARGUMENT', `${what}: ${show(model)} is no ${method} model of ${matrix.columns} features`, {
      hint: "Write { method: 'kernel' }",
    })
  const predictor = predictorOf(what, model)
  const random = new RandomState(what, options.seed)
  const most = options.samples === undefined ? 2 * matrix.columns + 2048 : integer(what, 'samples', options.samples, 2)
  const coalitions = coalitionsOf(matrix.columns, most, random)
  const ask = (data: Float64Array): Promise<Outputs> => predictor.predictRows(data, matrix.columns)
  const base = meanOutputs(await ask(background.data))
  const full = await ask(matrix.data)
  const values: number[][][] = []
  for (let row = 0; row < matrix.rows; row++) {
    const own = matrix.data.subarray(row * matrix.columns, (row + 1) * matrix.columns)
    const known = await expected(own, background, coalitions, full.columns, ask)
    const shares = base.map((from, output) => {
      const to = full.data[row * full.columns + output]!
      return sharesOf(
        coalitions,
        known.map((means) => means[output]! - from),
        to - from,
      )
    })
    values.push(Array.from({ length: matrix.columns }, (_, feature) => shares.map((share) => share[feature]!)))
  }
  const { output, classes } = predictor
  return { values: narrow(values), baseValues: base, output, classes, method: 'kernel' }
}

const narrow = (values: number[][][]): number[][] | number[][][] =>
  values[0]?.[0]?.length === 1 ? values.map((row) => row.map(([one]) => one!)) : values

const meanOutputs = ({ data, rows, columns }: Outputs): number[] =>
  Array.from({ length: columns }, (_, output) => {
    let sum = 0
    for (let row = 0; row < rows; row++) sum += data[row * columns + output]!
    return sum / rows
  })

/** Rows asked at a time. */
const MOST_ROWS = 8192

/** For each set of known features the mean output over the background. */
async function expected(
  x: Float64Array,
  background: Matrix,
  { masks, features }: Coalitions,
  outputs: number,
  ask: (data: Float64Array) => Promise<Outputs>,
): Promise<Float64Array[]> {
  const { rows, data } = background
  const means: Float64Array[] = []
  const step = Math.max(1, Math.floor(MOST_ROWS / rows))
  for (let from = 0; from < masks.length; from += step) {
    const part = masks.slice(from, from + step)
    const mixed = new Float64Array(part.length * rows * features)
    part.forEach((mask, i) => {
      for (let row = 0; row < rows; row++)
        for (let feature = 0; feature < features; feature++)
          mixed[(i * rows + row) * features + feature] = mask[feature] ? x[feature]! : data[row * features + feature]!
    })
    const found = await ask(mixed)
    part.forEach((_, i) => {
      const mean = new Float64Array(outputs)
      for (let row = 0; row < rows; row++)
        for (let output = 0; output < outputs; output++) mean[output]! += found.data[(i * rows + row) * outputs + output]! / rows
      means.push(mean)
    })
  }
  return means
}
