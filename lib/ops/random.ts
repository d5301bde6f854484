// Random tensors: Philox4x32-10 (Salmon et al. 2011), equal bits on every device. The state says which numbers; see lib/core/random.ts.
import { applyOne, checkShape } from '../core/apply.js'
import { checkOptions, WeftError } from '../core/error.js'
import { type DType, isFloat, type Op, registerOp, type Shape, type Spec } from '../core/op.js'
import { advance, callState } from '../core/random.js'
import { type Tensor, Variable } from '../core/tensor.js'
import { cast } from './cast.js'
import { numberOf } from './operands.js'

type Result = { readonly shape: readonly number[]; readonly dtype: DType }
type RangeAttrs = Result & { readonly low: number; readonly high: number }
type NormalAttrs = Result & { readonly mean: number; readonly deviation: number }
type BernoulliAttrs = Result & { readonly p: number }

function described(_: readonly Spec[], { shape, dtype }: Result): Spec[] {
  return [{ shape, dtype }]
}

export const RandomUniform: Op<RangeAttrs> = registerOp<RangeAttrs>({ name: 'randomUniform', shape: described })
export const RandomNormal: Op<NormalAttrs> = registerOp<NormalAttrs>({ name: 'randomNormal', shape: described })
export const TruncatedNormal: Op<NormalAttrs> = registerOp<NormalAttrs>({ name: 'truncatedNormal', shape: described })
export const RandomInteger: Op<RangeAttrs> = registerOp<RangeAttrs>({ name: 'randomInteger', shape: described })
export const Bernoulli: Op<BernoulliAttrs> = registerOp<BernoulliAttrs>({ name: 'bernoulli', shape: described })

export interface RandomOptions {
  /** Default float32. */
  dtype?: DType
  /** The same numbers at every call. Default: new ones, reproducible after setSeed(). */
  seed?: number
  /** int32 [3]: draws from this state instead; a variable made by randomState() moves on by itself. */
  state?: Tensor
}

const COMMON = ['dtype', 'seed', 'state']

function stateOf(op: string, { seed, state }: RandomOptions): Tensor {
  if (state === undefined) return callState(seed)
  if (state.dtype !== 'int32' || state.size !== 3) {
    throw new WeftError('ERR_ARGUMENT', `${op}: the state must be int32 [3], got ${state.dtype} [${state.shape}]`, {
      op,
      hint: 'Make it with randomState()',
    })
  }
  return state instanceof Variable ? advance(state) : state
}

function floatDType(op: string, dtype: DType = 'float32'): DType {
  if (isFloat(dtype)) return dtype
  throw new WeftError('ERR_DTYPE', `${op}: makes floats, not ${dtype}`, { op, hint: 'Use randomInteger() or bernoulli()' })
}

function range(op: string, low: number, high: number): void {
  if (!(numberOf(op, 'low', low) <= numberOf(op, 'high', high)))
    throw new WeftError('ERR_ARGUMENT', `${op}: low ${low} is above high ${high}`, { op })
}

/** Uniform in [low, high): by default [0, 1). */
export const randomUniform: (shape: Shape, options?: RandomOptions & { low?: number; high?: number }) => Tensor = (shape, options = {}) => {
  const op = 'randomUniform'
  checkOptions(op, options, [...COMMON, 'low', 'high'])
  checkShape(op, shape)
  const { low = 0, high = 1 } = options
  range(op, low, high)
  const dtype = floatDType(op, options.dtype)
  const drawn = applyOne(RandomUniform, [stateOf(op, options)], { low, high, shape, dtype: dtype === 'float64' ? dtype : 'float32' })
  return dtype === drawn.dtype ? drawn : cast(drawn, dtype)
}

export interface NormalOptions extends RandomOptions {
  /** Default 0. */
  mean?: number
  /** Standard deviation. Default 1. */
  deviation?: number
}

function normal(op: Op<NormalAttrs>): (shape: Shape, options?: NormalOptions) => Tensor {
  return (shape, options = {}) => {
    checkOptions(op.name, options, [...COMMON, 'mean', 'deviation'])
    checkShape(op.name, shape)
    const { mean = 0, deviation = 1 } = options
    numberOf(op.name, 'mean', mean)
    if (!(numberOf(op.name, 'deviation', deviation) >= 0))
      throw new WeftError('ERR_ARGUMENT', `${op.name}: deviation ${deviation} is negative`, { op: op.name })
    return applyOne(op, [stateOf(op.name, options)], { mean, deviation, shape, dtype: floatDType(op.name, options.dtype) })
  }
}

/** Normally distributed: by default with mean 0 and deviation 1. */
export const randomNormal: (shape: Shape, options?: NormalOptions) => Tensor = normal(RandomNormal)

/** Normally distributed, values more than two deviations from the mean drawn again. */
export const truncatedNormal: (shape: Shape, options?: NormalOptions) => Tensor = normal(TruncatedNormal)

/** Integers in [low, high), int32. */
export const randomInteger: (shape: Shape, low: number, high: number, options?: Omit<RandomOptions, 'dtype'>) => Tensor = (
  shape,
  low,
  high,
  options = {},
) => {
  const op = 'randomInteger'
  checkOptions(op, options, ['seed', 'state'])
  checkShape(op, shape)
  if (!Number.isInteger(low) || !Number.isInteger(high) || low >= high || low < -(2 ** 31) || high > 2 ** 31) {
    throw new WeftError('ERR_ARGUMENT', `${op}: needs integers low < high of 32 bits, got ${low} and ${high}`, { op })
  }
  return applyOne(RandomInteger, [stateOf(op, options)], { low, high, shape, dtype: 'int32' })
}

/** Bools, true with probability p. */
export const bernoulli: (shape: Shape, p?: number, options?: Omit<RandomOptions, 'dtype'>) => Tensor = (shape, p = 0.5, options = {}) => {
  const op = 'bernoulli'
  checkOptions(op, options, ['seed', 'state'])
  checkShape(op, shape)
  if (!(numberOf(op, 'p', p) >= 0 && p <= 1)) throw new WeftError('ERR_ARGUMENT', `${op}: a probability is in [0, 1], got ${p}`, { op })
  return applyOne(Bernoulli, [stateOf(op, options)], { p, shape, dtype: 'bool' })
}
