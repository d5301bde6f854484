// Attention without learned projections: dot products of queries and keys as weights of values (Luong et al. 2015).
import type { InputShapes } from '../layer.js'
import type { OptionTable } from '../../core/options.js'
import { type LayerFactory, layer } from '../declare.js'
import { cast, mul, reshape, scaledDotProductAttention } from '../../ops/index.js'
import { randomState } from '../../core/random.js'
import type { Tensor, Variable } from '../../core/tensor.js'
import { type AttentionInputs, AttentionLayer, inputsByName, pairMask, shapesByName } from './attention_layer.js'
import type { CallOptions, LayerOptions } from '../layer.js'
import { rateOption } from '../options.js'

export interface AttentionLayerOptions {
  /** Multiplies the products by a learned number, 1 at first. Default false. */
  useScale?: boolean
  /** Share of the weights that training drops. Default 0. */
  dropout?: number
  /** Query i looks at keys 0 to i only. Default false. */
  useCausalMask?: boolean
  /** Fixes the numbers of dropout; by default they follow setSeed(). */
  seed?: number
}

/**
 * softmax(query · keyᵀ) · value: apply([query, value]) or apply([query, value, key]), each [batch, steps, features].
 */
export class Attention extends AttentionLayer<AttentionLayerOptions> {
  static override readonly className: string = 'Attention'
  static override readonly options: OptionTable<AttentionLayerOptions> = {
    useScale: 'boolean',
    dropout: 'number',
    useCausalMask: 'boolean',
    seed: 'number',
  }
  private scale: Variable | undefined
  private state: Variable | undefined

  constructor(config: AttentionLayerOptions & LayerOptions = {}) {
    super(config)
    rateOption('layers.attention', config.dropout ?? 0)
  }

  override build(inputShape: InputShapes): void {
    const { query, key, value } = shapesByName(inputShape)
    if ([query, key, value].some((shape) => shape.length !== 3) || query[2] !== key[2] || value[1] !== key[1]) {
      throw this.error(
        'ERR_SHAPE',
        `query [${query.map(String)}], value [${value.map(String)}] and key [${key.map(String)}] do not fit: they are [batch, queries, features], [batch, keys, any] and [batch, keys, features]`,
        [query, value, key],
      )
    }
    if (this.config.useScale) this.scale = this.addWeight({ name: 'scale', shape: [], initializer: 'ones' })
    if ((this.config.dropout ?? 0) > 0) this.state = this.addState('randomState', randomState(this.config.seed))
  }

  call(x: AttentionInputs, { training, masks: given }: CallOptions): Tensor {
    const { tensors, masks } = inputsByName(x, given)
    const rate = training ? (this.config.dropout ?? 0) : 0
    const mask = pairMask(`layer '${this.name}'`, masks.value, tensors.attentionMask)
    const alone = (t: Tensor): Tensor => {
      const own = t.dtype === this.dtype ? t : cast(t, this.dtype)
      return reshape(own, [own.shape[0]!, own.shape[1]!, 1, own.shape[2]!])
    }
    const query = alone(tensors.query)
    const y = scaledDotProductAttention(this.scale ? mul(query, this.scale) : query, alone(tensors.key), alone(tensors.value), {
      scale: 1,
      causal: this.causal,
      ...(mask ? { mask } : {}),
      ...(rate > 0 && this.state ? { dropout: { rate, state: this.state } } : {}),
    })
    return reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!])
  }
}

/** Attention without learned projections: apply([query, value]). */
export const attention: LayerFactory<typeof Attention> = layer(Attention)
