// Tensors of TensorFlow.js' making: tensor1d, scalar, fill, range, randomNormal, ...
import { WeftError } from '../core/error.js'
import type { Shape } from '../core/spec.js'
import { Tensor, type TensorLike, type Variable } from '../core/tensor.js'
import { variable as weftVariable } from '../core/variable.js'
import * as ops from '../ops/index.js'
import { type DataType, dtypeOf, make, type Values } from './dtypes.js'
import { remember } from './gradients.js'

/** A tensor of values; `shape` for flat ones. */
export const tensor = (values: Values | Tensor, shape?: Shape, dtype?: DataType): Tensor => make('tensor', values, shape, dtype)
/** A tensor of no axes. */
export const scalar = (value: number | boolean, dtype?: DataType): Tensor => make('scalar', value, [], dtype)

const ofRank =
  (rank: number) =>
  (values: Values, shape?: Shape | DataType, dtype?: DataType): Tensor => {
    const name = `tensor${rank}d`
    // tensor1d has no shape: its second argument is the dtype
    const [form, kind] = rank === 1 ? [undefined, shape as DataType | undefined] : [shape as Shape | undefined, dtype]
    const made = make(name, values, form, kind)
    if (made.rank !== rank)
      throw new WeftError('ERR_SHAPE', `${name}: the values have shape [${made.shape}], ${rank} axes are expected`, {
        hint:
          form === undefined && rank > 1 ? `Write ${name}(values, [${Array(rank).fill('n').join(', ')}]) for flat values` : `Use tensor()`,
      })
    return made
  }
/** A tensor of one axis. */
export const tensor1d = ofRank(1) as (values: Values, dtype?: DataType) => Tensor
/** A tensor of two axes; flat values need the shape. */
export const tensor2d = ofRank(2) as (values: Values, shape?: Shape, dtype?: DataType) => Tensor
/** A tensor of three axes; flat values need the shape. */
export const tensor3d = ofRank(3) as typeof tensor2d
/** A tensor of four axes; flat values need the shape. */
export const tensor4d = ofRank(4) as typeof tensor2d
/** A tensor of five axes; flat values need the shape. */
export const tensor5d = ofRank(5) as typeof tensor2d
/** A tensor of six axes; flat values need the shape. */
export const tensor6d = ofRank(6) as typeof tensor2d

export const zeros = (shape: Shape, dtype?: DataType): Tensor => ops.zeros([...shape], { dtype: dtypeOf('zeros', dtype) })
export const ones = (shape: Shape, dtype?: DataType): Tensor => ops.ones([...shape], { dtype: dtypeOf('ones', dtype) })
/** Every element `value`. */
export const fill = (shape: Shape, value: number, dtype?: DataType): Tensor =>
  ops.full([...shape], value, { dtype: dtypeOf('fill', dtype) })
/** The identity matrix, repeated over the axes of batchShape. */
export function eye(numRows: number, numColumns?: number, batchShape: Shape = [], dtype?: DataType): Tensor {
  const one = ops.eye(numRows, numColumns ?? numRows, { dtype: dtypeOf('eye', dtype) })
  return batchShape.length === 0 ? one : ops.broadcastTo(one, [...batchShape, ...one.shape])
}
/** start, start + step, ... up to and without stop; downwards where stop is below start. */
export function range(start: number, stop: number, step: number = start <= stop ? 1 : -1, dtype?: DataType): Tensor {
  if (step === 0 || !Number.isFinite(step)) throw new WeftError('ERR_ARGUMENT', `range: step cannot be ${step}`)
  checkCount('range', (stop - start) / step)
  return make(
    'range',
    Float32Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, i) => start + i * step),
    undefined,
    dtype ?? 'float32',
  )
}
/** The most values of a list that is made here. */
const MOST = 2 ** 28
function checkCount(what: string, count: number): void {
  if (!(count <= MOST)) throw new WeftError('ERR_ARGUMENT', `${what}: ${count} values are too many, the most are ${MOST}`)
}
/** `num` numbers from start to stop, both included. */
export function linspace(start: number, stop: number, num: number): Tensor {
  if (!Number.isInteger(num) || num <= 0) throw new WeftError('ERR_ARGUMENT', `linspace: num must be a positive integer, got ${num}`)
  checkCount('linspace', num)
  return make(
    'linspace',
    Float32Array.from({ length: num }, (_, i) => (num === 1 ? start : start + ((stop - start) * i) / (num - 1))),
    undefined,
    'float32',
  )
}

const seeded = (seed: number | undefined): { seed?: number } => (seed === undefined ? {} : { seed })
/** Numbers of the other generator than in TensorFlow.js: the same seed gives other numbers there. */
export const randomNormal = (shape: Shape, mean = 0, stdDev = 1, dtype?: DataType, seed?: number): Tensor =>
  ops.randomNormal([...shape], { mean, deviation: stdDev, ...seeded(seed) }).cast(dtypeOf('randomNormal', dtype))
/** Normal numbers within two standard deviations. */
export const truncatedNormal = (shape: Shape, mean = 0, stdDev = 1, dtype?: DataType, seed?: number): Tensor =>
  ops.truncatedNormal([...shape], { mean, deviation: stdDev, ...seeded(seed) }).cast(dtypeOf('truncatedNormal', dtype))
/** From minval to and without maxval; whole numbers with the dtype 'int32'. */
export function randomUniform(shape: Shape, minval = 0, maxval = 1, dtype?: DataType, seed?: number): Tensor {
  const kind = dtypeOf('randomUniform', dtype)
  const drawn = ops.randomUniform([...shape], { low: minval, high: maxval, ...seeded(seed) })
  return kind === 'float32' ? drawn : ops.floor(drawn).cast(kind)
}
/** Whole numbers from minval to and without maxval. */
export const randomUniformInt = (shape: Shape, minval: number, maxval: number, seed?: number): Tensor =>
  randomUniform(shape, minval, maxval, 'int32', seed)

let variables = 0
/** A variable with a copy of the value; without a name it gets one that no other has. */
export function variable(initial: Tensor, trainable: boolean = true, name: string = `variable_${variables++}`, dtype?: DataType): Variable {
  return remember(weftVariable(initial, { trainable, name, ...(dtype === undefined ? {} : { dtype }) }))
}
export const oneHot = (indices: TensorLike, depth: number, onValue = 1, offValue = 0, dtype: DataType = 'int32'): Tensor =>
  ops.oneHot(indices, depth, { on: onValue, off: offValue, dtype })
/** A copy. */
export const clone = (x: TensorLike): Tensor => ops.identity(x)
