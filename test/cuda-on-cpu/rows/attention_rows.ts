// Attention of the size of tensor-core tiles, with keys that are split among blocks, and long rows of rmsNorm: variants
// that the shapes of test/ops do not reach.
import { type DType, grad, mul, rmsNorm, scaledDotProductAttention, sum, type Tensor, tensor } from '../../../lib/index.js'
import { generator } from '../../expect.js'

interface Case {
  b: number
  tq: number
  tk: number
  h: number
  /** Heads of keys; default h. */
  hk?: number
  d: number
  /** Width of the values; default d. */
  dv?: number
  causal?: boolean
  offset?: number
  masked?: boolean
  rate?: number
}

const CASES: readonly Case[] = [
  { b: 1, tq: 200, tk: 200, h: 2, hk: 1, d: 64, causal: true },
  { b: 1, tq: 130, tk: 270, h: 1, d: 128 },
  { b: 2, tq: 140, tk: 190, h: 1, d: 64, masked: true, rate: 0.2 },
  { b: 1, tq: 70, tk: 100, h: 2, d: 40, dv: 72, causal: true, offset: 20 },
  { b: 1, tq: 50, tk: 40, h: 2, d: 130, dv: 60, causal: true, rate: 0.1 },
  { b: 1, tq: 30, tk: 600, h: 1, d: 32, causal: true, offset: 500 },
  { b: 2, tq: 1, tk: 700, h: 4, hk: 2, d: 64, causal: true, offset: 500 },
]

/** Outputs and gradients, on the current device: the same operands on every device. */
export function* attentions(dtype: DType): Generator<Tensor> {
  const draw = generator(59)
  const random = (...shape: number[]): Tensor => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * draw() - 1)
    return tensor(values, { shape, dtype })
  }
  for (const { b, tq, tk, h, hk = h, d, dv = d, causal = false, offset, masked, rate } of CASES) {
    const mask = masked
      ? {
          mask: tensor(
            Array.from({ length: b * tq * tk }, () => draw() < 0.7),
            { shape: [b, 1, tq, tk] },
          ),
        }
      : {}
    const dropout = rate === undefined ? {} : { dropout: { rate, state: tensor(new Int32Array([7, 1, 2])) } }
    const options = { causal, ...mask, ...dropout, ...(offset === undefined ? {} : { offset }) }
    const run = (...[q, k, v]: Tensor[]): Tensor => scaledDotProductAttention(q!, k!, v!, options)
    const inputs = [random(b, tq, h, d), random(b, tk, hk, d), random(b, tk, hk, dv)]
    yield run(...inputs)
    const slope = random(b, tq, h, dv)
    yield* grad((...x: Tensor[]) => sum(mul(run(...x), slope)), { wrt: [0, 1, 2] })(...inputs)
  }
  for (const [rows, columns] of [
    [3, 1300],
    [2, 40_003],
    [1300, 5],
    [257, 128],
  ] as const) {
    const inputs = [random(rows, columns), random(columns)]
    yield rmsNorm(inputs[0]!, inputs[1]!)
    const slope = random(rows, columns)
    yield* grad((...[x, gamma]: Tensor[]) => sum(mul(rmsNorm(x!, gamma!), slope)), { wrt: [0, 1] })(...inputs)
  }
}
