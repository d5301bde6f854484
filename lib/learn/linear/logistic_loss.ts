// The loss of logistic regression and its gradient on the device: products of X go through matMul, what is left is a
// few numbers for each row.
import { Resident, product } from '../linalg/products.js'

export interface LossAt {
  value: number
  /** [outputs][columns] */
  coef: Float64Array
  intercept: Float64Array
}

/** Weighted log loss of linear scores. With one output the classes are 0 and 1 (sigmoid), with more softmax. */
export class LogisticLoss {
  private readonly x: Resident
  private readonly target: Int32Array
  private readonly weights: Float64Array
  private readonly outputs: number

  constructor(x: Resident, target: Int32Array, weights: Float64Array, outputs: number) {
    this.x = x
    this.target = target
    this.weights = weights
    this.outputs = outputs
  }

  /** Σ weight · loss and its gradient. */
  async at(coef: Float64Array, intercept: Float64Array): Promise<LossAt> {
    const { x, outputs, target, weights } = this
    const single = x.dtype === 'float32'
    const planes = new Resident({ data: coef, rows: outputs, columns: x.columns }, single)
    let scores: Float64Array | Float32Array
    try {
      scores = await product(x, planes, { transposeB: true })
    } finally {
      planes.dispose()
    }
    const slope = new Float64Array(outputs)
    const residuals = single ? new Float32Array(scores.length) : new Float64Array(scores.length)
    const value =
      outputs === 1
        ? binary(scores, residuals, intercept[0]!, target, weights, slope)
        : multinomial(scores, residuals, intercept, target, weights, slope)
    const left = new Resident({ data: residuals, rows: x.rows, columns: outputs }, single)
    try {
      return { value, coef: Float64Array.from(await product(left, x, { transposeA: true })), intercept: slope }
    } finally {
      left.dispose()
    }
  }
}

type Values = Float64Array | Float32Array

function binary(scores: Values, residuals: Values, bias: number, target: Int32Array, weights: Float64Array, slope: Float64Array): number {
  let [value, sum] = [0, 0]
  for (let row = 0; row < scores.length; row++) {
    const z = scores[row]! + bias
    const weight = weights[row]!
    const small = Math.exp(-Math.abs(z))
    const [chance, wrong] = [z >= 0 ? 1 / (1 + small) : small / (1 + small), target[row] === 1 ? -z : z]
    value += weight * (Math.max(wrong, 0) + Math.log1p(small))
    const residual = weight * (chance - target[row]!)
    residuals[row] = residual
    sum += residual
  }
  slope[0] = sum
  return value
}

function multinomial(
  scores: Values,
  residuals: Values,
  biases: Float64Array,
  target: Int32Array,
  weights: Float64Array,
  slope: Float64Array,
): number {
  const outputs = biases.length
  const chances = new Float64Array(outputs)
  let value = 0
  for (let row = 0, at = 0; row < target.length; row++, at += outputs) {
    let most = Number.NEGATIVE_INFINITY
    for (let k = 0; k < outputs; k++) {
      const z = scores[at + k]! + biases[k]!
      chances[k] = z
      if (z > most) most = z
    }
    const own = chances[target[row]!]!
    let sum = 0
    for (let k = 0; k < outputs; k++) sum += chances[k] = Math.exp(chances[k]! - most)
    const weight = weights[row]!
    value += weight * (most + Math.log(sum) - own)
    for (let k = 0; k < outputs; k++) {
      const residual = weight * (chances[k]! / sum - (k === target[row] ? 1 : 0))
      residuals[at + k] = residual
      slope[k]! += residual
    }
  }
  return value
}
