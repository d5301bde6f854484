// Probabilities of scores: a sigmoid for each pair of classes (Platt, 1999; the search of Lin, Lin and Weng, 2007), and
// probabilities of all classes from those of pairs (Wu, Lin and Weng, 2004, second method).

/** The chance of the first class is 1 / (1 + exp(a·score + b)). */
export interface Sigmoid {
  readonly a: number
  readonly b: number
}

const softplus = (z: number): number => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))
export const chanceOf = (score: number, { a, b }: Sigmoid): number => {
  const z = a * score + b
  return z >= 0 ? Math.exp(-z) / (1 + Math.exp(-z)) : 1 / (1 + Math.exp(z))
}

/** The sigmoid of the largest likelihood for scores of rows that are of the first class or not. */
export function fitSigmoid(scores: Float64Array, first: Uint8Array): Sigmoid {
  let yes = 0
  for (const is of first) yes += is
  const no = first.length - yes
  const [high, low] = [(yes + 1) / (yes + 2), 1 / (no + 2)]
  const target = Float64Array.from(first, (is) => (is === 1 ? high : low))
  const loss = (a: number, b: number): number => {
    let sum = 0
    for (let i = 0; i < scores.length; i++) {
      const z = a * scores[i]! + b
      sum += softplus(z) - (1 - target[i]!) * z
    }
    return sum
  }
  let [a, b] = [0, Math.log((no + 1) / (yes + 1))]
  let value = loss(a, b)
  for (let iteration = 0; iteration < 100; iteration++) {
    let [h11, h22, h21, g1, g2] = [1e-12, 1e-12, 0, 0, 0]
    for (let i = 0; i < scores.length; i++) {
      const score = scores[i]!
      const chance = chanceOf(score, { a, b })
      const curvature = chance * (1 - chance)
      h11 += score * score * curvature
      h22 += curvature
      h21 += score * curvature
      g1 += score * (target[i]! - chance)
      g2 += target[i]! - chance
    }
    if (Math.abs(g1) < 1e-5 && Math.abs(g2) < 1e-5) break
    const determinant = h11 * h22 - h21 * h21
    const [da, db] = [-(h22 * g1 - h21 * g2) / determinant, -(-h21 * g1 + h11 * g2) / determinant]
    const along = g1 * da + g2 * db
    let length = 1
    for (; length >= 1e-10; length /= 2) {
      const there = loss(a + length * da, b + length * db)
      if (there < value + 1e-4 * length * along) {
        ;[a, b, value] = [a + length * da, b + length * db, there]
        break
      }
    }
    if (length < 1e-10) break
  }
  return { a, b }
}

/** The probabilities of `count` classes from those of pairs: `pair(i, j)` is the chance of i where it is i or j. */
export function couple(count: number, pair: (i: number, j: number) => number): number[] {
  const q = Array.from({ length: count }, () => new Float64Array(count))
  for (let t = 0; t < count; t++)
    for (let j = 0; j < count; j++) {
      if (j === t) continue
      q[t]![t]! += pair(j, t) ** 2
      q[t]![j] = -pair(j, t) * pair(t, j)
    }
  const chances = new Array<number>(count).fill(1 / count)
  const products = new Float64Array(count)
  for (let iteration = 0; iteration < Math.max(100, count); iteration++) {
    let square = 0
    for (let t = 0; t < count; t++) {
      products[t] = q[t]!.reduce((sum, value, j) => sum + value * chances[j]!, 0)
      square += chances[t]! * products[t]!
    }
    let error = 0
    for (const value of products) error = Math.max(error, Math.abs(value - square))
    if (error < 0.005 / count) break
    for (let t = 0; t < count; t++) {
      const change = (-products[t]! + square) / q[t]![t]!
      chances[t]! += change
      square = (square + change * (change * q[t]![t]! + 2 * products[t]!)) / (1 + change) ** 2
      for (let j = 0; j < count; j++) {
        products[j] = (products[j]! + change * q[t]![j]!) / (1 + change)
        chances[j]! /= 1 + change
      }
    }
  }
  return chances
}
