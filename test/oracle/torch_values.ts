// What PyTorch and scikit-learn compute, as torch_values.py recorded it, and the inputs it was computed from.
import { readFileSync } from 'node:fs'
import path from 'node:path'

export interface Recorded {
  einsum: { equation: string; shapes: number[][]; shape: number[]; values: number[] }[]
  resize: { shape: number[]; size: [number, number]; interpolation: 'nearest' | 'bilinear'; alignCorners: boolean; values: number[] }[]
  ctc: {
    steps: number
    classes: number
    labels: number[][]
    lengths: number[]
    losses: (number | null)[]
    gradient: number[] | null
  }[]
  figures: Record<'meanAbsolutePercentageError' | 'meanSquaredLogarithmicError', number>
  curves: { labels: number[]; levels: number[] } & Record<'precisionAtRecall' | 'recallAtPrecision' | 'sensitivityAtSpecificity', number[]>
  convolutions: { strides: number; shape: number[]; values: number[] }[]
  gelu: number[]
  focal: Record<'binary' | 'weighted' | 'categorical', number[]>
  optimizers: Record<'adafactor' | 'adafactorPlain' | 'muon' | 'muonPlain', number[]>
  fft: {
    name: 'fft' | 'ifft' | 'rfft' | 'irfft' | 'fft2' | 'ifft2'
    shape: number[]
    pair: boolean
    options: { n?: number; axis?: number; norm?: 'ortho' | 'forward' }
    resultShape: number[]
    real: number[]
    imaginary: number[] | null
  }[]
}

const file = path.join(import.meta.dirname, '..', '..', '..', 'test', 'oracle', 'torch_values.json')
export const recorded: Recorded = JSON.parse(readFileSync(file, 'utf8')) as Recorded

/** The values of input k: sin(0.7 i + k). */
export const wave = (shape: readonly number[], k = 0): number[] =>
  Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(0.7 * i + k))
