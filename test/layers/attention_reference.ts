// Attention and transformer blocks of one sample in plain JavaScript, float64, written from the formulas.

export type Matrix = number[][]

const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)))
const plus = (a: Matrix, b: Matrix): Matrix => a.map((row, i) => row.map((value, j) => value + b[i]![j]!))

/** Row i turned by i / 10,000^(2k / d), in the pairs (k, k + d/2). */
function turned(x: Matrix): Matrix {
  return x.map((row, i) => {
    const half = row.length / 2
    return row.map((value, c) => {
      const angle = i / 10_000 ** ((2 * (c % half)) / row.length)
      return c < half
        ? value * Math.cos(angle) - row[c + half]! * Math.sin(angle)
        : value * Math.cos(angle) + row[c - half]! * Math.sin(angle)
    })
  })
}

export interface ReferenceOptions {
  causal?: boolean
  rotary?: boolean
  /** 1 where a key may be looked at. */
  keys?: readonly number[]
}

/**
 * Weights: kernel [d, heads, k] and bias [heads, k] of query, key and value, then kernel [heads, k, out] and bias
 * [out].
 */
export function multiHeadReference(queries: Matrix, values: Matrix, weights: readonly unknown[], options: ReferenceOptions): Matrix {
  const [wq, bq, wk, bk, wv, bv, wo, bo] = weights as [Matrix[], Matrix, Matrix[], Matrix, Matrix[], Matrix, Matrix[], number[]]
  const heads = bq.length
  const shared = bk.length
  const projected = (x: Matrix, kernel: Matrix[], bias: Matrix, head: number): Matrix =>
    product(
      x,
      kernel.map((row) => row[head]!),
    ).map((row) => row.map((value, c) => value + bias[head]![c]!))
  let result = queries.map(() => [...bo])
  for (let head = 0; head < heads; head++) {
    const own = Math.floor((head * shared) / heads)
    let q = projected(queries, wq, bq, head)
    let k = projected(values, wk, bk, own)
    if (options.rotary) [q, k] = [turned(q), turned(k)]
    const v = projected(values, wv, bv, own)
    const y = q.map((row, i) => {
      const seen = k.map((_, j) => (!options.causal || j <= i) && (options.keys?.[j] ?? 1) === 1)
      const scores = k.map((key, j) =>
        seen[j] ? Math.exp(key.reduce((sum, value, c) => sum + value * row[c]!, 0) / Math.sqrt(row.length)) : 0,
      )
      const total = scores.reduce((a, b) => a + b)
      return v[0]!.map((_, c) => v.reduce((sum, value, j) => sum + (scores[j]! / total) * value[c]!, 0))
    })
    result = plus(result, product(y, wo[head]!))
  }
  return result
}

function normalized(x: Matrix, gamma: number[], beta: number[], epsilon: number): Matrix {
  return x.map((row) => {
    const mean = row.reduce((a, b) => a + b) / row.length
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length
    return row.map((value, c) => ((value - mean) / Math.sqrt(variance + epsilon)) * gamma[c]! + beta[c]!)
  })
}

/**
 * A block with relu: weights of attention (8), its normalization (2), the two dense layers (4), their normalization
 * (2).
 */
export function blockReference(
  x: Matrix,
  weights: readonly unknown[],
  options: { causal: boolean; normalizeFirst: boolean; epsilon: number },
): Matrix {
  const { causal, normalizeFirst, epsilon } = options
  const [gamma1, beta1, w1, b1, w2, b2, gamma2, beta2] = weights.slice(8) as [
    number[],
    number[],
    Matrix,
    number[],
    Matrix,
    number[],
    number[],
    number[],
  ]
  const around = (value: Matrix, gamma: number[], beta: number[], inner: (x: Matrix) => Matrix): Matrix =>
    normalizeFirst
      ? plus(value, inner(normalized(value, gamma, beta, epsilon)))
      : normalized(plus(value, inner(value)), gamma, beta, epsilon)
  const attended = around(x, gamma1, beta1, (h) => multiHeadReference(h, h, weights.slice(0, 8), { causal }))
  return around(attended, gamma2, beta2, (h) => {
    const inside = product(h, w1).map((row) => row.map((value, c) => Math.max(0, value + b1[c]!)))
    return product(inside, w2).map((row) => row.map((value, c) => value + b2[c]!))
  })
}
