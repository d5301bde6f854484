// Rows of sorting and of the largest values.
import { argSort, sort, topK } from '../../lib/index.js'
import { checkRows, FLOATS, type Row } from '../check.js'
import { order, rowwise, transpose } from '../reference.js'

const SHAPES: readonly (readonly number[])[] = [[7], [1], [3, 5], [2, 3, 4], [0], [3, 0], [4, 129]]
const DTYPES = [...FLOATS, 'int32', 'uint8'] as const

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...SHAPES.flatMap((shape) =>
    [false, true].flatMap((descending): Row[] => [
      {
        op: 'sort',
        name: `[${shape}]${descending ? ' descending' : ''}`,
        operands: [{ shape, distinct: true }],
        run: (x) => sort(x!, { descending }),
        reference: rowwise((row) => order(row, descending).map((i) => row[i]!)),
        dtypes: shape.includes(129) ? ['float64', 'float32', 'int32'] : DTYPES,
      },
      {
        op: 'sort',
        name: `positions of [${shape}]${descending ? ' descending' : ''}`,
        operands: [{ shape }],
        run: (x) => argSort(x!, { descending }),
        reference: rowwise((row) => order(row, descending)),
        dtypes: DTYPES,
        results: ['int32'],
        derivatives: 0,
      },
    ]),
  ),
  ...[false, true].map(
    (descending): Row => ({
      op: 'sort',
      name: `NaN last${descending ? ', descending' : ''}`,
      operands: [{ shape: [2, 5], values: [3, NaN, 1, NaN, 2, -Infinity, 5, Infinity, NaN, 0] }],
      run: (x) => [sort(x!, { descending }), argSort(x!, { descending })],
      reference: (x) => [rowwise((row) => order(row, descending).map((i) => row[i]!))(x!), rowwise((row) => order(row, descending))(x!)],
      results: ['float32', 'int32'],
      dtypes: ['float32'],
      derivatives: 0,
    }),
  ),
  {
    op: 'sort',
    name: 'along the first axis',
    operands: [{ shape: [5, 3], distinct: true }],
    run: (x) => sort(x!, { axis: 0 }),
    reference: (x) => transpose(rowwise((row) => order(row, false).map((i) => row[i]!))(transpose(x!))),
  },
  ...(
    [
      [[7], 3],
      [[3, 5], 1],
      [[3, 5], 5],
      [[2, 3, 4], 2],
      [[0, 4], 2],
      [[3, 4], 0],
      [[1], 1],
      [[3, 200], 17],
    ] as const
  ).map(
    ([shape, k]): Row => ({
      op: 'topK',
      name: `${k} of [${shape}]`,
      operands: [{ shape, distinct: true }],
      run: (x) => {
        const { values, indices } = topK(x!, k)
        return [values, indices]
      },
      reference: (x) => [
        rowwise((row) =>
          order(row, true)
            .slice(0, k)
            .map((i) => row[i]!),
        )(x!),
        rowwise((row) => order(row, true).slice(0, k))(x!),
      ],
      dtypes: ['float64'],
      results: ['float64', 'int32'],
    }),
  ),
  {
    op: 'topK',
    name: 'of integers: the first of ties first',
    operands: [{ shape: [2, 6], values: [3, 1, 3, 2, 3, 0, 5, 5, 5, 5, 5, 5] }],
    run: (x) => topK(x!, 4).indices,
    reference: rowwise((row) => order(row, true).slice(0, 4)),
    dtypes: ['int32', 'uint8', 'float32', 'bfloat16'],
    results: ['int32'],
    derivatives: 0,
  },
])
