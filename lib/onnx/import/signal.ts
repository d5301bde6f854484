// Signals: windows, Fourier transforms as products with their matrices, and the mel filters of speech.
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { dtypeOfElements, ElementType } from '../element_types.js'
import { type Call, type Operator, type OperatorTable } from './operator.js'
import { computedDType, numbersTensor, Value } from './values.js'

/** A window a0 - a1·cos(2πn/N) + a2·cos(4πn/N), periodic or symmetric. */
function cosineWindow(a0: number, a1: number, a2: number): Operator {
  return {
    since: 17,
    reads: [0],
    run: (call) => {
      const size = call.host(call.number(0, 0), 'values of a window')
      const length = call.attributes.int('periodic', 1) !== 0 ? size : size - 1
      const type = call.attributes.int('output_datatype', ElementType.FLOAT)
      const values = Array.from({ length: size }, (_, n) => {
        const turn = (2 * Math.PI * n) / length
        return a0 - a1 * Math.cos(turn) + a2 * Math.cos(2 * turn)
      })
      return new Value(numbersTensor(values, [size], computedDType(dtypeOfElements(type, call.node.op))), { type })
    },
  }
}

/** cos and sin of 2πkn/N for k in rows and n in columns. */
function turns(call: Call, rows: number, columns: number, length: number, like: Tensor): [Tensor, Tensor] {
  call.host(rows * columns, 'values of a transform')
  const angle = (i: number): number => {
    const [k, n] = [Math.floor(i / columns), i % columns]
    // the product is reduced first: angles stay small
    return (2 * Math.PI * ((k * n) % length)) / length
  }
  const make = (fn: (angle: number) => number): Tensor =>
    numbersTensor(
      Array.from({ length: rows * columns }, (_, i) => fn(angle(i))),
      [rows, columns],
      like.dtype,
    )
  return [make(Math.cos), make(Math.sin)]
}

/** The Fourier transform of x [..., n, 1 or 2] along its last axis but one: [..., k, 2]. */
function transform(call: Call, x: Tensor, length: number, inverse: boolean, rows: number): Tensor {
  const n = x.shape.at(-2)!
  const fitted =
    n >= length
      ? ops.slice(
          x,
          x.shape.map(() => 0),
          [...x.shape.slice(0, -2), length, x.shape.at(-1)!],
        )
      : ops.pad(
          x,
          x.shape.map((_, i): [number, number] => (i === x.rank - 2 ? [0, length - n] : [0, 0])),
        )
  const [cos, sin] = turns(call, rows, length, length, x)
  const part = (i: number): Tensor => {
    const begin = fitted.shape.map((_, axis) => (axis === x.rank - 1 ? i : 0))
    return ops.slice(fitted, begin, [...fitted.shape.slice(0, -1), 1])
  }
  const real = part(0) // [..., n, 1]
  const times = (matrix: Tensor, t: Tensor): Tensor => ops.matMul(matrix, t)
  const sign = inverse ? 1 : -1
  let re = times(cos, real)
  let im = ops.mul(times(sin, real), sign)
  if (x.shape.at(-1) === 2) {
    const imaginary = part(1)
    re = ops.sub(re, ops.mul(times(sin, imaginary), sign))
    im = ops.add(im, times(cos, imaginary))
  }
  const result = ops.concat([re, im], -1)
  return inverse ? ops.div(result, length) : result
}

function dft(call: Call): Tensor {
  const { attributes, opset } = call
  const x = call.tensor(0)
  const axis = call.axis(opset < 20 ? attributes.int('axis', 1) : call.number(2, -2), x.rank)
  const length = call.number(1, x.shape[axis]!)
  const onesided = attributes.int('onesided', 0) !== 0
  const moved = ops.moveAxis(x, axis, -2)
  const rows = onesided ? Math.floor(length / 2) + 1 : length
  return ops.moveAxis(transform(call, moved, length, attributes.int('inverse', 0) !== 0, rows), -2, axis)
}

/** Transforms of pieces of a signal [b, length, 1 or 2]: [b, pieces, k, 2]. */
function stft(call: Call): Tensor {
  const x = call.tensor(0)
  const step = call.number(1, 1)
  const size = call.has(3) ? call.number(3, 0) : call.value(2).size
  const [b, length, parts] = x.shape as [number, number, number]
  const pieces = Math.floor((length - size) / step) + 1
  if (!(pieces >= 1) || !(step >= 1)) throw call.error(`a signal of ${length} has no piece of ${size}`)
  call.host(pieces * size, 'values of pieces')
  const places = Array.from({ length: pieces * size }, (_, i) => Math.floor(i / size) * step + (i % size))
  const cut = ops.reshape(ops.gather(x, numbersTensor(places, [-1], 'int32'), 1), [b, pieces, size, parts])
  const weighted = call.has(2) ? ops.mul(cut, ops.reshape(call.tensor(2), [size, 1])) : cut
  const rows = call.attributes.int('onesided', 1) !== 0 ? Math.floor(size / 2) + 1 : size
  return transform(call, weighted, size, false, rows)
}

/** Triangular filters on the mel scale: [spectrum, filters]. */
function melWeights(call: Call): Value {
  const [filters, length, rate, low, high] = [0, 1, 2, 3, 4].map((i) => call.number(i, 0)) as [number, number, number, number, number]
  const type = call.attributes.int('output_datatype', ElementType.FLOAT)
  const spectrum = Math.floor(length / 2) + 1
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700)
  const step = (mel(high) - mel(low)) / (filters + 2)
  const bins = Array.from({ length: filters + 2 }, (_, i) => {
    const hertz = 700 * (10 ** ((i * step + mel(low)) / 2595) - 1)
    return Math.floor(((length + 1) * hertz) / rate)
  })
  const values = new Float64Array(call.host(spectrum * filters, 'weights'))
  for (let i = 0; i < filters; i++) {
    const [first, center, last] = [bins[i]!, bins[i + 1]!, bins[i + 2]!]
    if (center === first) values[center * filters + i] = 1
    else for (let j = first; j <= center; j++) values[j * filters + i] = (j - first) / (center - first)
    for (let j = center; j < last; j++) values[j * filters + i] = (last - j) / (last - center)
  }
  return new Value(numbersTensor([...values], [spectrum, filters], computedDType(dtypeOfElements(type, call.node.op))), { type })
}

export const signalOperators: OperatorTable = {
  HannWindow: cosineWindow(0.5, 0.5, 0),
  HammingWindow: cosineWindow(25 / 46, 21 / 46, 0),
  BlackmanWindow: cosineWindow(0.42, 0.5, 0.08),
  DFT: { since: 17, reads: [1, 2], run: dft },
  STFT: { since: 17, reads: [1, 3], run: stft },
  MelWeightMatrix: { since: 17, reads: [0, 1, 2, 3, 4], run: melWeights },
}
