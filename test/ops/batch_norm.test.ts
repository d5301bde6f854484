// Rows of batch normalization.
import { batchNorm } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { reshape } from '../reference.js'
import { EPSILON, normalized, SHAPES } from './normalized.js'

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
  {
    op: 'batchNorm',
    name: 'of no channels',
    operands: [{ shape: [4, 0] }, { shape: [0] }, { shape: [0] }],
    run: (x, gamma, beta) => batchNorm(x!, gamma!, beta!).y,
    reference: (x) => x!,
  },
])
