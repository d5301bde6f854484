// Reductions over axes, and sums along one.
import { isFloat } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { storedAxis } from './layout.js'
import type { Call, Operator, OperatorTable } from './operator.js'
import { Value } from './values.js'

type Reduce = (x: Tensor, axes: readonly number[], options: { keepDims: boolean }) => Tensor

/** Axes are an attribute, and an input since version `moved`. */
function reduction(fn: Reduce): Operator {
  return {
    reads: [1],
    run: (call) => {
      const value = call.value(0)
      const given = call.listOf('axes', 1)
      const keepDims = call.attributes.int('keepdims', 1) !== 0
      if ((given === undefined || given.length === 0) && call.attributes.int('noop_with_empty_axes', 0) !== 0) return value
      const axes =
        given === undefined || given.length === 0 ? value.shape.map((_, i) => i) : given.map((axis) => call.axis(axis, value.rank))
      if (keepDims && value.isLast)
        return new Value(
          kept(
            fn(
              value.last,
              axes.map((axis) => storedAxis(value, axis)),
              { keepDims },
            ),
            value,
          ),
          { isLast: true },
        )
      return new Value(kept(fn(value.plain, axes, { keepDims }), value), { type: value.type })
    },
  }
}

/** A total of bytes is wider here. */
const kept = (result: Tensor, { dtype }: Value): Tensor => (isFloat(dtype) || result.dtype === dtype ? result : ops.cast(result, dtype))

function extreme(arg: typeof ops.argMax): Operator {
  return {
    run: (call) => {
      const { plain } = call.value(0)
      const axis = call.axis(call.attributes.int('axis', 0), plain.rank)
      const keepDims = call.attributes.int('keepdims', 1) !== 0
      if (call.attributes.int('select_last_index', 0) === 0) return arg(plain, axis, { keepDims })
      // the last of ties is the first from behind
      return ops.sub(plain.shape[axis]! - 1, arg(ops.reverse(plain, axis), axis, { keepDims }))
    },
  }
}

function cumulate(call: Call): Tensor {
  const x = call.tensor(0)
  const axis = call.axis(call.number(1, 0), x.rank)
  return ops.cumSum(x, axis, {
    exclusive: call.attributes.int('exclusive', 0) !== 0,
    reverse: call.attributes.int('reverse', 0) !== 0,
  })
}

export const reduceOperators: OperatorTable = {
  ReduceSum: reduction(ops.sum),
  ReduceMean: reduction(ops.mean),
  ReduceMax: reduction(ops.max),
  ReduceMin: reduction(ops.min),
  ReduceProd: reduction(ops.prod),
  ReduceL1: reduction((x, axes, options) => ops.sum(ops.abs(x), axes, options)),
  ReduceL2: reduction((x, axes, options) => ops.sqrt(ops.sum(ops.square(x), axes, options))),
  ReduceSumSquare: reduction((x, axes, options) => ops.sum(ops.square(x), axes, options)),
  ReduceLogSum: reduction((x, axes, options) => ops.log(ops.sum(x, axes, options))),
  ReduceLogSumExp: reduction(ops.logSumExp),
  ArgMax: extreme(ops.argMax),
  ArgMin: extreme(ops.argMin),
  CumSum: { since: 11, reads: [1], run: cumulate },
}
