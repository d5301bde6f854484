// RecurrentCell: what a recurrent layer does in one step; the base of the cells here and of a user's own.
import { isIntegers } from '../../core/checks.js'
import type { DType, DynamicShape, Shape } from '../../core/spec.js'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { inLayer } from '../../core/graph.js'
import { dropout, mul, ones, zeros } from '../../ops/index.js'
import { Tensor, type Variable } from '../../core/tensor.js'
import { context, inPass } from '../context.js'
import { type AnyLayer, type ApplyOptions, Layer, type LayerOptions } from '../layer.js'
import type { Weighted } from '../weights.js'

/** Factors of dropout that are the same at every step of one pass over a sequence: 0 or 1 / (1 - rate). */
export interface Drawn {
  /** Of what comes into the cell: [batch, features]. */
  input?: Tensor | undefined
  /** Of the state that meets the recurrent kernel: [batch, units]. */
  recurrent?: Tensor | undefined
  /** Those of the cells inside. */
  cells?: readonly Drawn[]
}

/** What a cell's call is told. */
export interface StepOptions {
  training?: boolean
  drawn?: Drawn
}

/** A step's result: the output [batch, outputSize] and the next states, each [batch, size]. */
export type Step = readonly [output: Tensor, states: readonly Tensor[]]

/** What layers.rnn takes: a RecurrentCell, or any layer with stateSize and call(x, states). */
export type CellLike = Weighted & {
  /** Width of the state, or of each state. */
  readonly stateSize: number | readonly number[]
  /** Width of the output; default: of the first state. */
  readonly outputSize?: number | undefined
  draw?(batch: number, features: number): Drawn
  build(inputShape: DynamicShape): void
  // biome-ignore lint/suspicious/noExplicitAny: cells say themselves which states they take
  call(x: Tensor, states: any, options?: any): unknown
  toConfig(): object
}

/** A cell is a layer, but for the states its call takes. */
export const asLayer = (cell: CellLike): AnyLayer => cell as unknown as AnyLayer

/** Widths of the states. */
export const sizesOf = (cell: CellLike): readonly number[] => (typeof cell.stateSize === 'number' ? [cell.stateSize] : cell.stateSize)
export const outputSizeOf = (cell: CellLike): number => cell.outputSize ?? sizesOf(cell)[0]!

/** Throws ERR_ARGUMENT unless the value can be the cell of a recurrent layer. */
export function checkCell(what: string, value: unknown): CellLike {
  const cell = value as CellLike
  const sizes = value instanceof Layer && cell.stateSize !== undefined ? sizesOf(cell) : []
  if (isIntegers(sizes, 1) && sizes.length > 0) return cell
  const got = value instanceof Layer ? `the layer '${value.name}' with stateSize ${show(cell.stateSize)}` : typeof value
  throw new WeftError('ERR_ARGUMENT', `${what}: a cell is a layer with stateSize (integers above 0) and call(x, states), got ${got}`, {
    hint: 'Use layers.lstmCell({ units }) and the like, or a class that extends layers.RecurrentCell',
  })
}

/** One step of a cell, as a part of the layer or of the pass under way. */
export function stepOf(cell: CellLike, x: Tensor, states: readonly Tensor[], options: StepOptions): Step {
  context.scope?.layers.add(asLayer(cell))
  const result = inLayer(cell.name, () =>
    inPass({ training: options.training ?? false, caller: asLayer(cell), pass: context.pass }, [], () => cell.call(x, states, options)),
  )
  const [output, next] = Array.isArray(result) ? (result as unknown[]) : []
  const list = next instanceof Tensor ? [next] : next
  const sizes = sizesOf(cell)
  if (output instanceof Tensor && Array.isArray(list) && list.length === sizes.length && list.every((s) => s instanceof Tensor))
    return [output, list as Tensor[]]
  throw new WeftError(
    'ERR_ARGUMENT',
    `cell '${cell.name}' (${cell.className}): call(x, states) must return [output, [${sizes.length} next states]]`,
    { layer: cell.name },
  )
}

/** States of zeros: [batch, size] each. */
export const zeroStates = (cell: CellLike, batch: number): Tensor[] =>
  sizesOf(cell).map((size) => zeros([batch, size], { dtype: cell.dtype }))

/**
 * A cell: `call(x [batch, features], states)` returns [output, next states]; `stateSize` says how wide each state is
 * (`outputSize`, where it is another, how wide the output). Subclasses write them, and build([null, features]) where
 * they have weights. layers.rnn({ cell }) runs it over sequences.
 */
// biome-ignore lint/suspicious/noExplicitAny: a cell takes an input and states, which a layer does not
export abstract class RecurrentCell<C extends object = object> extends Layer<C, any, any> {
  /** Width of the state, or of each state. */
  abstract readonly stateSize: number | readonly number[]
  // biome-ignore lint/suspicious/noExplicitAny: subclasses say which states they take
  abstract override call(x: Tensor, states: any, options?: any): Step

  /** One step on data: (x [batch, features], states; default zeros) → [output, next states]. */
  override apply(x: Tensor, states: readonly Tensor[] | ApplyOptions = [], options: ApplyOptions = {}): Step {
    const { given, training } = Array.isArray(states)
      ? { given: states as readonly Tensor[], training: options.training }
      : { given: [], training: (states as ApplyOptions).training }
    this.build(x.shape)
    return stepOf(this, x, given.length > 0 ? given : zeroStates(this, x.shape[0]!), { training: training ?? context.training })
  }

  /** @internal The factors of dropout for one pass over sequences. */
  draw(_batch: number, _features: number): Drawn {
    return {}
  }

  /** @internal A cell of its own that is made alike. */
  copy(): CellLike {
    return copyLayer<CellLike>(this)
  }
}

/** A layer made like another, with weights of its own; `changes` are put over its options. */
export function copyLayer<L extends Weighted & { toConfig(): object }>(layer: L, changes: object = {}): L {
  const { name: _, ...config } = layer.toConfig() as LayerOptions
  return new (layer.constructor as new (config: object) => L)({ ...config, ...changes })
}

/** Draws the factors that a cell's `dropout` and `recurrentDropout` ask for. */
export function drawFactors(
  rates: { dropout?: number; recurrentDropout?: number },
  state: Variable | undefined,
  input: Shape,
  recurrent: Shape,
  dtype: DType,
): Drawn {
  const factors = (rate: number | undefined, shape: Shape): Tensor | undefined =>
    rate && state ? dropout(ones(shape, { dtype }), rate, { state }) : undefined
  return { input: factors(rates.dropout, input), recurrent: factors(rates.recurrentDropout, recurrent) }
}

/** The value times its factors, where there are some. */
export const scaled = (x: Tensor, factors: Tensor | undefined): Tensor => (factors === undefined ? x : mul(x, factors))
