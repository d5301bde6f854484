// Rows of batch and layer normalization.
import { batchNorm, layerNorm } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { average, elementwise, reduce, reshape, type Values } from '../reference.js'

const SHAPES: readonly (readonly number[])[] = [
  [5, 3],
  [4, 1],
  [2, 3, 2],
  [7, 5],
  [33, 19],
  [130, 67],
]
const EPSILON = 0.01

function normalized(x: Values, axes: readonly number[], gamma: Values, beta: Values): { y: Values; mean: Values; variance: Values } {
  const mean = reduce(average)(x, axes, true)
  const variance = reduce((list) => average(list.map((v) => (v - average(list)) ** 2)))(x, axes, true)
  const y = elementwise((v, m, s, g, b) => ((v! - m!) / Math.sqrt(s! + EPSILON)) * g! + b!)(x, mean, variance, gamma, beta)
  return { y, mean, variance }
}

const leading = (shape: readonly number[]): number[] => shape.slice(0, -1).map((_, i) => i)

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...SHAPES.map(
    (shape): Row => ({
      op: 'batchNorm',
      name: `[${shape}]`,
      operands: [{ shape }, { shape: shape.slice(-1) }, { shape: shape.slice(-1) }],
      run: (x, gamma, beta) => {
        const { y, mean, variance } = batchNorm(x!, gamma!, beta!, { epsilon: EPSILON })
        return [y, mean, variance]
      },
      reference: (x, gamma, beta) => {
        const { y, mean, variance } = normalized(x!, leading(shape), gamma!, beta!)
        return [y, reshape(mean, shape.slice(-1)), reshape(variance, shape.slice(-1))]
      },
      roundings: 24,
    }),
  ),
  ...[[1, 1], ...SHAPES, [3], [2, 300]].map(
    (shape): Row => ({
      op: 'layerNorm',
      name: `[${shape}]`,
      operands: [{ shape }, { shape: shape.slice(-1) }, { shape: shape.slice(-1) }],
      run: (x, gamma, beta) => layerNorm(x!, gamma!, beta!, { epsilon: EPSILON }),
      reference: (x, gamma, beta) => normalized(x!, [shape.length - 1], gamma!, beta!).y,
      roundings: 24,
    }),
  ),
  {
    op: 'layerNorm',
    name: 'of no rows',
    operands: [{ shape: [0, 3] }, { shape: [3] }, { shape: [3] }],
    run: (x, gamma, beta) => layerNorm(x!, gamma!, beta!),
    reference: (x) => x!,
  },
  {
    op: 'batchNorm',
    name: 'of no channels',
    operands: [{ shape: [4, 0] }, { shape: [0] }, { shape: [0] }],
    run: (x, gamma, beta) => batchNorm(x!, gamma!, beta!).y,
    reference: (x) => x!,
  },
])
