// rnn: a cell of any kind over sequences, step by step; stackedRnnCells: cells on top of each other as one.
import type { DynamicShape } from '../../core/spec.js'
import type { OptionTable } from '../../core/options.js'
import { type LayerFactory, layer } from '../declare.js'
import { WeftError } from '../../core/error.js'
import type { Tensor } from '../../core/tensor.js'
import type { LayerOptions } from '../layer.js'
import { Recurrent, type RecurrentFactory, SEQUENCE_OPTIONS, type SequenceOptions } from './recurrent.js'
import {
  asLayer,
  type CellLike,
  checkCell,
  copyLayer,
  type Drawn,
  outputSizeOf,
  RecurrentCell,
  sizesOf,
  type Step,
  stepOf,
  type StepOptions,
  zeroStates,
} from './cell.js'
import { type Run, type RunOptions, unroll } from './unroll.js'
import { layerFromJson, type LayerJson, layerToJson, registerLoader } from '../serialize.js'

export interface StackedRnnCellsOptions {
  /** The cells, from the input up. */
  cells: readonly CellLike[]
}

const copyOf = (cell: CellLike): CellLike => (cell instanceof RecurrentCell ? cell.copy() : copyLayer(cell))

/**
 * Cells one above the other: each takes the output of the one below. Its states are those of all cells, from the lowest
 * up.
 */
export class StackedRnnCells extends RecurrentCell<StackedRnnCellsOptions> {
  static override readonly className: string = 'StackedRnnCells'
  static override readonly options: OptionTable<StackedRnnCellsOptions> = { cells: 'any' }
  readonly cells: readonly CellLike[]

  constructor(config: StackedRnnCellsOptions & LayerOptions) {
    super(config)
    if (!Array.isArray(config.cells) || config.cells.length === 0)
      throw new WeftError('ERR_ARGUMENT', `layers.stackedRnnCells: cells must be a list of at least one cell, got ${typeof config.cells}`)
    this.cells = Array.from(config.cells, (cell) => checkCell('layers.stackedRnnCells', cell))
    if (config.trainable === false) for (const cell of this.cells) cell.trainable = false
  }

  get stateSize(): readonly number[] {
    return this.cells.flatMap(sizesOf)
  }
  get outputSize(): number {
    return outputSizeOf(this.cells.at(-1)!)
  }

  override build(inputShape: DynamicShape): void {
    this.cells.reduce(
      (features, cell) => {
        cell.build([null, features])
        return outputSizeOf(cell)
      },
      this.extentOf(inputShape, -1),
    )
  }

  override draw(batch: number, features: number): Drawn {
    let width = features
    const cells = this.cells.map((cell): Drawn => {
      const drawn = cell.draw?.(batch, width) ?? {}
      width = outputSizeOf(cell)
      return drawn
    })
    return { cells }
  }

  // biome-ignore lint/suspicious/noExplicitAny: as in the base
  override call(x: Tensor, states: any, { training = false, drawn }: StepOptions = {}): Step {
    const rest = [...(states as readonly Tensor[])]
    const next: Tensor[] = []
    const output = this.cells.reduce((below, cell, i) => {
      const own = drawn?.cells?.[i]
      const [y, after] = stepOf(cell, below, rest.splice(0, sizesOf(cell).length), { training, ...(own ? { drawn: own } : {}) })
      next.push(...after)
      return y
    }, x)
    return [output, next]
  }

  override copy(): CellLike {
    return new StackedRnnCells({ ...withoutName(this.config), cells: this.cells.map(copyOf) })
  }

  override toConfig(): object {
    return { ...super.toConfig(), cells: this.cells.map((cell) => layerToJson(asLayer(cell))) }
  }
}

function withoutName<C extends LayerOptions>({ name: _, ...config }: C): Omit<C, 'name'> {
  return config
}

/** Cells one above the other as one. */
export const stackedRnnCells: LayerFactory<typeof StackedRnnCells> = layer(StackedRnnCells)

registerLoader('StackedRnnCells', (config, options) => {
  const cells = (config['cells'] as LayerJson[]).map((json) => layerFromJson(json, options) as unknown as CellLike)
  return new StackedRnnCells({ ...(config as LayerOptions), cells })
})

export interface RnnOptions extends SequenceOptions {
  /**
   * What is computed at each step: one of the cells, or a layer of your own with stateSize and call(x, states). A list:
   * stackedRnnCells.
   */
  cell: CellLike | readonly CellLike[]
}

/**
 * A cell over sequences. Every step is recorded by itself: for lstm, gru and simpleRnn the layers of these names are
 * faster.
 */
export class Rnn<O extends Tensor | readonly Tensor[] = Tensor> extends Recurrent<RnnOptions, O> {
  static override readonly className: string = 'Rnn'
  static override readonly options: OptionTable<RnnOptions> = { cell: 'any', ...SEQUENCE_OPTIONS }
  readonly cell: CellLike

  constructor(config: RnnOptions & LayerOptions) {
    super(config)
    this.cell = Array.isArray(config.cell)
      ? new StackedRnnCells({ cells: config.cell as readonly CellLike[], dtype: this.dtype })
      : checkCell('layers.rnn', config.cell)
    if (config.trainable === false) this.cell.trainable = false
  }

  protected override run(x: Tensor, initial: readonly Tensor[] | undefined, options: RunOptions): Run {
    return unroll(this.cell, x, initial ?? zeroStates(this.cell, x.shape[0]!), options)
  }

  override copy(changes: object): this {
    return new Rnn({ ...this.config, ...changes, cell: copyOf(this.cell) }) as this
  }

  override toConfig(): object {
    return { ...super.toConfig(), cell: layerToJson(asLayer(this.cell)) }
  }
}

/**
 * A cell of any kind over sequences: [batch, time, features] → [batch, outputSize], with returnSequences [batch, time,
 * outputSize].
 */
export const rnn = layer(Rnn) as RecurrentFactory<RnnOptions, Rnn<Tensor>, Rnn<Tensor[]>>

registerLoader(
  'Rnn',
  (config, options) =>
    new Rnn({ ...(config as LayerOptions), cell: layerFromJson(config['cell'] as LayerJson, options) as unknown as CellLike }),
)
