// Discrete Fourier transforms along an axis. Complex numbers are two tensors: [real, imaginary], as in Keras.
import { isInteger } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import { sameShape } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { mul, neg } from './arithmetic.js'
import { cast } from './cast.js'
import { concat } from './concat.js'
import { type Complex, transformed } from './fft_steps.js'
import { axisOf, sameFloats, single } from './operands.js'
import { pad } from './pad.js'
import { reshape } from './reshape.js'
import { reverse, slice } from './slice.js'
import { moveAxis } from './transpose.js'

export type { Complex } from './fft_steps.js'

/** What a transform is divided by: its inverse by n ('backward'), both by √n ('ortho'), or itself by n ('forward'). */
export type FftNorm = 'backward' | 'ortho' | 'forward'
const NORMS: readonly FftNorm[] = ['backward', 'ortho', 'forward']

export interface FftOptions {
  /** Length of the signal: a longer one is cut, a shorter one continued with zeros. Default: that of the axis. */
  n?: number
  /** Default the last. */
  axis?: number
  /** Default 'backward'. */
  norm?: FftNorm
}
export interface Fft2Options {
  /** Default 'backward'. */
  norm?: FftNorm
}
const OPTIONS: OptionTable<FftOptions> = { n: 'any', axis: 'any', norm: NORMS }
const OPTIONS_2D: OptionTable<Fft2Options> = { norm: NORMS }

/** A real signal, or a complex one as [real, imaginary]: tensors of one shape. */
export type Signal = TensorLike | Complex

const isPair = (x: unknown): x is Complex => Array.isArray(x) && x.length === 2 && x.some((part) => part instanceof Tensor)

/** Real and imaginary part as floats; the second is undefined where the signal is real. */
function partsOf(op: string, x: Signal): [Tensor, Tensor | undefined] {
  if (!isPair(x)) return [single(op, x, 'float'), undefined]
  const [real, imaginary] = sameFloats(op, x) as [Tensor, Tensor]
  if (!sameShape(real.shape, imaginary.shape))
    throw new WeftError('ERR_SHAPE', `${op}: the real part has shape [${real.shape}], the imaginary part [${imaginary.shape}]`, {
      op,
      shapes: [real.shape, imaginary.shape],
    })
  return [real, imaginary]
}

function lengthOf(op: string, n: unknown, given: number): number {
  const length = n === undefined ? given : n
  if (!isInteger(length, 1))
    throw new WeftError('ERR_ARGUMENT', `${op}: the length must be an integer of at least 1, got ${show(length)}`, { op })
  return length as number
}

/** The rows of a part, [rows, n], cut or continued with zeros. */
function rowsOf(part: Tensor, axis: number, n: number): Tensor {
  const last = moveAxis(part, axis, -1)
  const length = last.shape.at(-1)!
  const count = last.shape.slice(0, -1).reduce((product, extent) => product * extent, 1)
  const rows: Tensor = reshape(last, [count, length])
  if (length === n) return rows
  return length > n
    ? slice(rows, [0, 0], [-1, n])
    : pad(rows, [
        [0, 0],
        [0, n - length],
      ])
}

/** Rows [rows, n] as the part of a shape again. */
function restored(rows: Tensor, like: Tensor, axis: number, n: number): Tensor {
  const outer = like.shape.filter((_, i) => i !== axis)
  return moveAxis(reshape(rows, [...outer, n]), -1, axis)
}

const scaleOf = (n: number, norm: FftNorm, inverse: boolean): number =>
  norm === 'ortho' ? 1 / Math.sqrt(n) : (norm === 'forward') !== inverse ? 1 / n : 1

/** 16-bit floats are computed in float32. */
const wide = (x: Tensor): Tensor => (x.dtype === 'float16' || x.dtype === 'bfloat16' ? cast(x, 'float32') : x)

function along(op: string, x: Signal, { n, axis = -1, norm = 'backward' }: FftOptions, inverse: boolean, kept?: number): [Tensor, Tensor] {
  const [real, imaginary] = partsOf(op, x)
  const at = axisOf(op, axis, real.rank)
  const length = lengthOf(op, n, real.shape[at]!)
  const parts = transformed(rowsOf(wide(real), at, length), imaginary && rowsOf(wide(imaginary), at, length), length, inverse)
  const scale = scaleOf(length, norm, inverse)
  return parts.map((part) => {
    const shown = kept === undefined ? part : slice(part, [0, 0], [-1, kept])
    return cast(restored(scale === 1 ? shown : mul(shown, scale), real, at, kept ?? length), real.dtype)
  }) as [Tensor, Tensor]
}

type Transform = (x: Signal, options?: FftOptions) => [real: Tensor, imaginary: Tensor]
type Transform2d = (x: Signal, options?: Fft2Options) => [real: Tensor, imaginary: Tensor]

/**
 * The discrete Fourier transform: Σⱼ x[j]·e^(-2πijk/n), k = 0 ... n - 1. Gives [real, imaginary] (torch.fft.fft). Of
 * integers float32. A length of small prime factors takes O(n log n) by products with small matrices (Cooley and Tukey
 * 1965), any other too, by convolution (Bluestein 1970).
 * @param x a real tensor, or [real, imaginary]
 */
export const fft: Transform = func('fft(x, options)', OPTIONS, (x: Signal, options: FftOptions = {}) => along('fft', x, options, false))

/** The inverse of fft: Σₖ x[k]·e^(2πijk/n) / n. Gives [real, imaginary] (torch.fft.ifft). */
export const ifft: Transform = func('ifft(x, options)', OPTIONS, (x: Signal, options: FftOptions = {}) => along('ifft', x, options, true))

/** fft of a real signal, without the half that mirrors the other: the first ⌊n / 2⌋ + 1 values (torch.fft.rfft). */
export const rfft: (x: TensorLike, options?: FftOptions) => [real: Tensor, imaginary: Tensor] = func(
  'rfft(x, options)',
  OPTIONS,
  (x: TensorLike, options: FftOptions = {}) => {
    if (isPair(x))
      throw new WeftError('ERR_ARGUMENT', 'rfft: takes a real signal, got [real, imaginary]', { op: 'rfft', hint: 'Use fft()' })
    const real = single('rfft', x, 'float')
    const length = lengthOf('rfft', options.n, real.shape[axisOf('rfft', options.axis ?? -1, real.rank)]!)
    return along('rfft', real, options, false, Math.floor(length / 2) + 1)
  },
)

/**
 * The inverse of rfft: a real signal of length n, by default 2·(m - 1) for m values (torch.fft.irfft). The imaginary
 * parts of the first value, and of the middle one where n is even, do not count.
 */
export const irfft: (x: Signal, options?: FftOptions) => Tensor = func(
  'irfft(x, options)',
  OPTIONS,
  (x: Signal, { n, axis = -1, norm = 'backward' }: FftOptions = {}) => {
    const [real, imaginary] = partsOf('irfft', x)
    const at = axisOf('irfft', axis, real.rank)
    const length = lengthOf('irfft', n, 2 * (real.shape[at]! - 1))
    const half = Math.floor(length / 2) + 1
    // what is left out is the conjugate of values 1, 2, ... from the other end
    const mirrored = (part: Tensor, mirror: (t: Tensor) => Tensor): Tensor => {
      const rows = rowsOf(wide(part), at, half)
      return length === half ? rows : concat([rows, mirror(reverse(slice(rows, [0, 1], [-1, length - half]), 1))], 1)
    }
    const both = transformed(
      mirrored(real, (t) => t),
      imaginary && mirrored(imaginary, neg),
      length,
      true,
    )
    return cast(restored(mul(both[0], scaleOf(length, norm, true)), real, at, length), real.dtype)
  },
)

/** fft along the last two axes (torch.fft.fft2). */
export const fft2: Transform2d = func('fft2(x, options)', OPTIONS_2D, (x: Signal, options: Fft2Options = {}) =>
  along('fft2', along('fft2', x, { ...options, axis: -1 }, false), { ...options, axis: -2 }, false),
)

/** ifft along the last two axes (torch.fft.ifft2). */
export const ifft2: Transform2d = func('ifft2(x, options)', OPTIONS_2D, (x: Signal, options: Fft2Options = {}) =>
  along('ifft2', along('ifft2', x, { ...options, axis: -1 }, true), { ...options, axis: -2 }, true),
)
