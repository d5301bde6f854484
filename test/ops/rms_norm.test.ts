// Rows of root-mean-square normalization.
import { rmsNorm } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { average, elementwise, reduce, type Values } from '../reference.js'

const EPSILON = 0.01
const normalized = (x: Values, gamma: Values): Values => {
  const square = reduce((list) => average(list.map((v) => v * v)))(x, [x.shape.length - 1], true)
  return elementwise((v, s, g) => (v! / Math.sqrt(s! + EPSILON)) * g!)(x, square, gamma)
}

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  [[1, 1], [3], [5, 3], [4, 1], [2, 3, 2], [7, 5], [0, 3], [33, 19], [130, 67], [2, 300]].map(
    (shape): Row => ({
      op: 'rmsNorm',
      name: `[${shape}]`,
      operands: [{ shape }, { shape: shape.slice(-1) }],
      run: (x, gamma) => rmsNorm(x!, gamma!, { epsilon: EPSILON }),
      reference: (x, gamma) => normalized(x!, gamma!),
      roundings: 24,
    }),
  ),
)
