// Logic of the bits of whole numbers: bit by bit, with sums and quotients.
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { broadcastPair } from './layout.js'
import { alike, type Operator, type OperatorTable } from './operator.js'
import { Value } from './values.js'

/** Bit k of int32 numbers, as 0 and 1; the last one is the sign. */
const bit = (x: Tensor, k: number): Tensor => (k === 31 ? ops.cast(ops.less(x, 0), 'int32') : ops.mod(ops.floorDiv(x, 2 ** k), 2))

function bitwise(combine: (a: Tensor, b: Tensor) => Tensor): Operator {
  return {
    since: 18,
    run: (call) => {
      const [a, b, wrap] = broadcastPair(call.value(0), call.value(1))
      const [x, y] = [ops.cast(a, 'int32'), ops.cast(b, 'int32')]
      const bits = a.dtype === 'uint8' ? 8 : 32
      let result: Tensor | undefined
      for (let k = 0; k < bits; k++) {
        const weighted = ops.mul(combine(bit(x, k), bit(y, k)), k === 31 ? -(2 ** 31) : 2 ** k)
        result = result === undefined ? weighted : ops.add(result, weighted)
      }
      const whole = wrap(ops.cast(result!, a.dtype))
      return new Value(whole.stored, { isLast: whole.isLast, type: call.value(0).type })
    },
  }
}

export const bitwiseOperators: OperatorTable = {
  BitwiseAnd: bitwise((a, b) => ops.mul(a, b)),
  BitwiseOr: bitwise((a, b) => ops.maximum(a, b)),
  BitwiseXor: bitwise((a, b) => ops.abs(ops.sub(a, b))),
  BitwiseNot: {
    since: 18,
    run: (call) =>
      alike(call.value(0), (x) => (x.dtype === 'uint8' ? ops.cast(ops.sub(255, ops.cast(x, 'int32')), 'uint8') : ops.sub(-1, x))),
  },
}
