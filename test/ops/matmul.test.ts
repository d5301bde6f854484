// Rows of matrix products.
import { dot, matMul, outer } from '../../lib/index.js'
import { checkRows, FLOATS, type Row } from '../check.js'
import { absolute, at, generate, matMul as product, reshape, type Values } from '../reference.js'

const flags = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const

const swapped = (shape: readonly number[], swap: boolean): number[] =>
  swap ? [...shape.slice(0, -2), shape[shape.length - 1]!, shape[shape.length - 2]!] : [...shape]

const SHAPES: readonly [readonly number[], readonly number[]][] = [
  [
    [2, 3],
    [3, 4],
  ],
  [
    [1, 1],
    [1, 1],
  ],
  [
    [5, 7],
    [7, 1],
  ],
  [
    [1, 5],
    [5, 3],
  ],
  [
    [2, 0],
    [0, 3],
  ],
  [
    [0, 3],
    [3, 2],
  ],
  [
    [2, 2, 3],
    [2, 3, 2],
  ],
  [
    [2, 1, 2, 3],
    [3, 3, 2],
  ],
  [
    [3, 2],
    [2, 2, 3],
  ],
  [
    [33, 65],
    [65, 37],
  ],
  [
    [129, 31],
    [31, 100],
  ],
  [
    [3, 40, 17],
    [17, 20],
  ],
]

/** One row of the result contains a large number; the others must not notice. */
const UNEVEN = [
  [4, 6, 5],
  [3, 40, 1],
  [70, 48, 64],
] as const

/**
 * Gradients of weights: a is read across its rows, or one side is so short that the long one runs through the lanes:
 * [m, k, n, a transposed, b transposed].
 */
const GRADIENTS = [
  [40, 600, 130, true, false],
  [301, 20, 130, true, false],
  ...[3, 5, 10, 12, 16].map((n) => [301, 20, n, true, false] as const),
  ...[3, 8, 10, 16].map((k) => [7, k, 301, false, true] as const),
] as const

const column = (x: Values): Values => generate([x.shape[0]!, 1], ([i]) => x.data[i!]!)
const row = (x: Values): Values => generate([1, x.shape[0]!], ([, i]) => x.data[i!]!)

const DOTS: readonly [readonly number[], readonly number[]][] = [
  [[4], [4]],
  [
    [2, 3],
    [3, 2],
  ],
  [[2, 2, 3], [3]],
  [[], [2, 3]],
  [
    [2, 3],
    [2, 3, 2],
  ],
  [
    [2, 0],
    [0, 3],
  ],
]
/** numpy.dot: the last axis of a with the last but one of b. */
function dotted(a: Values, b: Values): Values {
  const scalar = a.shape.length === 0 || b.shape.length === 0
  if (scalar)
    return generate([...a.shape, ...b.shape], (place) => (a.shape.length === 0 ? a.data[0]! * at(b, place) : at(a, place) * b.data[0]!))
  const along = Math.max(0, b.shape.length - 2)
  const rest = b.shape.filter((_, i) => i !== along)
  const lead = a.shape.slice(0, -1)
  return generate([...lead, ...rest], (place) => {
    const [left, right] = [place.slice(0, lead.length), place.slice(lead.length)]
    let total = 0
    for (let k = 0; k < b.shape[along]!; k++) total += at(a, [...left, k]) * at(b, [...right.slice(0, along), k, ...right.slice(along)])
    return total
  })
}

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...SHAPES.flatMap(([a, b]) =>
    flags.map(
      ([transposeA, transposeB]): Row => ({
        op: 'matMul',
        name: `[${a}] · [${b}]${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`,
        operands: [{ shape: swapped(a, transposeA) }, { shape: swapped(b, transposeB) }],
        run: (x, y) => matMul(x!, y!, { transposeA, transposeB }),
        reference: (x, y) => product(x!, y!, transposeA, transposeB),
        roundings: 8,
      }),
    ),
  ),
  ...GRADIENTS.map(
    ([m, k, n, transposeA, transposeB]): Row => ({
      op: 'matMul',
      name: `${m} rows, ${k} terms, ${n} columns${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`,
      operands: [{ shape: swapped([m, k], transposeA) }, { shape: swapped([k, n], transposeB) }],
      run: (x, y) => matMul(x!, y!, { transposeA, transposeB }),
      reference: (x, y) => product(x!, y!, transposeA, transposeB),
      derivatives: 0,
      roundings: 8 + Math.sqrt(k),
    }),
  ),
  ...UNEVEN.flatMap(([m, k, n]) =>
    [1e10, Number.POSITIVE_INFINITY].map(
      (large): Row => ({
        op: 'matMul',
        name: `[${m},${k}] · [${k},${n}] with ${large} among small numbers`,
        operands: [
          { shape: [m, k], values: Array.from({ length: m * k }, (_, i) => (i === k + 1 ? large : 0.5 + (i % 7) / 8)) },
          { shape: [k, n], domain: [[0.5, 2]] },
        ],
        run: (x, y) => matMul(x!, y!),
        reference: (x, y) => product(x!, y!),
        sizes: (x, y) => product(absolute(x!), absolute(y!)),
        derivatives: 0,
        roundings: 8,
      }),
    ),
  ),
  {
    op: 'matMul',
    name: 'a vector on the left',
    operands: [{ shape: [3] }, { shape: [2, 3, 4] }],
    run: (x, y) => matMul(x!, y!),
    reference: (x, y) => reshape(product(row(x!), y!), [2, 4]),
  },
  {
    op: 'matMul',
    name: 'a vector on the right',
    operands: [{ shape: [2, 3] }, { shape: [3] }],
    run: (x, y) => matMul(x!, y!),
    reference: (x, y) => reshape(product(x!, column(y!)), [2]),
  },
  {
    op: 'matMul',
    name: 'two vectors',
    operands: [{ shape: [5] }, { shape: [5] }],
    run: (x, y) => matMul(x!, y!),
    reference: (x, y) => reshape(product(row(x!), column(y!)), []),
    roundings: 16,
  },
  ...DOTS.map(
    ([a, b]): Row => ({
      op: a.length === 0 || b.length === 0 ? 'mul' : 'matMul',
      name: `dot of [${a}] and [${b}]`,
      operands: [{ shape: a }, { shape: b }],
      run: (x, y) => dot(x!, y!),
      reference: (x, y) => dotted(x!, y!),
      roundings: 16,
    }),
  ),
  ...[
    [[3], [2]],
    [[], [3]],
    [[2, 2], [3]],
    [[0], [2]],
  ].map(
    ([a, b]): Row => ({
      op: 'mul',
      name: `outer of [${a}] and [${b}]`,
      operands: [{ shape: a! }, { shape: b! }],
      run: (x, y) => outer(x!, y!),
      reference: (x, y) => generate([x!.data.length, y!.data.length], ([i, j]) => x!.data[i!]! * y!.data[j!]!),
      dtypes: [...FLOATS, 'int32'],
    }),
  ),
])
