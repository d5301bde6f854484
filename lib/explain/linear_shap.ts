// Linear SHAP: β · (x - mean), exactly, for models that are linear in their features.
import { isTypedArray } from '../core/checks.js'
import type { Label, Matrix } from '../learn/matrix.js'
import { isClassifier } from '../learn/selection/cross_validation.js'

export interface LinearModel {
  /** [outputs][features]. */
  readonly coef: readonly (readonly number[])[]
  readonly intercept: readonly number[]
  readonly output: 'decision' | 'prediction'
  readonly classes: readonly Label[] | undefined
}

const listOf = (value: unknown): unknown[] | undefined =>
  typeof value === 'number' ? [value] : Array.isArray(value) || isTypedArray(value) ? Array.from(value as ArrayLike<unknown>) : undefined

/** Kinds that are linear in their features when they have coefficients. */
const LINEAR = /^(linearRegression|ridge|lasso|elasticNet|logisticRegression|linearSvc|linearSvr|sgdClassifier|sgdRegressor)$/

/** Coefficients and intercepts of a linear model of so many features; undefined for another model. */
export function linearOf(model: unknown, features: number): LinearModel | undefined {
  const own = model as { kind?: unknown; coef?: unknown; intercept?: unknown } | null
  if (typeof own !== 'object' || own === null || typeof own.kind !== 'string' || !LINEAR.test(own.kind)) return undefined
  const [coef, intercept] = [listOf(own.coef), listOf(own.intercept)]
  if (coef === undefined || intercept === undefined || coef.length === 0) return undefined
  const rows = typeof coef[0] === 'number' ? [coef as number[]] : coef.map((row) => Array.from(row as ArrayLike<number>))
  if (rows.some((row) => row.length !== features) || intercept.length !== rows.length) return undefined
  const classifier = isClassifier(own)
  const classes = classifier ? (own as unknown as { classes: readonly Label[] }).classes : undefined
  return { coef: rows, intercept: intercept as number[], output: classifier ? 'decision' : 'prediction', classes }
}

/** Shares [rows][features][outputs], and the output at the mean of the background. */
export function linearShares({ coef, intercept }: LinearModel, x: Matrix, background: Matrix): { values: number[][][]; base: number[] } {
  const { columns } = x
  const mean = Array.from({ length: columns }, (_, column) => {
    let sum = 0
    for (let row = 0; row < background.rows; row++) sum += background.data[row * columns + column]!
    return sum / background.rows
  })
  const values = Array.from({ length: x.rows }, (_, row) =>
    mean.map((middle, column) => coef.map((own) => own[column]! * (x.data[row * columns + column]! - middle))),
  )
  const base = coef.map((own, output) => own.reduce((sum, beta, column) => sum + beta * mean[column]!, intercept[output]!))
  return { values, base }
}
