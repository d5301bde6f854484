// Models of distances in an ONNX graph: naive Bayes, kMeans, pca. Rows are moved to the middle of what is known first:
// the squares that are subtracted from each other stay small.
import type { Label } from '../matrix.js'
import { classified, softmaxOf } from './classes.js'
import { columnsMade, type Features, type Made, type Sheet } from './sheet.js'

export interface Centered {
  /** The rows of X around the middle. */
  readonly x: string
  /** The known rows around it: [known][columns]. */
  readonly known: Float64Array
  /** |known|² of each. */
  readonly squares: Float64Array
}

export function centered(sheet: Sheet, x: string, known: Float64Array, columns: number): Centered {
  const count = known.length / columns
  const middle = new Float64Array(columns)
  for (let i = 0; i < known.length; i++) middle[i % columns]! += known[i]! / count
  const moved = known.map((value, i) => value - middle[i % columns]!)
  const squares = new Float64Array(count)
  for (let i = 0; i < moved.length; i++) squares[Math.floor(i / columns)]! += moved[i]! ** 2
  return { x: sheet.sub(x, sheet.constant('middle', middle)), known: moved, squares }
}

/** |x|² of each row: [rows, 1]. */
export const squaredSums = (sheet: Sheet, x: string): string => sheet.rowSums(sheet.mul(x, x))

export function gaussian(
  sheet: Sheet,
  x: Features,
  state: { classes: Label[]; theta: Float64Array; variance: Float64Array; priors: Float64Array },
): Made {
  const { classes, theta, variance, priors } = state
  const { columns } = x
  const near = centered(sheet, sheet.wide(x), theta, columns)
  // log p - ½Σ log 2πv - ½Σ (x - t)² / v, the squares written out
  const base = priors.map(Math.log)
  for (let i = 0; i < theta.length; i++)
    base[Math.floor(i / columns)]! -= 0.5 * (Math.log(2 * Math.PI * variance[i]!) + near.known[i]! ** 2 / variance[i]!)
  const square = sheet.product(
    sheet.mul(near.x, near.x),
    'curvature',
    variance.map((v) => -0.5 / v),
    columns,
  )
  const slope = near.known.map((t, i) => t / variance[i]!)
  const scores = sheet.add(sheet.add(square, sheet.product(near.x, 'slope', slope, columns)), sheet.constant('base', base))
  return classified(sheet, { classes, scores, chances: softmaxOf(sheet, scores) }, false)
}

export function multinomial(
  sheet: Sheet,
  x: Features,
  { classes, logChances, priors }: { classes: Label[]; logChances: Float64Array; priors: Float64Array },
): Made {
  const scores = sheet.affine(sheet.wide(x), logChances, priors.map(Math.log), x.columns)
  return classified(sheet, { classes, scores, chances: softmaxOf(sheet, scores) }, false)
}

export function groups(sheet: Sheet, x: Features, { centers, columns }: { centers: Float64Array; columns: number }): Made {
  const near = centered(sheet, sheet.wide(x), centers, columns)
  const products = sheet.product(
    near.x,
    'centers',
    near.known.map((value) => -2 * value),
    columns,
  )
  const far = sheet.add(sheet.add(products, sheet.constant('squares', near.squares)), squaredSums(sheet, near.x))
  const label = sheet.op('ArgMin', [far], { axis: { int: 1 }, keepdims: { int: 0 } })
  const from = sheet.op('Sqrt', [sheet.op('Max', [far, sheet.constant('zero', [0], [])])])
  const count = centers.length / columns
  return {
    features: { name: from, dtype: 'float64', columns: count },
    outputs: [
      { name: 'label', from: label, dtype: 'int64', columns: undefined },
      { name: 'distances', from, dtype: 'float64', columns: count },
    ],
  }
}

export function directions(
  sheet: Sheet,
  x: Features,
  { mean, components, variance }: { mean: Float64Array; components: Float64Array; variance: Float64Array },
  { whiten }: { whiten: boolean },
): Made {
  const columns = mean.length
  const scale = (k: number): number => (whiten && variance[k]! > 0 ? 1 / Math.sqrt(variance[k]!) : 1)
  const moved = sheet.sub(sheet.wide(x), sheet.constant('mean', mean))
  const scaled = components.map((value, i) => value * scale(Math.floor(i / columns)))
  return columnsMade(sheet.product(moved, 'components', scaled, columns), variance.length)
}
