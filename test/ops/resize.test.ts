// Rows of resize: against the weights of each place, and against what PyTorch computes.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { resize, tensor, zeros } from '../../lib/index.js'
import { checkRows, isProgram, type Row } from '../check.js'
import { close, throws } from '../expect.js'
import { recorded, wave } from '../oracle/torch_values.js'
import { at, generate } from '../reference.js'
import { ANY_DTYPE } from './pointwise.js'

const between = (shape: readonly number[], [rows, columns]: readonly [number, number], corners = false): Row => {
  const source = (place: number, from: number, to: number): number =>
    corners ? (to === 1 ? 0 : (place * (from - 1)) / (to - 1)) : Math.min(from - 1, Math.max(0, ((place + 0.5) * from) / to - 0.5))
  return {
    op: 'matMul',
    name: `[${shape}] to ${rows} × ${columns}${corners ? ', corners aligned' : ''}`,
    operands: [{ shape }],
    run: (x) => resize(x!, [rows, columns], { alignCorners: corners }),
    reference: (x) =>
      generate([shape[0]!, rows, columns, shape[3]!], ([n, i, j, c]) => {
        const [y, z] = [source(i!, shape[1]!, rows), source(j!, shape[2]!, columns)]
        let total = 0
        for (const a of [Math.floor(y), Math.min(Math.floor(y) + 1, shape[1]! - 1)])
          for (const b of [Math.floor(z), Math.min(Math.floor(z) + 1, shape[2]! - 1)]) {
            const wy = a > y ? y - Math.floor(y) : 1 - (y - Math.floor(y))
            const wz = b > z ? z - Math.floor(z) : 1 - (z - Math.floor(z))
            const twice = (a === shape[1]! - 1 && y === a ? 0.5 : 1) * (b === shape[2]! - 1 && z === b ? 0.5 : 1)
            total += at(x!, [n!, a, b, c!]) * wy * wz * twice
          }
        return total
      }),
    roundings: 16,
  }
}
const closest = (shape: readonly number[], [rows, columns]: readonly [number, number]): Row => ({
  op: 'gather',
  name: `nearest, [${shape}] to ${rows} × ${columns}`,
  operands: [{ shape }],
  run: (x) => resize(x!, [rows, columns], { interpolation: 'nearest' }),
  reference: (x) =>
    generate([shape[0]!, rows, columns, shape[3]!], ([n, i, j, c]) =>
      at(x!, [n!, Math.floor(((i! + 0.5) * shape[1]!) / rows), Math.floor(((j! + 0.5) * shape[2]!) / columns), c!]),
    ),
  dtypes: ANY_DTYPE,
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  between([1, 2, 3, 2], [4, 5]),
  between([2, 5, 4, 1], [2, 3]),
  between([1, 3, 3, 1], [5, 2], true),
  between([1, 1, 1, 2], [2, 3]),
  between([0, 2, 2, 1], [3, 3]),
  closest([2, 3, 2, 2], [5, 4]),
  closest([1, 4, 5, 1], [2, 2]),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  for (const { shape, size, interpolation, alignCorners, values } of recorded.resize)
    test(`[${shape}] to [${size}], ${interpolation}, corners ${alignCorners}: as PyTorch computes it`, async () => {
      const y = resize(tensor(wave(shape), { shape }), size, { interpolation, alignCorners })
      close(await y.data(), values, 2e-6)
    })
  test('integers become floats in between, and stay what they are at the nearest place', () => {
    const x = zeros([1, 2, 2, 1], { dtype: 'uint8' })
    assert.is(resize(x, [3, 3]).dtype, 'float32')
    assert.is(x.resize([3, 3], { interpolation: 'nearest' }).dtype, 'uint8')
  })
  test('refusals', () => {
    const x = zeros([1, 2, 2, 1])
    throws('ERR_ARGUMENT', /size is \[height, width\].*got \[3\]/, () => resize(x, [3] as never))
    throws('ERR_ARGUMENT', /got \[0,3\]/, () => resize(x, [0, 3]))
    throws('ERR_ARGUMENT', /alignCorners goes with interpolation 'bilinear'/, () =>
      resize(x, [3, 3], { interpolation: 'nearest', alignCorners: true }),
    )
    throws('ERR_SHAPE', /rank 4/, () => resize(zeros([2, 2, 1]), [3, 3]))
    throws('ERR_SHAPE', /no pixels/, () => resize(zeros([1, 0, 2, 1]), [3, 3]))
  })
  test.run()
}
