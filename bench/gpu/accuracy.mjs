// How far results of a matrix product are from the product in float64 of the same operands.
import { positions, rounded, valueAt } from './pattern.mjs'

/** For each list of sampled results: the norm of its error over the norm of the exact values. */
export const relativeErrors = ({ m, k, n, transposeA, transposeB, dtype }, lists) => {
  const a = (i, p) => rounded(valueAt(transposeA ? p * m + i : i * k + p, 10), dtype)
  const b = (p, j) => rounded(valueAt(transposeB ? j * k + p : p * n + j, 2), dtype)
  const errors = lists.map(() => 0)
  let norm = 0
  positions(m * n).forEach((position, at) => {
    const [i, j] = [Math.floor(position / n), position % n]
    let exact = 0
    for (let p = 0; p < k; p++) exact += a(i, p) * b(p, j)
    norm += exact * exact
    lists.forEach((list, side) => {
      errors[side] += (list[at] - exact) ** 2
    })
  })
  return errors.map((error) => Math.sqrt(error / norm))
}
