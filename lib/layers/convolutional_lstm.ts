// convLstm2d: an LSTM whose products are convolutions, over sequences of images.
import type { DynamicShape, Shape } from '../core/spec.js'
import type { OptionTable } from '../core/options.js'
import { type ActivationLike, getActivation } from '../activations.js'
import type { ConstraintLike } from '../constraints.js'
import type { InitializerLike } from '../initializers/index.js'
import type { RegularizerLike } from '../regularizers.js'
import * as ops from '../ops/index.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { KERNEL_OPTIONS, type KernelOptions } from './activated.js'
import { Convolution } from './convolution.js'
import { type LayerFactory, layer } from './declare.js'
import type { InputSpec, LayerOptions } from './layer.js'
import { choiceOption, integerOption, type Padding, pairOption, type Size } from './options.js'
import { valueOf } from './stored_weights.js'

export interface ConvLstm2dOptions extends KernelOptions {
  /** Channels of the state and of the output. */
  filters: number
  /** Height and width of the kernels, or one number for both. */
  kernelSize: Size
  /** Of the convolution of the inputs. Default 1. */
  strides?: Size
  /** Of the convolution of the inputs. Default 'valid'. */
  padding?: Padding
  /** Of the convolution of the inputs. Default 1. */
  dilationRate?: Size
  /** Of the gates. Default sigmoid. */
  recurrentActivation?: ActivationLike
  /** Default orthogonal. */
  recurrentInitializer?: InitializerLike
  /** Penalty of the recurrent kernel. Default: none. */
  recurrentRegularizer?: RegularizerLike
  /** Applied to the recurrent kernel after each update. Default: none. */
  recurrentConstraint?: ConstraintLike
  /** The bias of the forget gate begins with 1. Default true. */
  unitForgetBias?: boolean
  /** The outputs of all steps instead of the last one. Default false. */
  returnSequences?: boolean
  /** From the last step to the first. Default false. */
  goBackwards?: boolean
}

export class ConvLstm2d extends Convolution<ConvLstm2dOptions> {
  static override readonly className: string = 'ConvLstm2d'
  static override readonly options: OptionTable<ConvLstm2dOptions> = {
    ...KERNEL_OPTIONS,
    filters: 'integer',
    kernelSize: 'any',
    strides: 'any',
    padding: 'any',
    dilationRate: 'any',
    recurrentActivation: 'any',
    recurrentInitializer: 'any',
    recurrentRegularizer: 'any',
    recurrentConstraint: 'any',
    unitForgetBias: 'boolean',
    returnSequences: 'boolean',
    goBackwards: 'boolean',
  }

  protected override inputSpec: InputSpec | undefined = SEQUENCES_OF_IMAGES
  private recurrent!: Variable
  private readonly gate: (x: Tensor) => Tensor
  private readonly inner: (x: Tensor) => Tensor
  private readonly size: [number, number]
  private readonly strides: [number, number]
  private readonly dilations: [number, number]
  private readonly padding: Padding

  constructor(config: ConvLstm2dOptions & LayerOptions) {
    super(config)
    const what = 'layers.convLstm2d'
    integerOption(what, 'filters', config.filters)
    this.size = pairOption(what, 'kernelSize', config.kernelSize)
    this.strides = pairOption(what, 'strides', config.strides ?? 1)
    this.dilations = pairOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    this.inner = getActivation(config.activation ?? 'tanh').apply
    this.gate = getActivation(config.recurrentActivation ?? 'sigmoid').apply
    // it is inside the step, and cannot be left out at the end
    this.activationName = undefined
    this.notProbabilities = undefined
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    const { filters, useBias = true, unitForgetBias = true, ...o } = this.config
    this.addKernel('kernel', [...this.size, channels, 4 * filters], {
      initializer: o.kernelInitializer,
      regularizer: o.kernelRegularizer,
      constraint: o.kernelConstraint,
    })
    this.recurrent = this.addWeight({
      name: 'recurrentKernel',
      shape: [...this.size, filters, 4 * filters],
      initializer: o.recurrentInitializer ?? 'orthogonal',
      regularizer: o.recurrentRegularizer,
      constraint: o.recurrentConstraint,
    })
    if (useBias) {
      this.addBias(4 * filters)
      if (unitForgetBias && o.biasInitializer === undefined)
        this.bias!.assign(Array.from({ length: 4 * filters }, (_, i) => Number(i >= filters && i < 2 * filters)))
    }
    this.fixChannels(SEQUENCES_OF_IMAGES, channels)
  }

  protected override activated(x: Tensor): Tensor {
    return this.linear(x)
  }

  /** x [batch, time, height, width, channels] */
  protected override linear(x: Tensor): Tensor {
    const { filters, returnSequences = false, goBackwards = false } = this.config
    const [batch, time, height, width, channels] = x.shape as Shape & [number, number, number, number, number]
    const { strides, padding, dilations } = this
    const images = ops.reshape(x, [batch * time, height, width, channels])
    const all = this.biased(ops.conv2d(images, valueOf(this.kernel), { strides, padding, dilations }))
    const [, rows, columns] = all.shape as Shape & [number, number, number, number]
    const steps = ops.reshape(all, [batch, time, rows, columns, 4 * filters])
    let h = ops.zeros([batch, rows, columns, filters], { dtype: x.dtype })
    let c = h
    const outputs: Tensor[] = []
    for (let step = 0; step < time; step++) {
      const t = goBackwards ? time - 1 - step : step
      const now = ops.reshape(ops.slice(steps, [0, t, 0, 0, 0], [batch, 1, rows, columns, 4 * filters]), [
        batch,
        rows,
        columns,
        4 * filters,
      ])
      const z = ops.add(now, ops.conv2d(h, this.recurrent, { padding: 'same' }))
      const [i, f, candidate, o] = ops.split(z, 4, -1) as [Tensor, Tensor, Tensor, Tensor]
      c = ops.add(ops.mul(this.gate(f), c), ops.mul(this.gate(i), this.inner(candidate)))
      h = ops.mul(this.gate(o), this.inner(c))
      outputs.push(h)
    }
    return returnSequences ? ops.stack(outputs, 1) : h
  }
}

const SEQUENCES_OF_IMAGES: InputSpec = { rank: 5, hint: 'A batch of sequences of images is [batch, time, height, width, channels]' }

/**
 * An LSTM whose products are convolutions (Shi et al. 2015): [batch, time, height, width, channels] → [batch, height',
 * width', filters]. Gates i, f, c, o.
 */
export const convLstm2d: LayerFactory<typeof ConvLstm2d> = layer(ConvLstm2d)
