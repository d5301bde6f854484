// AttentionLayer: what attention layers share. They are called on one tensor, on [query, value, key], or on a record
// that has a mask as well.
import { type DynamicShape, sizeOf } from '../../core/spec.js'
import { shapesIn } from '../input_spec.js'
import { WeftError } from '../../core/error.js'
import { cast, logicalAnd, reshape } from '../../ops/index.js'
import { Tensor } from '../../core/tensor.js'
import { isRecord } from '../../core/tree.js'
import { type ApplyOptions, type InputShapes, Layer, type LayerOptions } from '../layer.js'
import { isSymbolic } from '../symbolic.js'

/** The inputs by name; `key` is `value` where it is not given. */
export interface AttentionRecord {
  /** [batch, queries, features] */
  readonly query: Tensor
  /** [batch, keys, features] */
  readonly value: Tensor
  readonly key?: Tensor
  /** True where a query may look at a key: [queries, keys], [batch, queries, keys] or [batch, heads, queries, keys]. */
  readonly attentionMask?: Tensor
}

/** One tensor (self-attention), [query, value], [query, value, key], or all of it by name. */
export type AttentionInputs = Tensor | readonly Tensor[] | AttentionRecord

export interface AttentionApplyOptions extends ApplyOptions {
  /** True where a query may look at a key: [queries, keys], [batch, queries, keys] or [batch, heads, queries, keys]. */
  attentionMask?: Tensor
  /** Query i looks at keys 0 to i only. Default: as the layer was made. */
  useCausalMask?: boolean
}

/** A tree of one kind (tensors, shapes, masks) as { query, value, key, attentionMask }. */
interface Parts<T> {
  query: T
  value: T
  key: T
  attentionMask: T | undefined
}

/** The shapes that a layer is built for, by name. */
export function shapesByName(tree: InputShapes | Readonly<Record<string, DynamicShape>>): Parts<DynamicShape> {
  if (!Array.isArray(tree)) return byName(tree as Readonly<Record<string, DynamicShape>>)
  return byPosition(shapesIn(tree as InputShapes))
}

/** The tensors, and the masks they carry, by name. */
export function inputsByName(
  x: AttentionInputs,
  masks: readonly (Tensor | undefined)[],
): { tensors: Parts<Tensor>; masks: Parts<Tensor | undefined> } {
  if (x instanceof Tensor) return { tensors: byPosition([x]), masks: byPosition([masks[0]]) }
  if (Array.isArray(x)) return { tensors: byPosition(x as readonly Tensor[]), masks: byPosition(masks.slice(0, x.length)) }
  const names = Object.keys(x)
  const named = Object.fromEntries(names.map((name, i) => [name, masks[i]]))
  return { tensors: byName(x as never), masks: byName(named as never) }
}

function byPosition<T>(list: readonly T[]): Parts<T> {
  const query = list[0]!
  const value = list.length > 1 ? list[1]! : query
  return { query, value, key: list.length > 2 ? list[2]! : value, attentionMask: undefined }
}

function byName<T>(given: Readonly<Record<string, T>>): Parts<T> {
  const { query, value, key, attentionMask } = given as unknown as Parts<T>
  return { query, value, key: 'key' in given ? key : value, attentionMask }
}

/**
 * The inputs in the form the layer records: by name, in one order, where there is an attention mask. ERR_ARGUMENT for
 * what is none of the forms.
 */
function withAttentionMask(what: string, x: AttentionInputs, options: AttentionApplyOptions): AttentionInputs {
  const refuse = (why: string): WeftError =>
    new WeftError('ERR_ARGUMENT', `${what}: ${why}`, { hint: 'Write apply(x), apply([query, value]) or apply([query, value, key])' })
  const attentionMask = options.attentionMask ?? (isRecord(x) ? (x as unknown as AttentionRecord).attentionMask : undefined)
  if (attentionMask !== undefined && !(attentionMask instanceof Tensor))
    throw refuse(`attentionMask must be a Tensor, got ${typeof attentionMask}`)
  if (Array.isArray(x) && (x.length < 1 || x.length > 3)) throw refuse(`takes query, value and key, got a list of ${x.length}`)
  if (isRecord(x)) {
    const unknown = Object.keys(x).find((name) => !['query', 'value', 'key', 'attentionMask'].includes(name))
    if (unknown !== undefined) throw refuse(`takes query, value, key and attentionMask, got '${unknown}'`)
    if (!('query' in x && 'value' in x)) throw refuse('a record needs query and value')
  }
  if (attentionMask === undefined && !isRecord(x)) return x
  const { tensors } = inputsByName(x, [])
  const { query, value, key } = tensors
  return { query, value, ...(key === value ? {} : { key }), ...(attentionMask ? { attentionMask } : {}) }
}

/**
 * Padding of the keys [batch, keys] and a mask of pairs as one mask of rank 4, bool; undefined: every query may look at
 * every key.
 */
export function pairMask(what: string, keys: Tensor | undefined, pairs: Tensor | undefined): Tensor | undefined {
  const padding = keys && reshape(keys, [keys.shape[0]!, 1, 1, sizeOf(keys.shape.slice(1))])
  if (!pairs) return padding
  if (pairs.rank < 2 || pairs.rank > 4) {
    throw new WeftError(
      'ERR_SHAPE',
      `${what}: attentionMask has shape [${pairs.shape}]; [queries, keys], [batch, queries, keys] or [batch, heads, queries, keys] is expected`,
      { shapes: [pairs.shape] },
    )
  }
  const flags = pairs.dtype === 'bool' ? pairs : cast(pairs, 'bool')
  const [rows, columns] = flags.shape.slice(-2) as [number, number]
  const batch = flags.rank === 2 ? 1 : flags.shape[0]!
  const wide = flags.rank === 4 ? flags : reshape(flags, [batch, 1, rows, columns])
  return padding ? logicalAnd(wide, padding) : wide
}

/** A layer whose queries look at keys; it may be told at each call where they may look. */
export abstract class AttentionLayer<C extends { useCausalMask?: boolean }> extends Layer<C, AttentionInputs> {
  protected override readonly supportsMasking: boolean = true
  // masks are no values, and inputs keep those they carry
  protected override readonly castsInputs: boolean = false
  protected causal: boolean

  constructor(config?: C & LayerOptions) {
    super(config)
    this.causal = this.config.useCausalMask ?? false
  }

  /**
   * Attention of `query` over `key` and `value`: apply(x), apply([query, value]), apply([query, value, key]). Steps of
   * the keys (of the values, where the keys carry no mask) that their mask calls padding are not looked at. In a
   * functional model, say at the layer whether it is causal.
   */
  override apply(x: AttentionInputs, options: AttentionApplyOptions = {}): Tensor {
    const { attentionMask: _, useCausalMask, ...rest } = options
    const inputs = withAttentionMask(`layer '${this.name}'`, x, options)
    const before = this.causal
    if (useCausalMask !== undefined && useCausalMask !== before) {
      if ((inputs instanceof Tensor ? [inputs] : Object.values(inputs)).some(isSymbolic)) {
        throw this.error(
          'ERR_ARGUMENT',
          'useCausalMask of one call cannot be kept in a functional model',
          [],
          'Give it to the layer: { useCausalMask: true }',
        )
      }
      this.causal = useCausalMask
    }
    try {
      return super.apply(inputs, rest)
    } finally {
      this.causal = before
    }
  }
}
