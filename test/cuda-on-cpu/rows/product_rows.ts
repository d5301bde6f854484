// Products and convolutions large enough for the tensor-core kernels, in every type, layout and precision.
import { native } from '../../../lib/core/addon.js'
import { applyOne } from '../../../lib/core/apply.js'
import { type DType, dense, jit, matMul, type Tensor, tensor } from '../../../lib/index.js'
import type { ProgramSpec } from '../../../lib/core/native.js'
import type { Op } from '../../../lib/core/op.js'
import { Conv2d, Conv2dBias, Conv2dInputGrad, Conv2dKernelGrad } from '../../../lib/ops/conv.js'
import { generator } from '../../expect.js'

type Shape = readonly number[]
type Precision = ProgramSpec['precision']

let precision: Precision = 'float32'
const load = native.load
native.load = (spec, device) => load({ ...spec, precision }, device)

let draw = generator(29)
function random(shape: Shape, dtype: DType): Tensor {
  const size = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Float64Array.from({ length: size }, () => 2 * draw() - 1),
    { shape, dtype },
  )
}

/** By a program of its own: those of single calls are kept, in the precision they were loaded with. */
const fresh = (fn: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): Tensor => jit(fn)(...inputs)

/** The ways to compute in: what is stored, and how float32 operands may be rounded. */
export const WAYS: readonly [DType, Precision][] = [
  ['bfloat16', 'float32'],
  ['float16', 'float32'],
  ['float32', 'float32'],
  ['float32', 'tf32'],
  ['float32', 'mixedBfloat16'],
]

/** [batch, m, n, k]: whole tiles of 128 and of 64, ragged ones, a long sum that is split. */
const PRODUCTS: readonly (readonly [number, number, number, number])[] = [
  [1, 256, 256, 64],
  [1, 128, 128, 288],
  [1, 200, 136, 104],
  [3, 72, 96, 80],
  [1, 64, 64, 1024],
]

function products(dtype: DType): Tensor[] {
  const results: Tensor[] = []
  for (const [batch, m, n, k] of PRODUCTS)
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) {
        const a = random([batch, ...(transposeA ? [k, m] : [m, k])], dtype)
        const b = random([batch, ...(transposeB ? [n, k] : [k, n])], dtype)
        results.push(fresh((a, b) => matMul(a!, b!, { transposeA, transposeB }), a, b))
      }
  for (const activation of ['linear', 'relu', 'sigmoid', 'tanh'] as const)
    results.push(
      fresh((x, k, b) => dense(x!, k!, b!, { activation }), random([256, 72], dtype), random([72, 256], dtype), random([256], dtype)),
    )
  return results
}

interface Convolution {
  x: Shape
  k: Shape
  y: Shape
  strides: Shape
  padding: Shape
  dilations: Shape
  groups: number
}
const convolution = (x: Shape, k: Shape, y: Shape, more: Partial<Convolution> = {}): Convolution => ({
  x,
  k,
  y,
  strides: [1, 1],
  padding: [1, 1, 1, 1],
  dilations: [1, 1],
  groups: 1,
  ...more,
})
const CONVOLUTIONS: readonly Convolution[] = [
  convolution([2, 14, 14, 32], [3, 3, 32, 64], [2, 14, 14, 64]),
  convolution([2, 9, 11, 64], [3, 3, 64, 72], [2, 5, 6, 72], { strides: [2, 2] }),
  convolution([2, 8, 8, 32], [3, 3, 16, 64], [2, 8, 8, 64], { groups: 2, padding: [2, 2, 2, 2], dilations: [2, 2] }),
  convolution([4, 8, 8, 256], [1, 1, 256, 128], [4, 8, 8, 128], { padding: [0, 0, 0, 0] }),
]

function convolutions(dtype: DType): Tensor[] {
  return CONVOLUTIONS.flatMap(({ x, k, y, ...attrs }) => {
    const [image, kernel, slope] = [x, k, y].map((shape) => random(shape, dtype)) as [Tensor, Tensor, Tensor]
    const run = (op: Op, inputs: Tensor[], more = {}): Tensor => fresh((...list) => applyOne(op, list, { ...attrs, ...more }), ...inputs)
    return [
      run(Conv2d, [image, kernel]),
      run(Conv2dBias, [image, kernel, random([y[3]!], dtype)], { activation: 'relu' }),
      run(Conv2dInputGrad, [slope, kernel], { shape: x }),
      run(Conv2dKernelGrad, [image, slope], { shape: k }),
    ]
  })
}

/** Results of all of them on the current device, in one of WAYS: the same operands on every device. */
export function computed(dtype: DType, way: Precision): Tensor[] {
  draw = generator(29)
  precision = way
  try {
    return [...products(dtype), ...convolutions(dtype)]
  } finally {
    precision = 'float32'
  }
}
