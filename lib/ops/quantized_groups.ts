// Weights of 4 or 8 bits with a scale for each group of rows, and products of floats with them.
// Tested in test/ops/quantized.test.ts.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { type OptionTable, show } from '../core/options.js'
import { sizeOf } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add, floorDiv, mod, mul, sub } from './arithmetic.js'
import { cast } from './cast.js'
import { stack } from './concat.js'
import { checkRank, integerOf, operands } from './operands.js'
import { pad } from './pad.js'
import { reshape } from './reshape.js'
import { slice } from './slice.js'

type GroupedAttrs = { readonly bits: number; readonly groupSize: number; readonly units: number }

/** (x [m, k], w, scale [groups, n], bias?) → [m, n] */
export const GroupedDense: Op<GroupedAttrs> = registerOp<GroupedAttrs>({
  name: 'groupedDense',
  noGradient: true,
  shape: ([x], { units }) => [{ shape: [x!.shape[0]!, units], dtype: 'float32' }],
})

export interface GroupedDenseOptions {
  /** Bits of a weight. */
  bits: 4 | 8
  /** Consecutive rows of w that share a scale in each column. */
  groupSize: 32 | 64 | 128
  /** float32 [ceil(k / groupSize), n]. */
  scale: TensorLike
  /** float32 [n]. Default: none. */
  bias?: TensorLike
  /** Rows of the weights: inputs. */
  k: number
  /** Columns of the weights: outputs. */
  n: number
}
const OPTIONS: OptionTable<GroupedDenseOptions> = { bits: 'any', groupSize: 'any', scale: 'any', bias: 'any', k: 'any', n: 'any' }

function oneOf(op: string, name: string, value: unknown, choices: readonly number[]): void {
  if (!choices.includes(value as number))
    throw new WeftError('ERR_ARGUMENT', `${op}: ${name} must be ${choices.join(' or ')}, got ${show(value)}`, { op })
}

/**
 * x·(w · scale) + bias with weights that have a scale for each column of each group of rows: x float32 [..., k] →
 * float32 [..., n]. With bits 8, w is int8 [k, n]. With bits 4, w is uint8 [ceil(k / 2), n], made by `packInt4`.
 * Products are summed in float32, group by group, in an order that k and groupSize alone decide. It has no gradient.
 * ERR_DTYPE for other dtypes; ERR_SHAPE for shapes that do not fit; ERR_ARGUMENT for other bits and group sizes.
 */
export const groupedDense: (x: TensorLike, w: TensorLike, options: GroupedDenseOptions) => Tensor = func(
  'groupedDense(x, w, options)',
  OPTIONS,
  (x, w, options) => {
    const op = 'groupedDense'
    const { bits, groupSize, scale, bias } = options ?? ({} as GroupedDenseOptions)
    oneOf(op, 'bits', bits, [4, 8])
    oneOf(op, 'groupSize', groupSize, [32, 64, 128])
    if (scale === undefined)
      throw new WeftError('ERR_ARGUMENT', `${op}: scale is missing`, { op, hint: 'It is float32 [ceil(k / groupSize), n]' })
    const k = integerOf(op, 'k', options.k, 0)
    const n = integerOf(op, 'n', options.n, 0)
    const inputs = [x, w, scale, ...(bias === undefined ? [] : [bias])].map((value) => operands(op, [value])[0]!)
    operands(op, inputs)
    const names = ['x', 'w', 'scale', 'bias']
    const dtypes = ['float32', bits === 4 ? 'uint8' : 'int8', 'float32', 'float32']
    inputs.forEach((t, i) => {
      if (t.dtype !== dtypes[i])
        throw new WeftError('ERR_DTYPE', `${op}: ${names[i]} must be ${dtypes[i]} with bits ${bits}, got ${t.dtype}`, { op })
    })
    const values = inputs[0]!
    const shapes = [[...values.shape.slice(0, -1), k], [bits === 4 ? Math.ceil(k / 2) : k, n], [Math.ceil(k / groupSize), n], [n]]
    inputs.forEach((t, i) => {
      if (String(t.shape) !== String(shapes[i]) || t.rank !== shapes[i]!.length)
        throw new WeftError(
          'ERR_SHAPE',
          `${op}: ${names[i]} has shape [${t.shape}], with k ${k}, n ${n} and groups of ${groupSize} it is [${shapes[i]}]`,
          {
            op,
            shapes: inputs.map((input) => input.shape),
          },
        )
    })
    const leading = values.shape.slice(0, -1)
    const rows = values.rank === 2 ? values : reshape(values, [sizeOf(leading), k])
    const result = applyOne(GroupedDense, [rows, ...inputs.slice(1)], { bits, groupSize, units: n })
    return values.rank === 2 ? result : reshape(result, [...leading, n])
  },
)

/**
 * Two values of 4 bits in each byte: q int8 [k, n] of values from -8 to 7 → uint8 [ceil(k / 2), n]. A byte holds q[2i,
 * j] + 8 in its low half and q[2i + 1, j] + 8 in its high half; beyond the last row q counts as 0. Only the lowest 4
 * bits of a value are kept. ERR_DTYPE for another dtype, ERR_SHAPE for another rank.
 */
export const packInt4: (q: TensorLike) => Tensor = func('packInt4(q)', (q) => {
  const op = 'packInt4'
  const [values] = operands(op, [q]) as [Tensor]
  if (values.dtype !== 'int8') throw new WeftError('ERR_DTYPE', `${op}: q must be int8, got ${values.dtype}`, { op })
  checkRank(op, 'q', values, 2)
  const [k, n] = values.shape as [number, number]
  const pairs = Math.ceil(k / 2)
  const even = pad(cast(values, 'int32'), [
    [0, 2 * pairs - k],
    [0, 0],
  ])
  const halves = reshape(mod(add(even, 8), 16), [pairs, 2, n])
  const [low, high] = [slice(halves, [0, 0, 0], [pairs, 1, n]), slice(halves, [0, 1, 0], [pairs, 1, n])]
  return cast(reshape(add(low, mul(high, 16)), [pairs, n]), 'uint8')
})

export interface UnpackInt4Options {
  /** Rows of q: needed where their number is odd. Default: two for each row of w. */
  k?: number
}
const UNPACK: OptionTable<UnpackInt4Options> = { k: 'any' }

/** The values that `packInt4` has packed: w uint8 [ceil(k / 2), n] → int8 [k, n]. */
export const unpackInt4: (w: TensorLike, options?: UnpackInt4Options) => Tensor = func(
  'unpackInt4(w, options)',
  UNPACK,
  (w, options = {}) => {
    const op = 'unpackInt4'
    const [bytes] = operands(op, [w]) as [Tensor]
    if (bytes.dtype !== 'uint8') throw new WeftError('ERR_DTYPE', `${op}: w must be uint8, got ${bytes.dtype}`, { op })
    checkRank(op, 'w', bytes, 2)
    const [pairs, n] = bytes.shape as [number, number]
    const k = options.k === undefined ? 2 * pairs : integerOf(op, 'k', options.k, 0)
    if (Math.ceil(k / 2) !== pairs)
      throw new WeftError('ERR_SHAPE', `${op}: w [${bytes.shape}] holds ${2 * pairs} rows, or one less, not ${k}`, {
        op,
        shapes: [bytes.shape],
      })
    const wide = cast(bytes, 'int32')
    const both = reshape(stack([mod(wide, 16), floorDiv(wide, 16)], 1), [2 * pairs, n])
    return cast(sub(slice(both, [0, 0], [k, n]), 8), 'int8')
  },
)
