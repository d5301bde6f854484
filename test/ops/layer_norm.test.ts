// Rows of layer normalization.
import { layerNorm } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { EPSILON, normalized, SHAPES } from './normalized.js'

export const rows: readonly Row[] = checkRows(import.meta.url, [
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
])
