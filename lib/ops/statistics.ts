// Reductions made of others: variance, standard deviation, norms and log-sum-exp.
import { WeftError } from '../core/error.js'
import { show, type OptionTable } from '../core/options.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { AxisCheck, Reduced } from '../core/tensor_shapes.js'
import type { DTypeOf, Result, ShapeOf, UnaryDType } from '../core/tensor_types.js'
import { abs, add, pow, square, sub } from './arithmetic.js'
import { stopGradient } from './cast.js'
import { equal, greater, where } from './compare.js'
import { exp, isFinite, log, sqrt } from './math.js'
import { axesOf, single } from './operands.js'
import { REDUCE_OPTIONS, max, mean, type Reduction, type ReductionMethod, type ReduceOptions, reducedShape, sum } from './reduce.js'
import { reshape } from './reshape.js'

/** The mean squared distance from the mean (biased); of integers float32. */
export const variance: Reduction = func(
  'variance(x, axis, options)',
  REDUCE_OPTIONS,
  (x: TensorLike, axis?: number | readonly number[], options?: ReduceOptions) => {
    const source = single('variance', x, 'float')
    const keepDims = options?.keepDims ?? false
    const axes = axesOf('variance', axis, source.rank)
    return mean(square(sub(source, mean(source, axes, { keepDims: true }))), axes, { keepDims })
  },
)

export interface Moments {
  readonly mean: Tensor
  /** The mean squared distance from the mean (biased). */
  readonly variance: Tensor
}

/** Mean and variance over the axes (default: of all values); of integers float32. */
export const moments: (x: TensorLike, axis?: number | readonly number[], options?: ReduceOptions) => Moments = func(
  'moments(x, axis, options)',
  REDUCE_OPTIONS,
  (x: TensorLike, axis?: number | readonly number[], options?: ReduceOptions): Moments => {
    const source = single('moments', x, 'float')
    const keepDims = options?.keepDims ?? false
    const axes = axesOf('moments', axis, source.rank)
    const average = mean(source, axes, { keepDims: true })
    const spread = mean(square(sub(source, average)), axes, { keepDims })
    return { mean: keepDims ? average : reshape(average, reducedShape(source.shape, axes, false)), variance: spread }
  },
)

/** √x with slope 0 at 0. */
function root(x: Tensor): Tensor {
  const positive = greater(x, 0)
  return where(positive, sqrt(where(positive, x, 1)), x)
}

/** The square root of the variance; its gradient is 0 where all values are equal. */
export const standardDeviation: Reduction = func(
  'standardDeviation(x, axis, options)',
  REDUCE_OPTIONS,
  (x: TensorLike, axis?: number | readonly number[], options?: ReduceOptions) => root(variance(x, axis, options)),
)

export interface NormOptions<Keep extends boolean = boolean> extends ReduceOptions<Keep> {
  /** (Σ|x|^ord)^(1/ord); Infinity: the largest |x|. Default 2. */
  ord?: number
}

const NORM_OPTIONS: OptionTable<NormOptions> = { ...REDUCE_OPTIONS, ord: 'any' }

/** The length of the vectors along the axes (default: of all values); its gradient is 0 at 0. */
export const norm: <X extends TensorLike, const A extends number | readonly number[] | undefined = undefined, Keep extends boolean = false>(
  x: X & AxisCheck<ShapeOf<X>, A>,
  axis?: A,
  options?: NormOptions<Keep>,
) => Result<Reduced<ShapeOf<X>, A, Keep>, UnaryDType<'float', DTypeOf<X>>> = func(
  'norm(x, axis, options)',
  NORM_OPTIONS,
  (x: TensorLike, axis?: number | readonly number[], { ord = 2, keepDims = false }: NormOptions = {}): Tensor => {
    const source = single('norm', x, 'float')
    const axes = axesOf('norm', axis, source.rank)
    if (typeof ord !== 'number' || !(ord >= 1))
      throw new WeftError('ERR_ARGUMENT', `norm: ord must be a number of at least 1, got ${show(ord)}`, { op: 'norm' })
    if (ord === 2) return root(sum(square(source), axes, { keepDims }))
    const size = abs(source)
    if (ord === 1) return sum(size, axes, { keepDims })
    if (ord === Number.POSITIVE_INFINITY) return max(size, axes, { keepDims })
    const total = sum(pow(size, ord), axes, { keepDims })
    const positive = greater(total, 0)
    return where(positive, pow(where(positive, total, 1), 1 / ord), total)
  },
)

/**
 * log Σ eˣ, without overflow. -infinity counts nothing and has slope 0; over nothing else the value is -infinity. With
 * +infinity the value is that too; its slope, ∞ - ∞, is NaN, and 0 at the other values. As PyTorch's.
 */
export const logSumExp: Reduction = func(
  'logSumExp(x, axis, options)',
  REDUCE_OPTIONS,
  (x: TensorLike, axis?: number | readonly number[], options?: ReduceOptions) => {
    const source = single('logSumExp', x, 'float')
    const keepDims = options?.keepDims ?? false
    const axes = axesOf('logSumExp', axis, source.rank)
    const largest = stopGradient(max(source, axes, { keepDims: true }))
    const shift = where(isFinite(largest), largest, 0)
    const total = sum(exp(sub(source, shift)), axes, { keepDims: true })
    // the logarithm of nothing, where all are -infinity, has slope 0
    const empty = equal(total, 0)
    const result = where(empty, Number.NEGATIVE_INFINITY, add(log(where(empty, 1, total)), shift))
    return keepDims ? result : reshape(result, reducedShape(source.shape, axes, false))
  },
)

methods({ variance, standardDeviation, norm, logSumExp, moments })

declare module '../core/tensor.js' {
  interface TensorMethods {
    variance: ReductionMethod
    standardDeviation: ReductionMethod
    logSumExp: ReductionMethod
    norm<X extends Tensor, const A extends number | readonly number[] | undefined = undefined, Keep extends boolean = false>(
      this: X & AxisCheck<ShapeOf<X>, A>,
      axis?: A,
      options?: NormOptions<Keep>,
    ): Result<Reduced<ShapeOf<X>, A, Keep>, UnaryDType<'float', DTypeOf<X>>>
    moments: Method<typeof moments>
  }
}
