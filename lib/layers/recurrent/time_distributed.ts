// timeDistributed: a layer applied to every step of a sequence by itself.
import type { DynamicShape } from '../../core/spec.js'
import type { OptionTable } from '../../core/options.js'
import { type LayerFactory, layer } from '../declare.js'
import { reshape } from '../../ops/index.js'
import { Tensor } from '../../core/tensor.js'
import { type AnyLayer, type CallOptions, type InputSpec, Layer, type LayerOptions } from '../layer.js'
import { layerFromJson, type LayerJson, layerToJson, registerLoader } from '../serialize.js'

export interface TimeDistributedOptions {
  /** Takes [batch, ...] and gives one Tensor. */
  layer: AnyLayer
}

/**
 * [batch, time, ...] → the layer's results for each step [batch, time, ...]: steps are rows of one larger batch. The
 * mask stays; masks [batch, time, ...] of steps inside a step (the words of each sentence) go to the layer and come
 * from it.
 */
export class TimeDistributed extends Layer<TimeDistributedOptions> {
  static override readonly className: string = 'TimeDistributed'
  static override readonly options: OptionTable<TimeDistributedOptions> = { layer: 'any' }
  protected override readonly castsInputs: boolean = false
  protected override readonly supportsMasking: boolean = true
  protected override inputSpec: InputSpec | undefined = { minRank: 3, layout: 'batch, time, features' }
  readonly layer: AnyLayer

  constructor(config: TimeDistributedOptions & LayerOptions) {
    super(config)
    if (!(config.layer instanceof Layer))
      throw this.error(
        'ERR_ARGUMENT',
        `layer must be a layer, got ${typeof config.layer}`,
        [],
        'Write layers.timeDistributed({ layer: layers.dense({ ... }) })',
      )
    this.layer = config.layer
    if (config.trainable === false) this.layer.trainable = false
  }

  override build(inputShape: DynamicShape): void {
    this.layer.build([null, ...inputShape.slice(2)])
  }

  call(x: Tensor, { training, mask }: CallOptions): Tensor {
    const [batch, time, ...rest] = x.shape as [number, number, ...number[]]
    const rows = (t: Tensor): Tensor => reshape(t, [batch * time, ...t.shape.slice(2)])
    const steps = (t: Tensor): Tensor => reshape(t, [batch, time, ...t.shape.slice(1)])
    const y: unknown = this.layer.apply(reshape(x, [batch * time, ...rest]), {
      training,
      mask: mask && mask.rank > 2 ? rows(mask) : undefined,
    })
    if (!(y instanceof Tensor)) throw this.error('ERR_ARGUMENT', `the layer '${this.layer.name}' does not give one tensor`)
    const result = steps(y)
    if (y.mask) result.mask = steps(y.mask)
    return result
  }

  /** A mask of the steps stays; what says more, of steps inside a step, was for the layer. */
  override computeMask(_x: Tensor, mask: Tensor | undefined): Tensor | undefined {
    return mask?.rank === 2 ? mask : undefined
  }

  override toConfig(): object {
    return { ...super.toConfig(), layer: layerToJson(this.layer) }
  }
}

/** A layer applied to every step by itself: [batch, time, ...] → [batch, time, ...]. */
export const timeDistributed: LayerFactory<typeof TimeDistributed> = layer(TimeDistributed)

registerLoader('TimeDistributed', (config, options) => {
  const { layer, ...rest } = config
  return new TimeDistributed({ ...rest, layer: layerFromJson(layer as LayerJson, options) })
})
