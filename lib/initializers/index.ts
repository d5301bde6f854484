// Initializers: first values of weights, as Keras 3 defines them.
import { type DType, type Shape, sizeOf } from '../core/spec.js'
import { device, withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { factoryName, type Named, named, type NamedLike } from '../core/named.js'
import { tidy } from '../core/tidy.js'
import { eye, full, mul, ones as onesOf, transpose, zeros as zerosOf } from '../ops/index.js'
import { orthonormalRows } from '../ops/orthonormal.js'
import { randomNormal as normal, randomUniform as uniform, truncatedNormal as truncated } from '../ops/random.js'
import type { Tensor } from '../core/tensor.js'

export type InitializerFunction = (shape: Shape, dtype?: DType) => Tensor
export type Initializer = Named<InitializerFunction>
export type InitializerName = keyof typeof import('./index.js')
export type InitializerLike = NamedLike<InitializerFunction, InitializerName>

export interface SeedOptions {
  /** Fixes the values; by default they follow setSeed(). */
  seed?: number
}

const SEED_OPTIONS: OptionTable<SeedOptions> = { seed: 'number' }
const seedOf = ({ seed }: SeedOptions): SeedOptions => (seed === undefined ? {} : { seed })

/** Inputs and outputs of one unit: of a kernel [kh, kw, in, out], in·kh·kw and out·kh·kw. */
function fans(shape: Shape): [number, number] {
  if (shape.length === 0) return [1, 1]
  if (shape.length === 1) return [shape[0]!, shape[0]!]
  const field = sizeOf(shape.slice(0, -2))
  return [shape.at(-2)! * field, shape.at(-1)! * field]
}

/** All 0. */
export function zeros(_options?: Record<string, never>): Initializer {
  checkCall('initializers.zeros(options)', arguments, {})
  return named('Zeros', {}, (shape: Shape, dtype: DType = 'float32') => zerosOf(shape, { dtype }))
}

/** All 1. */
export function ones(_options?: Record<string, never>): Initializer {
  checkCall('initializers.ones(options)', arguments, {})
  return named('Ones', {}, (shape: Shape, dtype: DType = 'float32') => onesOf(shape, { dtype }))
}

export interface ConstantOptions {
  /** Default 0. */
  value?: number
}
const CONSTANT_OPTIONS: OptionTable<ConstantOptions> = { value: 'number' }

/** All `value`, 0 by default. */
export function constant(config: ConstantOptions = {}): Initializer {
  checkCall('initializers.constant(options)', arguments, CONSTANT_OPTIONS)
  return named('Constant', config, (shape: Shape, dtype: DType = 'float32') => full(shape, config.value ?? 0, { dtype }))
}

export interface RandomUniformOptions extends SeedOptions {
  /** The least value. Default -0.05. */
  minValue?: number
  /** All values are below it. Default 0.05. */
  maxValue?: number
}
const RANDOM_UNIFORM_OPTIONS: OptionTable<RandomUniformOptions> = { minValue: 'number', maxValue: 'number', seed: 'number' }

/** Uniform in [minValue, maxValue), by default ±0.05. */
export function randomUniform(config: RandomUniformOptions = {}): Initializer {
  checkCall('initializers.randomUniform(options)', arguments, RANDOM_UNIFORM_OPTIONS)
  const { minValue = -0.05, maxValue = 0.05 } = config
  return named('RandomUniform', config, (shape: Shape, dtype: DType = 'float32') =>
    uniform(shape, { low: minValue, high: maxValue, dtype, ...seedOf(config) }),
  )
}

export interface RandomNormalOptions extends SeedOptions {
  /** Default 0. */
  mean?: number
  /** Standard deviation. Default 0.05. */
  stddev?: number
}
const RANDOM_NORMAL_OPTIONS: OptionTable<RandomNormalOptions> = { stddev: 'number', mean: 'number', seed: 'number' }

/** Normal; mean 0 and standard deviation 0.05 by default. */
export function randomNormal(config: RandomNormalOptions = {}): Initializer {
  checkCall('initializers.randomNormal(options)', arguments, RANDOM_NORMAL_OPTIONS)
  const { mean = 0, stddev = 0.05 } = config
  return named('RandomNormal', config, (shape: Shape, dtype: DType = 'float32') =>
    normal(shape, { mean, deviation: stddev, dtype, ...seedOf(config) }),
  )
}

/** Normal, redrawn beyond two standard deviations; mean 0, standard deviation 0.05 by default. */
export function truncatedNormal(config: RandomNormalOptions = {}): Initializer {
  checkCall('initializers.truncatedNormal(options)', arguments, RANDOM_NORMAL_OPTIONS)
  const { mean = 0, stddev = 0.05 } = config
  return named('TruncatedNormal', config, (shape: Shape, dtype: DType = 'float32') =>
    truncated(shape, { mean, deviation: stddev, dtype, ...seedOf(config) }),
  )
}

type Mode = 'fanIn' | 'fanOut' | 'fanAvg'
type Distribution = 'truncatedNormal' | 'untruncatedNormal' | 'uniform'

/** Standard deviation of a standard normal that is truncated at ±2. */
const TRUNCATED_DEVIATION = 0.87962566103423978

function scaled(shape: Shape, dtype: DType, scale: number, mode: Mode, distribution: Distribution, seed: SeedOptions): Tensor {
  const [fanIn, fanOut] = fans(shape)
  const fan = mode === 'fanIn' ? fanIn : mode === 'fanOut' ? fanOut : (fanIn + fanOut) / 2
  const variance = scale / Math.max(1, fan)
  if (distribution === 'uniform') {
    const limit = Math.sqrt(3 * variance)
    return uniform(shape, { low: -limit, high: limit, dtype, ...seed })
  }
  if (distribution === 'untruncatedNormal') return normal(shape, { mean: 0, deviation: Math.sqrt(variance), dtype, ...seed })
  return truncated(shape, { mean: 0, deviation: Math.sqrt(variance) / TRUNCATED_DEVIATION, dtype, ...seed })
}

export interface VarianceScalingOptions extends SeedOptions {
  /** Default 1. */
  scale?: number
  /** What the scale is divided by: the inputs of a unit, its outputs, or their mean. Default 'fanIn'. */
  mode?: Mode
  /** Default 'truncatedNormal'. */
  distribution?: Distribution
}
const VARIANCE_SCALING_OPTIONS: OptionTable<VarianceScalingOptions> = {
  scale: 'number',
  mode: ['fanIn', 'fanOut', 'fanAvg'],
  distribution: ['truncatedNormal', 'untruncatedNormal', 'uniform'],
  seed: 'number',
}

/** Variance scale / n, where n is fanIn, fanOut or their mean. */
export function varianceScaling(config: VarianceScalingOptions = {}): Initializer {
  checkCall('initializers.varianceScaling(options)', arguments, VARIANCE_SCALING_OPTIONS)
  const { scale = 1, mode = 'fanIn', distribution = 'truncatedNormal' } = config
  if (!(scale > 0)) throw new WeftError('ERR_ARGUMENT', `initializers.varianceScaling: scale must be positive, got ${scale}`)
  return named('VarianceScaling', config, (shape: Shape, dtype: DType = 'float32') =>
    scaled(shape, dtype, scale, mode, distribution, seedOf(config)),
  )
}

const scaling =
  (className: string, scale: number, mode: Mode, distribution: Distribution) =>
  (...given: [config?: SeedOptions]): Initializer => {
    checkCall(`initializers.${factoryName(className)}(options)`, given, SEED_OPTIONS)
    const [config = {}] = given
    return named(className, config, (shape: Shape, dtype: DType = 'float32') =>
      scaled(shape, dtype, scale, mode, distribution, seedOf(config)),
    )
  }

/** Uniform with variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010). */
export const glorotUniform: (config?: SeedOptions) => Initializer = scaling('GlorotUniform', 1, 'fanAvg', 'uniform')
/** Truncated normal with variance 2 / (fanIn + fanOut). */
export const glorotNormal: (config?: SeedOptions) => Initializer = scaling('GlorotNormal', 1, 'fanAvg', 'truncatedNormal')
/** Uniform with variance 2 / fanIn (He et al. 2015). */
export const heUniform: (config?: SeedOptions) => Initializer = scaling('HeUniform', 2, 'fanIn', 'uniform')
/** Truncated normal with variance 2 / fanIn. */
export const heNormal: (config?: SeedOptions) => Initializer = scaling('HeNormal', 2, 'fanIn', 'truncatedNormal')
/** Uniform with variance 1 / fanIn (LeCun et al. 1998). */
export const lecunUniform: (config?: SeedOptions) => Initializer = scaling('LecunUniform', 1, 'fanIn', 'uniform')
/** Truncated normal with variance 1 / fanIn. */
export const lecunNormal: (config?: SeedOptions) => Initializer = scaling('LecunNormal', 1, 'fanIn', 'truncatedNormal')

export interface OrthogonalOptions extends SeedOptions {
  /** Factor of the values. Default 1. */
  gain?: number
}
const ORTHOGONAL_OPTIONS: OptionTable<OrthogonalOptions> = { gain: 'number', seed: 'number' }

/** Orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al. 2014). */
export function orthogonal(config: OrthogonalOptions = {}): Initializer {
  checkCall('initializers.orthogonal(options)', arguments, ORTHOGONAL_OPTIONS)
  return named('Orthogonal', config, (shape: Shape, dtype: DType = 'float32') => {
    if (shape.length < 2)
      throw new WeftError('ERR_SHAPE', `initializers.orthogonal: needs at least two axes, got shape [${shape}]`, { shapes: [shape] })
    const columns = shape.at(-1)!
    const rows = sizeOf(shape.slice(0, -1))
    const where = device()
    return withDevice('cpu', () =>
      tidy(() => {
        const drawn = normal([rows, columns], { mean: 0, deviation: 1, dtype: dtype === 'float64' ? dtype : 'float32', ...seedOf(config) })
        const values = (rows < columns ? orthonormalRows(drawn) : transpose(orthonormalRows(transpose(drawn)))).reshape(shape)
        const { gain = 1 } = config
        return (gain === 1 ? values : values.mul(gain)).to(where).cast(dtype)
      }),
    )
  })
}

export interface IdentityOptions {
  /** Factor of the values. Default 1. */
  gain?: number
}
const IDENTITY_OPTIONS: OptionTable<IdentityOptions> = { gain: 'number' }

/** The identity matrix times `gain`; for matrices. */
export function identity(config: IdentityOptions = {}): Initializer {
  checkCall('initializers.identity(options)', arguments, IDENTITY_OPTIONS)
  return named('Identity', config, (shape: Shape, dtype: DType = 'float32') => {
    if (shape.length !== 2)
      throw new WeftError('ERR_SHAPE', `initializers.identity: only for matrices, got shape [${shape}]`, { shapes: [shape] })
    return mul(eye(shape[0]!, shape[1]!, { dtype }), config.gain ?? 1)
  })
}
