// Rows of quantized operations. Their references round as the operations do, so that values are equal, not close.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, jit, maxPool2d, type Tensor, tensor } from '../../lib/index.js'
import {
  dequantize,
  groupedDense,
  int8Conv2d,
  int8Dense,
  packInt4,
  packInt8,
  type QuantizedRange,
  quantize,
  unpackInt4,
} from '../../lib/ops/quantized.js'
import { checkRows, isProgram, type Operand, type Row } from '../check.js'
import { generator, throws, values as valuesOf } from '../expect.js'
import { at, generate, positions, type Values } from '../reference.js'

const single = Math.fround
/** Rounded to the nearest integer, halves to the even one. */
function nearest(x: number): number {
  const below = Math.floor(x)
  const rest = x - below
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below
}
const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x))
const LIMITS = { int8: [-128, 127], uint8: [0, 255] } as const

function quantized(x: number, scale: number, zero: number, dtype: 'int8' | 'uint8'): number {
  const steps = single(x / scale)
  return Number.isNaN(steps) ? zero : clamp(nearest(steps) + zero, LIMITS[dtype][0], LIMITS[dtype][1])
}

/** Integers of a dtype, its limits among them. */
function integers(shape: readonly number[], dtype: 'int8' | 'uint8' | 'int32', seed: number): Operand {
  const next = generator(seed)
  const [low, high] = dtype === 'int32' ? [-100_000, 100_000] : LIMITS[dtype]
  const drawn = (): number => (next() < 0.1 ? (next() < 0.5 ? low : high) : Math.floor(low + next() * (high - low + 1)))
  return { shape, dtype, values: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, drawn) }
}
const floats = (shape: readonly number[]): Operand => ({ shape, dtype: 'float32' })
const positive = (n: number): Operand => ({ shape: [n], dtype: 'float32', domain: [[0.01, 0.2]] })

interface Along {
  axis?: number
  dtype: 'int8' | 'uint8' | 'int32'
}

/** A value per place along the axis, or one. */
const perPlace = (of: Values, position: readonly number[], axis: number, rank: number): number =>
  of.data[of.data.length === 1 ? 0 : position[axis < 0 ? axis + rank : axis]!]!

const NOTABLE = [0.25, 0.75, -0.25, -0.75, 1.25, 1e9, -1e9, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0]

const quantizing = (shape: readonly number[], scale: Operand, zeroPoint: number | Operand, { axis = -1, dtype }: Along): Row => {
  const notable: Operand = { shape: [NOTABLE.length], dtype: 'float32', values: NOTABLE }
  const x = shape.length === 0 ? notable : floats(shape)
  const zero: Operand = typeof zeroPoint === 'number' ? { shape: [1], dtype: 'int32', values: [zeroPoint] } : zeroPoint
  return {
    op: 'quantize',
    name: `[${x.shape}] to ${dtype} along ${axis}, scale [${scale.shape}], zero point ${typeof zeroPoint === 'number' ? zeroPoint : `[${zero.shape}]`}`,
    operands: [x, scale, zero],
    run: (input, s, z) => quantize(input!, { scale: s!, zeroPoint: z!, axis, dtype: dtype as 'int8' }),
    reference: (input, s, z) =>
      generate(input!.shape, (position) => {
        const rank = input!.shape.length
        return quantized(at(input!, position), perPlace(s!, position, axis, rank), perPlace(z!, position, axis, rank), dtype as 'int8')
      }),
    dtypes: ['float32'],
    results: [dtype],
    derivatives: 0,
  }
}

const dequantizing = (shape: readonly number[], scale: Operand, zero: Operand, { axis = -1, dtype }: Along): Row => ({
  op: 'dequantize',
  name: `${dtype} [${shape}] along ${axis}, scale [${scale.shape}], zero point [${zero.shape}]`,
  operands: [integers(shape, dtype, 5), scale, zero],
  run: (q, s, z) => dequantize(q!, { scale: s!, zeroPoint: z!, axis }),
  reference: (q, s, z) =>
    generate(q!.shape, (position) => {
      const rank = q!.shape.length
      return single(single(at(q!, position) - perPlace(z!, position, axis, rank)) * perPlace(s!, position, axis, rank))
    }),
  dtypes: ['float32'],
  derivatives: 0,
  roundings: 0,
})

type Activation = 'linear' | 'relu' | 'sigmoid' | 'tanh'
const activate: Record<Activation, (x: number) => number> = {
  linear: (x) => x,
  relu: (x) => Math.max(x, 0),
  sigmoid: (x) => single(1 / (1 + Math.exp(-x))),
  tanh: (x) => single(Math.tanh(x)),
}

interface Result {
  activation?: Activation | undefined
  output?: QuantizedRange | undefined
}

/** What becomes of an exact sum. */
function finished(sum: number, input: number, scale: number, bias: number, { activation = 'linear', output }: Result): number {
  const factor = single(input * scale)
  if (output && (activation === 'linear' || activation === 'relu')) {
    const out = single(output.scale)
    const y = single(single(single(sum) * single(factor / out)) + single(bias / out))
    return clamp(nearest(activate[activation](y)) + output.zeroPoint, 0, 255)
  }
  const y = activate[activation](single(single(single(sum) * factor) + bias))
  return output ? quantized(y, single(output.scale), output.zeroPoint, 'uint8') : y
}

/** The range of a row from its smallest to its largest value. */
function rangeOfRow(row: readonly number[]): QuantizedRange {
  const [low, high] = [Math.min(0, ...row), Math.max(0, ...row)]
  const scale = single(single(high - low) / 255)
  return scale === 0 ? { scale: 1, zeroPoint: 0 } : { scale, zeroPoint: nearest(clamp(single(-low / scale), 0, 255)) }
}

interface DenseCase extends Result {
  x: readonly number[]
  n: number
  input?: QuantizedRange | 'dynamic'
  bytes?: boolean
  packed?: boolean
  bias?: boolean
  oneScale?: boolean
  /** All values at the limits: uint8 255 against int8 -128. */
  extreme?: boolean
}

const RANGE: QuantizedRange = { scale: 0.017, zeroPoint: 119 }

const dense = (of: DenseCase): Row => {
  const { x, n, input = RANGE, bytes = false, packed = false, bias = true, oneScale = false, extreme = false, activation, output } = of
  const k = x[x.length - 1]!
  const m = x.slice(0, -1).reduce((a, b) => a * b, 1)
  const rowsOf: Operand = bytes ? integers(x, 'uint8', 11) : floats(x)
  const weights = integers([k, n], 'int8', 12)
  const operands: Operand[] = [
    extreme ? { ...rowsOf, values: new Array<number>(m * k).fill(255) } : rowsOf,
    extreme ? { ...weights, values: new Array<number>(k * n).fill(-128) } : weights,
    positive(oneScale ? 1 : n),
    ...(bias ? [floats([n])] : []),
  ]
  const parts = [input === 'dynamic' ? 'dynamic' : `zero point ${input.zeroPoint}`]
  if (bytes) parts.push('of bytes')
  if (packed) parts.push('packed')
  if (activation) parts.push(activation)
  if (output) parts.push(`to bytes around ${output.zeroPoint}`)
  if (!bias) parts.push('no bias')
  if (extreme) parts.push('at the limits')
  return {
    op: 'int8Dense',
    name: `x [${x}] to ${n}${oneScale ? ', one scale' : ''}, ${parts.join(', ')}`,
    operands,
    run: (values, w, scale, b) =>
      int8Dense(values!, packed ? packInt8(w!) : w!, {
        scale: scale!,
        input,
        ...(b ? { bias: b } : {}),
        ...(output ? { output } : {}),
        ...(activation ? { activation } : {}),
        ...(packed && oneScale ? { n } : {}),
      }),
    reference: (values, w, scale, b) => {
      const data: number[] = []
      for (let i = 0; i < m; i++) {
        const row = values!.data.slice(i * k, (i + 1) * k)
        const range = input === 'dynamic' ? rangeOfRow(row) : { ...input, scale: single(input.scale) }
        const q = bytes ? row : row.map((v) => quantized(v, range.scale, range.zeroPoint, 'uint8'))
        for (let j = 0; j < n; j++) {
          let sum = 0
          for (let p = 0; p < k; p++) sum += (q[p]! - range.zeroPoint) * w!.data[p * n + j]!
          data.push(finished(sum, range.scale, scale!.data[oneScale ? 0 : j]!, b ? b.data[j]! : 0, { activation, output }))
        }
      }
      return { shape: [...x.slice(0, -1), n], data }
    },
    dtypes: ['float32'],
    results: [output ? 'uint8' : 'float32'],
    derivatives: 0,
    roundings: activation === 'sigmoid' || activation === 'tanh' ? 8 : 0,
  }
}

interface ConvCase extends Result {
  x: readonly [number, number, number, number]
  w: readonly [number, number, number, number]
  strides?: readonly [number, number]
  padding?: readonly [number, number, number, number]
  dilations?: readonly [number, number]
  groups?: number
  bytes?: boolean
  bias?: boolean
  zeroPoint?: number
}

const conv = (of: ConvCase): Row => {
  const { x, w, strides = [1, 1], padding = [0, 0, 0, 0], dilations = [1, 1], groups = 1, bytes = true, bias = true } = of
  const { activation, output, zeroPoint = 119 } = of
  const input = { scale: RANGE.scale, zeroPoint }
  const [n, h, width, c] = x
  const [kh, kw, inside, o] = w
  const count = (extent: number, axis: number, k: number): number =>
    Math.floor((extent + padding[2 * axis]! + padding[2 * axis + 1]! - ((k - 1) * dilations[axis]! + 1)) / strides[axis]!) + 1
  const shape = [n, count(h, 0, kh), count(width, 1, kw), o]
  const parts = [`zero point ${zeroPoint}`]
  if (!bytes) parts.push('of floats')
  if (String(strides) !== '1,1') parts.push(`strides ${strides}`)
  if (padding.some((p) => p > 0)) parts.push(`padding ${padding}`)
  if (String(dilations) !== '1,1') parts.push(`dilations ${dilations}`)
  if (groups > 1) parts.push(`${groups} groups`)
  if (activation) parts.push(activation)
  if (output) parts.push(`to bytes around ${output.zeroPoint}`)
  return {
    op: 'int8Conv2d',
    name: `x [${x}], w [${w}], ${parts.join(', ')}`,
    operands: [bytes ? integers(x, 'uint8', 21) : floats(x), integers(w, 'int8', 22), positive(o), ...(bias ? [floats([o])] : [])],
    run: (values, weights, scale, b) =>
      int8Conv2d(values!, weights!, {
        scale: scale!,
        input,
        strides,
        padding,
        dilations,
        groups,
        ...(b ? { bias: b } : {}),
        ...(output ? { output } : {}),
        ...(activation ? { activation } : {}),
      }),
    reference: (values, weights, scale, b) => {
      const scaleIn = single(input.scale)
      return generate(shape, (position) => {
        const [image, oy, ox, j] = position as [number, number, number, number]
        const group = Math.floor(j / (o / groups))
        let sum = 0
        for (const [r, t, channel] of positions([kh, kw, inside]) as [number, number, number][]) {
          const y = oy * strides[0] - padding[0] + r * dilations[0]
          const column = ox * strides[1] - padding[2] + t * dilations[1]
          if (y < 0 || y >= h || column < 0 || column >= width) continue
          const raw = values!.data[((image * h + y) * width + column) * c + group * inside + channel]!
          const q = bytes ? raw : quantized(raw, scaleIn, zeroPoint, 'uint8')
          sum += (q - zeroPoint) * weights!.data[((r * kw + t) * inside + channel) * o + j]!
        }
        return finished(sum, scaleIn, scale!.data[j]!, b ? b.data[j]! : 0, { activation, output })
      })
    },
    dtypes: ['float32'],
    results: [output ? 'uint8' : 'float32'],
    derivatives: 0,
    roundings: activation === 'sigmoid' || activation === 'tanh' ? 8 : 0,
  }
}

const grouped = (x: readonly number[], n: number, bits: 4 | 8, groupSize: 32 | 64 | 128, bias = true): Row => {
  const k = x[x.length - 1]!
  const m = x.slice(0, -1).reduce((a, b) => a * b, 1)
  const groups = Math.ceil(k / groupSize)
  const weights = integers([k, n], 'int8', 31)
  const narrow = { ...weights, values: weights.values!.map((q) => Math.floor(q / 16)) }
  const sums = (size: (v: number) => number, values: Values, w: Values, scale: Values, b: Values | undefined): Values => {
    const data: number[] = []
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = b ? size(b.data[j]!) : 0
        for (let p = 0; p < k; p++)
          sum += size(values.data[i * k + p]! * w.data[p * n + j]! * scale.data[Math.floor(p / groupSize) * n + j]!)
        data.push(sum)
      }
    return { shape: [...x.slice(0, -1), n], data }
  }
  return {
    op: 'groupedDense',
    name: `x [${x}] to ${n}, ${bits} bits in groups of ${groupSize}${bias ? '' : ', no bias'}`,
    operands: [
      floats(x),
      bits === 4 ? narrow : weights,
      { shape: [groups, n], dtype: 'float32', domain: [[0.01, 0.2]] },
      ...(bias ? [floats([n])] : []),
    ],
    run: (values, w, scale, b) =>
      groupedDense(values!, bits === 4 ? packInt4(w!) : w!, { bits, groupSize, scale: scale!, k, n, ...(b ? { bias: b } : {}) }),
    reference: (values, w, scale, b) => sums((v) => v, values!, w!, scale!, b),
    sizes: (values, w, scale, b) => sums(Math.abs, values!, w!, scale!, b),
    dtypes: ['float32'],
    derivatives: 0,
    roundings: 8,
  }
}

const BYTES: QuantizedRange = { scale: 0.31, zeroPoint: 77 }
const one = (value: number): Operand => ({ shape: [1], dtype: 'float32', values: [value] })
const zeros = (list: readonly number[]): Operand => ({ shape: [list.length], dtype: 'int32', values: list })

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...([-128, 0, 127] as const).map((zero) => quantizing([], one(0.5), zero, { dtype: 'int8' })),
  ...([0, 128, 255] as const).map((zero) => quantizing([], one(0.5), zero, { dtype: 'uint8' })),
  quantizing([3, 37], positive(1), 3, { dtype: 'int8' }),
  quantizing([3, 37], positive(37), 3, { dtype: 'int8' }),
  quantizing([2, 3, 5], positive(3), zeros([-128, 127, 5]), { axis: 1, dtype: 'int8' }),
  quantizing([3, 20], positive(3), zeros([0, 255, 100]), { axis: 0, dtype: 'uint8' }),
  quantizing([2, 3], positive(1), zeros([0, 255, 100]), { axis: -1, dtype: 'uint8' }),
  quantizing([0, 3], positive(1), 0, { dtype: 'int8' }),
  quantizing([2, 0], positive(1), 0, { dtype: 'int8' }),
  ...(['int8', 'uint8', 'int32'] as const).flatMap((dtype) => [
    dequantizing([3, 37], positive(1), zeros([9]), { dtype }),
    dequantizing([2, 5, 3], positive(5), zeros([1, 2, 3, 4, 5]), { axis: 1, dtype }),
    dequantizing([2, 37], positive(37), zeros([7]), { dtype }),
    dequantizing([2, 0], positive(1), zeros([7]), { dtype }),
  ]),
  dense({ x: [3, 5], n: 4 }),
  dense({ x: [1, 1], n: 1 }),
  dense({ x: [0, 3], n: 2 }),
  dense({ x: [3, 0], n: 2 }),
  dense({ x: [3, 2], n: 0 }),
  dense({ x: [2, 2, 3], n: 3 }),
  dense({ x: [7], n: 3 }),
  dense({ x: [33, 70], n: 35, activation: 'relu' }),
  dense({ x: [17, 66], n: 49, bytes: true, packed: true }),
  dense({ x: [29, 130], n: 64, bytes: true, activation: 'relu', output: BYTES }),
  dense({ x: [13, 64], n: 33, packed: true, oneScale: true, output: { scale: 0.5, zeroPoint: 255 } }),
  dense({ x: [1, 259], n: 80, packed: true, input: 'dynamic' }),
  dense({ x: [6, 41], n: 18, input: 'dynamic', bias: false }),
  dense({ x: [5, 41], n: 18, input: 'dynamic', activation: 'relu', output: BYTES }),
  dense({ x: [4, 24], n: 17, activation: 'sigmoid' }),
  dense({ x: [4, 24], n: 17, activation: 'tanh' }),
  ...[0, 255].map((zeroPoint) => dense({ x: [5, 300], n: 20, bytes: true, extreme: true, input: { scale: 0.02, zeroPoint } })),
  dense({ x: [2, 5000], n: 5, bytes: true, extreme: true, packed: true, output: { scale: 0.3, zeroPoint: 0 } }),
  conv({ x: [2, 7, 6, 1], w: [3, 3, 1, 5] }),
  conv({ x: [0, 7, 6, 1], w: [3, 3, 1, 5] }),
  conv({ x: [2, 14, 13, 1], w: [3, 3, 1, 32], activation: 'relu', output: { scale: 0.11, zeroPoint: 0 }, zeroPoint: 0 }),
  conv({ x: [1, 14, 9, 1], w: [5, 5, 1, 35], bytes: false, padding: [2, 2, 2, 2], output: BYTES }),
  conv({ x: [2, 9, 8, 3], w: [3, 3, 3, 17], padding: [1, 1, 1, 1], activation: 'relu' }),
  conv({ x: [1, 9, 11, 3], w: [3, 2, 3, 16], strides: [2, 2], padding: [0, 1, 1, 0], bytes: false }),
  conv({ x: [1, 8, 9, 8], w: [3, 3, 8, 40], padding: [1, 1, 1, 1], output: BYTES }),
  conv({ x: [1, 11, 12, 6], w: [2, 3, 6, 7], dilations: [2, 3], padding: [1, 0, 2, 2] }),
  conv({ x: [2, 6, 5, 12], w: [3, 3, 4, 18], groups: 3, padding: [1, 1, 1, 1] }),
  conv({ x: [2, 6, 5, 20], w: [3, 3, 1, 20], groups: 20, padding: [1, 1, 1, 1], activation: 'relu', output: BYTES }),
  conv({ x: [1, 6, 5, 3], w: [3, 3, 1, 6], groups: 3, strides: [2, 1], bias: false, bytes: false }),
  conv({ x: [2, 5, 4, 19], w: [1, 1, 19, 33], zeroPoint: 255, output: { scale: 0.4, zeroPoint: 255 } }),
  conv({ x: [1, 1, 1, 2], w: [1, 1, 2, 3] }),
  conv({ x: [1, 3, 3, 2], w: [3, 3, 2, 3], padding: [3, 3, 3, 3], zeroPoint: 3 }),
  conv({ x: [1, 5, 5, 2], w: [2, 2, 2, 3], activation: 'tanh' }),
  ...([4, 8] as const).flatMap((bits) => [
    grouped([1, 64], 40, bits, 32),
    grouped([1, 1], 1, bits, 32, false),
    grouped([3, 77], 35, bits, 32),
    grouped([2, 3, 130], 129, bits, 64),
    grouped([9, 257], 20, bits, 128, false),
    grouped([0, 8], 3, bits, 32),
    grouped([2, 0], 3, bits, 32),
  ]),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  const x = tensor([
    [1, -2, 3],
    [0, 0, 0],
    [4, 5, Number.NaN],
    [1, Number.POSITIVE_INFINITY, 2],
  ])
  const w = quantize(
    [
      [0.5, -1],
      [1, 0.25],
      [-0.5, 0.75],
    ],
    { scale: 1 / 127, zeroPoint: 0 },
  )

  test('a dynamic row of zeros gives the bias, one that is not finite gives NaN', async () => {
    const found = await valuesOf(int8Dense(x, w, { scale: [1 / 127], bias: [7, 8], input: 'dynamic' }))
    assert.ok(found.slice(0, 2).every(Number.isFinite))
    assert.equal(found.slice(2, 4), [7, 8])
    assert.ok(found.slice(4).every(Number.isNaN), String(found))
  })

  test('what does not fit is refused at the call', () => {
    const input = { scale: 0.1, zeroPoint: 0 }
    const scale = [0.1]
    throws('ERR_DTYPE', /quantize: x must be float32, got int32/, () =>
      quantize(tensor([1], { dtype: 'int32' }), { scale: 1, zeroPoint: 0 }),
    )
    throws('ERR_ARGUMENT', /scale must be a positive float32, got 0/, () => quantize([1], { scale: 0, zeroPoint: 0 }))
    throws('ERR_ARGUMENT', /scale must be a positive float32, got 1e-45/, () => quantize([1], { scale: 1e-45, zeroPoint: 0 }))
    throws('ERR_ARGUMENT', /zeroPoint must be an integer from 0 to 255/, () => quantize([1], { scale: 1, zeroPoint: -1, dtype: 'uint8' }))
    throws('ERR_ARGUMENT', /zeroPoint must be an integer/, () => quantize([1], { scale: 1, zeroPoint: 0.5 }))
    throws('ERR_ARGUMENT', /zeroPoint is missing/, () => quantize([1], { scale: 1 } as never))
    throws('ERR_ARGUMENT', /int4/, () => quantize([1], { scale: 1, zeroPoint: 0, dtype: 'int4' as never }))
    throws('ERR_SHAPE', /scale \[2\] is neither one number nor one for each of the 3/, () => quantize(x, { scale: [1, 2], zeroPoint: 0 }))
    throws('ERR_DTYPE', /q must be int8, uint8 or int32, got float32/, () => dequantize([1], { scale: 1, zeroPoint: 0 }))
    throws('ERR_DTYPE', /w must be int8, got float32/, () => int8Dense(x, [[1], [2], [3]], { scale, input }))
    throws('ERR_SHAPE', /do not fit/, () => int8Dense(tensor([[1, 2]]), w, { scale, input }))
    throws('ERR_SHAPE', /scale \[3\] do not fit 2 columns/, () => int8Dense(x, w, { scale: [1, 2, 3], input }))
    throws('ERR_ARGUMENT', /input is missing/, () => int8Dense(x, w, { scale } as never))
    throws('ERR_ARGUMENT', /input must be .* or 'dynamic', got 'auto'/, () => int8Dense(x, w, { scale, input: 'auto' as never }))
    throws('ERR_ARGUMENT', /input.zeroPoint must be an integer from 0 to 255, as uint8 holds, got 256/, () =>
      int8Dense(x, w, { scale, input: { scale: 1, zeroPoint: 256 } }),
    )
    throws('ERR_ARGUMENT', /n is unknown/, () => int8Dense(x, packInt8(w), { scale, input }))
    throws('ERR_ARGUMENT', /its range is known/, () => int8Dense(x.cast('uint8'), w, { scale, input: 'dynamic' }))
    throws('ERR_SHAPE', /sums of 65794 products/, () =>
      int8Dense(tensor(new Uint8Array(65_794), [1, 65_794]), tensor(new Int8Array(65_794), [65_794, 1]), { scale, input }),
    )
    const images = tensor(new Uint8Array(18), [1, 3, 3, 2])
    const kernel = tensor(new Int8Array(8), [2, 2, 1, 2])
    throws('ERR_SHAPE', /has 2 channels/, () => int8Conv2d(images, kernel, { scale, input }))
    throws('ERR_ARGUMENT', /Only int8Dense has rows|got 'dynamic'/, () => int8Conv2d(images, kernel, { scale, input: 'dynamic' as never }))
    throws('ERR_ARGUMENT', /bits must be 4 or 8, got 3/, () => groupedDense(x, w, { bits: 3 as never, groupSize: 32, scale, k: 3, n: 2 }))
    throws('ERR_ARGUMENT', /groupSize must be 32 or 64 or 128, got 16/, () =>
      groupedDense(x, w, { bits: 8, groupSize: 16 as never, scale, k: 3, n: 2 }),
    )
    throws('ERR_DTYPE', /w must be uint8 with bits 4, got int8/, () =>
      groupedDense(x, w, { bits: 4, groupSize: 32, scale: [[1, 1]], k: 3, n: 2 }),
    )
    throws('ERR_SHAPE', /scale has shape \[1\]/, () => groupedDense(x, w, { bits: 8, groupSize: 32, scale, k: 3, n: 2 }))
    throws('ERR_SHAPE', /holds 4 rows, or one less, not 5/, () => unpackInt4(tensor(new Uint8Array(4), [2, 2]), { k: 5 }))
  })

  test('4 bits: what is packed is unpacked, an odd number of rows too', async () => {
    for (const k of [0, 1, 15, 16]) {
      const q = tensor(
        Int8Array.from({ length: k * 3 }, (_, i) => (i % 16) - 8),
        [k, 3],
      )
      const packed = packInt4(q)
      assert.equal([packed.dtype, [...packed.shape]], ['uint8', [Math.ceil(k / 2), 3]])
      assert.equal(await valuesOf(unpackInt4(packed, { k })), await valuesOf(q))
    }
  })

  test('packed weights lie in panels of 16 columns, 4 rows together', async () => {
    const packed = packInt8(
      tensor(
        Int8Array.from({ length: 5 * 17 }, (_, i) => i),
        [5, 17],
      ),
    )
    assert.equal([...packed.shape], [2, 2, 16, 4])
    const found = await valuesOf(packed)
    assert.equal(found.slice(0, 8), [0, 17, 34, 51, 1, 18, 35, 52])
    assert.equal(found.slice(64, 72), [68, 0, 0, 0, 69, 0, 0, 0])
    assert.equal(found.slice(128, 136), [16, 33, 50, 67, 0, 0, 0, 0])
  })

  test('a row does not depend on the rows beside it', async () => {
    const next = generator(77)
    const random = (n: number): Float32Array => Float32Array.from({ length: n }, () => next() * 4 - 2)
    const [m, k, n] = [37, 150, 70]
    const inputs = tensor(random(m * k), [m, k])
    const q = quantize(tensor(random(k * n), [k, n]), { scale: 2 / 127, zeroPoint: 0 })
    const scales = tensor(random(3 * n), [3, n]).abs()
    const small = quantize(tensor(random(k * n), [k, n]), { scale: 2 / 7, zeroPoint: 0 })
    for (const run of [
      (t: Tensor) => int8Dense(t, q, { scale: [0.01], input: 'dynamic' }),
      (t: Tensor) => groupedDense(t, packInt4(small), { bits: 4, groupSize: 64, scale: scales, k, n }),
      (t: Tensor) => groupedDense(t, q, { bits: 8, groupSize: 64, scale: scales, k, n }),
    ]) {
      const together = await valuesOf(run(inputs))
      const alone = concat(
        Array.from({ length: m }, (_, i) => run(inputs.slice([i, 0], [1, k]))),
        0,
      )
      assert.equal(await valuesOf(alone), together)
    }
  })

  test('maxPool2d of uint8 gives uint8', async () => {
    const next = generator(5)
    for (const [shape, options] of [
      [[2, 6, 8, 32], {}],
      [[1, 7, 5, 3], { poolSize: 3, strides: 2, padding: 'same' }],
      [[1, 5, 5, 70], { poolSize: [2, 3], strides: [2, 1] }],
      [[0, 4, 4, 2], {}],
    ] as const) {
      const size = shape.reduce<number>((a, b) => a * b, 1)
      const bytes = tensor(
        Uint8Array.from({ length: size }, () => Math.floor(next() * 256)),
        [...shape],
      )
      const pooled = maxPool2d(bytes, options)
      assert.is(pooled.dtype, 'uint8')
      const wide = maxPool2d(bytes.cast('float32'), options)
      assert.equal([...pooled.shape], [...wide.shape])
      assert.equal(await valuesOf(pooled), await valuesOf(wide))
    }
  })

  test('a whole network of bytes in one program equals its layers one by one', async () => {
    const next = generator(9)
    const bytes = (n: number, low: number): number[] => Array.from({ length: n }, () => Math.floor(low + next() * 255))
    const images = tensor(Uint8Array.from(bytes(3 * 12 * 23, 0)), [3, 12, 23, 1])
    const kernel = tensor(Int8Array.from(bytes(9 * 20, -127)), [3, 3, 1, 20]) // pooled: [3, 5, 10, 20]
    const dense2 = tensor(Int8Array.from(bytes(1000 * 10, -127)), [1000, 10])
    const bias = new Float32Array(20).fill(0.3)
    const scales = Float32Array.from({ length: 20 }, (_, i) => (i % 3 === 2 ? -0.01 : 0.01)) // results fall as sums grow
    const network = (t: Tensor): Tensor => {
      const input = { scale: 1 / 255, zeroPoint: 7 }
      const h = int8Conv2d(t, kernel, { scale: scales, bias, input, output: { scale: 0.04, zeroPoint: 20 }, activation: 'relu' })
      return int8Dense(maxPool2d(h).reshape([3, 1000]), dense2, { scale: [0.02], input: { scale: 0.04, zeroPoint: 20 } })
    }
    assert.equal(await valuesOf(jit(network)(images)), await valuesOf(network(images)))
  })

  test.run()
}
