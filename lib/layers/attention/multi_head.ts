// Attention layers: learned projections to several heads, scaled dot-product attention, and a projection back (Vaswani
// et al. 2017).
import { type Shape, sizeOf } from '../../core/spec.js'
import type { InputShapes } from '../layer.js'
import { type OptionTable, show } from '../../core/options.js'
import { type LayerFactory, layer } from '../declare.js'
import { applyOne } from '../../core/apply.js'
import type { ConstraintLike } from '../../constraints.js'
import { WeftError } from '../../core/error.js'
import type { InitializerLike } from '../../initializers/index.js'
import { add, cast, matMul, reshape, scaledDotProductAttention } from '../../ops/index.js'
import { CacheUpdate } from '../../ops/update_slice.js'
import { randomState } from '../../core/random.js'
import type { RegularizerLike } from '../../regularizers.js'
import type { Tensor, Variable } from '../../core/tensor.js'
import { type AttentionInputs, AttentionLayer, inputsByName, pairMask, shapesByName } from './attention_layer.js'
import type { CallOptions, LayerOptions } from '../layer.js'
import { integerOption, rateOption } from '../options.js'
import { storedAs, storedProduct, valueOf } from '../stored_weights.js'
import { type RotaryOptions, rotaryOption, rotate } from './rotary.js'

interface ProjectionOptions {
  /** Share of the attention weights that training drops, in [0, 1). Default 0. */
  dropout?: number
  /** Default true. */
  useBias?: boolean
  /** Query i looks at keys 0 to i only. Default false. */
  useCausalMask?: boolean
  /**
   * Turns queries and keys by their positions (Su et al. 2021); true: with the defaults of layers.rotaryEmbedding.
   * Default false.
   */
  rotary?: boolean | RotaryOptions
  /** Default glorotUniform. */
  kernelInitializer?: InitializerLike
  /** Default zeros. */
  biasInitializer?: InitializerLike
  kernelRegularizer?: RegularizerLike
  biasRegularizer?: RegularizerLike
  kernelConstraint?: ConstraintLike
  biasConstraint?: ConstraintLike
  /** By default the numbers follow setSeed(). */
  seed?: number
}

const PROJECTION_OPTIONS: OptionTable<ProjectionOptions> = {
  dropout: 'number',
  useBias: 'boolean',
  useCausalMask: 'boolean',
  rotary: 'any',
  kernelInitializer: 'any',
  biasInitializer: 'any',
  kernelRegularizer: 'any',
  biasRegularizer: 'any',
  kernelConstraint: 'any',
  biasConstraint: 'any',
  seed: 'number',
}

/** Keys and values of the positions seen so far: [batch, length, heads, features]. */
export interface AttentionCache {
  readonly keys: Variable
  readonly values: Variable
}

interface Heads {
  /** Of queries. */
  heads: number
  /** Of keys and values; divides `heads`. */
  shared: number
  keyDim: number
  valueDim: number
}

interface Projection {
  kernel: Variable
  bias: Variable | undefined
}

abstract class ProjectedAttention<C extends ProjectionOptions> extends AttentionLayer<C> {
  private readonly heads: Heads
  private readonly rotary: Required<RotaryOptions> | undefined
  private projections!: Readonly<Record<'query' | 'key' | 'value' | 'output', Projection>>
  private outputShape: readonly number[] = []
  private state: Variable | undefined

  constructor(what: string, config: C & LayerOptions, heads: Heads) {
    super(config)
    this.heads = heads
    rateOption(what, config.dropout ?? 0)
    this.rotary = rotaryOption(what, config.rotary)
    if (this.rotary && Number.isInteger(heads.keyDim) && heads.keyDim % 2 !== 0)
      throw new WeftError('ERR_ARGUMENT', `${what}: rotary positions turn pairs of features, ${heads.keyDim} features of a head are odd`)
  }

  /** Shape of the output of one step; undefined: the query's features. */
  protected abstract readonly outputSize: readonly number[] | undefined

  override build(inputShape: InputShapes): void {
    const { query, key, value } = shapesByName(inputShape)
    for (const shape of [query, key, value]) {
      if (shape.length !== 3)
        throw this.error('ERR_SHAPE', `expected inputs of shape [batch, steps, features], received [${shape.map(String)}]`, [shape])
    }
    const { heads, shared, keyDim, valueDim } = this.heads
    this.outputShape = this.outputSize ?? [this.extentOf(query, 2)]
    this.projections = {
      query: this.projection('query', [this.extentOf(query, 2)], [heads, keyDim]),
      key: this.projection('key', [this.extentOf(key, 2)], [shared, keyDim]),
      value: this.projection('value', [this.extentOf(value, 2)], [shared, valueDim]),
      output: this.projection('output', [heads, valueDim], this.outputShape),
    }
    if ((this.config.dropout ?? 0) > 0) this.state = this.addState('randomState', randomState(this.config.seed))
  }

  private projection(name: string, from: Shape, to: Shape): Projection {
    const { useBias = true, ...o } = this.config as ProjectionOptions
    const kernel = this.addWeight({
      name: `${name}Kernel`,
      shape: [...from, ...to],
      initializer: o.kernelInitializer ?? 'glorotUniform',
      regularizer: o.kernelRegularizer,
      constraint: o.kernelConstraint,
      matrix: { inputs: from.length },
    })
    if (!useBias) return { kernel, bias: undefined }
    const bias = this.addWeight({
      name: `${name}Bias`,
      shape: to,
      initializer: o.biasInitializer ?? 'zeros',
      regularizer: o.biasRegularizer,
      constraint: o.biasConstraint,
    })
    return { kernel, bias }
  }

  call(x: AttentionInputs, { training, masks: given }: CallOptions): Tensor {
    const { tensors, masks } = inputsByName(x, given)
    for (const name of ['query', 'key', 'value'] as const) this.checkFeatures(name, tensors[name].shape)
    const padding = masks.key ?? masks.value
    const rate = training ? (this.config.dropout ?? 0) : 0
    const mask = pairMask(`layer '${this.name}'`, padding, tensors.attentionMask)
    const { query, key, value } = this.projections
    const { heads, shared, keyDim, valueDim } = this.heads
    const q = this.turned(project(this.own(tensors.query), query, [heads, keyDim]))
    const k = this.turned(project(this.own(tensors.key), key, [shared, keyDim]))
    const v = project(this.own(tensors.value), value, [shared, valueDim])
    const y = scaledDotProductAttention(q, k, v, {
      causal: this.causal,
      ...(mask ? { mask } : {}),
      ...(rate > 0 && this.state ? { dropout: { rate, state: this.state } } : {}),
    })
    return this.joined(y)
  }

  /**
   * @internal Attention of x [batch, steps, features], the steps from `position` int32 [1] on, over themselves and all
   * before, which the cache keeps.
   */
  callCached(x: Tensor, cache: AttentionCache, position: Tensor): Tensor {
    const { query, key, value } = this.projections
    const { heads, shared, keyDim, valueDim } = this.heads
    const length = cache.keys.shape[1]!
    const q = this.turned(project(x, query, [heads, keyDim]), position, length)
    const k = this.turned(project(x, key, [shared, keyDim]), position, length)
    const v = project(x, value, [shared, valueDim])
    cache.keys.assign(applyOne(CacheUpdate, [cache.keys, k, position], { axis: 1 }))
    cache.values.assign(applyOne(CacheUpdate, [cache.values, v, position], { axis: 1 }))
    return this.joined(scaledDotProductAttention(q, cache.keys, cache.values, { causal: true, offset: position }))
  }

  /** @internal Shapes of the cache for `length` positions. */
  cacheShapes(batch: number, length: number): { keys: Shape; values: Shape } {
    const { shared, keyDim, valueDim } = this.heads
    return { keys: [batch, length, shared, keyDim], values: [batch, length, shared, valueDim] }
  }

  private checkFeatures(name: 'query' | 'key' | 'value', shape: Shape): void {
    const { kernel } = this.projections[name]
    const features = storedAs(kernel)?.k ?? kernel.shape[0]!
    if (shape.length === 3 && shape[2] === features) return
    throw this.error('ERR_SHAPE', `expected a ${name} of shape [batch, steps, ${features}], received [${shape}]`, [shape])
  }

  private own(x: Tensor): Tensor {
    return x.dtype === this.dtype ? x : cast(x, this.dtype)
  }

  private turned(x: Tensor, position?: Tensor, length?: number): Tensor {
    return this.rotary ? rotate(x, this.rotary, position, length) : x
  }

  /** The heads' results [batch, steps, heads, features] as the output [batch, steps, ...outputShape]. */
  private joined(y: Tensor): Tensor {
    const [batch, steps, heads, features] = y.shape as [number, number, number, number]
    return project(reshape(y, [batch, steps, heads * features]), this.projections.output, this.outputShape)
  }
}

/** x [batch, steps, features] · kernel + bias → [batch, steps, ...to], as one product of two matrices. */
function project(x: Tensor, { kernel, bias }: Projection, to: Shape): Tensor {
  const [batch, steps, features] = x.shape as [number, number, number]
  const rows = reshape(x, [batch * steps, features])
  const product = storedProduct(rows, kernel) ?? matMul(rows, reshape(valueOf(kernel), [features, sizeOf(to)]))
  return reshape(bias ? add(product, reshape(bias, [sizeOf(to)])) : product, [batch, steps, ...to])
}

export interface MultiHeadAttentionOptions extends ProjectionOptions {
  /** Number of heads. */
  numHeads: number
  /** Features of queries and keys in each head. */
  keyDim: number
  /** Features of values in each head. Default keyDim. */
  valueDim?: number
  /**
   * Heads of keys and values, a divisor of numHeads: groups of query heads share one (Ainslie et al. 2023). Default
   * numHeads.
   */
  numKeyValueHeads?: number
  /** Features of the output, or the shape of one step of it. Default: the query's features. */
  outputShape?: number | readonly number[]
}

/** Attention of several heads. Weights: kernels and biases of query, key, value and output. */
export class MultiHeadAttention extends ProjectedAttention<MultiHeadAttentionOptions> {
  static override readonly className: string = 'MultiHeadAttention'
  static override readonly options: OptionTable<MultiHeadAttentionOptions> = {
    numHeads: 'integer',
    keyDim: 'integer',
    valueDim: 'any',
    numKeyValueHeads: 'any',
    outputShape: 'any',
    ...PROJECTION_OPTIONS,
  }
  protected readonly outputSize: readonly number[] | undefined

  constructor(config: MultiHeadAttentionOptions & LayerOptions) {
    const what = 'layers.multiHeadAttention'
    const { numHeads, keyDim, valueDim, numKeyValueHeads, outputShape } = config ?? {}
    super(what, config, {
      heads: numHeads,
      shared: numKeyValueHeads ?? numHeads,
      keyDim,
      valueDim: valueDim ?? keyDim,
    })
    checkHeads(what, 'numHeads', numHeads, 'numKeyValueHeads', numKeyValueHeads ?? numHeads)
    integerOption(what, 'keyDim', keyDim)
    integerOption(what, 'valueDim', valueDim ?? keyDim)
    this.outputSize =
      outputShape === undefined || outputShape === null ? undefined : typeof outputShape === 'number' ? [outputShape] : outputShape
    if (this.outputSize !== undefined && !Array.isArray(this.outputSize))
      throw new WeftError('ERR_ARGUMENT', `${what}: outputShape is an integer or a list of them, got ${show(outputShape)}`)
    for (const extent of this.outputSize ?? []) integerOption(what, 'outputShape', extent)
  }
}

/**
 * Attention of several heads with learned projections: apply(x), or apply([query, value, key]) → [batch, queries,
 * features].
 */
export const multiHeadAttention: LayerFactory<typeof MultiHeadAttention> = layer(MultiHeadAttention)

export interface GroupedQueryAttentionOptions extends ProjectionOptions {
  /** Features of each head. */
  headDim: number
  /** Heads of the query, a multiple of numKeyValueHeads. */
  numQueryHeads: number
  /** A divisor of numQueryHeads; 1: multi-query attention. */
  numKeyValueHeads: number
}

/** Attention whose groups of query heads share keys and values (Ainslie et al. 2023). */
export class GroupedQueryAttention extends ProjectedAttention<GroupedQueryAttentionOptions> {
  static override readonly className: string = 'GroupedQueryAttention'
  static override readonly options: OptionTable<GroupedQueryAttentionOptions> = {
    headDim: 'integer',
    numQueryHeads: 'integer',
    numKeyValueHeads: 'any',
    ...PROJECTION_OPTIONS,
  }
  protected readonly outputSize: undefined

  constructor(config: GroupedQueryAttentionOptions & LayerOptions) {
    const what = 'layers.groupedQueryAttention'
    const { headDim, numQueryHeads, numKeyValueHeads } = config ?? {}
    super(what, config, { heads: numQueryHeads, shared: numKeyValueHeads, keyDim: headDim, valueDim: headDim })
    integerOption(what, 'headDim', headDim)
    checkHeads(what, 'numQueryHeads', numQueryHeads, 'numKeyValueHeads', numKeyValueHeads)
  }
}

/** Attention whose groups of query heads share keys and values. */
export const groupedQueryAttention: LayerFactory<typeof GroupedQueryAttention> = layer(GroupedQueryAttention)

function checkHeads(what: string, name: string, heads: unknown, sharedName: string, shared: unknown): void {
  const all = integerOption(what, name, heads)
  const own = integerOption(what, sharedName, shared)
  if (all % own !== 0) throw new WeftError('ERR_ARGUMENT', `${what}: ${sharedName} ${own} does not divide ${name} ${all}`)
}
