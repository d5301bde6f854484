// Rows too large for an emulated device in a test: products and convolutions of tensor-core size, long rows, tall
// columns. A GPU computes them beside the CPU; test/cuda-on-cpu/replay.mjs repeats the same rows on the emulated
// device, and so does WEFT_TEST_WIDE=1 here.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { devices, type Tensor, withDevice } from '../../lib/index.js'
import { isFloat } from '../../lib/core/spec.js'
import { PRECISION } from '../check.js'
import { attentions } from '../cuda-on-cpu/rows/attention_rows.js'
import { computed, WAYS } from '../cuda-on-cpu/rows/product_rows.js'
import { type Computed, DTYPES, SHAPES, wide } from '../cuda-on-cpu/rows/wide_rows.js'
import { testWith } from '../skip.js'

const gpu = devices().find(({ kind, emulated }) => kind === 'cuda' && (!emulated || process.env['WEFT_TEST_WIDE'] === '1'))

/**
 * Integers and infinities are equal; floats within so many roundings of `precision`, of themselves and of what was
 * added up for them, as CPU and GPU add in different orders (as test/cuda-on-cpu/compare.h). Where that size is not
 * known it is the largest result.
 */
async function same(actual: Tensor, { value: expected, size }: Computed, precision: number, what: string): Promise<void> {
  assert.equal([actual.shape, actual.dtype], [expected.shape, expected.dtype], what)
  const [a, b] = [[...(await actual.data())].map(Number), [...(await expected.data())].map(Number)]
  const most = b.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0)
  const sizes = size ? [...(await size.data())].map(Number) : b.map(() => most)
  const roundings = precision > 2 ** -20 ? 12 : 96
  const wrong = b.findIndex((value, i) => {
    if (Object.is(a[i], value) || a[i] === value) return false
    if (!isFloat(expected.dtype) || !Number.isFinite(value)) return true
    return !(Math.abs(a[i]! - value) <= precision * (roundings * (Math.abs(value) + 0.25 * sizes[i]!) + 8))
  })
  assert.is(wrong, -1, `${what}: element ${wrong} of ${b.length} is ${a[wrong]}, should be ${b[wrong]}`)
}

async function compare(run: () => readonly Computed[], precision: number, what: string): Promise<void> {
  const [there, here] = [withDevice(gpu!.id, run), withDevice('cpu', run)]
  assert.is(there.length, here.length)
  for (const [i, expected] of here.entries()) {
    await same(there[i]!.value, expected, precision, `${what}, result ${i}`)
    there[i]!.value.dispose()
    expected.value.dispose()
  }
}
const computedBy = (results: Iterable<Tensor>): Computed[] => [...results].map((value) => ({ value }))

testWith(gpu !== undefined, 'a GPU', 'products and convolutions of the size of tensor-core tiles', async () => {
  for (const [dtype, way] of WAYS) {
    // operands rounded to tf32 have 10 bits after the point, to bfloat16 7; the CPU rounds to bfloat16 or not at all
    const rounding = { float32: 0, tf32: 2 ** -10, mixedBfloat16: 2 ** -7 }[way ?? 'float32']
    await compare(() => computedBy(computed(dtype, way)), Math.max(PRECISION[dtype]!, rounding), `${dtype}, ${way}`)
  }
})

testWith(gpu !== undefined, 'a GPU', 'long rows and tall columns', async () => {
  for (const shape of SHAPES)
    for (const dtype of DTYPES) await compare(() => wide(shape, dtype), PRECISION[dtype]!, `${shape.join(' x ')} ${dtype}`)
})

testWith(gpu !== undefined, 'a GPU', 'attention of the size of tensor-core tiles', async () => {
  for (const dtype of DTYPES) await compare(() => computedBy(attentions(dtype)), PRECISION[dtype]!, `attention ${dtype}`)
})

test.run()
