// Parts: layers whose weights have the names and layouts of PyTorch modules, so that files are read and written as they
// lie. The name of a part is the path of the module, as in 'model.layers.0.self_attn.q_proj'.
import type { DType, Shape } from '../core/spec.js'
import { sizeOf } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import type { InitializerLike } from '../initializers/index.js'
import { Layer } from '../layers/layer.js'
import { lookedUp, type MatrixLayout, storedProduct, TABLE, valueOf } from '../layers/stored_weights.js'
import type { Weighted } from '../layers/weights.js'
import type { Adapter } from './adapter.js'
import { add, cast, concat, layerNorm, matMul, reshape, rmsNorm, slice } from '../ops/index.js'
import { wholeNumbers } from '../ops/ids.js'

/** The weight in float32, in which everything is computed. */
export const computed = (weight: Tensor): Tensor => {
  const value = valueOf(weight)
  return value.dtype === 'float32' ? value : cast(value, 'float32')
}

/** Values of a weight that are made float32 at a time. */
const MOST_CAST = 1 << 24

/**
 * x [rows, inputs] · weightᵀ, weight [outputs, inputs]. A large weight of 16 bits is made float32 part by part, so that
 * no copy of it as a whole is ever there.
 */
function timesTransposed(x: Tensor, weight: Tensor): Tensor {
  const [outputs, inputs] = weight.shape as [number, number]
  if (weight.dtype === 'float32' || weight.size <= MOST_CAST) return matMul(x, computed(weight), { transposeB: true })
  const rows = Math.max(1, Math.floor(MOST_CAST / inputs))
  const parts: Tensor[] = []
  for (let at = 0; at < outputs; at += rows) {
    const part = slice(weight, [at, 0], [Math.min(rows, outputs - at), inputs])
    parts.push(matMul(x, computed(part), { transposeB: true }))
  }
  return concat(parts, 1)
}

/** As models of this kind are trained from (Devlin et al. 2019; Radford et al. 2019). */
const NORMAL: InitializerLike = { className: 'RandomNormal', config: { stddev: 0.02 } }

interface PartConfig {
  readonly name: string
  /** dtype of the weights in memory. */
  readonly storage: DType
}

/** A layer of a loaded model. Weights are made at once. */
export abstract class Part<C extends PartConfig> extends Layer<C> {
  protected override readonly castsInputs: boolean = false

  protected weightOf(name: string, shape: Shape, initializer: InitializerLike = NORMAL, matrix?: MatrixLayout): Variable {
    return this.addWeight({ name, shape, initializer, dtype: this.config.storage, matrix })
  }
  protected ready(): void {
    this.build([null])
  }
}

export interface LinearConfig extends PartConfig {
  readonly inputs: number
  readonly outputs: number
  readonly bias: boolean
  /** The weight is [inputs, outputs], as GPT-2's; default [outputs, inputs]. */
  readonly inputsFirst?: boolean
}

/** x · weightᵀ + bias over the last axis. */
export class Linear extends Part<LinearConfig> {
  static override readonly className: string = 'PretrainedLinear'
  readonly weight: Variable
  readonly bias: Variable | undefined
  /** What stands beside the weight. It is part of the tuned model, not of this layer. */
  adapter: Adapter | undefined

  constructor(config: LinearConfig) {
    super(config)
    const { inputs, outputs, bias, inputsFirst = false } = config
    this.weight = this.weightOf('weight', inputsFirst ? [inputs, outputs] : [outputs, inputs], NORMAL, {
      inputs: 1,
      transposed: !inputsFirst,
    })
    this.bias = bias ? this.weightOf('bias', [outputs], 'zeros') : undefined
    this.ready()
  }

  call(x: Tensor): Tensor {
    const { inputs, outputs, inputsFirst = false } = this.config
    const rows = x.rank === 2 ? x : reshape(x, [sizeOf(x.shape.slice(0, -1)), inputs])
    const stored = storedProduct(rows, this.weight)
    let y = stored ?? (inputsFirst ? matMul(rows, computed(this.weight)) : timesTransposed(rows, this.weight))
    if (this.bias) y = add(y, computed(this.bias))
    if (this.adapter) y = add(y, this.adapter.apply(rows))
    return x.rank === 2 ? y : reshape(y, [...x.shape.slice(0, -1), outputs])
  }

  /** @internal */
  override partPaths(): readonly (readonly [string, Weighted])[] {
    return []
  }
  protected override holds(layer: Weighted): boolean {
    return layer === this || layer === this.adapter
  }

  /** Puts an adapter beside the weight, or takes it away. */
  adapt(adapter: Adapter | undefined): void {
    this.adapter = adapter
    this.changed()
  }
}

/** A row for each id. */
export class Table extends Part<PartConfig & { readonly rows: number; readonly width: number }> {
  static override readonly className: string = 'PretrainedTable'
  readonly weight: Variable

  constructor(config: PartConfig & { readonly rows: number; readonly width: number }) {
    super(config)
    this.weight = this.weightOf('weight', [config.rows, config.width], NORMAL, TABLE)
    this.ready()
  }

  /** ids [...] → [..., width] */
  call(ids: Tensor): Tensor {
    return computed(lookedUp(this.weight, wholeNumbers(ids)))
  }
  /** x [..., width] · weightᵀ: the output that shares the table (Press and Wolf 2017). */
  scores(x: Tensor): Tensor {
    const { rows, width } = this.config
    const flat = reshape(x, [sizeOf(x.shape.slice(0, -1)), width])
    return reshape(storedProduct(flat, this.weight) ?? timesTransposed(flat, this.weight), [...x.shape.slice(0, -1), rows])
  }
}

export interface NormConfig extends PartConfig {
  readonly width: number
  readonly kind: 'layer' | 'rms'
  readonly epsilon: number
  /** The scale is 1 + weight, as Gemma's. */
  readonly plusOne?: boolean
}

/** Layer normalization (Ba et al. 2016), or by the root mean square (Zhang and Sennrich 2019). */
export class Norm extends Part<NormConfig> {
  static override readonly className: string = 'PretrainedNorm'
  readonly weight: Variable
  readonly bias: Variable | undefined

  constructor(config: NormConfig) {
    super(config)
    const { width, kind, plusOne = false } = config
    this.weight = this.weightOf('weight', [width], plusOne ? 'zeros' : 'ones')
    this.bias = kind === 'layer' ? this.weightOf('bias', [width], 'zeros') : undefined
    this.ready()
  }

  call(x: Tensor): Tensor {
    const { epsilon, plusOne } = this.config
    const scale = plusOne ? add(computed(this.weight), 1) : computed(this.weight)
    return this.bias ? layerNorm(x, scale, computed(this.bias), { epsilon }) : rmsNorm(x, scale, { epsilon })
  }
}

/** Weights that are added or put in as they are, such as a class token. */
export class Values extends Part<PartConfig & { readonly shapes: Readonly<Record<string, Shape>> }> {
  static override readonly className: string = 'PretrainedValues'
  private readonly values: Readonly<Record<string, Variable>>

  constructor(config: PartConfig & { readonly shapes: Readonly<Record<string, Shape>> }) {
    super(config)
    this.values = Object.fromEntries(Object.entries(config.shapes).map(([name, shape]) => [name, this.weightOf(name, shape, 'zeros')]))
    this.ready()
  }
  get(name: string): Tensor {
    return computed(this.values[name]!)
  }
  /** x + the vector `bias`. */
  call(x: Tensor): Tensor {
    return add(x, this.get('bias'))
  }
}
