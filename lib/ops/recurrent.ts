// Recurrent layers as functions of sequences [batch, time, features]: what lstm, gru and simpleRnn have in common,
// their options, the checks of their operands, and the projection of all steps.
import { tensor } from '../core/create.js'
import { unknownName, WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { stopGradient } from './cast.js'
import { zeros } from './creation.js'
import { dense } from './dense.js'
import { matMul } from './matmul.js'
import { sameFloats } from './operands.js'
import { reshape } from './reshape.js'
import { slice } from './slice.js'
import { type GatedAttrs, RECURRENT_ACTIVATIONS, type RecurrentActivation, type StepAttrs } from './recurrent_steps.js'

export interface RecurrentOptions {
  /** State before the first step [b, units]; lstm: [h, c]. Default zeros. */
  initialState?: TensorLike | readonly TensorLike[]
  /** bool [b, t]: where false, the step leaves the state as it is and the sequence repeats it. */
  mask?: TensorLike
  /**
   * Steps from the last to the first; the sequence stays in the order of x, the state is that after x's first step.
   * Default false.
   */
  reverse?: boolean
  /** Default 'tanh'. */
  activation?: RecurrentActivation
  /**
   * Factors [b, units] of the state where it meets the recurrent kernel, the same at all steps (Gal and Ghahramani
   * 2016); no gradient flows to them.
   */
  recurrentScale?: TensorLike
}
/** Of the functions with gates. */
export interface GatedOptions extends RecurrentOptions {
  /** Of the gates. Default 'sigmoid'. */
  recurrentActivation?: RecurrentActivation
}
export interface RecurrentResult {
  /** The state after each step [b, t, units]. */
  sequence: Tensor
  /** The state after the last step [b, units]. */
  state: Tensor
}

/** Of all three functions. */
export const RECURRENT_OPTIONS: OptionTable<RecurrentOptions> = {
  initialState: 'any',
  mask: 'any',
  reverse: 'any',
  activation: 'any',
  recurrentScale: 'any',
}

export const GATED_OPTIONS: OptionTable<GatedOptions> = { ...RECURRENT_OPTIONS, recurrentActivation: 'any' }

export interface Operands {
  projected: Tensor // [b, t, gates·units]
  recurrent: Tensor
  bias: Tensor | undefined
  states: Tensor[]
  conditions: Tensor[]
  attrs: StepAttrs
}

function activationOf(op: string, name: string, value: unknown): RecurrentActivation {
  if (!RECURRENT_ACTIVATIONS.includes(value as RecurrentActivation)) throw unknownName(`${name} of ${op}`, value, RECURRENT_ACTIVATIONS)
  return value as RecurrentActivation
}

function maskOf(op: string, value: TensorLike, x: Tensor): Tensor {
  const mask = value instanceof Tensor ? value : tensor(value, { device: x.device })
  if (mask.dtype !== 'bool') {
    throw new WeftError('ERR_DTYPE', `${op}: the mask must be bool, true where a step counts, got ${mask.dtype}`, {
      op,
      shapes: [mask.shape],
      hint: "Use cast('bool'), or compare",
    })
  }
  return mask
}

export function flagOf(op: string, name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new WeftError('ERR_ARGUMENT', `${op}: ${name} is true or false, got ${show(value)}`, { op })
  return value
}

function statesOf(op: string, given: RecurrentOptions['initialState'], count: number): TensorLike[] {
  if (given === undefined) return []
  const list = Array.isArray(given) && (count > 1 || given[0] instanceof Tensor) ? (given as TensorLike[]) : [given as TensorLike]
  if (list.length !== count) {
    const wanted = count === 1 ? 'one tensor [b, units]' : 'a list [h, c] of two tensors [b, units]'
    throw new WeftError(
      'ERR_ARGUMENT',
      `${op}: initialState is ${wanted}, got ${list.length === 1 ? 'one value' : `a list of ${list.length}`}`,
      { op },
    )
  }
  return list
}

/** Checks what all three functions take, and projects x. */
export function prepare(
  op: string,
  gates: number,
  stateCount: number,
  [x, kernel, recurrentKernel, bias]: [TensorLike, TensorLike, TensorLike, TensorLike | undefined],
  options: RecurrentOptions,
  twoBiases = false,
): Operands {
  const { initialState, mask, reverse = false, activation = 'tanh', recurrentScale } = options
  const given = statesOf(op, initialState, stateCount)
  const values = [x, kernel, recurrentKernel, ...given]
  if (bias !== undefined) values.push(bias)
  if (recurrentScale !== undefined) values.push(recurrentScale)
  const tensors = sameFloats(op, values)
  const [input, weights, recurrent] = tensors as [Tensor, Tensor, Tensor]
  const states = tensors.slice(3, 3 + given.length)
  const offset = bias === undefined ? undefined : tensors[3 + given.length]
  const factors = recurrentScale === undefined ? undefined : tensors[tensors.length - 1]
  const steps = mask === undefined ? undefined : maskOf(op, mask, input)

  const [b, t, d] = input.shape
  const units = recurrent.shape[0]
  const n = gates * (units ?? 0)
  const is = (value: Tensor | undefined, ...shape: (number | undefined)[]): boolean =>
    value === undefined || (value.rank === shape.length && shape.every((extent, i) => extent === value.shape[i]))
  const fits =
    input.rank === 3 &&
    is(weights, d, n) &&
    is(recurrent, units, n) &&
    (twoBiases ? is(offset, 2, n) : is(offset, n)) &&
    states.every((state) => is(state, b, units)) &&
    is(factors, b, units) &&
    is(steps, b, t)
  if (!fits) {
    const named: [string, string, Tensor | undefined][] = [
      ['x', '[b, t, d]', input],
      ['kernel', `[d, ${gates === 1 ? '' : gates}u]`, weights],
      ['recurrentKernel', `[u, ${gates === 1 ? '' : gates}u]`, recurrent],
      ['bias', twoBiases ? `[2, ${gates}u]` : `[${gates === 1 ? '' : gates}u]`, offset],
      ...states.map((state): [string, string, Tensor] => ['initial state', '[b, u]', state]),
      ['mask', '[b, t]', steps],
      ['recurrentScale', '[b, u]', factors],
    ]
    const present = named.filter((entry): entry is [string, string, Tensor] => entry[2] !== undefined)
    const text = (entry: readonly string[]): string => entry.join(', ')
    throw new WeftError(
      'ERR_SHAPE',
      `${op}: ${text(present.map(([name, , value]) => `${name} [${value.shape}]`))} do not fit: they are ${text(present.map(([, shape]) => shape))}`,
      { op, shapes: present.map(([, , value]) => value.shape) },
    )
  }
  const flat = reshape(input, [b! * t!, d!])
  const first = offset && twoBiases ? reshape(slice(offset, 0, 1), [n]) : offset
  const product = first ? dense(flat, weights, first) : matMul(flat, weights)
  while (states.length < stateCount) states.push(zeros([b!, units!], { dtype: input.dtype, device: input.device }))
  return {
    projected: reshape(product, [b!, t!, n]),
    recurrent,
    bias: offset,
    states,
    conditions: [...(steps ? [steps] : []), ...(factors ? [stopGradient(factors)] : [])],
    attrs: {
      masked: steps !== undefined,
      scaled: factors !== undefined,
      reverse: flagOf(op, 'reverse', reverse),
      activation: activationOf(op, 'activation', activation),
    },
  }
}

/** The same for the functions with gates. */
export function prepareGated(
  op: string,
  gates: number,
  stateCount: number,
  values: [TensorLike, TensorLike, TensorLike, TensorLike | undefined],
  options: GatedOptions,
  twoBiases = false,
): Operands & { attrs: GatedAttrs } {
  const recurrentActivation = activationOf(op, 'recurrentActivation', options.recurrentActivation ?? 'sigmoid')
  const operands = prepare(op, gates, stateCount, values, options, twoBiases)
  return { ...operands, attrs: { ...operands.attrs, recurrentActivation } }
}
