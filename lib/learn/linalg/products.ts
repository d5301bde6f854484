// Products of host matrices on the current device: float64 on the CPU, float32 where the device has no float64.
import { device } from '../../core/device.js'
import { tensor } from '../../core/create.js'
import type { Tensor } from '../../core/tensor.js'
import { matMul } from '../../ops/index.js'
import type { Matrix } from '../matrix.js'

/** A matrix that stays on the device while products with others are made. Whoever has one calls dispose(). */
export class Resident {
  readonly rows: number
  readonly columns: number
  readonly dtype: 'float32' | 'float64'
  readonly values: Tensor

  /** @param single float32 on every device: half the memory and twice the speed */
  constructor({ data, rows, columns }: { data: Float64Array | Float32Array; rows: number; columns: number }, single = false) {
    this.rows = rows
    this.columns = columns
    this.dtype = single || device() !== 'cpu' ? 'float32' : 'float64'
    this.values = tensor(data, { shape: [rows, columns], dtype: this.dtype })
  }

  dispose(): void {
    this.values.dispose()
  }
}

export interface Transposed {
  transposeA?: boolean
  transposeB?: boolean
}

/** The product of two matrices on the device, row-major on the host, in the dtype of the device. */
export async function product(a: Resident, b: Resident, options: Transposed = {}): Promise<Float64Array | Float32Array> {
  const result = matMul(a.values, b.values, options)
  try {
    return (await result.data()) as Float64Array | Float32Array
  } finally {
    result.dispose()
  }
}

/** a·b, aᵀ·b or a·bᵀ as float64. */
export async function multiply(a: Matrix, b: Matrix, options: Transposed = {}): Promise<Float64Array> {
  const left = new Resident(a)
  const right = a === b ? left : new Resident(b)
  try {
    const values = await product(left, right, options)
    return values instanceof Float64Array ? values : Float64Array.from(values)
  } finally {
    left.dispose()
    if (right !== left) right.dispose()
  }
}

/** X·coef + intercept for a few columns of coefficients: [rows][outputs], row-major. `coef` is [outputs][columns]. */
export async function affine(x: Matrix, coef: Float64Array, intercept: ArrayLike<number>): Promise<Float64Array> {
  const outputs = coef.length / x.columns
  const result = await multiply(x, { data: coef, rows: outputs, columns: x.columns }, { transposeB: true })
  for (let i = 0; i < result.length; i++) result[i]! += intercept[i % outputs]!
  return result
}
