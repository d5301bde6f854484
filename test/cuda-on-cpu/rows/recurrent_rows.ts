// Recurrent runs with more units than the rows of test/ops have: weights that a cluster of blocks shares, or that are
// read anew for every step.
import { apply } from '../../../lib/core/apply.js'
import { type DType, grad, mul, sum, type Tensor, tensor } from '../../../lib/index.js'
import { Gru } from '../../../lib/ops/gru.js'
import { Lstm } from '../../../lib/ops/lstm.js'
import { SimpleRnn } from '../../../lib/ops/simple_rnn.js'
import { generator } from '../../expect.js'

/** [batch, steps, units] */
const SIZES: readonly (readonly [number, number, number])[] = [
  [18, 5, 72],
  [5, 4, 136],
  [33, 2, 100],
]

/** States of all steps and the last ones, and gradients of what went in. */
export function* recurrent(dtype: DType): Generator<Tensor> {
  const draw = generator(83)
  const random = (size: number, ...shape: number[]): Tensor => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => size * (2 * draw() - 1))
    return tensor(values, { shape, dtype })
  }
  for (const [b, t, u] of SIZES) {
    const mask = tensor(
      Array.from({ length: b * t }, () => draw() < 0.8),
      { shape: [b, t], dtype: 'bool' },
    )
    const attrs = { masked: true, scaled: false, reverse: b % 2 === 1, activation: 'tanh' } as const
    const gated = { ...attrs, recurrentActivation: 'sigmoid' } as const
    const operands = (gates: number): Tensor[] => [random(2, b, t, gates * u), random(1.4 / Math.sqrt(u), u, gates * u)]
    const state = (): Tensor => random(1, b, u)
    const runs: readonly [inputs: Tensor[], run: (...x: Tensor[]) => Tensor[]][] = [
      [[...operands(4), state(), state()], (...x) => apply(Lstm, [...x, mask], gated).slice(0, 3)],
      [[...operands(3), random(1, 3 * u), state()], (...x) => apply(Gru, [...x, mask], { ...gated, resetAfter: true }).slice(0, 2)],
      [[...operands(1), state()], (...x) => apply(SimpleRnn, [...x, mask], attrs)],
    ]
    for (const [inputs, run] of runs) {
      const slopes = [random(1, b, t, u), state(), state()]
      yield* run(...inputs)
      const loss = (...x: Tensor[]): Tensor =>
        run(...x)
          .map((y, i) => sum(mul(y, slopes[i]!)))
          .reduce((total, part) => total.add(part))
      yield* grad(loss, { wrt: inputs.map((_, i) => i) })(...inputs)
    }
  }
}
