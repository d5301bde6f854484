// Values of a tensor on the wire, one by one, as numbers.
import type { Datatype } from '../protocol/datatypes.js'

type Reader = (view: DataView, index: number) => number

const READERS: Readonly<Partial<Record<Datatype, Reader>>> = {
  BOOL: (view, i) => view.getUint8(i),
  UINT8: (view, i) => view.getUint8(i),
  INT8: (view, i) => view.getInt8(i),
  INT32: (view, i) => view.getInt32(i * 4, true),
  INT64: (view, i) => Number(view.getBigInt64(i * 8, true)),
  FP16: (view, i) => halfOf(view.getUint16(i * 2, true)),
  BF16: (view, i) => {
    SCRATCH.setUint32(0, view.getUint16(i * 2, true) << 16)
    return SCRATCH.getFloat32(0)
  },
  FP32: (view, i) => view.getFloat32(i * 4, true),
  FP64: (view, i) => view.getFloat64(i * 8, true),
}
const SCRATCH = new DataView(new ArrayBuffer(4))

/** IEEE 754 binary16. */
function halfOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** Undefined where the values are no numbers. */
export const readerOf = (datatype: Datatype): Reader | undefined => READERS[datatype]
