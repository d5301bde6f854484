// Sorting and the largest values along an axis.
import { apply } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { scatterAlong } from './gather.js'
import { axisOf, integerOf, type ResultAttrs, single } from './operands.js'
import { moveAxis } from './transpose.js'

type SortAttrs = { readonly descending: boolean }

/** x → values in order along the last axis, and where they were. */
export const Sort: Op<SortAttrs> = registerOp<SortAttrs>({
  name: 'sort',
  shape: ([x]) => [
    { shape: x!.shape, dtype: x!.dtype },
    { shape: x!.shape, dtype: 'int32' },
  ],
  grad: ([g], { inputs: [x], outputs: [, indices] }) => [scatterAlong(indices!, g!, x!.shape)],
})
/** x [..., n] → the k largest values and where they are. */
export const TopK: Op<ResultAttrs> = registerOp<ResultAttrs>({
  name: 'topK',
  shape: ([x], { shape }) => [
    { shape, dtype: x!.dtype },
    { shape, dtype: 'int32' },
  ],
  grad: ([g], { inputs: [x], outputs: [, indices] }) => [scatterAlong(indices!, g!, x!.shape)],
})

export interface SortOptions {
  /** Largest first. Default false. */
  descending?: boolean
  /** Default -1. */
  axis?: number
}

const OPTIONS: OptionTable<SortOptions> = { descending: 'boolean', axis: 'any' }

function sorted(op: string, x: TensorLike, options: SortOptions, output: 0 | 1): Tensor {
  const { descending = false, axis = -1 } = options
  const source = single(op, x, 'number')
  const along = axisOf(op, axis, source.rank)
  const last = source.rank - 1
  const result = apply(Sort, [along === last ? source : moveAxis(source, along, -1)], { descending })[output]!
  return along === last ? result : moveAxis(result, -1, along)
}

/** The values in order along an axis; equal ones keep their order, NaN comes last. */
export const sort: (x: TensorLike, options?: SortOptions) => Tensor = func('sort(x, options)', OPTIONS, (x, options = {}) =>
  sorted('sort', x, options, 0),
)

/** The positions, int32, that sort() takes its values from. */
export const argSort: (x: TensorLike, options?: SortOptions) => Tensor = func('argSort(x, options)', OPTIONS, (x, options = {}) =>
  sorted('argSort', x, options, 1),
)

/**
 * The k largest values along the last axis, largest first, and their positions (the lower first on ties): [..., k]
 * each.
 */
export const topK: (x: TensorLike, k?: number) => { values: Tensor; indices: Tensor } = func('topK(x, k)', (x, k = 1) => {
  const source = single('topK', x, 'number')
  const last = axisOf('topK', -1, source.rank)
  integerOf('topK', 'k', k, 0)
  if (k > source.shape[last]!) {
    throw new WeftError('ERR_SHAPE', `topK: k = ${k} of ${source.shape[last]} values along the last axis of shape [${source.shape}]`, {
      op: 'topK',
      shapes: [source.shape],
    })
  }
  const [values, indices] = apply(TopK, [source], { shape: [...source.shape.slice(0, -1), k] })
  return { values: values!, indices: indices! }
})

methods({ sort, argSort, topK })

declare module '../core/tensor.js' {
  interface TensorMethods {
    sort: Method<typeof sort>
    argSort: Method<typeof argSort>
    topK: Method<typeof topK>
  }
}
