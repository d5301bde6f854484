// Rows of Fourier transforms: against the sums that define them, and against what PyTorch computes.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  fft,
  type FftOptions,
  fft2,
  ifft,
  ifft2,
  input,
  irfft,
  jit,
  model,
  rfft,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../../lib/index.js'
import { checkRows, isProgram, type Row } from '../check.js'
import { close, throws, values as valuesOf } from '../expect.js'
import { recorded, wave } from '../oracle/torch_values.js'
import { at, generate, type Values } from '../reference.js'

/** Part of Σⱼ x[j]·e^(sign·2πijk/n) / divisor, along the last axis. */
function sums(part: 'real' | 'imaginary', [a, b]: readonly (Values | undefined)[], sign: number, divisor: number, kept?: number): Values {
  const n = a!.shape.at(-1)!
  return generate([...a!.shape.slice(0, -1), kept ?? n], (position) => {
    const k = position.at(-1)!
    let total = 0
    for (let j = 0; j < n; j++) {
      const place = [...position.slice(0, -1), j]
      const angle = (sign * 2 * Math.PI * ((j * k) % n)) / n
      const [re, im] = [at(a!, place), b ? at(b, place) : 0]
      total += part === 'real' ? re * Math.cos(angle) - im * Math.sin(angle) : re * Math.sin(angle) + im * Math.cos(angle)
    }
    return total / divisor
  })
}
const both = (x: readonly (Values | undefined)[], sign: number, divisor: number, kept?: number): Values[] => [
  sums('real', x, sign, divisor, kept),
  sums('imaginary', x, sign, divisor, kept),
]

const complex = (shape: readonly number[], inverse = false): Row => ({
  op: 'matMul',
  name: `${inverse ? 'ifft' : 'fft'} of [${shape}]`,
  operands: [{ shape }, { shape }],
  run: (a, b) => (inverse ? ifft : fft)([a!, b!]),
  reference: (a, b) => both([a, b], inverse ? 1 : -1, inverse ? shape.at(-1)! : 1),
  roundings: 16,
  ...(shape.at(-1)! > 20 ? { derivatives: 1 as const } : {}),
})
const real = (shape: readonly number[], half = false): Row => ({
  op: 'matMul',
  name: `${half ? 'rfft' : 'fft'} of real [${shape}]`,
  operands: [{ shape }],
  run: (x) => (half ? rfft : fft)(x!),
  reference: (x) => both([x], -1, 1, half ? Math.floor(shape.at(-1)! / 2) + 1 : undefined),
  roundings: 16,
  ...(shape.at(-1)! > 20 ? { derivatives: 1 as const } : {}),
})
const back = (shape: readonly number[]): Row => ({
  op: 'matMul',
  name: `irfft of [${shape}]`,
  operands: [{ shape }, { shape }],
  run: (a, b) => irfft([a!, b!]),
  reference: (a, b) => {
    const m = shape.at(-1)!
    const n = 2 * (m - 1)
    const full = (part: Values, sign: number): Values =>
      generate([...shape.slice(0, -1), n], (position) => {
        const k = position.at(-1)!
        return k < m ? at(part, position) : sign * at(part, [...position.slice(0, -1), n - k])
      })
    return sums('real', [full(a!, 1), full(b!, -1)], 1, n)
  },
  roundings: 16,
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  complex([1]),
  complex([2, 5]),
  complex([0, 4]),
  // steps of 20 and 3
  complex([2, 60]),
  complex([37], true),
  complex([3, 4], true),
  real([2, 6]),
  real([66]),
  real([3, 7], true),
  real([1, 8], true),
  back([2, 4]),
])

if (isProgram(import.meta.url)) {
  const test = suite()
  const functions = { fft, ifft, rfft, irfft, fft2, ifft2 }
  for (const { name, shape, pair, options, resultShape, real: re, imaginary: im } of recorded.fft)
    test(`${name} of [${shape}], ${JSON.stringify(options)}: as PyTorch computes it`, async () => {
      const signal = pair ? ([tensor(wave(shape), shape), tensor(wave(shape, 1), shape)] as const) : tensor(wave(shape), shape)
      const made = functions[name](signal as never, options as never) as Tensor | [Tensor, Tensor]
      const parts = Array.isArray(made) ? made : [made]
      for (const [i, expected] of [re, im].entries()) {
        if (expected === null) continue
        assert.equal([...parts[i]!.shape], resultShape)
        close(await valuesOf(parts[i]!), expected, 1e-4)
      }
    })

  /** The largest distance of float32 results from those in float64, by the size of the largest. */
  async function distance(n: number): Promise<number> {
    const signal = Float64Array.from({ length: n }, (_, i) => Math.sin(0.7 * i * i))
    const [exact, found] = await Promise.all(
      // float64 is of the CPU alone
      [{ dtype: 'float64', device: 'cpu' } as const, { dtype: 'float32' } as const].map((kind) =>
        valuesOf(fft(tensor(signal, { shape: [n], ...kind }), {})[0]),
      ),
    )
    const largest = Math.max(...exact!.map(Math.abs))
    return Math.max(...exact!.map((value, i) => Math.abs(value - found![i]!))) / largest
  }
  for (const n of [4096, 5040, 4099])
    test(`a signal of ${n} is exact to some units of float32`, async () => {
      assert.ok((await distance(n)) < 2e-6, `${await distance(n)}`)
    })

  for (const n of [131, 289, 1024, 2 * 137])
    test(`ifft gives back what fft took, ${n}`, async () => {
      const [a, b] = [tensor(wave([2, n]), [2, n]), tensor(wave([2, n], 1), [2, n])]
      const [c, d] = ifft(fft([a, b]))
      close(await valuesOf(c), wave([2, n]), 2e-5)
      close(await valuesOf(d), wave([2, n], 1), 2e-5)
      const again = irfft(rfft(a), { n })
      close(await valuesOf(again), wave([2, n]), 2e-5)
    })

  test('a long signal takes products with small matrices alone, also where its length is a prime', () => {
    for (const n of [4096, 4099]) {
      const text = jit((x: Tensor) => fft(x)).graph(zeros([1, n]))
      const products = text.split('\n').filter((line) => line.includes('matMul('))
      assert.ok(products.length >= 3, text)
      const widest = Math.max(...[...text.matchAll(/\[(\d+),(\d+)\]/g)].map(([, rows, columns]) => Math.min(Number(rows), Number(columns))))
      assert.ok(widest <= 256, `a matrix of ${widest} rows and columns`)
    }
  })
  test('tables outlive the scope that they are made in', async () => {
    const first = tidy(() => fft(tensor([1, 2, 3]))[0])
    close(await valuesOf(first), [6, -1.5, -1.5], 1e-6)
    close(await valuesOf(fft(tensor([1, 2, 3]))[0]), [6, -1.5, -1.5], 1e-6)
  })
  test('a functional model can hold one', async () => {
    const signal = input({ shape: [8] })
    const [re, im] = rfft(signal)
    const net = model({ inputs: signal, outputs: re.square().add(im.square()) })
    close(await valuesOf(await net.predict(tensor([[1, 0, 0, 0, 0, 0, 0, 0]]))), [1, 1, 1, 1, 1], 1e-6)
  })
  test('integers become floats, and 16-bit floats stay what they are', () => {
    assert.is(fft([1, 2, 3])[0].dtype, 'float32')
    assert.is(fft(zeros([4], { dtype: 'bfloat16' }))[1].dtype, 'bfloat16')
  })
  test('refusals', () => {
    const x = zeros([2, 4])
    throws('ERR_SHAPE', /fft: the real part has shape \[2,4\], the imaginary part \[2\]/, () => fft([x, zeros([2])]))
    throws('ERR_ARGUMENT', /length must be an integer of at least 1, got 0/, () => fft(x, { n: 0 }))
    throws('ERR_ARGUMENT', /irfft: the length must be an integer of at least 1, got 0/, () => irfft(zeros([1])))
    throws('ERR_SHAPE', /axis 2 is out of range/, () => ifft(x, { axis: 2 }))
    throws('ERR_ARGUMENT', /norm/, () => fft(x, { norm: 'unitary' } as unknown as FftOptions))
    throws('ERR_ARGUMENT', /rfft: takes a real signal/, () => rfft([x, x] as never))
    throws('ERR_SHAPE', /fft2: axis -2 is out of range/, () => fft2(zeros([4])))
  })
  test.run()
}
