// Random tensors: Philox4x32-10 (Salmon et al. 2011), equal bits on every device. The state says which numbers; see
// lib/core/random.ts.
import { applyOne } from '../core/apply.js'
import { checkShape, isInteger } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { advance, callState } from '../core/random.js'
import { drawnForRows } from '../core/share.js'
import { type DType, isFloat, type Shape, type Spec } from '../core/spec.js'
import type { KnownDType, KnownShape } from '../core/tensor_types.js'
import { func } from '../core/symbolic.js'
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

export const RandomUniform: Op<RangeAttrs> = registerOp<RangeAttrs>({ name: 'randomUniform', noGradient: true, shape: described })
export const RandomNormal: Op<NormalAttrs> = registerOp<NormalAttrs>({ name: 'randomNormal', noGradient: true, shape: described })
export const TruncatedNormal: Op<NormalAttrs> = registerOp<NormalAttrs>({ name: 'truncatedNormal', noGradient: true, shape: described })
export const RandomInteger: Op<RangeAttrs> = registerOp<RangeAttrs>({ name: 'randomInteger', noGradient: true, shape: described })
export const Bernoulli: Op<BernoulliAttrs> = registerOp<BernoulliAttrs>({ name: 'bernoulli', noGradient: true, shape: described })

export interface RandomOptions {
  /** Default float32. */
  dtype?: DType
  /** The same numbers at every call. Default: new ones, reproducible after setSeed(). */
  seed?: number
  /** int32 [3]: draws from this state instead; the state of a layer, a Variable, moves on by itself. */
  state?: Tensor
}

export interface UniformOptions extends RandomOptions {
  /** The smallest value. Default 0. */
  low?: number
  /** Above the largest value. Default 1. */
  high?: number
}
export type DrawOptions = Omit<RandomOptions, 'dtype'>
const DRAW_OPTIONS: OptionTable<DrawOptions> = { seed: 'any', state: 'object' }
const UNIFORM_OPTIONS: OptionTable<UniformOptions> = { ...DRAW_OPTIONS, dtype: 'any', low: 'any', high: 'any' }
const NORMAL_OPTIONS: OptionTable<NormalOptions> = { ...DRAW_OPTIONS, dtype: 'any', mean: 'any', deviation: 'any' }

function stateOf(op: string, { seed, state }: RandomOptions): Tensor {
  if (state === undefined) return callState(seed)
  if (state.dtype !== 'int32' || state.size !== 3) {
    throw new WeftError('ERR_ARGUMENT', `${op}: the state must be int32 [3], got ${state.dtype} [${state.shape}]`, {
      op,
      hint: 'It holds the seed, the stream and the offset, as in tensor(new Int32Array([1, 0, 0]))',
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

/** Draws floats of a shape. */
type Drawn<O extends RandomOptions> = <const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  options?: O & { dtype?: D },
) => Tensor<KnownShape<S>, KnownDType<D>>

/** Uniform in [low, high): by default [0, 1). */
export const randomUniform: Drawn<UniformOptions> = func('randomUniform(shape, options)', UNIFORM_OPTIONS, (shape, options = {}) => {
  const op = 'randomUniform'
  checkShape(op, shape)
  const { low = 0, high = 1 } = options
  range(op, low, high)
  const dtype = floatDType(op, options.dtype)
  const state = stateOf(op, options)
  const drawn = drawnForRows(shape, (whole) =>
    applyOne(RandomUniform, [state], { low, high, shape: whole, dtype: dtype === 'float64' ? dtype : 'float32' }),
  )
  return dtype === drawn.dtype ? drawn : cast(drawn, dtype)
})

export interface NormalOptions extends RandomOptions {
  /** Default 0. */
  mean?: number
  /** Standard deviation. Default 1. */
  deviation?: number
}

function normal(op: Op<NormalAttrs>): Drawn<NormalOptions> {
  return func(`${op.name}(shape, options)`, NORMAL_OPTIONS, (shape, options = {}) => {
    checkShape(op.name, shape)
    const { mean = 0, deviation = 1 } = options
    numberOf(op.name, 'mean', mean)
    if (!(numberOf(op.name, 'deviation', deviation) >= 0))
      throw new WeftError('ERR_ARGUMENT', `${op.name}: deviation ${deviation} is negative`, { op: op.name })
    const [state, dtype] = [stateOf(op.name, options), floatDType(op.name, options.dtype)]
    return drawnForRows(shape, (whole) => applyOne(op, [state], { mean, deviation, shape: whole, dtype }))
  })
}

/** Normally distributed: by default with mean 0 and deviation 1. */
export const randomNormal: Drawn<NormalOptions> = normal(RandomNormal)

/** Normally distributed, values more than two deviations from the mean drawn again. */
export const truncatedNormal: Drawn<NormalOptions> = normal(TruncatedNormal)

/** Integers in [low, high), int32. */
export const randomInteger: <const S extends Shape>(
  shape: S,
  low: number,
  high: number,
  options?: DrawOptions,
) => Tensor<KnownShape<S>, 'int32'> = func('randomInteger(shape, low, high, options)', DRAW_OPTIONS, (shape, low, high, options = {}) => {
  const op = 'randomInteger'
  checkShape(op, shape)
  if (!isInteger(low, -(2 ** 31)) || !isInteger(high, low + 1, 2 ** 31)) {
    throw new WeftError('ERR_ARGUMENT', `${op}: needs integers low < high of 32 bits, got ${low} and ${high}`, { op })
  }
  const state = stateOf(op, options)
  return drawnForRows(shape, (whole) => applyOne(RandomInteger, [state], { low, high, shape: whole, dtype: 'int32' }))
})

/** Bools, true with probability p. */
export const bernoulli: <const S extends Shape>(shape: S, p?: number, options?: DrawOptions) => Tensor<KnownShape<S>, 'bool'> = func(
  'bernoulli(shape, p, options)',
  DRAW_OPTIONS,
  (shape, p = 0.5, options = {}) => {
    const op = 'bernoulli'
    checkShape(op, shape)
    if (!(numberOf(op, 'p', p) >= 0 && p <= 1)) throw new WeftError('ERR_ARGUMENT', `${op}: a probability is in [0, 1], got ${p}`, { op })
    const state = stateOf(op, options)
    return drawnForRows(shape, (whole) => applyOne(Bernoulli, [state], { p, shape: whole, dtype: 'bool' }))
  },
)
