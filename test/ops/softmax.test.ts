// Rows of softmax and its logarithm.
import { logSoftmax, softmax } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { logSoftmax as logSoftmaxOf, softmax as softmaxOf, transpose } from '../reference.js'

const SHAPES: readonly (readonly number[])[] = [[7], [1], [3, 5], [2, 3, 4], [0, 4], [3, 0], [5, 1], [4, 10], [3, 501], [65, 33]]
const KINDS = [
  ['softmax', softmax, softmaxOf],
  ['logSoftmax', logSoftmax, logSoftmaxOf],
] as const

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  KINDS.flatMap(([op, run, reference]): Row[] => [
    ...SHAPES.map((shape): Row => ({ op, name: `[${shape}]`, operands: [{ shape }], run: (x) => run(x!), reference, roundings: 8 })),
    {
      op,
      name: 'along the first axis',
      operands: [{ shape: [4, 3] }],
      run: (x) => run(x!, 0),
      reference: (x) => transpose(reference(transpose(x!))),
      roundings: 8,
    },
    {
      op,
      name: 'of large and infinite values',
      operands: [{ shape: [2, 3], values: [1000, 1001, 999, 5, -Infinity, 4] }],
      run: (x) => run(x!),
      reference,
      dtypes: ['float64', 'float32'],
      roundings: 8,
      derivatives: 0,
    },
  ]),
)
