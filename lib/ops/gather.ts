// Selection by indices and its transpose, addition at indices. Indices are int32; those out of range fail the step with
// ERR_DATA.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { type DType, sameShape, type Shape } from '../core/spec.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add } from './arithmetic.js'
import { cast } from './cast.js'
import { arange } from './creation.js'
import { passMask } from './masks.js'
import { indexOperand } from './ids.js'
import { axisOf, operand, promoted, type ResultAttrs } from './operands.js'
import { moveAxis } from './transpose.js'

type GatherAttrs = { readonly axis: number }
type ScatterAttrs = ResultAttrs & { readonly axis: number }
type TakeAttrs = { readonly shape: readonly number[]; readonly dtype: DType }

function gatheredShape(x: Shape, indices: Shape, axis: number): number[] {
  return [...x.slice(0, axis), ...indices, ...x.slice(axis + 1)]
}

/** What an index along an axis may be, for messages. */
const indicesOf = (shape: Shape, axis: number): string =>
  shape[axis] === 0
    ? `axis ${axis} of [${shape}] is empty`
    : `indices start at 0, and axis ${axis} of [${shape}] has those up to ${shape[axis]! - 1}`

export const Gather: Op<GatherAttrs> = registerOp<GatherAttrs>({
  name: 'gather',
  shape: ([x, indices], { axis }) => [{ shape: gatheredShape(x!.shape, indices!.shape, axis), dtype: x!.dtype }],
  valuesTaken: ([x], { axis }) => indicesOf(x!.shape, axis),
  grad: ([g], { inputs: [x, indices], attrs: { axis } }) => [applyOne(ScatterAdd, [indices!, g!], { axis, shape: x!.shape })],
})
/** (indices, updates) → zeros plus the updates, added in the indices' order. */
export const ScatterAdd: Op<ScatterAttrs> = registerOp<ScatterAttrs>({
  name: 'scatterAdd',
  valuesTaken: (_, { shape, axis }) => indicesOf(shape, axis),
  shape: ([, updates], { shape }) => [{ shape, dtype: updates!.dtype }],
  grad: ([u], { inputs: [indices], attrs: { axis } }) => [undefined, applyOne(Gather, [u!, indices!], { axis })],
})
export const GatherAlong: Op = registerOp({
  name: 'gatherAlong',
  valuesTaken: ([x]) => indicesOf(x!.shape, x!.shape.length - 1),
  shape: ([x, indices]) => [{ shape: indices!.shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x, indices] }) => [scatterAlong(indices!, g!, x!.shape)],
})
/** (indices, updates) → zeros plus the updates along the last axis. */
export const ScatterAlong: Op<ResultAttrs> = registerOp<ResultAttrs>({
  name: 'scatterAlong',
  valuesTaken: (_, { shape }) => indicesOf(shape, shape.length - 1),
  shape: ([, updates], { shape }) => [{ shape, dtype: updates!.dtype }],
  grad: ([u], { inputs: [indices] }) => [undefined, applyOne(GatherAlong, [u!, indices!], {})],
})
/**
 * (x [n, ...], permutation int32 [n], cursor int32 [1]) → the rows at permutation[cursor ...], in the result's dtype.
 */
export const TakeBatch: Op<TakeAttrs> = registerOp<TakeAttrs>({
  name: 'takeBatch',
  valuesTaken: ([x, permutation]) =>
    `the cursor points into a permutation of ${permutation!.shape[0]} rows, and in that ${indicesOf(x!.shape, 0)}`,
  shape: (_, { shape, dtype }) => [{ shape, dtype }],
  compose: ([x, permutation, cursor], { shape, dtype }) => {
    const places = applyOne(Gather, [permutation!, add(cursor!, arange(shape[0]!))], { axis: 0 })
    return [cast(applyOne(Gather, [x!, places], { axis: 0 }), dtype)]
  },
})

/** Updates added into zeros of `shape` at places along the last axis. */
export function scatterAlong(indices: Tensor, updates: Tensor, shape: Shape): Tensor {
  return applyOne(ScatterAlong, [indices, updates], { shape })
}

/** The parts of x at the indices along an axis: x.shape[:axis] + indices.shape + x.shape[axis + 1:]. */
export const gather: (x: TensorLike, indices: TensorLike, axis?: number) => Tensor = func(
  'gather(x, indices, axis)',
  (x, indices, axis = 0) => {
    const source = operand('gather', x)
    const along = axisOf('gather', axis, source.rank)
    const result = applyOne(Gather, [source, indexOperand('gather', indices)], { axis: along })
    return along === 0 ? passMask(result, indices) : along >= 2 ? passMask(result, x) : result
  },
)

/**
 * One value per index along an axis (default the last): result[i, j] = x[i, indices[i, j]]. Other extents are equal
 * (np.take_along_axis).
 */
export const gatherAlong: (x: TensorLike, indices: TensorLike, axis?: number) => Tensor = func(
  'gatherAlong(x, indices, axis)',
  (x, indices, axis = -1) => {
    const source = operand('gatherAlong', x)
    const places = indexOperand('gatherAlong', indices)
    const along = axisOf('gatherAlong', axis, source.rank)
    if (places.rank !== source.rank || places.shape.some((n, i) => i !== along && n !== source.shape[i])) {
      throw new WeftError('ERR_SHAPE', `gatherAlong: x [${source.shape}] and indices [${places.shape}] differ in more than axis ${along}`, {
        op: 'gatherAlong',
        shapes: [source.shape, places.shape],
      })
    }
    if (along === source.rank - 1) return applyOne(GatherAlong, [source, places], {})
    return moveAxis(applyOne(GatherAlong, [moveAxis(source, along, -1), moveAxis(places, along, -1)], {}), -1, along)
  },
)

/**
 * x with updates added at the indices along an axis; equal indices add up, in order. updates: x.shape[:axis] +
 * indices.shape + x.shape[axis + 1:].
 */
export const scatterAdd: (x: TensorLike, indices: TensorLike, updates: TensorLike, axis?: number) => Tensor = func(
  'scatterAdd(x, indices, updates, axis)',
  (x, indices, updates, axis = 0) => {
    const [source, added] = promoted('scatterAdd', [x, updates], 'number') as [Tensor, Tensor]
    const places = indexOperand('scatterAdd', indices)
    const along = axisOf('scatterAdd', axis, source.rank)
    const wanted = gatheredShape(source.shape, places.shape, along)
    if (!sameShape(added.shape, wanted)) {
      throw new WeftError(
        'ERR_SHAPE',
        `scatterAdd: x [${source.shape}] at indices [${places.shape}] along axis ${along} takes updates [${wanted}], got [${added.shape}]`,
        {
          op: 'scatterAdd',
          shapes: [source.shape, places.shape, added.shape],
        },
      )
    }
    return add(source, applyOne(ScatterAdd, [places, added], { axis: along, shape: source.shape }))
  },
)

/**
 * A batch of rows for one training step: x [n, ...] at permutation[cursor], permutation[cursor + 1], ..., cast on the
 * way.
 * @param permutation int32 [n]
 * @param cursor int32 [1]
 * @param batch rows to take
 * @param dtype default that of x
 */
export const takeBatch: (x: Tensor, permutation: Tensor, cursor: Tensor, batch: number, dtype?: DType) => Tensor = func(
  'takeBatch(x, permutation, cursor, batch, dtype)',
  (x, permutation, cursor, batch, dtype = x.dtype) => {
    if (permutation.dtype !== 'int32' || permutation.rank !== 1 || cursor.dtype !== 'int32' || cursor.size !== 1 || x.rank < 1) {
      throw new WeftError(
        'ERR_SHAPE',
        `takeBatch: x [${x.shape}] takes a permutation int32 [n] and a cursor int32 [1], got ${permutation.dtype} [${permutation.shape}] and ${cursor.dtype} [${cursor.shape}]`,
        {
          op: 'takeBatch',
        },
      )
    }
    return applyOne(TakeBatch, [x, permutation, cursor], { shape: [batch, ...x.shape.slice(1)], dtype })
  },
)

methods({ gather, gatherAlong, scatterAdd })

declare module '../core/tensor.js' {
  interface TensorMethods {
    gather: Method<typeof gather>
    gatherAlong: Method<typeof gatherAlong>
    scatterAdd: Method<typeof scatterAdd>
  }
}
