// The calls between the layers of a functional model, in either form of the files.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import type { AnyLayer } from '../layers/layer.js'
import type { Json } from './layers.js'

export const format = (what: string): WeftError => new WeftError('ERR_FORMAT', what)

export const MODELS: ReadonlySet<unknown> = new Set(['Sequential', 'Model', 'Functional'])

/** A layer of a file with weights: its name, and its place in files of weights of Keras 3. */
export interface Placed {
  readonly layer: AnyLayer
  readonly name: string
  readonly group: string
}

export interface Part {
  readonly json: Json
  readonly className: unknown
  readonly config: Json
  readonly name: string
  /** Undefined for inputs, and for what is not supported. */
  readonly built: { layer: AnyLayer; layers: readonly Placed[] } | undefined
}

export type Reference = readonly [layer: string, node: number, tensor: number]
export interface Call {
  readonly args: readonly unknown[]
  readonly kwargs: Json
}

const isReference = (value: unknown): value is Reference =>
  Array.isArray(value) &&
  typeof value[0] === 'string' &&
  Number.isSafeInteger(value[1]) &&
  Number.isSafeInteger(value[2]) &&
  (value.length === 3 || (value.length === 4 && isRecord(value[3])))

/** A symbolic tensor of the file, in a call's arguments. */
export class Reached {
  readonly reference: Reference
  constructor(reference: Reference) {
    this.reference = reference
  }
}

/** Arguments with symbolic tensors as Reached. */
function reached(value: unknown): unknown {
  if (isRecord(value)) {
    if (value['class_name'] === '__keras_tensor__') {
      const history = isRecord(value['config']) ? value['config']['keras_history'] : undefined
      if (isReference(history)) return new Reached(history)
      throw format('a call has a tensor without a history')
    }
    if (value['class_name'] === '__tuple__' && Array.isArray(value['items'])) return value['items'].map(reached)
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, reached(part)]))
  }
  return Array.isArray(value) ? value.map(reached) : value
}

/** The calls of a layer, in either form of the files. */
export function callsOf({ json, name }: Part): Call[] {
  const { inbound_nodes: nodes = [] } = json
  if (!Array.isArray(nodes)) throw format(`the layer ${show(name)} has calls that are no list`)
  return nodes.map((node): Call => {
    if (isRecord(node)) {
      const { args, kwargs } = node
      if (!Array.isArray(args)) throw format(`a call of the layer ${show(name)} has no arguments`)
      return { args: args.map(reached), kwargs: isRecord(kwargs) ? (reached(kwargs) as Json) : {} }
    }
    if (!Array.isArray(node)) throw format(`a call of the layer ${show(name)} is no list`)
    const list = isReference(node) ? [node] : node
    if (!list.every(isReference)) throw format(`a call of the layer ${show(name)} is not a list of [layer, call, output]`)
    const kwargs: Json = Object.assign({}, ...list.map((reference) => (reference as readonly unknown[])[3] ?? {}))
    const tensors = list.map((reference) => new Reached(reference))
    return { args: [tensors.length === 1 ? tensors[0] : tensors], kwargs: keywords(kwargs) }
  })
}

/** Keyword arguments of Keras 2, in which a tensor is a reference. */
const keywords = (kwargs: Json): Json =>
  Object.fromEntries(
    Object.entries(kwargs).map(([key, value]) => {
      const list = Array.isArray(value) && value.length > 0 && value.every(isReference)
      return [key, isReference(value) ? new Reached(value) : list ? value.map((one) => new Reached(one as Reference)) : value]
    }),
  )

/** [['a', 0, 0], ...], or one of them alone. */
export function references(value: unknown): Reference[] {
  const list = isReference(value) ? [value] : isRecord(value) ? Object.values(value) : value
  if (!Array.isArray(list) || list.length === 0 || !list.every(isReference)) throw format('a model has no inputs or outputs')
  return list as Reference[]
}
