// unitNormalization: vectors of length 1.
import { isInteger } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { maximum, mul, rsqrt, square, sum } from '../ops/index.js'
import { type LayerFactory, layer } from './declare.js'
import { Layer, type LayerOptions } from './layer.js'

export interface UnitNormalizationOptions {
  /** The axis, or axes, along which the vectors lie. Default -1. */
  axis?: number | readonly number[]
}

/** x / √Σx²; vectors shorter than 10⁻⁶ stay that short. */
export class UnitNormalization extends Layer<UnitNormalizationOptions> {
  static override readonly className: string = 'UnitNormalization'
  static override readonly options: OptionTable<UnitNormalizationOptions> = { axis: 'any' }
  protected override readonly supportsMasking: boolean = true

  constructor(config: UnitNormalizationOptions & LayerOptions = {}) {
    super(config)
    const { axis = -1 } = config
    if (![axis].flat().every((one) => isInteger(one)))
      throw new WeftError('ERR_ARGUMENT', `layers.unitNormalization: axis is an integer or a list of them, got ${show(axis)}`)
  }

  call(x: Tensor): Tensor {
    return mul(x, rsqrt(maximum(sum(square(x), this.config.axis ?? -1, { keepDims: true }), 1e-12)))
  }
}

/** x / √Σx² along the axis: each vector has length 1, and one of zeros stays zero. */
export const unitNormalization: LayerFactory<typeof UnitNormalization> = layer(UnitNormalization)
