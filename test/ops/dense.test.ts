// Rows of dense.
import { dense } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { elementwise, matMul as product, reshape } from '../reference.js'

const activations = {
  linear: (x: number) => x,
  relu: (x: number) => Math.max(x, 0),
  sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
}
type Activation = keyof typeof activations

const layer = (activation: Activation, x: readonly number[], units: number): Row => ({
  op: 'dense',
  name: `${activation}, x [${x}] to ${units}`,
  operands: [{ shape: x }, { shape: [x[x.length - 1]!, units] }, { shape: [units] }],
  run: (input, w, b) => dense(input!, w!, b!, { activation }),
  reference: (input, w, b) => {
    const m = input!.shape.slice(0, -1)
    const rows = reshape(input!, [m.reduce((p, q) => p * q, 1), w!.shape[0]!])
    const y = elementwise((p, q) => activations[activation](p! + q!))(product(rows, w!), b!)
    return reshape(y, [...m, units])
  },
  roundings: 8 + x[x.length - 1]!,
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...(Object.keys(activations) as Activation[]).flatMap((activation) => [
    layer(activation, [3, 5], 4),
    layer(activation, [1, 1], 1),
    layer(activation, [0, 3], 2),
    layer(activation, [2, 2, 3], 3),
    layer(activation, [33, 50], 19),
  ]),
])
