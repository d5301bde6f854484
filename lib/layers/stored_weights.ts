// Stored weights: matrices that are kept in 16, 8 or 4 bits and computed in float32, so that a model takes less memory
// and reads less of it.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { type DType, type Shape, sizeOf } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { cast, floor, gather, matMul, mul, reshape, stack, sub, transpose } from '../ops/index.js'
import { groupedDense } from '../ops/quantized.js'
import { context } from './context.js'

/** What matrices are kept in. */
export type StoredType = 'bfloat16' | 'float16' | 'int8' | 'int4'
const STORED_TYPES: readonly StoredType[] = ['bfloat16', 'float16', 'int8', 'int4']
export const GROUP_SIZES: readonly number[] = [32, 64, 128]

/** How the matrices of a model are kept. */
export interface Storage {
  readonly type: StoredType
  /** Inputs that share a scale, for int8 and int4. */
  readonly groupSize: number
  /** Names of layers whose matrices stay float32, with all that is in these layers. */
  readonly skip: readonly string[]
}

/** Which axes of a weight are its inputs: what a product sums over. */
export interface MatrixLayout {
  /** The leading axes that are inputs; the others are outputs. */
  readonly inputs: number
  /** The weight is [outputs, inputs]. */
  readonly transposed?: boolean
  /** Its rows are looked up by ids: int4 is too coarse for it, int8 is used. Such a weight is transposed. */
  readonly table?: boolean
}

/** A table whose rows are looked up. */
export const TABLE: MatrixLayout = { inputs: 1, transposed: true, table: true }

/** How one matrix is kept. */
export interface Stored {
  readonly type: StoredType
  /** Of the matrix as the layer has it. */
  readonly shape: Shape
  readonly transposed: boolean
  /** Inputs and outputs: the matrix as it is kept is [k, n]. */
  readonly k: number
  readonly n: number
  readonly groupSize: number
  /** float32 [groups, n], for int8 and int4. */
  readonly scale: Variable | undefined
}

const storedWeights = new WeakMap<Variable, Stored>()

/** How a weight is kept; undefined: as it is. */
export const storedAs = (weight: Tensor): Stored | undefined => storedWeights.get(weight as Variable)

interface Active {
  readonly storage: Storage
  readonly skipped: Set<string>
}
let active: Active | undefined
const building: string[] = []

/**
 * Runs fn, in which layers are made whose matrices are stored so. ERR_ARGUMENT where a name of `skip` is no layer's.
 */
export function whileStored<T>(storage: Storage, fn: () => T): T {
  const before = active
  const now: Active = { storage, skipped: new Set() }
  active = now
  try {
    const made = fn()
    const stranger = storage.skip.find((name) => !now.skipped.has(name))
    if (stranger !== undefined)
      throw new WeftError('ERR_ARGUMENT', `quantize: skip names '${stranger}', which is no layer with a matrix of weights`, {
        hint: 'net.summary() prints the names of the layers',
      })
    return made
  } finally {
    active = before
  }
}

/** Runs fn, which makes the weights of the layer of this name, and of those inside it. */
export function whileBuilding<T>(name: string, fn: () => T): T {
  building.push(name)
  try {
    return fn()
  } finally {
    building.pop()
  }
}

/** Whether a name of `skip` means a layer: its name, or the beginning or end of a name of several parts. */
export const isSkipped = (name: string, skip: string): boolean =>
  name === skip || name.endsWith(`.${skip}`) || name.startsWith(`${skip}.`) || name.includes(`.${skip}.`)

/** How a matrix of the layer `name` that is being made is kept; undefined: as it is. */
export function storageOf(name: string, shape: Shape, dtype: DType, layout: MatrixLayout): Omit<Stored, 'scale'> | undefined {
  if (active === undefined) return undefined
  const { storage, skipped } = active
  const names = [...building, name]
  const hit = storage.skip.filter((skip) => names.some((one) => isSkipped(one, skip)))
  for (const one of hit) skipped.add(one)
  if (hit.length > 0) return undefined
  if (dtype === 'float64')
    throw new WeftError('ERR_DTYPE', `quantize: the layer '${name}' computes in float64, and stored weights are computed in float32`)
  const { transposed = false, table = false } = layout
  const leading = sizeOf(shape.slice(0, layout.inputs))
  const trailing = sizeOf(shape.slice(layout.inputs))
  const [k, n] = transposed ? [trailing, leading] : [leading, trailing]
  return { type: table && storage.type === 'int4' ? 'int8' : storage.type, shape, transposed, k, n, groupSize: storage.groupSize }
}

/** Whether a kind of storage has groups with scales. */
export const isGrouped = (type: StoredType): type is 'int8' | 'int4' => type === 'int8' || type === 'int4'

/** Shape and dtype of what is kept. int4: two values of neighbouring inputs in a byte. */
export function keptSpec({ type, shape, k, n }: Omit<Stored, 'scale'>): { shape: Shape; dtype: DType } {
  if (type === 'int8') return { shape: [k, n], dtype: 'int8' }
  if (type === 'int4') return { shape: [Math.ceil(k / 2), n], dtype: 'uint8' }
  return { shape, dtype: type }
}

/** Says how a weight is kept. */
export function markStored(weight: Variable, stored: Stored): void {
  storedWeights.set(weight, stored)
}

/** The numbers -8 to 7 of bytes [rows, n], the first of each two in the low half: float32 [2 · rows, n]. */
function halves(bytes: Tensor): Tensor {
  const [rows, n] = bytes.shape as [number, number]
  const both = cast(bytes, 'float32')
  const high = floor(mul(both, 1 / 16))
  const low = sub(both, mul(high, 16))
  return sub(reshape(stack([low, high], 1), [2 * rows, n]), 8)
}

/** Kept values [.., n] and scales [groups, n] as the matrix float32 [k, n]. */
function widened(kept: Tensor, scale: Tensor, { type, k, groupSize }: Stored): Tensor {
  const all = type === 'int4' ? halves(kept) : cast(kept, 'float32')
  const values =
    all.shape[0] === k
      ? all
      : gather(
          all,
          places(k, (i) => i, all.device),
          0,
        )
  return mul(
    values,
    gather(
      scale,
      places(k, (i) => Math.floor(i / groupSize), all.device),
      0,
    ),
  )
}

const places = (count: number, place: (i: number) => number, device: string): Tensor =>
  tensor(
    Int32Array.from({ length: count }, (_, i) => place(i)),
    { device },
  )

/** A weight in the shape and precision in which it is computed. */
export function valueOf(weight: Tensor): Tensor {
  const stored = storedAs(weight)
  if (stored === undefined) return weight
  const { scale, transposed, shape } = stored
  if (scale === undefined) return cast(weight, 'float32')
  const matrix = widened(weight, scale, stored)
  return reshape(transposed ? transpose(matrix, [1, 0]) : matrix, shape)
}

/**
 * x [rows, k] · the stored matrix → [rows, n]; undefined where the weight is not stored in groups. In training it is
 * written with operations that have gradients, so that what stands before it can be trained.
 */
export function storedProduct(x: Tensor, weight: Tensor): Tensor | undefined {
  const stored = storedAs(weight)
  if (stored?.scale === undefined) return undefined
  const { type, scale, k, n, groupSize } = stored
  if (context.training) return matMul(x, widened(weight, scale, stored))
  return groupedDense(x, weight, { bits: type === 'int4' ? 4 : 8, groupSize: groupSize as 32 | 64 | 128, scale, k, n })
}

/** x [rows, width] · tableᵀ → [rows, entries]. */
export const scoresOf = (x: Tensor, table: Tensor): Tensor => storedProduct(x, table) ?? matMul(x, valueOf(table), { transposeB: true })

/** The rows of a table at ids [...]: [..., width]. */
export function lookedUp(table: Tensor, ids: Tensor): Tensor {
  const stored = storedAs(table)
  if (stored === undefined) return gather(table, ids, 0)
  if (stored.scale === undefined) return cast(gather(table, ids, 0), 'float32')
  const flat = reshape(ids, [ids.size])
  const columns = widened(gather(table, flat, 1), gather(stored.scale, flat, 1), stored)
  return reshape(transpose(columns, [1, 0]), [...ids.shape, stored.k])
}

/** A storage of a file. */
export function storageFromJson(json: unknown): Storage {
  const { type, groupSize, skip } = (isRecord(json) ? json : {}) as unknown as Storage
  const fits = STORED_TYPES.includes(type) && GROUP_SIZES.includes(groupSize) && Array.isArray(skip)
  if (!fits || !skip.every((name) => typeof name === 'string'))
    throw new WeftError('ERR_FORMAT', `a saved model says of its weights { type, groupSize, skip }, got ${show(json)}`)
  return { type, groupSize, skip }
}

const storages = new WeakMap<object, Storage>()
/** How the matrices of a model were stored when it was made. */
export const storageOfModel = (model: object): Storage | undefined => storages.get(model)
export const keepStorage = (model: object, storage: Storage): void => void storages.set(model, storage)
