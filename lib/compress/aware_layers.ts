// Layers that are trained as if they were of few bits: kernels and inputs are rounded, and gradients pass as if they
// were not (the straight-through estimator: Bengio et al. 2013; Jacob et al. 2018).
import { type OptionTable, show } from '../core/options.js'
import { WeftError } from '../core/error.js'
import { factoryName } from '../core/named.js'
import type { DynamicShape } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { layer } from '../layers/declare.js'
import { Conv2d, type Conv2dLayerOptions } from '../layers/convolution.js'
import { Dense, type DenseOptions } from '../layers/dense.js'
import type { CallOptions, LayerOptions } from '../layers/layer.js'
import {
  abs,
  add,
  cast,
  clip,
  div,
  floor,
  greater,
  max,
  maximum,
  min,
  minimum,
  mul,
  round,
  stopGradient,
  sub,
  where,
} from '../ops/index.js'

export interface AwareOptions {
  /** Bits of the kernel's values, 2 to 8. Default 8. */
  bits?: number
  /** Share of the old range of the inputs in each step. Default 0.9. */
  momentum?: number
  /** Each output of the kernel has a scale of its own. Default true. */
  perChannel?: boolean
}
const AWARE_OPTIONS: OptionTable<AwareOptions> = { bits: 'integer', momentum: 'number', perChannel: 'boolean' }

/** The rounded value, with the gradient of the value itself. */
const through = (value: Tensor, rounded: Tensor): Tensor => add(value, stopGradient(sub(rounded, value)))

/**
 * A kernel [..., n] rounded to 2^bits - 1 values, symmetric around 0, with a scale for each output or one for all, as
 * it will be once it is quantized.
 */
export function fakeKernel(kernel: Tensor, bits: number, perChannel: boolean): Tensor {
  const most = 2 ** (bits - 1) - 1
  const axes = perChannel ? kernel.shape.slice(0, -1).map((_, axis) => axis) : kernel.shape.map((_, axis) => axis)
  const largest = max(abs(kernel), axes, { keepDims: true })
  const scale = stopGradient(where(greater(largest, 0), div(largest, most), 1))
  return through(kernel, mul(clip(round(div(kernel, scale)), -most, most), scale))
}

/** Inputs rounded to the 256 values of a range; beyond its ends the gradient is 0. */
export function fakeInputs(x: Tensor, low: Tensor, high: Tensor): Tensor {
  const from = minimum(low, 0)
  const to = maximum(high, 0)
  const width = sub(to, from)
  const scale = where(greater(width, 0), div(width, 255), 1)
  const zero = floor(add(div(mul(from, -1), scale), 0.5))
  const least = mul(mul(zero, -1), scale)
  const inside = maximum(minimum(x, add(least, mul(scale, 255))), least)
  const rounded = mul(sub(clip(add(round(div(x, scale)), zero), 0, 255), zero), scale)
  return through(inside, rounded)
}

/** The range of a layer's inputs: a mean over the steps of training, in which later ones count more. */
class InputRange {
  readonly low: Variable
  readonly high: Variable
  /** 0 before the first step. */
  readonly seen: Variable

  constructor(make: (name: string) => Variable) {
    this.low = make('inputLow')
    this.high = make('inputHigh')
    this.seen = make('inputSeen')
  }

  /** Takes the range of a batch in. */
  follow(x: Tensor, momentum: number): void {
    const fresh = sub(1, this.seen)
    // the first batch counts whole
    const share = maximum(fresh, 1 - momentum)
    for (const [end, found] of [
      [this.low, min(x)],
      [this.high, max(x)],
    ] as const)
      end.assign(add(mul(end, sub(1, share)), mul(stopGradient(cast(found, 'float32')), share)))
    this.seen.assign(add(mul(this.seen, 0), 1))
  }

  /** x rounded to the range; as it is before the first step. */
  rounded(x: Tensor): Tensor {
    return where(greater(this.seen, 0), fakeInputs(x, this.low, this.high), x)
  }
}

function checkBits(what: string, { bits = 8, momentum = 0.9 }: AwareOptions): void {
  if (!Number.isInteger(bits) || bits < 2 || bits > 8)
    throw new WeftError('ERR_ARGUMENT', `${what}: bits must be 2 to 8, got ${show(bits)}`)
  if (!(momentum >= 0 && momentum < 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: momentum must be at least 0 and below 1, got ${show(momentum)}`)
}

/** A class of layers whose kernel and inputs are rounded while they are trained. */
interface AwareClass<K, O> {
  new (config: O & AwareOptions & LayerOptions): K
  readonly className: string
  readonly options: OptionTable<O & AwareOptions>
}

/** The class of layers with a kernel, dense ones and convolutions, whose kernel and inputs are rounded. */
function aware<K extends Dense | Conv2d, O extends object>(
  plain: { new (config: O & LayerOptions): K; readonly options: OptionTable<O> },
  className: string,
): AwareClass<K, O> {
  // both kinds have the same methods under the same names
  const Base = plain as unknown as typeof Dense
  class Aware extends Base {
    static override readonly className: string = className
    static override readonly options: OptionTable<DenseOptions & AwareOptions> = { ...Base.options, ...AWARE_OPTIONS }
    declare readonly config: DenseOptions & AwareOptions & LayerOptions
    private range!: InputRange

    constructor(config: DenseOptions & AwareOptions & LayerOptions) {
      super(config)
      checkBits(`layers.${factoryName(className)}`, config)
    }

    override build(inputShape: DynamicShape): void {
      super.build(inputShape)
      this.range = new InputRange((name) => this.addWeight({ name, shape: [], initializer: 'zeros', trainable: false }))
    }

    override call(x: Tensor, options: CallOptions): Tensor {
      return super.call(this.inputs(x, options), options)
    }
    override callWithoutActivation(x: Tensor, options: CallOptions): Tensor {
      return super.callWithoutActivation(this.inputs(x, options), options)
    }

    private inputs(x: Tensor, { training }: CallOptions): Tensor {
      if (training) this.range.follow(x, this.config.momentum ?? 0.9)
      return this.range.rounded(x)
    }

    protected override computedKernel(): Tensor {
      return fakeKernel(this.kernel, this.config.bits ?? 8, this.config.perChannel ?? true)
    }
  }
  layer(Aware)
  return Aware as unknown as AwareClass<K, O>
}

/** Dense, with a kernel and inputs that are rounded. */
export const QuantizeAwareDense: AwareClass<Dense, DenseOptions> = aware(Dense, 'QuantizeAwareDense')
/** Conv2d, with a kernel and inputs that are rounded. */
export const QuantizeAwareConv2d: AwareClass<Conv2d, Conv2dLayerOptions> = aware(Conv2d, 'QuantizeAwareConv2d')
