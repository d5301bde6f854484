// The loss of logistic regression and its gradient on the device, block by block of rows: each block is read once from
// memory for its scores, and from the cache for its part of the gradient.
import { device } from '../../core/device.js'
import { tensor } from '../../core/create.js'
import { jit } from '../../core/jit.js'
import type { Tensor } from '../../core/tensor.js'
import { add, logSumExp, matMul, mul, sigmoid, softmax, softplus, sub, sum } from '../../ops/index.js'

export interface LossAt {
  value: number
  /** [outputs][columns] */
  coef: Float64Array
  intercept: Float64Array
}

type Values = Float64Array | Float32Array

/** Values of X in a block: on a CPU what its cache holds. */
const BLOCK = { cpu: 2 ** 20, other: 2 ** 26 }

/** The rows of X on the device, in blocks. Whoever has them calls dispose(). */
export class RowBlocks {
  readonly columns: number
  readonly dtype: 'float32' | 'float64'
  readonly blocks: readonly Tensor[]

  /** @param data [rows][columns]; float32 stays so on every device */
  constructor(data: Values, rows: number, columns: number) {
    this.columns = columns
    this.dtype = data instanceof Float32Array || device() !== 'cpu' ? 'float32' : 'float64'
    const step = Math.max(1, Math.floor((device() === 'cpu' ? BLOCK.cpu : BLOCK.other) / columns))
    this.blocks = this.split(data, rows, columns, step)
  }

  /** Other values of the same rows, in the same blocks. */
  beside(values: Float64Array, width: number): Tensor[] {
    return this.split(values, values.length / width, width, this.blocks[0]!.shape[0]!)
  }

  private split(values: Values, rows: number, width: number, step: number): Tensor[] {
    return Array.from({ length: Math.ceil(rows / step) }, (_, i) => {
      const [from, to] = [i * step, Math.min(rows, (i + 1) * step)]
      return tensor(values.subarray(from * width, to * width), { shape: [to - from, width], dtype: this.dtype })
    })
  }

  dispose(): void {
    for (const block of this.blocks) block.dispose()
  }
}

/**
 * Of a block: the loss of each row; the slopes of the weighted sum by coefficients [outputs, columns] and intercepts.
 * @param target [rows, classes]: 1 for the class of a row, otherwise 0
 */
const softmaxBlock = jit((x: Tensor, target: Tensor, weights: Tensor, coef: Tensor, intercept: Tensor) => {
  const scores = add(matMul(x, coef, { transposeB: true }), intercept)
  const losses = sub(logSumExp(scores, 1), sum(mul(scores, target), 1))
  const residuals = mul(sub(softmax(scores), target), weights)
  return { losses, coef: matMul(residuals, x, { transposeA: true }), intercept: sum(residuals, 0) }
})

/** The same for two classes with one score. @param target [rows, 1]: 1 for the first class, -1 for the second */
const sigmoidBlock = jit((x: Tensor, target: Tensor, weights: Tensor, coef: Tensor, intercept: Tensor) => {
  // how much a score speaks for the wrong class
  const wrong = mul(add(matMul(x, coef, { transposeB: true }), intercept), target)
  const residuals = mul(mul(sigmoid(wrong), target), weights)
  return { losses: softplus(wrong), coef: matMul(residuals, x, { transposeA: true }), intercept: sum(residuals, 0) }
})

/**
 * Weighted log loss of linear scores. With one output the classes are 0 and 1 (sigmoid), with more softmax. Whoever
 * has one calls dispose().
 */
export class LogisticLoss {
  private readonly x: RowBlocks
  private readonly weights: Float64Array
  private readonly outputs: number
  private readonly targetBlocks: Tensor[]
  private readonly weightBlocks: Tensor[]

  constructor(x: RowBlocks, target: Int32Array, weights: Float64Array, outputs: number) {
    this.x = x
    this.weights = weights
    this.outputs = outputs
    const targets = new Float64Array(target.length * outputs)
    for (let row = 0; row < target.length; row++) {
      if (outputs === 1) targets[row] = target[row] === 1 ? -1 : 1
      else targets[row * outputs + target[row]!] = 1
    }
    this.targetBlocks = x.beside(targets, outputs)
    this.weightBlocks = x.beside(weights, 1)
  }

  dispose(): void {
    for (const block of [...this.targetBlocks, ...this.weightBlocks]) block.dispose()
  }

  /** Σ weight · loss and its gradient. */
  async at(coef: Float64Array, intercept: Float64Array): Promise<LossAt> {
    const { x, outputs, weights } = this
    const slope = { coef: new Float64Array(coef.length), intercept: new Float64Array(outputs) }
    const planes = tensor(coef, { shape: [outputs, x.columns], dtype: x.dtype })
    const biases = tensor(intercept, { shape: [outputs], dtype: x.dtype })
    const block = outputs === 1 ? sigmoidBlock : softmaxBlock
    const parts = x.blocks.map((rows, i) => block(rows, this.targetBlocks[i]!, this.weightBlocks[i]!, planes, biases))
    let value = 0
    let row = 0
    try {
      for (const part of parts) {
        for (const loss of (await part.losses.data()) as Values) value += weights[row++]! * loss
        addTo(slope.coef, (await part.coef.data()) as Values)
        addTo(slope.intercept, (await part.intercept.data()) as Values)
      }
    } finally {
      for (const t of [planes, biases, ...parts.flatMap((part) => Object.values(part))]) t.dispose()
    }
    return { value, ...slope }
  }
}

function addTo(sums: Float64Array, values: Values): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += values[i]!
}
