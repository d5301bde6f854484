// Operands: how the arguments of public functions become tensors of one device, one dtype and checked axes.
import { isInteger } from '../core/checks.js'
import { asTensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import type { AttrValue } from '../core/op.js'
import { show } from '../core/options.js'
import { type DType, isFloat, sameShape, type Shape, type Spec } from '../core/spec.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { cast } from './raw.js'

/** Order of promotion; the two 16-bit floats meet in float32. */
const RANK: Record<DType, number> = { bool: 0, uint8: 1, int32: 2, float16: 3, bfloat16: 3, float32: 4, float64: 5, int8: -1, int64: -1 }

/**
 * What an op works on: any dtype unchanged ('stored'), all but storage dtypes, numbers (bool becomes int32), totals
 * (bool and uint8 become int32), or floats (integers become float32).
 */
export type Kind = 'stored' | 'any' | 'number' | 'total' | 'float'

/** The dtype an operand of this dtype is computed in. int8 and int64 are storage only. */
export function computed(op: string, dtype: DType, kind: Kind): DType {
  if (RANK[dtype] < 0) {
    throw new WeftError('ERR_DTYPE', `${op}: ${dtype} is a storage dtype: it can be loaded, cast, gathered and saved`, {
      op,
      hint: "Use cast('int32') or cast('float32') first",
    })
  }
  if (kind === 'float') return isFloat(dtype) ? dtype : 'float32'
  if (kind === 'total' && dtype === 'uint8') return 'int32'
  return (kind === 'number' || kind === 'total') && dtype === 'bool' ? 'int32' : dtype
}

/** The dtype in which two operands meet. */
function promote(a: DType, b: DType): DType {
  if (a === b) return a
  if (RANK[a] === RANK[b]) return 'float32'
  return RANK[a] > RANK[b] ? a : b
}

/** The value as a tensor; ERR_ARGUMENT naming the op for what cannot be one. */
export function operand(op: string, value: TensorLike, like?: Spec): Tensor {
  if (value instanceof Tensor) return value
  if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'object') {
    throw new WeftError('ERR_ARGUMENT', `${op}: expected a tensor, number, typed array or nested arrays, got ${typeof value}`, { op })
  }
  if (value === null)
    throw new WeftError('ERR_ARGUMENT', `${op}: expected a tensor, number, typed array or nested arrays, got null`, { op })
  return asTensor(value, like)
}

function checkDevices(op: string, tensors: readonly Tensor[]): void {
  for (const t of tensors) {
    if (t.device !== tensors[0]!.device) {
      throw new WeftError('ERR_DEVICE', `${op}: operands on ${tensors[0]!.device} and ${t.device}`, {
        op,
        hint: 'Move one of them with to()',
      })
    }
  }
}

/** Operands as tensors of one device; numbers and nested arrays take their dtype from the first tensor among them. */
export function operands(op: string, values: readonly TensorLike[]): Tensor[] {
  let like = values.find((value) => value instanceof Tensor) as Tensor | undefined
  if (like === undefined) {
    const first = values.find((value) => typeof value === 'object')
    if (first !== undefined) like = operand(op, first)
  }
  const tensors = values.map((value) => operand(op, value, like))
  checkDevices(op, tensors)
  return tensors
}

/** Operands as tensors of one device and of their common dtype. */
export function promoted(op: string, values: readonly TensorLike[], kind: Kind): Tensor[] {
  const tensors = operands(op, values)
  if (kind === 'stored' && tensors.every((t) => t.dtype === tensors[0]!.dtype)) return tensors
  let dtype = computed(op, tensors[0]!.dtype, kind)
  for (let i = 1; i < tensors.length; i++) dtype = promote(dtype, computed(op, tensors[i]!.dtype, kind))
  return tensors.map((t) => (t.dtype === dtype ? t : cast(t, dtype)))
}

/**
 * Operands of an op that does not promote: floats of one dtype; nested arrays and numbers take the dtype of the first
 * tensor.
 */
export function sameFloats(op: string, values: readonly TensorLike[]): Tensor[] {
  const tensors = operands(op, values)
  const dtype = tensors[0]!.dtype
  if (tensors.some((t) => t.dtype !== dtype)) {
    throw new WeftError('ERR_DTYPE', `${op}: operands of different dtypes, ${tensors.map((t) => t.dtype).join(' and ')}`, {
      op,
      shapes: tensors.map((t) => t.shape),
      hint: `Cast one of them, for example cast('${tensors.map((t) => t.dtype).reduce(promote)}')`,
    })
  }
  if (!isFloat(dtype)) {
    throw new WeftError('ERR_DTYPE', `${op}: operands must be floats, got ${dtype}`, { op, hint: "Use cast('float32')" })
  }
  return tensors
}

/** One operand in the dtype the op computes with. */
export function single(op: string, value: TensorLike, kind: Kind): Tensor {
  const x = operand(op, value)
  const dtype = computed(op, x.dtype, kind)
  return dtype === x.dtype ? x : cast(x, dtype)
}

/** numpy broadcasting of shapes; ERR_SHAPE when they do not fit. */
export function broadcastShapes(op: string, shapes: readonly Shape[]): Shape {
  let result = shapes[0]!
  for (const shape of shapes.slice(1)) {
    if (sameShape(result, shape)) continue
    const rank = Math.max(result.length, shape.length)
    const merged: number[] = new Array(rank)
    for (let i = 0; i < rank; i++) {
      const a = result[result.length - rank + i] ?? 1
      const b = shape[shape.length - rank + i] ?? 1
      if (a !== b && a !== 1 && b !== 1) throw mismatch(op, shapes)
      merged[i] = a === 1 ? b : a
    }
    result = merged
  }
  return result
}

function mismatch(op: string, shapes: readonly Shape[]): WeftError {
  const [a, b] = shapes.length === 2 ? [...shapes].sort((x, y) => y.length - x.length) : []
  const leading = a && b && b.length > 0 && a.length > b.length && sameShape(a.slice(0, b.length), b)
  const hint = leading
    ? `To repeat [${b}] along the last ${a.length - b.length > 1 ? 'axes' : 'axis'}, use reshape([${[...b, ...a.slice(b.length).map(() => 1)]}])`
    : 'Aligned from the last axis, extents must be equal or 1'
  return new WeftError('ERR_SHAPE', `${op}: shapes ${shapes.map((shape) => `[${shape}]`).join(' and ')} do not broadcast`, {
    op,
    shapes,
    hint,
  })
}

/** The axis counted from the front; negative ones count from the end. */
export function axisOf(op: string, axis: unknown, rank: number): number {
  if (!isInteger(axis)) throw new WeftError('ERR_ARGUMENT', `${op}: an axis is an integer, got ${show(axis)}`, { op })
  const from = (axis as number) < 0 ? (axis as number) + rank : (axis as number)
  if (from < 0 || from >= rank) {
    throw new WeftError('ERR_SHAPE', `${op}: axis ${axis} is out of range for rank ${rank}`, {
      op,
      hint: rank === 0 ? 'The tensor is a scalar' : `Axes are ${-rank} to ${rank - 1}`,
    })
  }
  return from
}

/** Axes sorted and non-negative; undefined: all of them. */
export function axesOf(op: string, axis: number | readonly number[] | undefined, rank: number): number[] {
  if (axis === undefined || axis === null) return Array.from({ length: rank }, (_, i) => i)
  const axes = (Array.isArray(axis) ? (axis as readonly number[]) : [axis as number]).map((a) => axisOf(op, a, rank)).sort((a, b) => a - b)
  if (axes.some((a, i) => a === axes[i - 1])) throw new WeftError('ERR_ARGUMENT', `${op}: axis ${show(axis)} names an axis twice`, { op })
  return axes
}

/** Throws ERR_ARGUMENT unless value is a finite number. */
export function numberOf(op: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new WeftError('ERR_ARGUMENT', `${op}: ${name} must be a finite number, got ${show(value)}`, { op })
  }
  return value
}

/** Throws ERR_ARGUMENT unless value is an integer of at least `least`. */
export function integerOf(op: string, name: string, value: unknown, least: number): number {
  if (!isInteger(value, least)) {
    throw new WeftError('ERR_ARGUMENT', `${op}: ${name} must be an integer of at least ${least}, got ${show(value)}`, { op })
  }
  return value as number
}

/** ERR_SHAPE unless the operand has this rank. */
export function checkRank(op: string, name: string, x: Spec, rank: number, hint?: string): void {
  if (x.shape.length !== rank) {
    throw new WeftError('ERR_SHAPE', `${op}: ${name} must have rank ${rank}, got shape [${x.shape}]`, {
      op,
      shapes: [x.shape],
      ...(hint === undefined ? {} : { hint }),
    })
  }
}

/** Attributes that only describe the result; kernels see it as the output's view. */
export type ResultAttrs = { readonly shape: readonly number[]; readonly [name: string]: AttrValue }
