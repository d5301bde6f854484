// Masking: steps whose features all have one value are no data.
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { WeftError } from '../core/error.js'
import { any, cast, expandDims, mul, notEqual } from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import { type InputSpec, Layer, type LayerOptions } from './layer.js'

export interface MaskingOptions {
  /** Default 0. */
  maskValue?: number
}

/**
 * Marks the steps of [batch, time, features] whose features all equal maskValue as no data: later layers, losses and
 * metrics leave them out. Their values become 0.
 */
export class Masking extends Layer<MaskingOptions> {
  static override readonly className: string = 'Masking'
  static override readonly options: OptionTable<MaskingOptions> = { maskValue: 'number' }
  protected override inputSpec: InputSpec | undefined = { minRank: 3, layout: 'batch, time, features' }
  private readonly value: number

  constructor(config: MaskingOptions & LayerOptions = {}) {
    super(config)
    this.value = config.maskValue ?? 0
    if (typeof this.value !== 'number' || Number.isNaN(this.value))
      throw new WeftError('ERR_ARGUMENT', `layers.masking: maskValue must be a number, got ${show(config.maskValue)}`)
  }

  call(x: Tensor): Tensor {
    const mask = this.computeMask(x)
    const y = mul(x, cast(expandDims(mask, -1), x.dtype))
    // the data carry no mask: this is where it begins
    y.mask = mask
    return y
  }

  override computeMask(x: Tensor): Tensor {
    return any(notEqual(x, this.value), -1)
  }
}

/** Steps whose features all equal maskValue are no data. */
export const masking: LayerFactory<typeof Masking> = layer(Masking)
