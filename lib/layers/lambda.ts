// Lambda: a function of tensors as a layer.
import { checkFunction } from '../core/checks.js'
import { checkCall, type OptionTable } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { NoOptions } from './declare.js'
import { type CallOptions, Layer, type LayerOptions } from './layer.js'

export type LambdaFunction = (x: Tensor, options: CallOptions) => Tensor

/** A layer without weights made of a function. Functions are not saved: write a class for a model that is. */
export class Lambda extends Layer<LayerOptions> {
  static override readonly className: string = 'Lambda'
  static override readonly options: OptionTable<NoOptions> = {}
  protected override readonly supportsMasking: boolean = true
  protected override readonly castsInputs: boolean = false
  private readonly fn: LambdaFunction

  constructor(fn: LambdaFunction, config: LayerOptions = {}) {
    checkFunction('layers.lambda', fn)
    super(config)
    this.fn = fn
  }

  call(x: Tensor, options: CallOptions): Tensor {
    return this.fn(x, options)
  }

  override toConfig(): never {
    throw this.error(
      'ERR_ARGUMENT',
      'a lambda layer cannot be saved, because a function is no data',
      [],
      'Write a class that extends layers.Layer and give it to loadModel(dir, { layers })',
    )
  }
}

/** A function of tensors as a layer; not saved. */
export function lambda(fn: LambdaFunction, config: LayerOptions = {}): Lambda {
  checkCall('layers.lambda(fn, options)', arguments)
  return new Lambda(fn, config)
}
