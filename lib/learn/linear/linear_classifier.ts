// The base of the linear classifiers: scores X·coef + intercept, one row of coefficients for each class, or a single
// one for two classes.
import { ClassifierBase, nested } from '../estimator.js'
import { affine } from '../linalg/products.js'
import type { Label, MatrixLike } from '../matrix.js'

/** What a linear classifier learns. */
export interface Planes {
  classes: Label[]
  /** [outputs][features]; one output for two classes. */
  coef: Float64Array
  intercept: Float64Array
}

export abstract class LinearClassifier<O extends object, S extends Planes> extends ClassifierBase<O, S> {
  /** [classes][features], or [1][features] for two classes: positive scores mean the second. */
  get coef(): number[][] {
    const { coef, intercept } = this.state('coef')
    return nested(coef, coef.length / intercept.length)
  }
  /** One for each row of `coef`. */
  get intercept(): number[] {
    return Array.from(this.state('intercept').intercept)
  }

  /** The scores of one row after the other. */
  protected async scores(x: MatrixLike, method: string): Promise<Float64Array> {
    const { coef, intercept } = this.state(method)
    return await affine(await this.read(x, method, coef.length / intercept.length), coef, intercept)
  }

  protected override async rank(x: MatrixLike, method: string): Promise<Float64Array> {
    const scores = await this.scores(x, method)
    return this.state(method).intercept.length === 1 ? bothSides(scores) : scores
  }

  /** Two classes: the score of the second, for each row. More: the scores of all classes. */
  async decisionFunction(x: MatrixLike): Promise<number[] | number[][]> {
    const scores = await this.scores(x, 'decisionFunction')
    const outputs = this.state('decisionFunction').intercept.length
    return outputs === 1 ? Array.from(scores) : nested(scores, outputs)
  }
}

/** The score of the second class as a score of both. At 0 the first one wins. */
export function bothSides(scores: Float64Array): Float64Array {
  const both = new Float64Array(2 * scores.length)
  for (let row = 0; row < scores.length; row++) both[2 * row + 1] = scores[row]!
  return both
}

/** 1 / (1 + exp(-z)) */
export const sigmoid = (z: number): number => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)))

/** The softmax of each row in place. */
export function softmaxRows(scores: Float64Array, columns: number): Float64Array {
  for (let at = 0; at < scores.length; at += columns) {
    let most = Number.NEGATIVE_INFINITY
    for (let k = 0; k < columns; k++) most = Math.max(most, scores[at + k]!)
    let sum = 0
    for (let k = 0; k < columns; k++) sum += scores[at + k] = Math.exp(scores[at + k]! - most)
    for (let k = 0; k < columns; k++) scores[at + k]! /= sum
  }
  return scores
}
