// The calls of a functional model as inbound_nodes of TensorFlow.js.
import { isRecord } from '../core/tree.js'
import type { AnyLayer } from '../layers/layer.js'
import type { AnyModel } from '../model/model.js'
import type { FunctionalConfig } from '../model/functional_json.js'
import type { Json } from './layers.js'
import type { Writing } from './tfjs_topology.js'

/** Functions that are layers there. */
const FUNCTIONS: Readonly<Record<string, Json>> = {
  add: { class_name: 'Add', config: {} },
  mul: { class_name: 'Multiply', config: {} },
  maximum: { class_name: 'Maximum', config: {} },
  minimum: { class_name: 'Minimum', config: {} },
  relu: { class_name: 'Activation', config: { activation: 'relu' } },
  sigmoid: { class_name: 'Activation', config: { activation: 'sigmoid' } },
  tanh: { class_name: 'Activation', config: { activation: 'tanh' } },
}

type Reference = [string, number, number, Json?]

/** layers, input_layers and output_layers of a functional model, whose layers are described already. */
export function writeNodes(
  model: AnyModel,
  layers: ReadonlyMap<string, Json>,
  writing: Writing,
  nameOf: (layer: AnyLayer) => string,
): { layers: Json[]; input_layers: Reference[]; output_layers: Reference[] } {
  const { nodes, inputs, outputs } = model.toConfig() as FunctionalConfig
  const byName = new Map(model.layers.map((layer) => [layer.name, layer]))
  const written: Json[] = []
  const calls = new Map<string, Reference[][]>()
  const places: (readonly [string, number])[] = []
  const isModel = (json: Json): boolean => json['class_name'] === 'Sequential' || json['class_name'] === 'Model'
  for (const layer of model.layers) {
    const json = layers.get(layer.name)!
    const name = nameOf(layer)
    const inbound: Reference[][] = []
    calls.set(layer.name, inbound)
    written.push({ name, ...json, inbound_nodes: inbound })
    if (json['class_name'] === 'InputLayer') places.push([name, 0])
  }
  const reference = (value: unknown): Reference | undefined => {
    if (!isRecord(value) || typeof value['$node'] !== 'number') return undefined
    const place = places[value['$node']]
    return place && [place[0], place[1], value['output'] as number]
  }
  /** The tensors of a call, where all it takes are tensors. */
  const tensors = (args: unknown): Reference[] | undefined => {
    const list = (Array.isArray(args) ? args.flat() : [args])
      .filter((value) => !(isRecord(value) && value['$undefined'] === true))
      .map(reference)
    return list.length > 0 && list.every((one) => one !== undefined) ? (list as Reference[]) : undefined
  }
  let functions = 0
  for (const node of nodes) {
    const kwargs = node.training === undefined ? {} : { training: node.training }
    const list = tensors(node.args)?.map(([name, index, output]): Reference => [name, index, output, kwargs])
    const kind = node.layer === undefined ? FUNCTIONS[node.function ?? ''] : undefined
    if (list === undefined || (node.layer === undefined && kind === undefined)) {
      writing.add({ name: node.layer ?? node.function ?? '', className: 'call' }, 'it has no counterpart there')
      places.push(['', 0])
      continue
    }
    if (kind !== undefined) {
      const name = nameOf({ name: `${node.function}_${++functions}` } as AnyLayer)
      written.push({
        name,
        class_name: kind['class_name'],
        config: { name, trainable: true, ...(kind['config'] as Json) },
        inbound_nodes: [list],
      })
      places.push([name, 0])
      continue
    }
    const inbound = calls.get(node.layer!)!
    // a model inside counts itself first
    const first = isModel(layers.get(node.layer!)!) ? 1 : 0
    places.push([nameOf(byName.get(node.layer!)!), inbound.push(list) - 1 + first])
  }
  const ends = (value: unknown): Reference[] =>
    (isRecord(value) && !('$node' in value) ? Object.values(value) : [value].flat()).map((one) => reference(one)!)
  return { layers: written, input_layers: ends(inputs), output_layers: ends(outputs) }
}
