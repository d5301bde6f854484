// Rows of the rotary embedding.
import { rotary } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { at, generate, type Values } from '../reference.js'

const turned =
  (interleaved: boolean) =>
  (x: Values, cos: Values, sin: Values): Values => {
    const half = x.shape[3]! / 2
    return generate(x.shape, ([b, t, h, i]) => {
      const pair = interleaved ? i! >> 1 : i! % half
      const second = interleaved ? i! % 2 === 1 : i! >= half
      const [c, s] = [at(cos, [t!, pair]), at(sin, [t!, pair])]
      const own = at(x, [b!, t!, h!, i!])
      const other = at(x, [b!, t!, h!, interleaved ? i! ^ 1 : (i! + half) % (2 * half)])
      return second ? own * c + other * s : own * c - other * s
    })
  }

const SHAPES: readonly (readonly [number, number, number, number])[] = [
  [1, 1, 1, 2],
  [2, 3, 2, 4],
  [1, 2, 1, 6],
  [2, 0, 3, 4],
  [0, 2, 1, 2],
  [3, 5, 2, 34],
]

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  [false, true].flatMap((interleaved) =>
    SHAPES.map(
      (shape): Row => ({
        op: 'rotary',
        name: `[${shape}]${interleaved ? ', interleaved' : ''}`,
        operands: [{ shape }, { shape: [shape[1], shape[3] / 2] }, { shape: [shape[1], shape[3] / 2] }],
        run: (x, cos, sin) => rotary(x!, cos!, sin!, { interleaved }),
        reference: (x, cos, sin) => turned(interleaved)(x!, cos!, sin!),
      }),
    ),
  ),
)
