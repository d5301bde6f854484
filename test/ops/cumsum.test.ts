// Rows of running sums.
import { cumSum } from '../../lib/index.js'
import { checkRows, FLOATS, type Row } from '../check.js'
import { at, generate } from '../reference.js'

const CASES: readonly [readonly number[], number][] = [
  [[7], 0],
  [[1], 0],
  [[3, 5], 0],
  [[3, 5], 1],
  [[2, 3, 4], 1],
  [[0, 3], 0],
  [[2, 0], 1],
  [[5, 133], 1],
  [[133, 5], 0],
]

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  CASES.flatMap(([shape, axis]) =>
    [false, true].flatMap((exclusive) =>
      [false, true].map(
        (reverse): Row => ({
          op: 'cumSum',
          name: `of [${shape}] along ${axis}${exclusive ? ', exclusive' : ''}${reverse ? ', from the end' : ''}`,
          operands: [{ shape }],
          run: (x) => cumSum(x!, axis, { exclusive, reverse }),
          reference: (x) =>
            generate(shape, (position) => {
              let sum = 0
              for (let i = 0; i < shape[axis]!; i++) {
                const place = position[axis]!
                const inside = reverse ? i >= place + Number(exclusive) : i <= place - Number(exclusive)
                if (inside)
                  sum += at(
                    x!,
                    position.map((p, k) => (k === axis ? i : p)),
                  )
              }
              return sum
            }),
          dtypes: [...FLOATS, 'int32'],
          roundings: 4 + shape[axis]! / 4,
        }),
      ),
    ),
  ),
)
