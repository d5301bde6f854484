// Rows of oneHot.
import { type DType, oneHot } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { at, generate } from '../reference.js'

const hot = (indices: readonly number[], list: readonly number[], depth: number, dtype: DType, on = 1, off = 0): Row => ({
  op: 'oneHot',
  name: `[${indices}] to ${depth}, ${on} and ${off} of ${dtype}`,
  operands: [{ shape: indices, values: list, dtype: 'int32' }],
  run: (i) => oneHot(i!, depth, { on, off, dtype }),
  reference: (i) =>
    generate([...indices, depth], (position) => (at(i!, position.slice(0, -1)) === position[position.length - 1] ? on : off)),
  dtypes: [dtype],
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  hot([4], [0, 2, 1, 2], 3, 'float32'),
  hot([2, 2], [0, 5, -1, 1], 3, 'float32', 0.9, 0.05),
  hot([3], [1, 0, 1], 2, 'int32'),
  hot([3], [1, 0, 1], 2, 'bool'),
  hot([2], [1, 0], 4, 'float64'),
  hot([2], [1, 3], 4, 'bfloat16'),
  hot([0], [], 4, 'float32'),
  hot([], [2], 3, 'uint8'),
])
