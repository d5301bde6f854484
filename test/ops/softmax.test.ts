// Rows of softmax and its logarithm.
import { logSoftmax, softmax } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { logSoftmax as logSoftmaxOf, softmax as softmaxOf, transpose } from '../reference.js'

const SHAPES: readonly (readonly number[])[] = [
  [7],
  [1],
  [3, 5],
  [2, 3, 4],
  [0, 4],
  [3, 0],
  [5, 1],
  [4, 10],
  [3, 501],
  [65, 33],
  [21, 2],
  [37, 17],
  [17, 32],
]
/** One class far above the others, alone or with another. */
const NEAR = [20, 0, -1, 0, 0, -12, -13, -40, -3, -3, 33, 1, 5, 5, -12, -13, 9, 1, 0.5, 2]
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
    // exponents are off by half a rounding of x - largest: powers by up to 40 / 2 roundings of themselves
    {
      op,
      name: 'next to certainty: every value keeps its digits',
      operands: [{ shape: [5, 4], values: NEAR }],
      run: (x) => run(x!),
      reference,
      dtypes: ['float64', 'float32', 'bfloat16'],
      roundings: 24,
      sizes: (x) => ({ shape: x!.shape, data: reference(x!).data.map(Math.abs) }),
      derivatives: 0,
    },
  ]),
)
