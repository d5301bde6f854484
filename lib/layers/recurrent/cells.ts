// The cells lstmCell, gruCell and simpleRnnCell: their weights, and one step of each.
import type { DynamicShape, Shape } from '../../core/spec.js'
import { type OptionTable, show } from '../../core/options.js'
import { type LayerFactory, layer } from '../declare.js'
import { type Activation, type ActivationLike, getActivation } from '../../activations.js'
import type { ConstraintLike } from '../../constraints.js'
import { WeftError } from '../../core/error.js'
import type { InitializerLike } from '../../initializers/index.js'
import { add, concat, matMul, mul, ones, slice, split, sub } from '../../ops/index.js'
import { randomState } from '../../core/random.js'
import type { RegularizerLike } from '../../regularizers.js'
import type { Tensor, Variable } from '../../core/tensor.js'
import { getInitializer } from '../weight_options.js'
import type { LayerOptions } from '../layer.js'
import { integerOption } from '../options.js'
import { valueOf } from '../stored_weights.js'
import { drawFactors, type Drawn, RecurrentCell, scaled, type Step, type StepOptions } from './cell.js'

/** Options of all three cells, and of the layers made of them. */
export interface CellOptions {
  /** Width of the state and of the output. */
  units: number
  /** Default tanh. */
  activation?: ActivationLike
  /** Default true. */
  useBias?: boolean
  /** Default glorotUniform. */
  kernelInitializer?: InitializerLike
  /** Default orthogonal. */
  recurrentInitializer?: InitializerLike
  /** Default zeros. */
  biasInitializer?: InitializerLike
  /** Penalty of the kernel. Default: none. */
  kernelRegularizer?: RegularizerLike
  /** Penalty of the recurrent kernel. Default: none. */
  recurrentRegularizer?: RegularizerLike
  /** Penalty of the bias. Default: none. */
  biasRegularizer?: RegularizerLike
  /** Applied to the kernel after each update. Default: none. */
  kernelConstraint?: ConstraintLike
  /** Applied to the recurrent kernel after each update. Default: none. */
  recurrentConstraint?: ConstraintLike
  /** Applied to the bias after each update. Default: none. */
  biasConstraint?: ConstraintLike
  /** Share of the input's features that are dropped while training, the same at every step of a sequence. Default 0. */
  dropout?: number
  /**
   * Share of the state's features that are dropped where it meets the recurrent kernel, the same at every step (Gal and
   * Ghahramani 2016). Default 0.
   */
  recurrentDropout?: number
  /** Of dropout. By default the numbers follow setSeed(). */
  seed?: number
}

export interface GatedOptions extends CellOptions {
  /** Of the gates. Default sigmoid. */
  recurrentActivation?: ActivationLike
}

export interface LstmCellOptions extends GatedOptions {
  /** Adds 1 to the initial bias of the forget gate (Jozefowicz et al. 2015). Default true. */
  unitForgetBias?: boolean
}

export interface GruCellOptions extends GatedOptions {
  /** Applies the reset gate after the recurrent product, with a bias of its own: bias [2, 3 · units]. Default true. */
  resetAfter?: boolean
}

export const CELL_OPTIONS: OptionTable<CellOptions> = {
  units: 'integer',
  activation: 'any',
  useBias: 'boolean',
  kernelInitializer: 'any',
  recurrentInitializer: 'any',
  biasInitializer: 'any',
  kernelRegularizer: 'any',
  recurrentRegularizer: 'any',
  biasRegularizer: 'any',
  kernelConstraint: 'any',
  recurrentConstraint: 'any',
  biasConstraint: 'any',
  dropout: 'number',
  recurrentDropout: 'number',
  seed: 'number',
}

/** A cell of `gates` products of the input and of the state. */
export abstract class WeightedCell<C extends CellOptions> extends RecurrentCell<C> {
  readonly stateSize: number | readonly number[]
  readonly units: number
  /** [features, gates · units] */
  kernel!: Variable
  /** [units, gates · units] */
  recurrentKernel!: Variable
  bias: Variable | undefined
  readonly activation: Activation
  private state: Variable | undefined
  private readonly gates: number

  protected constructor(what: string, config: C & LayerOptions, gates: number, states = 1) {
    super(config)
    this.units = integerOption(what, 'units', config.units)
    this.gates = gates
    this.stateSize = states === 1 ? this.units : new Array<number>(states).fill(this.units)
    this.activation = getActivation(config.activation === undefined ? 'tanh' : config.activation)
    for (const name of ['dropout', 'recurrentDropout'] as const) {
      const rate: unknown = config[name] ?? 0
      if (typeof rate !== 'number' || !(rate >= 0 && rate < 1))
        throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be in [0, 1), got ${show(rate)}`)
    }
  }

  protected biasShape(): Shape {
    return [this.gates * this.units]
  }
  protected biasInitializer(): InitializerLike {
    return this.config.biasInitializer ?? 'zeros'
  }

  override build(inputShape: DynamicShape): void {
    const {
      kernelInitializer,
      recurrentInitializer,
      useBias = true,
      dropout = 0,
      recurrentDropout = 0,
      seed,
      ...o
    }: CellOptions = this.config
    const width = this.gates * this.units
    this.kernel = this.addWeight({
      name: 'kernel',
      shape: [this.extentOf(inputShape, -1), width],
      initializer: kernelInitializer ?? 'glorotUniform',
      regularizer: o.kernelRegularizer,
      constraint: o.kernelConstraint,
      matrix: { inputs: 1 },
    })
    this.recurrentKernel = this.addWeight({
      name: 'recurrentKernel',
      shape: [this.units, width],
      initializer: recurrentInitializer ?? 'orthogonal',
      regularizer: o.recurrentRegularizer,
      constraint: o.recurrentConstraint,
      matrix: { inputs: 1 },
    })
    if (useBias)
      this.bias = this.addWeight({
        name: 'bias',
        shape: this.biasShape(),
        initializer: this.biasInitializer(),
        regularizer: o.biasRegularizer,
        constraint: o.biasConstraint,
      })
    if (dropout > 0 || recurrentDropout > 0) this.state = this.addState('randomState', randomState(seed))
  }

  override draw(batch: number, features: number): Drawn {
    return drawFactors(this.config, this.state, [batch, features], [batch, this.units], this.dtype)
  }

  // biome-ignore lint/suspicious/noExplicitAny: as in the base
  override call(x: Tensor, states: any, { training = false, drawn }: StepOptions = {}): Step {
    const factors = drawn ?? (training ? this.draw(x.shape[0]!, x.shape[1]!) : {})
    return this.advance(scaled(x, factors.input), states, factors.recurrent)
  }

  /** One step; `factors` multiply the state that meets the recurrent kernel. */
  protected abstract advance(x: Tensor, states: readonly Tensor[], factors: Tensor | undefined): Step

  protected projected(x: Tensor, bias: Tensor | undefined = this.bias): Tensor {
    const product = matMul(x, valueOf(this.kernel))
    return bias ? add(product, bias) : product
  }
}

/** h = activation(x · kernel + h · recurrentKernel + bias) (Elman 1990). */
export class SimpleRnnCell extends WeightedCell<CellOptions> {
  static override readonly className: string = 'SimpleRnnCell'
  static override readonly options: OptionTable<CellOptions> = CELL_OPTIONS

  constructor(config: CellOptions & LayerOptions) {
    super('layers.simpleRnnCell', config, 1)
  }

  protected override advance(x: Tensor, [h]: readonly Tensor[], factors: Tensor | undefined): Step {
    const next = this.activation.apply(add(this.projected(x), matMul(scaled(h!, factors), valueOf(this.recurrentKernel))))
    return [next, [next]]
  }
}

/** One step of simpleRnn. */
export const simpleRnnCell: LayerFactory<typeof SimpleRnnCell> = layer(SimpleRnnCell)

/** Gates i, f, c, o; states h and c (Hochreiter and Schmidhuber 1997). */
export class LstmCell extends WeightedCell<LstmCellOptions> {
  static override readonly className: string = 'LstmCell'
  static override readonly options: OptionTable<LstmCellOptions> = {
    ...CELL_OPTIONS,
    recurrentActivation: 'any',
    unitForgetBias: 'boolean',
  }
  readonly recurrentActivation: Activation

  constructor(config: LstmCellOptions & LayerOptions) {
    super('layers.lstmCell', config, 4, 2)
    this.recurrentActivation = getActivation(config.recurrentActivation === undefined ? 'sigmoid' : config.recurrentActivation)
  }

  protected override biasInitializer(): InitializerLike {
    const given = super.biasInitializer()
    if (!(this.config.unitForgetBias ?? true)) return given
    const initializer = getInitializer(given)
    const { units } = this
    return (_, dtype) => concat([initializer([units], dtype), ones([units], { dtype }), initializer([2 * units], dtype)], 0)
  }

  protected override advance(x: Tensor, [h, c]: readonly Tensor[], factors: Tensor | undefined): Step {
    const gates = add(this.projected(x), matMul(scaled(h!, factors), valueOf(this.recurrentKernel))) // [batch, 4 * units]
    const [i, f, candidate, o] = split(gates, 4, -1) as [Tensor, Tensor, Tensor, Tensor]
    const gate = this.recurrentActivation.apply
    const cell = add(mul(gate(f), c!), mul(gate(i), this.activation.apply(candidate)))
    const next = mul(gate(o), this.activation.apply(cell))
    return [next, [next, cell]]
  }
}

/** One step of lstm; states h and c. */
export const lstmCell: LayerFactory<typeof LstmCell> = layer(LstmCell)

/** Gates z, r, h (Cho et al. 2014). */
export class GruCell extends WeightedCell<GruCellOptions> {
  static override readonly className: string = 'GruCell'
  static override readonly options: OptionTable<GruCellOptions> = { ...CELL_OPTIONS, recurrentActivation: 'any', resetAfter: 'boolean' }
  readonly recurrentActivation: Activation

  constructor(config: GruCellOptions & LayerOptions) {
    super('layers.gruCell', config, 3)
    this.recurrentActivation = getActivation(config.recurrentActivation === undefined ? 'sigmoid' : config.recurrentActivation)
  }

  get resetAfter(): boolean {
    return this.config.resetAfter ?? true
  }

  protected override biasShape(): Shape {
    return this.resetAfter ? [2, 3 * this.units] : [3 * this.units]
  }

  protected override advance(x: Tensor, [h]: readonly Tensor[], factors: Tensor | undefined): Step {
    const { units, bias, resetAfter } = this
    const gate = this.recurrentActivation.apply
    const row = (index: number): Tensor | undefined => bias && slice(bias, [index, 0], [1, 3 * units])
    const [xz, xr, xh] = split(this.projected(x, resetAfter ? row(0) : bias), 3, -1) as [Tensor, Tensor, Tensor]
    const before = scaled(h!, factors)
    const columns = (begin: number, count: number): Tensor => slice(valueOf(this.recurrentKernel), [0, begin], [units, count])
    let candidate: Tensor
    let z: Tensor
    if (resetAfter) {
      const product = matMul(before, valueOf(this.recurrentKernel))
      const second = row(1)
      const [hz, hr, hh] = split(second ? add(product, second) : product, 3, -1) as [Tensor, Tensor, Tensor]
      z = gate(add(xz, hz))
      candidate = add(xh, mul(gate(add(xr, hr)), hh))
    } else {
      const [hz, hr] = split(matMul(before, columns(0, 2 * units)), 2, -1) as [Tensor, Tensor]
      z = gate(add(xz, hz))
      candidate = add(xh, matMul(mul(gate(add(xr, hr)), before), columns(2 * units, units)))
    }
    const next = add(mul(z, h!), mul(sub(1, z), this.activation.apply(candidate)))
    return [next, [next]]
  }
}

/** One step of gru. */
export const gruCell: LayerFactory<typeof GruCell> = layer(GruCell)
