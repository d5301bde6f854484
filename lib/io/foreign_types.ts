// Types of safetensors files that no dtype here has: their values are widened to a dtype that holds each of them.
import { WeftError } from '../core/error.js'
import type { DType } from '../core/spec.js'

export interface ForeignType {
  /** Of one value in the file. */
  readonly bytes: number
  /** What the values are widened to. */
  readonly dtype: DType
  /** Writes the values of `from` as those of the dtype. */
  readonly widen: (from: DataView, count: number, to: DataView, name: string) => void
}

type Read = (from: DataView, i: number) => number
const int32 = (bytes: number, read: Read): ForeignType => ({
  bytes,
  dtype: 'int32',
  widen: (from, count, to) => {
    for (let i = 0; i < count; i++) to.setInt32(4 * i, read(from, i), true)
  },
})

/**
 * A float of 8 bits (Micikevicius et al. 2022). E4M3 has no infinity: all ones is NaN. E5M2 is as IEEE 754 says.
 * @param exponent number of bits of the exponent
 */
function eightBits(exponent: 4 | 5): ForeignType {
  const fraction = 7 - exponent
  const bias = 2 ** (exponent - 1) - 1
  const table = Float32Array.from({ length: 256 }, (_, code) => {
    const sign = code < 128 ? 1 : -1
    const power = (code & 127) >> fraction
    const part = code & (2 ** fraction - 1)
    if (exponent === 4 && (code & 127) === 127) return Number.NaN
    if (exponent === 5 && power === 31) return part === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    return sign * (power === 0 ? part * 2 ** (1 - bias - fraction) : (1 + part / 2 ** fraction) * 2 ** (power - bias))
  })
  return {
    bytes: 1,
    dtype: 'float32',
    widen: (from, count, to) => {
      for (let i = 0; i < count; i++) to.setFloat32(4 * i, table[from.getUint8(i)]!, true)
    },
  }
}

export const FOREIGN_TYPES: ReadonlyMap<string, ForeignType> = new Map([
  ['I16', int32(2, (from, i) => from.getInt16(2 * i, true))],
  ['U16', int32(2, (from, i) => from.getUint16(2 * i, true))],
  [
    'U32',
    {
      bytes: 4,
      dtype: 'int64',
      widen: (from, count, to) => {
        for (let i = 0; i < count; i++) to.setBigInt64(8 * i, BigInt(from.getUint32(4 * i, true)), true)
      },
    },
  ],
  [
    'U64',
    {
      bytes: 8,
      dtype: 'int64',
      widen: (from, count, to, name) => {
        for (let i = 0; i < count; i++) {
          const value = from.getBigUint64(8 * i, true)
          if (value > MOST) throw new WeftError('ERR_DATA', `safetensors: value ${i} of '${name}' is ${value}, more than int64 holds`)
          to.setBigInt64(8 * i, value, true)
        }
      },
    },
  ],
  ['F8_E4M3', eightBits(4)],
  ['F8_E5M2', eightBits(5)],
])

const MOST = 2n ** 63n - 1n
