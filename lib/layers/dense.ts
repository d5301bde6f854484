// Dense: activation(x · kernel + bias) over the last axis.
import { type DynamicShape, type Shape, sizeOf } from '../core/spec.js'
import type { OptionTable } from '../core/options.js'
import { layer } from './declare.js'
import { add, matMul, reshape } from '../ops/index.js'
import type { Tensor, Variable } from '../core/tensor.js'
import type { WithLast } from '../core/tensor_shapes.js'
import type { Result, ShapeOf, Unknown } from '../core/tensor_types.js'
import { ActivatedLayer, KERNEL_OPTIONS, type KernelOptions } from './activated.js'
import type { ApplyOptions, CallOptions, InputSpec, LayerOptions } from './layer.js'
import { integerOption } from './options.js'
import { storedProduct, valueOf } from './stored_weights.js'

export interface DenseOptions<U extends number = number> extends KernelOptions {
  /** Number of outputs. */
  units: U
}

export class Dense<U extends number = number> extends ActivatedLayer<DenseOptions<U>> {
  static override readonly className: string = 'Dense'
  static override readonly options: OptionTable<DenseOptions> = { units: 'integer', ...KERNEL_OPTIONS }

  kernel!: Variable
  bias: Variable | undefined
  protected override readonly supportsMasking: boolean = true
  protected override inputSpec: InputSpec = {
    minRank: 2,
    layout: 'batch, features',
    hint: 'A batch of samples is needed: expandDims(0) for one sample, expandDims(-1) for one feature',
  }

  constructor(config: DenseOptions<U> & LayerOptions) {
    super(config)
    integerOption('layers.dense', 'units', config.units)
  }

  override build(inputShape: DynamicShape): void {
    const features = this.extentOf(inputShape, -1)
    const { units, useBias = true, ...options } = this.config
    this.kernel = this.addWeight({
      name: 'kernel',
      shape: [features, units],
      initializer: options.kernelInitializer ?? 'glorotUniform',
      regularizer: options.kernelRegularizer,
      constraint: options.kernelConstraint,
      matrix: { inputs: 1 },
    })
    if (useBias) {
      this.bias = this.addWeight({
        name: 'bias',
        shape: [units],
        initializer: options.biasInitializer ?? 'zeros',
        regularizer: options.biasRegularizer,
        constraint: options.biasConstraint,
      })
    }
    this.inputSpec = {
      minRank: 2,
      axes: { [-1]: features },
      hint: 'A layer keeps the number of features it was built for; after convolutions, put layers.flatten() before layers.dense()',
    }
  }

  protected override linear(x: Tensor): Tensor {
    return withLeading(this.affine(rowsOf(x)), x.shape)
  }

  /**
   * The activation sits directly on the product, also when there are more than two axes, so that both become one
   * kernel.
   */
  protected override activated(x: Tensor, options: CallOptions): Tensor {
    if (x.rank === 2 || this.activation.name === undefined) return super.activated(x, options)
    return withLeading(this.activation.apply(this.affine(rowsOf(x))), x.shape)
  }

  /** The kernel as it is multiplied. */
  protected computedKernel(): Tensor {
    return valueOf(this.kernel)
  }

  /** x [rows, features] → [rows, units]. */
  private affine(x: Tensor): Tensor {
    const product = storedProduct(x, this.kernel) ?? matMul(x, this.computedKernel())
    return this.bias ? add(product, this.bias) : product
  }

  override apply<X extends Tensor>(x: X, options?: ApplyOptions): Result<WithLast<ShapeOf<X>, U>, Unknown> {
    return super.apply(x, options)
  }
}

/** activation(x · kernel + bias) over the last axis: [batch, ..., features] → [batch, ..., units]. */
export const dense: <const U extends number>(options: DenseOptions<U> & LayerOptions) => Dense<U> = layer(Dense) as never

const rowsOf = (x: Tensor): Tensor => (x.rank === 2 ? x : reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]))

/** Gives the rows the leading axes of the input again. */
const withLeading = (y: Tensor, shape: Shape): Tensor => (shape.length === 2 ? y : reshape(y, [...shape.slice(0, -1), y.shape[1]!]))
