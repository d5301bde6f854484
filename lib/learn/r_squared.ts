// R², as models and metrics have it.

/** The coefficient of determination. */
export function rSquared(actual: ArrayLike<number>, predicted: ArrayLike<number>, weights?: Float64Array): number {
  const rows = actual.length
  if (rows < 2) return Number.NaN
  let [sum, total] = [0, 0]
  for (let i = 0; i < rows; i++) {
    const weight = weights?.[i] ?? 1
    sum += weight * actual[i]!
    total += weight
  }
  const mean = sum / total
  // in units of the largest deviation: squares of tiny numbers are 0, and of huge ones infinite
  let unit = 0
  for (let i = 0; i < rows; i++) if ((weights?.[i] ?? 1) > 0) unit = Math.max(unit, Math.abs(actual[i]! - mean))
  let [residual, around] = [0, 0]
  for (let i = 0; i < rows; i++) {
    const weight = weights?.[i] ?? 1
    residual += weight * ((actual[i]! - predicted[i]!) / (unit || 1)) ** 2
    around += weight * ((actual[i]! - mean) / (unit || 1)) ** 2
  }
  return around === 0 ? (residual === 0 ? 1 : 0) : 1 - residual / around
}
