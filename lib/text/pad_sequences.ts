// padSequences: sequences of different lengths as one Tensor, as Keras' pad_sequences.
import { integer, isList } from '../core/checks.js'
import { tensor } from '../core/create.js'
import type { NestedArray, TypedArray } from '../core/host.js'
import type { DType } from '../core/spec.js'
import { checkDepth } from '../core/tree.js'
import { unknownName, WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { describe } from './words.js'

export interface PadOptions {
  /** Length of every row. Default: that of the longest sequence. */
  maxLen?: number
  /** Default 'int32'; integers take the whole part of a value. */
  dtype?: DType
  /** Where `value` is put in short sequences. Default 'pre'. */
  padding?: 'pre' | 'post'
  /** Where long sequences lose values. Default 'pre'. */
  truncating?: 'pre' | 'post'
  /** What short sequences are filled with. Default 0. */
  value?: number
}

const PAD_OPTIONS: OptionTable<PadOptions> = {
  maxLen: 'integer',
  dtype: 'string',
  padding: ['pre', 'post'],
  truncating: ['pre', 'post'],
  value: 'number',
}

type Sequence = TypedArray | readonly NestedArray[]

/** Of one result. */
const MOST_VALUES = 2 ** 30

/** Sequences of numbers (or of equal-shaped arrays of numbers) as a Tensor [sequences, maxLen, ...]. */
export function padSequences(sequences: readonly Sequence[], options: PadOptions = {}): Tensor {
  checkCall('text.padSequences(sequences, options)', arguments, PAD_OPTIONS)
  const { dtype = 'int32', padding = 'pre', truncating = 'pre', value = 0 } = options
  for (const [name, side] of [
    ['padding', padding],
    ['truncating', truncating],
  ] as const) {
    if (side !== 'pre' && side !== 'post') throw unknownName(`${name} of text.padSequences`, side, ['pre', 'post'])
  }
  if (typeof value !== 'number') throw new WeftError('ERR_ARGUMENT', `text.padSequences: value must be a number, got ${describe(value)}`)
  if (!Array.isArray(sequences)) {
    throw new WeftError('ERR_ARGUMENT', `text.padSequences: expected an array of sequences, got ${describe(sequences)}`)
  }
  for (const [i, sequence] of sequences.entries()) {
    if (!isSequence(sequence)) {
      throw new WeftError('ERR_ARGUMENT', `text.padSequences: sequence ${i} must be an array of numbers, got ${describe(sequence)}`, {
        hint: 'Put a single sequence into an array: [sequence]',
      })
    }
  }
  const maxLen = options.maxLen ?? longest(sequences)
  integer('text.padSequences', 'maxLen', maxLen, options.maxLen === undefined ? 0 : 1)
  const first = sequences.find((sequence) => sequence.length > 0)
  const stepShape = first === undefined ? [] : shapeOf(first[0] as NestedArray)
  const stepSize = stepShape.reduce((size, n) => size * n, 1)
  const integers = ['int32', 'int64', 'int8', 'uint8'].includes(dtype)
  if (sequences.length * maxLen * stepSize > MOST_VALUES)
    throw new WeftError('ERR_ARGUMENT', `text.padSequences: ${sequences.length} sequences of ${maxLen} steps are too large for one Tensor`)
  const filled = new Float64Array(sequences.length * maxLen * stepSize).fill(value)
  for (const [i, sequence] of sequences.entries()) {
    const length = Math.min(sequence.length, maxLen)
    const from = truncating === 'pre' ? sequence.length - length : 0
    let at = (i * maxLen + (padding === 'pre' ? maxLen - length : 0)) * stepSize
    for (let step = from; step < from + length; step++) at = put(filled, at, sequence[step] as NestedArray, stepShape, 0, i)
  }
  const shape = [sequences.length, maxLen, ...stepShape]
  // whole numbers up to 2^53 survive in float64
  const values = integers ? filled.map(Math.trunc) : filled
  return tensor(dtype === 'int32' ? Int32Array.from(values) : values, { shape, dtype })
}

function longest(sequences: readonly Sequence[]): number {
  if (sequences.length === 0) {
    throw new WeftError('ERR_ARGUMENT', 'text.padSequences: there is no sequence, so no longest one', { hint: 'Give maxLen' })
  }
  return sequences.reduce((most, { length }) => Math.max(most, length), 0)
}

const isSequence = (value: unknown): value is Sequence => isList(value)

function shapeOf(step: NestedArray, depth = 0): number[] {
  checkDepth(depth)
  return isSequence(step) ? [step.length, ...shapeOf(step[0] ?? 0, depth + 1)] : []
}

/** Writes one step and returns where the next begins. */
function put(target: Float64Array, at: number, step: NestedArray, shape: readonly number[], axis: number, row: number): number {
  if (axis < shape.length) {
    if (!isSequence(step) || step.length !== shape[axis]) throw misfit(row, step, shape)
    let next = at
    for (const part of step as readonly NestedArray[]) next = put(target, next, part, shape, axis + 1, row)
    return next
  }
  if (typeof step !== 'number' && typeof step !== 'boolean') throw misfit(row, step, shape)
  target[at] = Number(step)
  return at + 1
}

function misfit(row: number, step: unknown, shape: readonly number[]): WeftError {
  const expected = shape.length === 0 ? 'numbers' : `arrays of shape [${shape}]`
  return new WeftError('ERR_SHAPE', `text.padSequences: the steps of the sequences are ${expected}, but sequence ${row} has ${show(step)}`)
}
