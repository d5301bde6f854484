// Functional models as JSON: their layers, and the calls that wire them, with symbolic tensors as { node, output }.
import { tensor } from '../core/create.js'
import type { DType, Shape } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import { isTypedArray } from '../core/checks.js'
import { show } from '../core/options.js'
import type { AnyLayer } from '../layers/layer.js'
import { type LayerJson, layerFromJson, layerToJson, type KnownLayers } from '../layers/serialize.js'
import { inputNode, isSymbolic, type Node, type SymbolicTensor } from '../layers/symbolic.js'
import { InputLayer } from '../layers/input.js'
import * as functions from '../ops/index.js'
import { Tensor } from '../core/tensor.js'
import { isRecord, isTensor, leavesOf, mapData, mapLeaves } from '../core/tree.js'

interface NodeJson {
  /** A layer's name, or a public function's. */
  layer?: string
  function?: string
  args: unknown
  training?: boolean
}
export interface FunctionalConfig {
  layers: LayerJson[]
  nodes: NodeJson[]
  inputs: unknown
  outputs: unknown
}

const functionsByName: ReadonlyMap<string, unknown> = new Map(Object.entries(functions))

/** The config of a model: nodes are numbered, its inputs first. */
export function functionalConfig(
  model: { name: string; layers: readonly AnyLayer[]; inputs: unknown; outputs: unknown },
  inputs: readonly SymbolicTensor[],
  nodes: readonly Node[],
): FunctionalConfig {
  const numbers = new Map<Node, number>()
  inputs.forEach((t, i) => numbers.set(t.node, i))
  nodes.forEach((node, i) => numbers.set(node, inputs.length + i))
  const refuse = (what: string): WeftError =>
    new WeftError('ERR_ARGUMENT', `model '${model.name}' cannot be saved: ${what}`, { hint: 'Put it in a layer class of your own' })
  const leafJson = (value: unknown): unknown => {
    if (isSymbolic(value)) return { $node: numbers.get(value.node), output: value.index }
    if (value instanceof Tensor)
      return { $tensor: Array.from(value.dataSync() as Float32Array, Number), shape: value.shape, dtype: value.dtype }
    if (isTypedArray(value)) return Array.from(value as Float32Array)
    if (typeof value === 'function') throw refuse('a function among the arguments of an operation is no data')
    return value === undefined ? { $undefined: true } : value
  }
  const json = (value: unknown): unknown => mapData(value, leafJson, 'args')
  const nodeJson = (node: Node): NodeJson => {
    const training = node.training === undefined ? {} : { training: node.training }
    if (node.layer) return { layer: node.layer.name, args: json(node.args), ...training }
    const name = [...functionsByName].find(([, fn]) => fn === node.called)?.[0]
    if (name === undefined) throw refuse('it calls a function that is not one of the operations')
    return { function: name, args: json(node.args) }
  }
  if (inputs.some((t) => t.node.kind !== 'input')) throw refuse('an input is an inner value of another model')
  return { layers: model.layers.map(layerToJson), nodes: nodes.map(nodeJson), inputs: json(model.inputs), outputs: json(model.outputs) }
}

/** Makes the layers again and wires them; returns the trees of symbolic inputs and outputs. */
export function wireConfig(config: FunctionalConfig, options: KnownLayers): { inputs: unknown; outputs: unknown } {
  const broken = (why: string): WeftError => new WeftError('ERR_FORMAT', `a saved functional model is broken: ${why}`)
  if (!Array.isArray(config.layers) || !Array.isArray(config.nodes)) throw broken('it has no layers or nodes')
  const layers = new Map(config.layers.map((json) => layerFromJson(json, options)).map((layer) => [layer.name, layer]))
  const outputsOf: Tensor[][] = []
  for (const layer of layers.values()) {
    if (layer instanceof InputLayer)
      outputsOf.push([inputNode(layer, { shape: [null, ...layer.config.inputShape], dtype: layer.dataType })])
  }
  const leafValue = (json: Record<string, unknown>): unknown => {
    if (typeof json['$node'] === 'number') {
      const made = outputsOf[json['$node']]?.[json['output'] as number]
      if (!made) throw broken(`there is no result ${show(json['output'])} of node ${json['$node']}`)
      return made
    }
    if (Array.isArray(json['$tensor']))
      return tensor(json['$tensor'] as number[], { shape: json['shape'] as Shape, dtype: json['dtype'] as DType })
    return undefined
  }
  const value = (json: unknown): unknown => mapLeaves(json, isMarked, leafValue)
  for (const node of config.nodes) {
    const args = value(node.args)
    const layer = node.layer === undefined ? undefined : layers.get(node.layer)
    const fn = node.function === undefined ? undefined : functionsByName.get(node.function)
    let result: unknown
    if (layer) result = layer.apply(args, node.training === undefined ? {} : { training: node.training })
    else if (typeof fn === 'function') result = (fn as (...args: unknown[]) => unknown)(...(args as unknown[]))
    else throw broken(`unknown layer or function ${show(node.layer ?? node.function)}`)
    outputsOf.push(leavesOf(result, isTensor))
  }
  return { inputs: value(config.inputs), outputs: value(config.outputs) }
}

/** A record that says what stands at its place. */
const isMarked = (json: unknown): json is Record<string, unknown> =>
  isRecord(json) && (typeof json['$node'] === 'number' || Array.isArray(json['$tensor']) || json['$undefined'] === true)
