// Sequential minimal optimization (Platt, 1998) with the working set of second order of Fan, Chen and Lin (2005), as in
// LIBSVM.

export interface Problem {
  /** +1 or -1 for each variable. */
  readonly signs: Int8Array
  /** The linear term of each variable. */
  readonly linear: Float64Array
  /** The upper bound of each variable. */
  readonly bounds: Float64Array
  /** Similarities of variable i with all variables. */
  row(i: number): Float64Array | Float32Array
  /** The similarity of each variable with itself. */
  readonly diagonal: Float64Array
}

export interface Solved {
  /** sign · value of each variable. */
  readonly coef: Float64Array
  /** Scores are Σ coef · k(x, ·) - rho. */
  readonly rho: number
  /** Of the dual, ½Σ αᵢαⱼQᵢⱼ + Σ linearᵢαᵢ. */
  readonly objective: number
  readonly iterations: number
  readonly converged: boolean
}

/** Curvature of a direction that has none. */
const LEAST_CURVATURE = 1e-12

/**
 * min ½αᵀQα + linearᵀα with Qᵢⱼ = signᵢ signⱼ k(i, j), 0 <= α <= bounds, Σ sign·α = 0.
 * @param tolerance the most that a pair of variables may violate the conditions of the optimum
 * @param maxIterations -1: no limit but one that no solvable problem needs
 */
export function solve({ signs, linear, bounds, row, diagonal }: Problem, tolerance: number, maxIterations: number): Solved {
  const count = signs.length
  const alpha = new Float64Array(count)
  // -sign · gradient: how much a variable wants to move in the direction of its sign
  const pull = new Float64Array(count)
  for (let t = 0; t < count; t++) pull[t] = -signs[t]! * linear[t]!
  // 1: may move in the direction of its sign, 2: against it
  const free = new Uint8Array(count)
  const renew = (t: number): void => {
    const [canGrow, canShrink] = [alpha[t]! < bounds[t]!, alpha[t]! > 0]
    free[t] = signs[t]! > 0 ? (canGrow ? 1 : 0) | (canShrink ? 2 : 0) : (canShrink ? 1 : 0) | (canGrow ? 2 : 0)
  }
  for (let t = 0; t < count; t++) renew(t)
  const limit = maxIterations === -1 ? Math.max(10_000_000, 100 * count) : maxIterations
  let iterations = 0
  let converged = false
  for (;;) {
    let i = -1
    let most = Number.NEGATIVE_INFINITY
    for (let t = 0; t < count; t++) {
      if ((free[t]! & 1) !== 0 && pull[t]! > most) {
        most = pull[t]!
        i = t
      }
    }
    if (i === -1) {
      converged = true
      break
    }
    const rowI = row(i)
    const ownI = diagonal[i]!
    let j = -1
    let [least, best] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (let t = 0; t < count; t++) {
      if ((free[t]! & 2) === 0) continue
      const value = pull[t]!
      if (value < least) least = value
      const gap = most - value
      if (gap <= 0) continue
      const curvature = ownI + diagonal[t]! - 2 * rowI[t]!
      const gain = -(gap * gap) / (curvature > 0 ? curvature : LEAST_CURVATURE)
      if (gain < best) {
        best = gain
        j = t
      }
    }
    if (j === -1 || most - least < tolerance) {
      converged = true
      break
    }
    if (iterations++ === limit) break
    // α moves by `step` along signᵢ and against signⱼ, until one of both meets a bound
    const curvature = ownI + diagonal[j]! - 2 * rowI[j]!
    const wish = (most - pull[j]!) / (curvature > 0 ? curvature : LEAST_CURVATURE)
    const roomI = signs[i]! > 0 ? bounds[i]! - alpha[i]! : alpha[i]!
    const roomJ = signs[j]! > 0 ? alpha[j]! : bounds[j]! - alpha[j]!
    const step = Math.min(wish, roomI, roomJ)
    alpha[i] = step === roomI ? (signs[i]! > 0 ? bounds[i]! : 0) : alpha[i]! + signs[i]! * step
    alpha[j] = step === roomJ ? (signs[j]! > 0 ? 0 : bounds[j]!) : alpha[j]! - signs[j]! * step
    renew(i)
    renew(j)
    const rowJ = row(j)
    for (let t = 0; t < count; t++) pull[t]! -= step * (rowI[t]! - rowJ[t]!)
  }
  return { ...resultOf(signs, linear, alpha, pull, free), iterations, converged }
}

function resultOf(
  signs: Int8Array,
  linear: Float64Array,
  alpha: Float64Array,
  pull: Float64Array,
  free: Uint8Array,
): Pick<Solved, 'coef' | 'rho' | 'objective'> {
  let [sum, inside, low, high] = [0, 0, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  let objective = 0
  for (let t = 0; t < alpha.length; t++) {
    // the gradient is -sign · pull
    objective += (alpha[t]! * (linear[t]! - signs[t]! * pull[t]!)) / 2
    if (free[t] === 3) {
      sum -= pull[t]!
      inside++
    } else if (free[t] === 1) high = Math.min(high, -pull[t]!)
    else if (free[t] === 2) low = Math.max(low, -pull[t]!)
  }
  const middle =
    Number.isFinite(low) && Number.isFinite(high) ? (low + high) / 2 : Number.isFinite(low) ? low : Number.isFinite(high) ? high : 0
  return { coef: alpha.map((value, t) => signs[t]! * value), rho: inside > 0 ? sum / inside : middle, objective }
}
