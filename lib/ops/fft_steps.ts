// How Fourier transforms are made of products: along the last axis of [rows, n], unscaled.
// Tested in test/ops/fft.test.ts.
import { Cache } from '../core/cache.js'
import { tensor } from '../core/create.js'
import { currentTrace, outsideTrace } from '../core/graph.js'
import type { DType } from '../core/spec.js'
import { scopes, type Tensor } from '../core/tensor.js'
import { add, mul, sub } from './arithmetic.js'
import { concat } from './concat.js'
import { matMul } from './matmul.js'
import { pad } from './pad.js'
import { reshape } from './reshape.js'
import { slice } from './slice.js'
import { transpose } from './transpose.js'

/** Complex numbers: tensors of one shape. */
export type Complex = readonly [real: Tensor, imaginary: Tensor]

/** Factors of a length up to this are worth a product of their own; the best use of matrix units needs no more. */
const BEST_FACTOR = 32
/** A prime factor above this is transformed by convolution. */
const MOST_FACTOR = 128

/** The factor of n that a step splits off; n itself: no step is needed; undefined: n is a large prime. */
function factorOf(n: number): number | undefined {
  if (n <= BEST_FACTOR) return n
  for (let factor = BEST_FACTOR; factor > 1; factor--) if (n % factor === 0) return factor
  for (let factor = BEST_FACTOR + 1; factor <= MOST_FACTOR; factor++) if (n % factor === 0) return factor
  return undefined
}

/** Sines and cosines by device, dtype and what they are for. Programs may hold on to them: none is disposed. */
const tables = new Cache<Tensor>(64, () => undefined)

function table(like: Tensor, name: string, shape: readonly number[], values: () => Float64Array): Tensor {
  const { dtype, device } = like as { dtype: DType; device: string }
  const key = `${device}|${dtype}|${name}`
  let made = tables.get(key)
  if (made === undefined || made.isDisposed) {
    made = outsideTrace(() => tensor(values(), { shape, dtype, device })) as Tensor
    // it outlives the tidy() that it is made in
    scopes.at(-1)?.delete(made)
    tables.add(key, made)
  }
  const trace = currentTrace()
  return trace ? trace.resolve(made) : made
}

/** cos and sin of 2π·step/n, with the step reduced first: exact for any size of it. */
const cosine = (step: number, n: number): number => Math.cos((2 * Math.PI * (step % n)) / n)
const sine = (step: number, n: number): number => Math.sin((2 * Math.PI * (step % n)) / n)

/**
 * The matrix [2m, 2m] that takes [real, imaginary] of a signal to that of its transform; of a real signal [2m, m]. A
 * column for each value, so that it stands on the left.
 */
function matrix(m: number, sign: number, real: boolean): Float64Array {
  const columns = real ? m : 2 * m
  const values = new Float64Array(2 * m * columns)
  for (let k = 0; k < m; k++)
    for (let j = 0; j < m; j++) {
      const [c, s] = [cosine(k * j, m), sign * sine(k * j, m)]
      values[k * columns + j] = c
      values[(m + k) * columns + j] = s
      if (real) continue
      values[k * columns + m + j] = -s
      values[(m + k) * columns + m + j] = c
    }
  return values
}

const matrixOf = (like: Tensor, m: number, sign: number, real: boolean): Tensor =>
  table(like, `matrix ${m} ${sign} ${real}`, [2 * m, real ? m : 2 * m], () => matrix(m, sign, real))

/** (a + ib)·(c + id). */
function product([a, b]: Complex, [c, d]: Complex): Complex {
  return [sub(mul(a, c), mul(b, d)), add(mul(a, d), mul(b, c))]
}

function halves(both: Tensor, axis: number, m: number): Complex {
  const begin = both.shape.map((_, i) => (i === axis ? m : 0))
  const size = both.shape.map((extent, i) => (i === axis ? m : extent))
  return [
    slice(
      both,
      both.shape.map(() => 0),
      size,
    ),
    slice(both, begin, size),
  ]
}

/** The transform of rows [rows, n], or its inverse times n. `imaginary` undefined: the rows are real. */
export function transformed(real: Tensor, imaginary: Tensor | undefined, n: number, inverse: boolean): Complex {
  const sign = inverse ? 1 : -1
  const rows = real.shape[0]!
  const first = factorOf(n)
  if (first === undefined) return chirped(real, imaginary, n, inverse)
  if (first === n) {
    const values = imaginary ? concat([real, imaginary], 1) : real
    return halves(matMul(values, matrixOf(real, n, sign, imaginary === undefined), { transposeB: true }), 1, n)
  }
  const rest = n / first
  // j = rest·j1 + j2 and k = k1 + first·k2 (Cooley and Tukey 1965): along j1, ...
  const split = (part: Tensor): Tensor => reshape(part, [rows, first, rest])
  const values = imaginary ? concat([split(real), split(imaginary)], 1) : split(real)
  const along = halves(matMul(matrixOf(real, first, sign, imaginary === undefined), values), 1, first)
  // ... turned by e^(∓2πi·k1·j2/n), ...
  const turn = (name: string, of: (step: number) => number): Tensor =>
    table(real, `turn ${name} ${n} ${first} ${sign}`, [first, rest], () =>
      Float64Array.from({ length: n }, (_, at) => of(Math.floor(at / rest) * (at % rest))),
    )
  const turned = product(along, [turn('cos', (step) => cosine(step, n)), turn('sin', (step) => sign * sine(step, n))])
  // ... and along j2
  const [a, b] = turned.map((part) => reshape(part, [rows * first, rest])) as [Tensor, Tensor]
  return transformed(a, b, rest, inverse).map((part) =>
    reshape(transpose(reshape(part, [rows, first, rest]), [0, 2, 1]), [rows, n]),
  ) as unknown as Complex
}

/** In place: the transform of a length that is a power of two, on the host, for tables. */
function hostTransform(real: Float64Array, imaginary: Float64Array): void {
  const n = real.length
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      ;[real[i], real[j]] = [real[j]!, real[i]!]
      ;[imaginary[i], imaginary[j]] = [imaginary[j]!, imaginary[i]!]
    }
  }
  for (let size = 2; size <= n; size *= 2)
    for (let k = 0; k < size / 2; k++) {
      const [c, s] = [cosine(k, size), -sine(k, size)]
      for (let i = k; i < n; i += size) {
        const j = i + size / 2
        const [a, b] = [real[j]! * c - imaginary[j]! * s, real[j]! * s + imaginary[j]! * c]
        real[j] = real[i]! - a
        imaginary[j] = imaginary[i]! - b
        real[i]! += a
        imaginary[i]! += b
      }
    }
}

/** As a convolution with e^(±πi·j²/n), whose length is a power of two (Bluestein 1970). */
function chirped(real: Tensor, imaginary: Tensor | undefined, n: number, inverse: boolean): Complex {
  const sign = inverse ? 1 : -1
  let m = 1
  while (m < 2 * n - 1) m *= 2
  const chirp = (name: string, of: (step: number) => number): Tensor =>
    table(real, `chirp ${name} ${n} ${sign}`, [n], () => Float64Array.from({ length: n }, (_, j) => of(j * j)))
  const turn: Complex = [chirp('cos', (step) => cosine(step, 2 * n)), chirp('sin', (step) => sign * sine(step, 2 * n))]
  const filter = (): Complex => {
    let made: [Float64Array, Float64Array] | undefined
    const both = (): [Float64Array, Float64Array] => {
      if (made) return made
      made = [new Float64Array(m), new Float64Array(m)]
      for (let j = 0; j < n; j++)
        for (const at of j === 0 ? [0] : [j, m - j]) {
          made[0][at] = cosine(j * j, 2 * n) / m
          made[1][at] = (-sign * sine(j * j, 2 * n)) / m
        }
      hostTransform(...made)
      return made
    }
    return [
      table(real, `filter real ${n} ${sign}`, [m], () => both()[0]),
      table(real, `filter imaginary ${n} ${sign}`, [m], () => both()[1]),
    ]
  }
  const longer = (part: Tensor): Tensor =>
    pad(part, [
      [0, 0],
      [0, m - n],
    ])
  const [a, b] = imaginary ? product([real, imaginary], turn) : [mul(real, turn[0]), mul(real, turn[1])]
  const spectrum = product(transformed(longer(a), longer(b), m, false), filter())
  const [c, d] = transformed(...spectrum, m, true)
  return product([slice(c, [0, 0], [-1, n]), slice(d, [0, 0], [-1, n])], turn)
}
