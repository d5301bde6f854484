// Flow: the description of a sequential or functional model as a graph of calls, in which layers are replaced and left
// out.
import { WeftError } from '../core/error.js'
import { isRecord } from '../core/tree.js'
import type { LayerJson } from '../layers/serialize.js'

/** A result of a call: that of the call `$node`. */
interface Reference {
  $node: number
  output: number
}

interface NodeJson {
  layer?: string
  function?: string
  args: unknown
  training?: boolean
}

const isReference = (value: unknown): value is Reference => isRecord(value) && typeof value['$node'] === 'number'

function mapReferences(json: unknown, replace: (reference: Reference) => unknown): unknown {
  if (isReference(json)) return replace(json)
  if (Array.isArray(json)) return json.map((item) => mapReferences(item, replace))
  return isRecord(json) ? Object.fromEntries(Object.entries(json).map(([key, item]) => [key, mapReferences(item, replace)])) : json
}

function referencesIn(json: unknown): Reference[] {
  const found: Reference[] = []
  mapReferences(json, (reference) => {
    found.push(reference)
    return reference
  })
  return found
}

/** A call of a layer or function, or an input of the model. */
export interface FlowNode {
  /** The layer's description; undefined for functions. */
  layer: LayerJson | undefined
  /** Undefined for an input. */
  call: NodeJson | undefined
}

const nameOf = (layer: LayerJson): string => String(layer.config['name'])

/** The calls of one model, in order. Inner models are single calls. */
export class Flow {
  /** Of all layers by name. */
  readonly layers: Map<string, LayerJson>
  readonly nodes: FlowNode[]
  private readonly json: LayerJson
  private outputs: unknown

  private constructor(json: LayerJson, layers: Map<string, LayerJson>, nodes: FlowNode[], outputs: unknown) {
    this.json = json
    this.layers = layers
    this.nodes = nodes
    this.outputs = outputs
  }

  /** Undefined where the model is neither sequential nor functional. */
  static of(json: LayerJson): Flow | undefined {
    const list = json.config['layers'] as LayerJson[]
    if (json.className === 'Sequential') {
      const nodes = list.map((layer, i): FlowNode => ({ layer, call: { layer: nameOf(layer), args: { $node: i, output: 0 } } }))
      const input: FlowNode = { layer: undefined, call: undefined }
      return new Flow(json, new Map(list.map((layer) => [nameOf(layer), layer])), [input, ...nodes], { $node: nodes.length, output: 0 })
    }
    if (json.className !== 'Functional') return undefined
    const layers = new Map(list.map((layer) => [nameOf(layer), layer]))
    const count = referencesIn(json.config['inputs']).length
    const inputs = Array.from({ length: count }, (): FlowNode => ({ layer: undefined, call: undefined }))
    const calls = (json.config['nodes'] as NodeJson[]).map(
      (call): FlowNode => ({ layer: call.layer === undefined ? undefined : layers.get(call.layer), call }),
    )
    return new Flow(json, layers, [...inputs, ...calls], json.config['outputs'])
  }

  /** Numbers of the calls that read a call's result, each once. */
  readers(id: number): number[] {
    return this.nodes.flatMap(({ call }, i) => (call && referencesIn(call.args).some(({ $node }) => $node === id) ? [i] : []))
  }

  /** Whether a result of the call is an output of the model. */
  isOutput(id: number): boolean {
    return referencesIn(this.outputs).some(({ $node }) => $node === id)
  }

  /** The calls whose results a call reads. */
  sources(id: number): number[] {
    const { call } = this.nodes[id]!
    return call ? referencesIn(call.args).map(({ $node }) => $node) : []
  }

  /** Whether a layer is called once, with one input. */
  isSingle(id: number): boolean {
    const { layer, call } = this.nodes[id]!
    if (!layer || !call || !isReference(call.args)) return false
    return this.nodes.filter((other) => other.layer === layer).length === 1
  }

  /** The one call that reads a call's result; undefined where there are several, or the result is an output. */
  onlyReader(id: number): number | undefined {
    const readers = this.readers(id)
    return readers.length === 1 && !this.isOutput(id) ? readers[0] : undefined
  }

  /** Leaves a call out: who reads its result reads its input. */
  bypass(id: number): void {
    const node = this.nodes[id]!
    if (!node.layer || !isReference(node.call?.args))
      throw new WeftError('ERR_STATE', 'compress: a call of several inputs cannot be left out')
    const { args } = node.call
    const replace = (reference: Reference): unknown => (reference.$node === id ? { ...args } : reference)
    for (const { call } of this.nodes) if (call) call.args = mapReferences(call.args, replace)
    this.outputs = mapReferences(this.outputs, replace)
    const renumber = ({ $node, output }: Reference): unknown => ({ $node: $node > id ? $node - 1 : $node, output })
    this.nodes.splice(id, 1)
    for (const { call } of this.nodes) if (call) call.args = mapReferences(call.args, renumber)
    this.outputs = mapReferences(this.outputs, renumber)
    if (!this.nodes.some(({ layer }) => layer === node.layer)) this.layers.delete(nameOf(node.layer))
  }

  /** Puts another description of a layer, of the same name, in the place of one. */
  replace(name: string, made: LayerJson): void {
    const old = this.layers.get(name)
    this.layers.set(name, made)
    for (const node of this.nodes) if (node.layer === old) node.layer = made
  }

  /** The description of the model as it is now. */
  toJson(): LayerJson {
    const layers = [...this.layers.values()]
    if (this.json.className === 'Sequential') return { ...this.json, config: { ...this.json.config, layers } }
    const calls = this.nodes.flatMap(({ call }) => (call ? [call] : []))
    return { ...this.json, config: { ...this.json.config, layers, nodes: calls, outputs: this.outputs } }
  }
}

/**
 * Changes a model's flow, and those of the models inside it first. `path`: what the paths of its layers begin with.
 * Returns the description as it is then.
 */
export function mapFlows(json: LayerJson, change: (flow: Flow, path: string) => void, path = ''): LayerJson {
  const flow = Flow.of(json)
  if (flow === undefined) return json
  for (const [name, layer] of [...flow.layers]) {
    const inner = mapFlows(layer, change, `${path}${name}.`)
    if (inner !== layer) flow.replace(name, inner)
  }
  change(flow, path)
  return flow.toJson()
}
