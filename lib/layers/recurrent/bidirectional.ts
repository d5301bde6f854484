// bidirectional: a recurrent layer and its like in the other direction (Schuster and Paliwal 1997).
import { shapesIn } from '../input_spec.js'
import type { InputShapes } from '../layer.js'
import { type OptionTable, show } from '../../core/options.js'
import { layer } from '../declare.js'
import { isAutomatic, snakeCase } from '../names.js'
import { WeftError } from '../../core/error.js'
import { add, concat, mul } from '../../ops/index.js'
import type { Tensor } from '../../core/tensor.js'
import { type CallOptions, Layer, type LayerOptions } from '../layer.js'
import { Recurrent, type RecurrentApplyOptions } from './recurrent.js'
import { sizesOf } from './cell.js'
import { layerFromJson, type LayerJson, layerToJson, registerLoader } from '../serialize.js'

// biome-ignore lint/suspicious/noExplicitAny: recurrent layers of all options and results
export type AnyRecurrent = Recurrent<any, any>

const MERGE_MODES = ['concat', 'sum', 'mul', 'ave', null] as const
export type MergeMode = (typeof MERGE_MODES)[number]

export interface BidirectionalOptions {
  /** The layer that runs forwards. */
  layer: AnyRecurrent
  /**
   * How the outputs of the two become one: side by side ('concat', the default), their sum, product or mean; null: an
   * array of both.
   */
  mergeMode?: MergeMode
  /** The layer that runs backwards, with goBackwards: true. Default: one made like `layer`. */
  backwardLayer?: AnyRecurrent
}

/**
 * Both directions over a sequence. With returnState the states of both follow the output, those of the forward layer
 * first.
 */
export class Bidirectional<O extends Tensor | readonly Tensor[] = Tensor> extends Layer<
  BidirectionalOptions,
  Tensor | readonly Tensor[],
  O
> {
  static override readonly className: string = 'Bidirectional'
  static override readonly options: OptionTable<BidirectionalOptions> = { layer: 'any', mergeMode: 'any', backwardLayer: 'any' }
  protected override readonly castsInputs: boolean = false
  readonly forwardLayer: AnyRecurrent
  readonly backwardLayer: AnyRecurrent
  private readonly mergeMode: MergeMode

  constructor(config: BidirectionalOptions & LayerOptions) {
    super(config)
    const { layer, backwardLayer, mergeMode = 'concat' } = config
    if (!(layer instanceof Recurrent) || !(backwardLayer === undefined || backwardLayer instanceof Recurrent)) {
      throw this.error(
        'ERR_ARGUMENT',
        `${layer instanceof Recurrent ? 'backwardLayer' : 'layer'} must be a recurrent layer`,
        [],
        'Write layers.bidirectional({ layer: layers.lstm({ ... }) })',
      )
    }
    if (!MERGE_MODES.includes(mergeMode)) {
      throw new WeftError(
        'ERR_ARGUMENT',
        `layers.bidirectional: mergeMode must be 'concat', 'sum', 'mul', 'ave' or null, got ${show(mergeMode)}`,
      )
    }
    this.mergeMode = mergeMode
    this.forwardLayer = layer
    this.backwardLayer =
      backwardLayer ??
      layer.copy({
        name: `backward_${isAutomatic(layer) ? snakeCase(layer.className) : layer.name}`,
        goBackwards: !layer.config.goBackwards,
      })
    for (const key of ['returnSequences', 'returnState', 'stateful', 'goBackwards'] as const) {
      const [one, other] = [layer, this.backwardLayer].map((each) => Boolean(each.config[key]))
      if (key === 'goBackwards' ? one === other : one !== other)
        throw this.error(
          'ERR_ARGUMENT',
          `the two layers must ${key === 'goBackwards' ? 'differ' : 'agree'} in ${key}, which is ${one} in ${layer.name} and ${other} in ${this.backwardLayer.name}`,
        )
    }
    if (config.trainable === false) for (const each of [layer, this.backwardLayer]) each.trainable = false
  }

  override build(inputShape: InputShapes): void {
    const [shape] = shapesIn(inputShape)
    this.forwardLayer.build(shape!)
    this.backwardLayer.build(shape!)
  }

  /** On a sequence, or on [sequence, ...initial states of the forward layer, ...of the backward layer]. */
  override apply(x: Tensor | readonly Tensor[], options: RecurrentApplyOptions = {}): O {
    const { initialState, ...rest } = options
    if (initialState === undefined) return super.apply(x, rest)
    return super.apply([x, initialState].flat() as Tensor[], rest)
  }

  call(inputs: Tensor | readonly Tensor[], { training, mask }: CallOptions): O {
    const [x, ...given] = [inputs].flat() as [Tensor, ...Tensor[]]
    const count = sizesOf(this.forwardLayer.cell).length
    if (given.length > 0 && given.length !== 2 * count)
      throw this.error('ERR_SHAPE', `expected ${2 * count} initial states, ${count} for each direction, received ${given.length}`)
    const results = [this.forwardLayer, this.backwardLayer].map((layer, i) => {
      const initialState = given.length > 0 ? { initialState: given.slice(i * count, (i + 1) * count) } : {}
      const result = layer.inInputOrder(() => layer.apply(x, { training, mask, ...initialState })) as Tensor | readonly Tensor[]
      return [result].flat() as [Tensor, ...Tensor[]]
    }) as [[Tensor, ...Tensor[]], [Tensor, ...Tensor[]]]
    const [[a, ...forwards], [b, ...backwards]] = results
    const merged = this.merge(a, b)
    if (!this.forwardLayer.config.returnState) return merged as O
    if (!Array.isArray(merged)) (merged as Tensor).mask = a.mask
    return [...[merged].flat(), ...forwards, ...backwards] as unknown as O
  }

  private merge(a: Tensor, b: Tensor): Tensor | readonly Tensor[] {
    switch (this.mergeMode) {
      case 'sum':
        return add(a, b)
      case 'mul':
        return mul(a, b)
      case 'ave':
        return mul(add(a, b), 0.5)
      case null:
        return [a, b]
      default:
        return concat([a, b], -1)
    }
  }

  override computeMask(_x: Tensor | readonly Tensor[], mask: Tensor | undefined): Tensor | undefined {
    return this.forwardLayer.config.returnSequences ? mask : undefined
  }

  /** Sets the states of both layers to zeros; see lstm. */
  resetStates(): void {
    this.forwardLayer.resetStates()
    this.backwardLayer.resetStates()
  }

  override toConfig(): object {
    return { ...super.toConfig(), layer: layerToJson(this.forwardLayer), backwardLayer: layerToJson(this.backwardLayer) }
  }
}

/** What the layer gives follows from the one inside, and from mergeMode: null gives an array of both directions. */
interface BidirectionalFactory {
  (config: BidirectionalOptions & LayerOptions & { mergeMode: null }): Bidirectional<Tensor[]>
  <L extends AnyRecurrent>(
    config: Omit<BidirectionalOptions, 'layer'> & LayerOptions & { layer: L },
  ): Bidirectional<L extends Recurrent<object, infer O> ? O : Tensor>
}
/** A recurrent layer in both directions. */
export const bidirectional = layer(Bidirectional) as BidirectionalFactory

registerLoader('Bidirectional', (config, options) => {
  const load = (json: unknown): AnyRecurrent => layerFromJson(json as LayerJson, options) as AnyRecurrent
  const { layer, backwardLayer, ...rest } = config
  return new Bidirectional({ ...rest, layer: load(layer), backwardLayer: load(backwardLayer) })
})
