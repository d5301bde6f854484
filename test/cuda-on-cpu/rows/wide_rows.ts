// Long rows, tall columns and large arrays, for the variants of kernels that several warps or blocks share and that the
// small shapes of test rows do not reach.
import {
  type DType,
  type Tensor,
  all,
  any,
  argMax,
  argMin,
  batchNorm,
  broadcastTo,
  concat,
  cumProd,
  cumSum,
  dropout,
  gather,
  grad,
  layerNorm,
  logSoftmax,
  max,
  mean,
  min,
  mul,
  oneHot,
  pad,
  prod,
  reverse,
  rmsNorm,
  scatterAdd,
  setSeed,
  softmax,
  softmaxCrossEntropy,
  sort,
  sparseSoftmaxCrossEntropy,
  sum,
  tensor,
  topK,
  transpose,
} from '../../../lib/index.js'
import { generator } from '../../expect.js'

let draw = generator(71)
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
const random = (shape: readonly number[], dtype: DType = 'float32'): Tensor =>
  tensor(
    Float32Array.from({ length: sizeOf(shape) }, () => 4 * draw() - 2),
    { shape, dtype },
  )
/** Whole numbers from 0 to n - 1. */
const ids = (count: number, n: number): Tensor => tensor(Int32Array.from({ length: count }, () => Math.floor(draw() * n)))

/** Matrices with rows of several warps and of several blocks, and with columns of the same. */
export const SHAPES: readonly (readonly [number, number])[] = [
  [3, 1300],
  [2, 40_003],
  [1300, 5],
  [20_003, 3],
  [257, 129],
]
export const DTYPES: readonly DType[] = ['float32', 'bfloat16', 'float16']

/** The function and its gradient. */
function* both(run: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): Generator<Tensor> {
  const y = run(...inputs)
  yield y
  const weight = random(y.shape, y.dtype)
  yield* grad((...x: Tensor[]) => sum(mul(run(...x), weight)), { wrt: inputs.map((_, i) => i) })(...inputs)
}

function* normalized([rows, columns]: readonly [number, number], dtype: DType): Generator<Tensor> {
  const x = random([rows, columns], dtype)
  const [gamma, beta] = [random([columns], dtype), random([columns], dtype)]
  yield* both((t) => softmax(t!), x)
  yield* both((t) => logSoftmax(t!), x)
  yield* both((t, g, b) => layerNorm(t!, g!, b!), x, gamma, beta)
  yield* both((t, g) => rmsNorm(t!, g!), x, gamma)
  yield* both((t, g, b) => batchNorm(t!, g!, b!).y, x, gamma, beta)
  yield* both((t) => softmaxCrossEntropy(t!, softmax(random([rows, columns], dtype))), x)
  const labels = ids(rows, columns)
  yield* both((t) => sparseSoftmaxCrossEntropy(t!, labels), x)
}

/**
 * A result, and for each of its values the size of what was added up, where that is known: values are then compared by
 * their own size.
 */
export interface Computed {
  value: Tensor
  size?: Tensor
}

/**
 * Sums in which numbers of very different size and an infinity occur: those that do not contain them must not notice.
 */
function* uneven([rows, columns]: readonly [number, number], dtype: DType): Generator<Computed> {
  const n = rows * columns
  for (const large of [1e10, Number.POSITIVE_INFINITY]) {
    const data = Float32Array.from({ length: n }, (_, i) => (i === Math.floor((n * 5) / 8) ? large : 0.5 + draw()))
    const x = tensor(data, { shape: [rows, columns], dtype }) // without negative numbers, so that each sum is its own size
    for (const axis of [0, 1]) {
      for (const value of [sum(x, axis), mean(x, axis), cumSum(x, axis), cumSum(x, axis, { exclusive: true, reverse: true })])
        yield { value, size: value }
    }
  }
}

function* reduced([rows, columns]: readonly [number, number], dtype: DType): Generator<Tensor> {
  const x = random([rows, columns], dtype)
  const near = x.greater(1.99).cast(dtype).mul(0.0625).add(1) // a product of thousands that stays small
  for (const axis of [0, 1, undefined]) {
    for (const reduction of [sum, mean, max, min]) yield reduction(x, axis)
    yield prod(near, axis)
    yield any(x.greater(1.99), axis)
    yield all(x.less(1.99), axis)
  }
  for (const axis of [0, 1]) {
    yield argMax(x, axis)
    yield argMin(x, axis)
    yield cumSum(x, axis)
    yield cumSum(x, axis, { exclusive: true, reverse: true })
    yield cumProd(near, axis)
    yield cumProd(near, axis, { exclusive: true, reverse: true })
  }
}

function* moved([rows, columns]: readonly [number, number], dtype: DType): Generator<Tensor> {
  const x = random([rows, columns], dtype)
  yield sort(x)
  yield sort(x, { descending: true })
  const best = topK(x, Math.min(5, columns))
  yield best.values
  yield best.indices
  yield transpose(x)
  yield reverse(x, 1)
  yield concat([x, x], 1)
  yield pad(x, [
    [1, 2],
    [3, 1],
  ])
  yield broadcastTo(random([columns], dtype), [rows, columns])
  yield x.add(random([rows, 1], dtype)).mul(random([columns], dtype))
  yield dropout(x, 0.3)
  const picked = Math.min(300, Math.ceil(100_000 / columns))
  const indices = ids(picked, rows)
  yield gather(x, indices)
  yield scatterAdd(x, indices, random([picked, columns], dtype))
  yield oneHot(ids(rows, columns), columns, { dtype })
}

/** Results for a matrix of this shape, on the current device: the same operands on every device. */
export function wide(shape: readonly [number, number], dtype: DType): Computed[] {
  draw = generator(71)
  setSeed(71)
  const mixed = [...normalized(shape, dtype), ...reduced(shape, dtype), ...moved(shape, dtype)]
  return [...mixed.map((value) => ({ value })), ...uneven(shape, dtype)]
}
