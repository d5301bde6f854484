// Slices: parts of a tensor with steps, also backwards; reverse and split.
import { isInteger, isIntegers } from '../core/checks.js'
import { applyOne } from '../core/apply.js'
import { rowsOf } from '../core/share.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { show } from '../core/options.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { passMask } from './masks.js'
import { axesOf, axisOf, integerOf, operand, type ResultAttrs } from './operands.js'

type SliceAttrs = ResultAttrs & { readonly begin: readonly number[]; readonly steps: readonly number[] }

export const Slice: Op<SliceAttrs> = registerOp({
  name: 'slice',
  shape: ([x], { shape }) => [{ shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x], attrs: { begin, steps } }) => [applyOne(SliceGrad, [g!], { begin, steps, shape: x!.shape })],
})
export const SliceGrad: Op<SliceAttrs> = registerOp({
  name: 'sliceGrad',
  shape: ([g], { shape }) => [{ shape, dtype: g!.dtype }],
  grad: ([u], { inputs: [g], attrs: { begin, steps } }) => [applyOne(Slice, [u!], { begin, steps, shape: g!.shape })],
})

function perAxis(name: string, value: unknown, rank: number, rest: number): number[] {
  const list = typeof value === 'number' ? [value] : value
  if (!isIntegers(list) || (list as number[]).length > rank) {
    throw new WeftError('ERR_ARGUMENT', `slice: ${name} must be a list of at most ${rank} integers, got ${show(value)}`, {
      op: 'slice',
    })
  }
  return Array.from({ length: rank }, (_, i) => (list as number[])[i] ?? rest)
}

/**
 * The values at begin + i·steps for i < size, per axis.
 * @param begin first position per axis; negative counts from the end; axes not named are taken whole
 * @param size how many values per axis; -1 (default): as many as there are
 * @param steps distance of the values, default 1; negative walks backwards
 */
export const slice: (
  x: TensorLike,
  begin: number | readonly number[],
  size?: number | readonly number[],
  steps?: number | readonly number[],
) => Tensor = func('slice(x, begin, size, steps)', (x, begin, size = [], steps = []) => {
  const source = operand('slice', x)
  const from = perAxis('begin', begin, source.rank, Number.NaN)
  const sizes = perAxis('size', size, source.rank, -1)
  const by = perAxis('steps', steps, source.rank, 1)
  const first = from.map((b, i) => {
    const n = source.shape[i]!
    if (by[i] === 0) throw new WeftError('ERR_ARGUMENT', 'slice: a step must not be 0', { op: 'slice' })
    if (Number.isNaN(b)) return by[i]! > 0 ? 0 : Math.max(n - 1, 0)
    return b < 0 ? b + n : b
  })
  const shape = sizes.map((wanted, i) => {
    const n = source.shape[i]!
    const begin = first[i]!
    const step = by[i]!
    const available = step > 0 ? Math.ceil((n - begin) / step) : Math.ceil((begin + 1) / -step)
    const count = wanted === -1 ? (n === 0 ? 0 : available) : wanted
    if (begin < 0 || begin > n || count < 0 || (count > 0 && (begin >= n || count > available))) {
      throw new WeftError(
        'ERR_SHAPE',
        `slice: begin [${from.map((b) => (Number.isNaN(b) ? ':' : b))}], size [${sizes}], steps [${by}] leave shape [${source.shape}] on axis ${i}`,
        {
          op: 'slice',
          shapes: [source.shape],
        },
      )
    }
    return count
  })
  const result = applyOne(Slice, [source], { begin: first, steps: by, shape })
  // steps backwards turn time around
  return by.slice(0, 2).every((step) => step === 1) ? passMask(result, x) : result
})

/** The values in opposite order along the given axes; by default along all. */
export const reverse: (x: TensorLike, axis?: number | readonly number[]) => Tensor = func('reverse(x, axis)', (x, axis) => {
  const source = operand('reverse', x)
  const axes = axesOf('reverse', axis, source.rank)
  const result = applyOne(Slice, [source], {
    begin: source.shape.map((n, i) => (axes.includes(i) ? Math.max(n - 1, 0) : 0)),
    steps: source.shape.map((_, i) => (axes.includes(i) ? -1 : 1)),
    shape: source.shape,
  })
  return axes.some((axis) => axis < 2) ? result : passMask(result, x)
})

/** Parts of a tensor along one axis: a number of equal parts, or their sizes (one may be -1: the rest). */
export const split: (x: TensorLike, parts: number | readonly number[], axis?: number) => Tensor[] = func(
  'split(x, parts, axis)',
  (x, parts, axis = 0) => {
    const source = operand('split', x)
    const along = axisOf('split', axis, source.rank)
    const n = source.shape[along]!
    if (typeof parts !== 'number' && !Array.isArray(parts))
      throw new WeftError('ERR_ARGUMENT', `split: parts is a number or a list of extents, got ${show(parts)}`, { op: 'split' })
    const count = typeof parts === 'number' ? integerOf('split', 'the number of parts', parts, 1) : 0
    // more parts than there is to share are refused below, and not listed
    const sizes = typeof parts === 'number' ? new Array<number>(Math.min(count, n + 1)).fill(n / count) : [...parts]
    const known = sizes.reduce((total, size) => total + (size === -1 ? 0 : size), 0)
    const free = sizes.indexOf(-1)
    if (free >= 0 && free === sizes.lastIndexOf(-1)) sizes[free] = n - known
    if (sizes.some((size) => !isInteger(size, 0)) || sizes.reduce((a, b) => a + b, 0) !== n) {
      throw new WeftError(
        'ERR_SHAPE',
        `split: axis ${along} of shape [${source.shape}] has extent ${n}, which is not ${show(parts)} ${typeof parts === 'number' ? 'equal parts' : 'in all'}`,
        {
          op: 'split',
          shapes: [source.shape],
        },
      )
    }
    let begin = 0
    return sizes.map((size) => {
      const at = source.shape.map((_, i) => (i === along ? begin : 0))
      begin += size
      const part = applyOne(Slice, [source], {
        begin: at,
        steps: at.map(() => 1),
        shape: source.shape.map((extent, i) => (i === along ? size : extent)),
      })
      return along < 2 ? part : passMask(part, x)
    })
  },
)

rowsOf.cut = (t, { begin, rows }) => slice(t, [begin], [rows])

methods({ slice, reverse, split })

declare module '../core/tensor.js' {
  interface TensorMethods {
    slice: Method<typeof slice>
    reverse: Method<typeof reverse>
    split: Method<typeof split>
  }
}
