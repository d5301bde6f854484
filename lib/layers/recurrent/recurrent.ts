// Recurrent: a cell over the steps of sequences [batch, time, features]; masks, initial states, and states kept from
// call to call.
import { type DynamicShape, sameShape, type Shape, shapeText } from '../../core/spec.js'
import { shapesIn } from '../input_spec.js'
import type { InputShapes } from '../layer.js'
import type { OptionTable } from '../../core/options.js'
import { withDevice } from '../../core/device.js'
import { currentTrace, outsideTrace } from '../../core/graph.js'
import { sharing } from '../../core/share.js'
import { div, reverse, zerosLike } from '../../ops/index.js'
import type { RegularizerFunction, RegularizerLike } from '../../regularizers.js'
import { Tensor, type TensorLike, type Variable } from '../../core/tensor.js'
import { variable } from '../../core/variable.js'
import { getRegularizer } from '../weight_options.js'
import { type ApplyOptions, type CallOptions, Layer, type LayerOptions } from '../layer.js'
import { type CellLike, copyLayer, sizesOf, zeroStates } from './cell.js'
import type { Run, RunOptions } from './unroll.js'

/** Options of every recurrent layer. */
export interface SequenceOptions {
  /** Gives the outputs of all steps [batch, time, units], not only of the last [batch, units]. Default false. */
  returnSequences?: boolean
  /** Gives an array: the output, then the last states [batch, units] each. Default false. */
  returnState?: boolean
  /** Runs from the last step to the first; outputs are in the order they were computed in. Default false. */
  goBackwards?: boolean
  /**
   * Begins with the states the last call ended with, until resetStates(). Row i of a batch goes on from row i of the
   * one before, so the first call fixes the batch size. The states are not saved. Default false.
   */
  stateful?: boolean
  /** Accepted for Keras' sake: whole sequences are one operation anyway. */
  unroll?: boolean
  /** Penalty of the outputs, divided by the batch size. */
  activityRegularizer?: RegularizerLike
}

export const SEQUENCE_OPTIONS: OptionTable<SequenceOptions> = {
  returnSequences: 'boolean',
  returnState: 'boolean',
  goBackwards: 'boolean',
  stateful: 'boolean',
  unroll: 'boolean',
  activityRegularizer: 'any',
}

/** A factory of recurrent layers: with returnState the layer gives an array, the output and the last states. */
export interface RecurrentFactory<C, One, Several> {
  (config: C & LayerOptions & { returnState: true }): Several
  (config: C & LayerOptions): One
}

export interface RecurrentApplyOptions extends ApplyOptions {
  /** States before the first step, [batch, units] each: of lstm [h, c]. Default: zeros. */
  initialState?: Tensor | readonly Tensor[]
}

const listOf = (value: Tensor | readonly Tensor[]): readonly Tensor[] => (value instanceof Tensor ? [value] : value)

/** The base of lstm, gru, simpleRnn and rnn. Takes a sequence, or a list of a sequence and its initial states. */
export abstract class Recurrent<C extends SequenceOptions = SequenceOptions, O extends Tensor | readonly Tensor[] = Tensor> extends Layer<
  C,
  Tensor | readonly Tensor[],
  O
> {
  /** What is computed at one step; it holds the weights. */
  abstract readonly cell: CellLike
  /** States of a stateful layer, once it was called. */
  private memory: Variable[] | undefined
  private features: number | undefined
  private keepsOrder = false
  private readonly activityRegularizer: RegularizerFunction | undefined

  constructor(config: C & LayerOptions) {
    super(config)
    this.activityRegularizer = getRegularizer(config.activityRegularizer)
  }

  /** Runs the cell over x [batch, time, features]; `initial`: undefined for zeros. */
  protected abstract run(x: Tensor, initial: readonly Tensor[] | undefined, options: RunOptions): Run

  override build(inputShape: InputShapes): void {
    const shape = shapesIn(inputShape)[0]!
    this.checkSequence(shape)
    this.features = this.extentOf(shape, 2)
    this.cell.build([null, this.features])
  }

  private checkSequence(shape: DynamicShape): void {
    if (shape.length === 3 && (this.features === undefined || shape[2] === this.features)) return
    throw this.error(
      'ERR_SHAPE',
      `expected sequences of shape [batch, time, ${this.features ?? 'features'}], received ${shapeText(shape)}`,
      [shape],
      shape.length === 2
        ? 'A recurrent layer before it must give sequences: returnSequences: true. Data [batch, time] of one feature need expandDims(-1), a sequence without its batch expandDims(0)'
        : 'A layer keeps the number of features it was built for',
    )
  }

  /** On a sequence, or on [sequence, ...initial states]. */
  override apply(x: Tensor | readonly Tensor[], options: RecurrentApplyOptions = {}): O {
    const { initialState, ...rest } = options
    if (initialState === undefined) return super.apply(x, rest)
    return super.apply([...listOf(x), ...listOf(initialState)], rest)
  }

  call(inputs: Tensor | readonly Tensor[], { training, mask }: CallOptions): O {
    const [x, ...given] = listOf(inputs) as [Tensor, ...Tensor[]]
    this.checkSequence(x.shape)
    const { returnSequences = false, returnState = false, goBackwards = false, stateful = false } = this.config
    const batch = x.shape[0]!
    const kept = stateful ? this.remembered(batch, x.device) : undefined
    const initial = given.length > 0 ? this.checkStates(given, batch) : kept
    const { sequence, last, states } = this.run(x, initial, {
      training,
      mask,
      drawn: training ? this.cell.draw?.(batch, x.shape[2]!) : undefined,
      reverse: goBackwards,
    })
    kept?.forEach((state, i) => void state.assign(states[i]!))
    const output = returnSequences ? this.inOrder(sequence()) : last
    if (this.activityRegularizer) this.addLoss(div(this.activityRegularizer(output), Math.max(1, batch)))
    if (!returnState) return output as O
    if (returnSequences && mask) output.mask = this.inOrder(mask)
    return [output, ...states] as unknown as O
  }

  /** Values by step in the order of the outputs. */
  private inOrder(values: Tensor): Tensor {
    return this.config.goBackwards && !this.keepsOrder ? reverse(values, 1) : values
  }

  /** The mask of a sequence goes on, in the order of the outputs; a last output has none. */
  override computeMask(_x: Tensor | readonly Tensor[], mask: Tensor | undefined): Tensor | undefined {
    return mask && this.config.returnSequences ? this.inOrder(mask) : undefined
  }

  private checkStates(states: readonly Tensor[], batch: number): readonly Tensor[] {
    const wanted = sizesOf(this.cell).map((size): Shape => [batch, size])
    if (states.length === wanted.length && states.every((state, i) => sameShape(state.shape, wanted[i]!))) return states
    throw this.error(
      'ERR_SHAPE',
      `expected initial states of shapes ${wanted.map((shape) => `[${shape}]`).join(', ')}, received ${states.map((t) => `[${t.shape}]`).join(', ')}`,
      states.map((t) => t.shape),
    )
  }

  /** The states the last call ended with. */
  private remembered(batch: number, device: string): readonly Variable[] | undefined {
    // shapes are inferred with batch sizes that are no data's
    if (currentTrace()?.inferring) return undefined
    if (sharing())
      throw this.error(
        'ERR_STATE',
        'a stateful layer cannot be trained or evaluated where ranks or shards have parts of the batch',
        [],
        'Leave out stateful: true, or train in one process without shards',
      )
    const fresh = (): Variable[] =>
      withDevice(device, () =>
        zeroStates(this.cell, batch).map((zeros) => variable(zeros, { name: `${this.name}/state`, trainable: false })),
      )
    this.memory ??= outsideTrace(fresh)
    if (this.memory[0]!.shape[0] !== batch) {
      throw this.error(
        'ERR_SHAPE',
        `the layer is stateful, so its first call fixed the batch size: ${this.memory[0]!.shape[0]}, received ${batch}`,
        [this.memory[0]!.shape],
        'Use a batchSize that divides the number of rows; for another batch size, make the model again with the same weights',
      )
    }
    for (const state of this.memory) if (state.device !== device) outsideTrace(() => state.moveTo(device))
    return this.memory
  }

  /**
   * Sets the states of a stateful layer to zeros, or to the given ones [batch, units]. Before its first call there is
   * nothing to reset.
   */
  resetStates(states?: TensorLike | readonly TensorLike[]): void {
    if (!this.config.stateful) throw this.error('ERR_STATE', 'resetStates: the layer is not stateful', [], 'Make it with stateful: true')
    if (states !== undefined && !this.memory)
      throw this.error('ERR_STATE', 'resetStates: there are no states before the first call', [], 'Call the layer first')
    const count = sizesOf(this.cell).length
    const list =
      states === undefined ? undefined : count === 1 && !(Array.isArray(states) && states[0] instanceof Tensor) ? [states] : states
    if (list !== undefined && !(Array.isArray(list) && list.length === count))
      throw this.error(
        'ERR_ARGUMENT',
        `resetStates: the layer has ${count} states [batch, units], got ${Array.isArray(list) ? list.length : 'one value'}`,
      )
    this.memory?.forEach((kept, i) => void kept.assign(list === undefined ? zerosLike(kept) : (list[i] as TensorLike)))
  }

  /** @internal Runs fn while outputs stay in the order of the input, also backwards. */
  inInputOrder<T>(fn: () => T): T {
    this.keepsOrder = true
    try {
      return fn()
    } finally {
      this.keepsOrder = false
    }
  }

  /** @internal A layer made alike, with weights of its own. */
  copy(changes: object): this {
    return copyLayer(this, changes) as this
  }

  override dispose(): void {
    super.dispose()
    for (const state of this.memory ?? []) state.dispose()
  }
}
