// Rows of cast and identity, and tests of stopGradient.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cast, type DType, grad, identity, mul, stopGradient, sum, type Tensor, tensor, type TypedArray } from '../../lib/index.js'
import { checkRows, FLOATS, isProgram, type Row } from '../check.js'
import { elementwise } from '../reference.js'

const LIMITS: Partial<Record<DType, readonly [number, number]>> = { uint8: [0, 255], int8: [-128, 127], int32: [-(2 ** 31), 2 ** 31 - 1] }

/** What cast makes of a float. */
function converted(x: number, to: DType): number {
  if (to === 'bool') return x !== 0 ? 1 : 0
  const limits = LIMITS[to]
  if (!limits && to !== 'int64') return x
  if (Number.isNaN(x)) return 0
  return limits ? Math.min(limits[1], Math.max(limits[0], Math.trunc(x))) : Math.trunc(x)
}

/** What cast makes of an integer: the low bits, where the dtype is too small. */
function wrapped(x: number, to: DType): number {
  const integers: Partial<Record<DType, TypedArray>> = { uint8: Uint8Array.of(x), int8: Int8Array.of(x), int32: Int32Array.of(x) }
  return Number(integers[to]?.[0] ?? converted(x, to))
}

const INTEGERS: readonly DType[] = ['int32', 'uint8', 'int8', 'int64', 'bool']
const ALL: readonly DType[] = [...FLOATS, ...INTEGERS]

const to = (dtype: DType, shape: readonly number[]): Row[] => {
  const row = {
    op: 'cast',
    operands: [{ shape, domain: [[-40, 40]] as const }],
    run: (x?: Tensor): Tensor => cast(x!, dtype),
    results: [dtype],
  }
  return [
    {
      ...row,
      name: `to ${dtype} [${shape}]`,
      reference: elementwise((x) => converted(x, dtype)),
      derivatives: dtype === 'float64' ? 2 : 0,
    },
    { ...row, name: `integers to ${dtype} [${shape}]`, reference: elementwise((x) => wrapped(x, dtype)), dtypes: INTEGERS },
  ]
}

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...ALL.flatMap((dtype) => [[3, 7], [], [0, 2], [131]].flatMap((shape) => to(dtype, shape))),
  ...(['uint8', 'int8', 'int32'] as const).map(
    (dtype): Row => ({
      op: 'cast',
      name: `to ${dtype} truncates and saturates`,
      operands: [{ shape: [9], values: [NaN, Infinity, -Infinity, 1e20, -1e20, 2.9, -2.9, 255.9, 300] }],
      run: (x) => cast(x!, dtype),
      reference: elementwise((x) => converted(x, dtype)),
      dtypes: ['float64', 'float32'],
      results: [dtype],
      derivatives: 0,
    }),
  ),
  ...[[3, 7], [], [0, 2], [131]].map(
    (shape): Row => ({
      op: 'identity',
      name: `[${shape}]`,
      operands: [{ shape }],
      run: (x) => identity(x!),
      reference: elementwise((x) => x),
      dtypes: ALL,
    }),
  ),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  test('stopGradient: the values, and no gradient', async () => {
    const x = tensor([1, 2, 3])
    assert.equal(await stopGradient(x).array(), [1, 2, 3])
    const g = grad((v: Tensor) => sum(mul(stopGradient(v), v)))(x)
    assert.equal(await g.array(), [1, 2, 3])
  })
  test('a cast to the same dtype, a reshape and a transpose that change nothing are tensors of their own', async () => {
    const x = tensor([1, 2])
    const same = [x.cast('float32'), x.reshape([2]), x.transpose(), x.broadcastTo([2])]
    x.dispose()
    for (const t of same) assert.equal(await t.array(), [1, 2])
  })
  test('bfloat16 rounds to nearest even', async () => {
    const x = tensor([1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -7])
    assert.equal(await x.cast('bfloat16').array(), [1, 1 + 2 ** -6, 1 + 2 ** -7])
  })
  test.run()
}
