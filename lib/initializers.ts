// Initializers: first values of weights, as Keras 3 defines them.
import { tensor } from './core/apply.js'
import { withDevice } from './core/device.js'
import { checkOptions, WeftError } from './core/error.js'
import { type Named, type NamedLike, named } from './core/named.js'
import { type DType, type Shape, sizeOf } from './core/op.js'
import { eye, full, mul, ones as onesOf, zeros as zerosOf } from './ops/index.js'
import { randomNormal as normal, randomUniform as uniform, truncatedNormal as truncated } from './ops/random.js'
import type { Tensor } from './core/tensor.js'

export type InitializerFunction = (shape: Shape, dtype?: DType) => Tensor
export type Initializer = Named<InitializerFunction>
export type InitializerLike = NamedLike<InitializerFunction>

export interface Seeded {
  /** Fixes the values; by default they follow setSeed(). */
  seed?: number
}

const seedOf = ({ seed }: Seeded): Seeded => (seed === undefined ? {} : { seed })

/** Inputs and outputs of one unit: of a kernel [kh, kw, in, out], in·kh·kw and out·kh·kw. */
function fans(shape: Shape): [number, number] {
  if (shape.length === 0) return [1, 1]
  if (shape.length === 1) return [shape[0]!, shape[0]!]
  const field = sizeOf(shape.slice(0, -2))
  return [shape.at(-2)! * field, shape.at(-1)! * field]
}

/** All 0. */
export const zeros = (): Initializer => named('Zeros', {}, (shape: Shape, dtype: DType = 'float32') => zerosOf(shape, { dtype }))

/** All 1. */
export const ones = (): Initializer => named('Ones', {}, (shape: Shape, dtype: DType = 'float32') => onesOf(shape, { dtype }))

/** All `value`, 0 by default. */
export const constant = (config: { value?: number } = {}): Initializer => {
  checkOptions('initializers.constant', config, ['value'])
  return named('Constant', config, (shape: Shape, dtype: DType = 'float32') => full(shape, config.value ?? 0, { dtype }))
}

/** Uniform in [minValue, maxValue), by default ±0.05. */
export const randomUniform = (config: { minValue?: number; maxValue?: number } & Seeded = {}): Initializer => {
  checkOptions('initializers.randomUniform', config, ['minValue', 'maxValue', 'seed'])
  const { minValue = -0.05, maxValue = 0.05 } = config
  return named('RandomUniform', config, (shape: Shape, dtype: DType = 'float32') =>
    uniform(shape, { low: minValue, high: maxValue, dtype, ...seedOf(config) }),
  )
}

/** Normal; mean 0 and standard deviation 0.05 by default. */
export const randomNormal = (config: { mean?: number; stddev?: number } & Seeded = {}): Initializer => {
  checkOptions('initializers.randomNormal', config, ['mean', 'stddev', 'seed'])
  const { mean = 0, stddev = 0.05 } = config
  return named('RandomNormal', config, (shape: Shape, dtype: DType = 'float32') =>
    normal(shape, { mean, deviation: stddev, dtype, ...seedOf(config) }),
  )
}

/** Normal, redrawn beyond two standard deviations; mean 0, standard deviation 0.05 by default. */
export const truncatedNormal = (config: { mean?: number; stddev?: number } & Seeded = {}): Initializer => {
  checkOptions('initializers.truncatedNormal', config, ['mean', 'stddev', 'seed'])
  const { mean = 0, stddev = 0.05 } = config
  return named('TruncatedNormal', config, (shape: Shape, dtype: DType = 'float32') =>
    truncated(shape, { mean, deviation: stddev, dtype, ...seedOf(config) }),
  )
}

type Mode = 'fanIn' | 'fanOut' | 'fanAvg'
type Distribution = 'truncatedNormal' | 'untruncatedNormal' | 'uniform'

/** Standard deviation of a standard normal that is truncated at ±2. */
const TRUNCATED_DEVIATION = 0.87962566103423978

function scaled(shape: Shape, dtype: DType, scale: number, mode: Mode, distribution: Distribution, seed: Seeded): Tensor {
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

/** Variance scale / n, where n is fanIn, fanOut or their mean. */
export const varianceScaling = (config: { scale?: number; mode?: Mode; distribution?: Distribution } & Seeded = {}): Initializer => {
  checkOptions('initializers.varianceScaling', config, ['scale', 'mode', 'distribution', 'seed'])
  const { scale = 1, mode = 'fanIn', distribution = 'truncatedNormal' } = config
  if (!(scale > 0)) throw new WeftError('ERR_ARGUMENT', `initializers.varianceScaling: scale must be positive, got ${scale}`)
  if (!['fanIn', 'fanOut', 'fanAvg'].includes(mode))
    throw new WeftError('ERR_ARGUMENT', `initializers.varianceScaling: mode must be fanIn, fanOut or fanAvg, got '${mode}'`)
  if (!['truncatedNormal', 'untruncatedNormal', 'uniform'].includes(distribution)) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `initializers.varianceScaling: distribution must be truncatedNormal, untruncatedNormal or uniform, got '${distribution}'`,
    )
  }
  return named('VarianceScaling', config, (shape: Shape, dtype: DType = 'float32') =>
    scaled(shape, dtype, scale, mode, distribution, seedOf(config)),
  )
}

const scaling =
  (className: string, scale: number, mode: Mode, distribution: Distribution) =>
  (config: Seeded = {}): Initializer => {
    checkOptions(`initializers.${className}`, config, ['seed'])
    return named(className, config, (shape: Shape, dtype: DType = 'float32') =>
      scaled(shape, dtype, scale, mode, distribution, seedOf(config)),
    )
  }

/** Uniform with variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010). */
export const glorotUniform: (config?: Seeded) => Initializer = scaling('GlorotUniform', 1, 'fanAvg', 'uniform')
/** Truncated normal with variance 2 / (fanIn + fanOut). */
export const glorotNormal: (config?: Seeded) => Initializer = scaling('GlorotNormal', 1, 'fanAvg', 'truncatedNormal')
/** Uniform with variance 2 / fanIn (He et al. 2015). */
export const heUniform: (config?: Seeded) => Initializer = scaling('HeUniform', 2, 'fanIn', 'uniform')
/** Truncated normal with variance 2 / fanIn. */
export const heNormal: (config?: Seeded) => Initializer = scaling('HeNormal', 2, 'fanIn', 'truncatedNormal')
/** Uniform with variance 1 / fanIn (LeCun et al. 1998). */
export const lecunUniform: (config?: Seeded) => Initializer = scaling('LecunUniform', 1, 'fanIn', 'uniform')
/** Truncated normal with variance 1 / fanIn. */
export const lecunNormal: (config?: Seeded) => Initializer = scaling('LecunNormal', 1, 'fanIn', 'truncatedNormal')

/** Orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al. 2014). */
export const orthogonal = (config: { gain?: number } & Seeded = {}): Initializer => {
  checkOptions('initializers.orthogonal', config, ['gain', 'seed'])
  return named('Orthogonal', config, (shape: Shape, dtype: DType = 'float32') => {
    if (shape.length < 2)
      throw new WeftError('ERR_SHAPE', `initializers.orthogonal: needs at least two axes, got shape [${shape}]`, { shapes: [shape] })
    const columns = shape.at(-1)!
    const rows = sizeOf(shape.slice(0, -1))
    const [long, short] = [Math.max(rows, columns), Math.min(rows, columns)]
    const values = withDevice('cpu', () => normal([long, short], { mean: 0, deviation: 1, dtype: 'float64', ...seedOf(config) }))
    const q = orthonormalColumns(values.dataSync() as Float64Array, long, short)
    values.dispose()
    const gain = config.gain ?? 1
    const result = new Float64Array(rows * columns)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) result[i * columns + j] = gain * (rows >= columns ? q[i * short + j]! : q[j * short + i]!)
    return tensor(result, { shape, dtype })
  })
}

/** Q of the QR decomposition of a [rows, columns], rows ≥ columns, with R's diagonal positive: Gram-Schmidt, each column orthogonalized twice for full precision. */
function orthonormalColumns(a: Float64Array, rows: number, columns: number): Float64Array {
  const q = Float64Array.from(a)
  for (let j = 0; j < columns; j++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        let along = 0
        for (let i = 0; i < rows; i++) along += q[i * columns + k]! * q[i * columns + j]!
        for (let i = 0; i < rows; i++) q[i * columns + j]! -= along * q[i * columns + k]!
      }
    }
    let squares = 0
    for (let i = 0; i < rows; i++) squares += q[i * columns + j]! ** 2
    const length = Math.sqrt(squares)
    for (let i = 0; i < rows; i++) q[i * columns + j]! /= length
  }
  return q
}

/** The identity matrix times `gain`; for matrices. */
export const identity = (config: { gain?: number } = {}): Initializer => {
  checkOptions('initializers.identity', config, ['gain'])
  return named('Identity', config, (shape: Shape, dtype: DType = 'float32') => {
    if (shape.length !== 2)
      throw new WeftError('ERR_SHAPE', `initializers.identity: only for matrices, got shape [${shape}]`, { shapes: [shape] })
    return mul(eye(shape[0]!, shape[1]!, { dtype }), config.gain ?? 1)
  })
}
