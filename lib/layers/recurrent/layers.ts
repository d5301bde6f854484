// lstm, gru and simpleRnn: a cell whose steps are one operation.
import type { OptionTable } from '../../core/options.js'
import { layer } from '../declare.js'
import { type Activation, activations } from '../../activations.js'
import * as ops from '../../ops/index.js'
import { RECURRENT_ACTIVATIONS, type RecurrentActivation } from '../../ops/recurrent_steps.js'
import type { Tensor, Variable } from '../../core/tensor.js'
import { context } from '../context.js'
import type { LayerOptions } from '../layer.js'
import { valueOf } from '../stored_weights.js'
import { Recurrent, type RecurrentFactory, SEQUENCE_OPTIONS, type SequenceOptions } from './recurrent.js'
import { asLayer, zeroStates } from './cell.js'
import {
  CELL_OPTIONS,
  type CellOptions,
  GruCell,
  type GruCellOptions,
  LstmCell,
  type LstmCellOptions,
  SimpleRnnCell,
  type WeightedCell,
} from './cells.js'
import { type Run, type RunOptions, unroll } from './unroll.js'

export type SimpleRnnLayerOptions = CellOptions & SequenceOptions
export type LstmLayerOptions = LstmCellOptions & SequenceOptions
export type GruLayerOptions = GruCellOptions & SequenceOptions

/** The activation's name where the operations know it. */
function knownName({ name, apply }: Activation): RecurrentActivation | undefined {
  if (apply === activations.linear) return 'linear'
  return RECURRENT_ACTIVATIONS.find((known) => known === name)
}

/** The cell's part of the layer's options, and what both share. */
function cellConfig<C extends SequenceOptions & LayerOptions>(config: C, name: string): Omit<C, keyof SequenceOptions | 'inputShape'> {
  const own = Object.entries(config).filter(([key]) => !Object.hasOwn(SEQUENCE_OPTIONS, key) && key !== 'inputShape')
  return { ...Object.fromEntries(own), name: `${name}_cell` } as unknown as Omit<C, keyof SequenceOptions | 'inputShape'>
}

/** What an operation gives: h of all steps, and the last states. */
interface Whole {
  sequence: Tensor
  states: readonly [Tensor, ...Tensor[]]
}
interface WholeOptions {
  initialState?: Tensor[]
  mask?: Tensor
  reverse: boolean
  activation: RecurrentActivation
  recurrentScale?: Tensor
}

/** A layer whose cell runs as one operation, or step by step where its activations are no others' than the cell's. */
abstract class Fused<
  C extends CellOptions & SequenceOptions,
  Cell extends WeightedCell<CellOptions>,
  O extends Tensor | readonly Tensor[],
> extends Recurrent<C, O> {
  abstract override readonly cell: Cell

  /** Runs all steps; undefined where the operation does not know an activation. */
  protected abstract whole(x: Tensor, options: WholeOptions): Whole | undefined

  get units(): number {
    return this.cell.units
  }
  get kernel(): Variable {
    return this.cell.kernel
  }
  get recurrentKernel(): Variable {
    return this.cell.recurrentKernel
  }
  get bias(): Variable | undefined {
    return this.cell.bias
  }

  protected override run(x: Tensor, initial: readonly Tensor[] | undefined, options: RunOptions): Run {
    const { cell } = this
    const { mask, drawn, reverse } = options
    const activation = knownName(cell.activation)
    const whole =
      activation &&
      this.whole(drawn?.input ? ops.mul(x, ops.expandDims(drawn.input, 1)) : x, {
        reverse,
        activation,
        ...(initial ? { initialState: [...initial] } : {}),
        ...(mask ? { mask } : {}),
        ...(drawn?.recurrent ? { recurrentScale: drawn.recurrent } : {}),
      })
    if (whole) {
      // the cell itself is not called, but its weights are used: their penalties count
      context.scope?.layers.add(asLayer(cell))
      return { sequence: () => whole.sequence, last: whole.states[0], states: whole.states }
    }
    const states = initial ?? zeroStates(cell, x.shape[0]!)
    return unroll(cell, x, states, options, states[0])
  }
}

export class SimpleRnn<O extends Tensor | readonly Tensor[] = Tensor> extends Fused<SimpleRnnLayerOptions, SimpleRnnCell, O> {
  static override readonly className: string = 'SimpleRnn'
  static override readonly options: OptionTable<SimpleRnnLayerOptions> = { ...CELL_OPTIONS, ...SEQUENCE_OPTIONS }
  readonly cell: SimpleRnnCell

  constructor(config: SimpleRnnLayerOptions & LayerOptions) {
    super(config)
    this.cell = new SimpleRnnCell(cellConfig(config, this.name))
  }

  protected override whole(x: Tensor, { initialState, ...options }: WholeOptions): Whole {
    const { kernel, recurrentKernel, bias } = this.cell
    const given = initialState ? { initialState: initialState[0]! } : {}
    const { sequence, state } = ops.simpleRnn(x, valueOf(kernel), valueOf(recurrentKernel), bias, { ...options, ...given })
    return { sequence, states: [state] }
  }
}

/**
 * A simple recurrent network (Elman 1990): [batch, time, features] → [batch, units], with returnSequences [batch, time,
 * units].
 */
export const simpleRnn = layer(SimpleRnn) as RecurrentFactory<SimpleRnnLayerOptions, SimpleRnn<Tensor>, SimpleRnn<Tensor[]>>

export class Lstm<O extends Tensor | readonly Tensor[] = Tensor> extends Fused<LstmLayerOptions, LstmCell, O> {
  static override readonly className: string = 'Lstm'
  static override readonly options: OptionTable<LstmLayerOptions> = {
    ...CELL_OPTIONS,
    recurrentActivation: 'any',
    unitForgetBias: 'boolean',
    ...SEQUENCE_OPTIONS,
  }
  readonly cell: LstmCell

  constructor(config: LstmLayerOptions & LayerOptions) {
    super(config)
    this.cell = new LstmCell(cellConfig(config, this.name))
  }

  protected override whole(x: Tensor, options: WholeOptions): Whole | undefined {
    const { kernel, recurrentKernel, bias } = this.cell
    const recurrentActivation = knownName(this.cell.recurrentActivation)
    if (!recurrentActivation) return undefined
    const { sequence, state, cell } = ops.lstm(x, valueOf(kernel), valueOf(recurrentKernel), bias, { ...options, recurrentActivation })
    return { sequence, states: [state, cell] }
  }
}

/**
 * Long short-term memory (Hochreiter and Schmidhuber 1997): [batch, time, features] → [batch, units], with
 * returnSequences [batch, time, units].
 */
export const lstm = layer(Lstm) as RecurrentFactory<LstmLayerOptions, Lstm<Tensor>, Lstm<Tensor[]>>

export class Gru<O extends Tensor | readonly Tensor[] = Tensor> extends Fused<GruLayerOptions, GruCell, O> {
  static override readonly className: string = 'Gru'
  static override readonly options: OptionTable<GruLayerOptions> = {
    ...CELL_OPTIONS,
    recurrentActivation: 'any',
    resetAfter: 'boolean',
    ...SEQUENCE_OPTIONS,
  }
  readonly cell: GruCell

  constructor(config: GruLayerOptions & LayerOptions) {
    super(config)
    this.cell = new GruCell(cellConfig(config, this.name))
  }

  protected override whole(x: Tensor, { initialState, ...options }: WholeOptions): Whole | undefined {
    const { kernel, recurrentKernel, bias, resetAfter } = this.cell
    const recurrentActivation = knownName(this.cell.recurrentActivation)
    if (!recurrentActivation) return undefined
    const given = initialState ? { initialState: initialState[0]! } : {}
    const { sequence, state } = ops.gru(x, valueOf(kernel), valueOf(recurrentKernel), bias, {
      ...options,
      ...given,
      recurrentActivation,
      resetAfter,
    })
    return { sequence, states: [state] }
  }
}

/**
 * Gated recurrent units (Cho et al. 2014): [batch, time, features] → [batch, units], with returnSequences [batch, time,
 * units].
 */
export const gru = layer(Gru) as RecurrentFactory<GruLayerOptions, Gru<Tensor>, Gru<Tensor[]>>
