// Losses of boosting: what is predicted before the first tree, slopes and curvatures for the next ones.

export interface Loss {
  /** Trees for each step: one, or one for each of more than two classes. */
  readonly outputs: number
  /** The best constant scores: [outputs]. */
  baseline(targets: Float64Array, weights: Float64Array): Float64Array
  /** Writes slopes and curvatures of output `k`; scores are [outputs][rows]. */
  slopes(
    k: number,
    scores: readonly Float64Array[],
    targets: Float64Array,
    weights: Float64Array,
    gradients: Float64Array,
    hessians: Float64Array,
  ): void
  /** The weighted mean of the loss. */
  value(scores: readonly Float64Array[], targets: Float64Array, weights: Float64Array): number
}

const sumOf = (values: Float64Array): number => values.reduce((a, b) => a + b, 0)
const meanOf = (values: Float64Array, weights: Float64Array): number =>
  values.reduce((sum, value, i) => sum + value * weights[i]!, 0) / sumOf(weights)

/** ½(y - ŷ)² */
export const squaredError: Loss = {
  outputs: 1,
  baseline: (targets, weights) => Float64Array.of(meanOf(targets, weights)),
  slopes(_, [scores], targets, weights, gradients, hessians) {
    for (let row = 0; row < targets.length; row++) {
      gradients[row] = weights[row]! * (scores![row]! - targets[row]!)
      hessians[row] = weights[row]!
    }
  },
  value([scores], targets, weights) {
    return meanOf(
      targets.map((y, row) => 0.5 * (y - scores![row]!) ** 2),
      weights,
    )
  },
}

/** Log loss of two classes, 0 and 1, whose score is the logarithm of their odds. */
export const binaryLogLoss: Loss = {
  outputs: 1,
  baseline(targets, weights) {
    const share = Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, meanOf(targets, weights)))
    return Float64Array.of(Math.log(share / (1 - share)))
  },
  slopes(_, [scores], targets, weights, gradients, hessians) {
    for (let row = 0; row < targets.length; row++) {
      const chance = 1 / (1 + Math.exp(-scores![row]!))
      gradients[row] = weights[row]! * (chance - targets[row]!)
      hessians[row] = weights[row]! * chance * (1 - chance)
    }
  },
  value([scores], targets, weights) {
    return meanOf(
      targets.map((y, row) => Math.max(scores![row]!, 0) + Math.log1p(Math.exp(-Math.abs(scores![row]!))) - y * scores![row]!),
      weights,
    )
  },
}

/** Log loss of the softmax of one score for each class. */
export function softmaxLogLoss(classes: number): Loss {
  /** The softmax of a row's scores in `chances`; returns the logarithm of their sum. */
  const chancesOf = (scores: readonly Float64Array[], row: number, chances: Float64Array): number => {
    let most = Number.NEGATIVE_INFINITY
    for (let k = 0; k < classes; k++) most = Math.max(most, scores[k]![row]!)
    let sum = 0
    for (let k = 0; k < classes; k++) sum += chances[k] = Math.exp(scores[k]![row]! - most)
    for (let k = 0; k < classes; k++) chances[k]! /= sum
    return most + Math.log(sum)
  }
  const chances = new Float64Array(classes)
  /** Of all classes, computed for the first and used for the rest of one step. */
  let kept = new Float64Array(0)
  return {
    outputs: classes,
    baseline(targets, weights) {
      const shares = new Float64Array(classes)
      for (let row = 0; row < targets.length; row++) shares[targets[row]!]! += weights[row]!
      const total = sumOf(shares)
      const logs = shares.map((share) => Math.log(Math.max(Number.EPSILON, share / total)))
      const mean = sumOf(logs) / classes
      return logs.map((value) => value - mean)
    },
    slopes(k, scores, targets, weights, gradients, hessians) {
      const rows = targets.length
      if (k === 0) {
        if (kept.length !== rows * classes) kept = new Float64Array(rows * classes)
        for (let row = 0; row < rows; row++) {
          chancesOf(scores, row, chances)
          kept.set(chances, row * classes)
        }
      }
      for (let row = 0; row < rows; row++) {
        const chance = kept[row * classes + k]!
        gradients[row] = weights[row]! * (chance - (targets[row] === k ? 1 : 0))
        hessians[row] = weights[row]! * chance * (1 - chance)
      }
    },
    value(scores, targets, weights) {
      return meanOf(
        targets.map((own, row) => chancesOf(scores, row, chances) - scores[own]![row]!),
        weights,
      )
    },
  }
}
