// Repetition of a whole tensor along its axes.
import { isIntegers } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { broadcastTo } from './broadcast.js'
import { operand } from './operands.js'
import { reshape } from './reshape.js'

/** x repeated reps[i] times along axis i; missing leading counts are 1, extra ones add axes (numpy). */
export const tile: (x: TensorLike, reps: number | readonly number[]) => Tensor = func('tile(x, reps)', (x, reps) => {
  const source = operand('tile', x)
  const given = typeof reps === 'number' ? [reps] : reps
  if (!isIntegers(given, 0)) {
    throw new WeftError('ERR_ARGUMENT', `tile: the counts must be non-negative integers, got ${show(reps)}`, { op: 'tile' })
  }
  const rank = Math.max(source.rank, given.length)
  const shape = [...new Array<number>(rank - source.rank).fill(1), ...source.shape]
  const counts = [...new Array<number>(rank - given.length).fill(1), ...given]
  const repeated = broadcastTo(
    reshape(
      source,
      shape.flatMap((n) => [1, n]),
    ),
    shape.flatMap((n, i) => [counts[i]!, n]),
  )
  return reshape(
    repeated,
    shape.map((n, i) => n * counts[i]!),
  )
})

methods({ tile })

declare module '../core/tensor.js' {
  interface TensorMethods {
    tile: Method<typeof tile>
  }
}
