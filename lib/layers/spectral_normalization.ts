// spectralNormalization: a layer whose kernel is divided by its largest singular value in each training step.
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import type { DynamicShape } from '../core/spec.js'
import { isTensor } from '../core/tree.js'
import { type Tensor, Variable } from '../core/tensor.js'
import { div, matMul, maximum, mul, reshape, rsqrt, square, sum } from '../ops/index.js'
import { type LayerFactory, layer } from './declare.js'
import { type AnyLayer, type CallOptions, Layer, type LayerOptions } from './layer.js'
import { integerOption } from './options.js'
import { layerFromJson, type LayerJson, layerToJson, registerLoader } from './serialize.js'

export interface SpectralNormalizationOptions {
  /** A layer with a kernel or embeddings. */
  layer: AnyLayer
  /** Steps of the power iteration for each training step. Default 1. */
  powerIterations?: number
}

const unit = (t: Tensor): Tensor => mul(t, rsqrt(maximum(sum(square(t)), 1e-12)))

/**
 * The kernel [..., outputs] as a matrix [inputs, outputs] is divided by the largest singular value that the power
 * iteration finds, and stays so: what is trained is the divided kernel (Miyato et al. 2018; Keras 3).
 */
export class SpectralNormalization extends Layer<SpectralNormalizationOptions> {
  static override readonly className: string = 'SpectralNormalization'
  static override readonly options: OptionTable<SpectralNormalizationOptions> = { layer: 'any', powerIterations: 'integer' }
  protected override readonly castsInputs: boolean = false
  readonly layer: AnyLayer
  private readonly iterations: number
  /** [1, outputs]: the direction that the kernel stretches most, as far as it is known. */
  private vectorU!: Variable

  constructor(config: SpectralNormalizationOptions & LayerOptions) {
    super(config)
    const what = 'layers.spectralNormalization'
    if (!(config.layer instanceof Layer))
      throw new WeftError('ERR_ARGUMENT', `${what}: layer must be a layer, got ${show(config.layer)}`, {
        hint: `Write ${what}({ layer: layers.dense({ ... }) })`,
      })
    this.iterations = integerOption(what, 'powerIterations', config.powerIterations ?? 1)
    this.layer = config.layer
    if (config.trainable === false) this.layer.trainable = false
  }

  private get kernel(): Variable {
    const { kernel, embeddings } = this.layer as AnyLayer & { kernel?: unknown; embeddings?: unknown }
    const found = kernel ?? embeddings
    if (found instanceof Variable) return found
    throw this.error('ERR_ARGUMENT', `the layer '${this.layer.name}' (${this.layer.className}) has no kernel and no embeddings`)
  }

  override build(inputShape: DynamicShape): void {
    this.layer.build(inputShape)
    const { shape } = this.kernel
    const initializer = 'truncatedNormal'
    this.vectorU = this.addWeight({
      name: 'vectorU',
      shape: [1, shape.at(-1)!],
      initializer,
      trainable: false,
      dtype: this.kernel.dtype as never,
    })
  }

  call(x: Tensor, { training, mask }: CallOptions): Tensor {
    if (training) this.normalize()
    const y: unknown = this.layer.apply(x, { training, mask })
    if (isTensor(y)) return y
    throw this.error('ERR_ARGUMENT', `the layer '${this.layer.name}' does not give one tensor`)
  }

  /** The mask of the result is what the layer makes of it. */
  override computeMask(x: Tensor, mask: Tensor | undefined, masks: readonly (Tensor | undefined)[]): Tensor | undefined {
    return this.layer.computeMask(x, mask, masks)
  }

  private normalize(): void {
    const { kernel } = this
    const matrix = reshape(kernel, [-1, kernel.shape.at(-1)!])
    let u: Tensor = this.vectorU
    let v: Tensor = u
    for (let i = 0; i < this.iterations; i++) {
      v = unit(matMul(u, matrix, { transposeB: true })) // [1, inputs]
      u = unit(matMul(v, matrix))
    }
    const size = matMul(matMul(v, matrix), u, { transposeB: true }) // [1, 1]
    this.vectorU.assign(u)
    kernel.assign(div(kernel, reshape(size, [])))
  }

  override toConfig(): object {
    return { ...super.toConfig(), layer: layerToJson(this.layer) }
  }
}

/** A layer with its kernel divided by the kernel's largest singular value, in each training step. */
export const spectralNormalization: LayerFactory<typeof SpectralNormalization> = layer(SpectralNormalization)

registerLoader('SpectralNormalization', (config, options) => {
  const { layer, ...rest } = config
  return new SpectralNormalization({ ...rest, layer: layerFromJson(layer as LayerJson, options) })
})
