// The ONNX graph of a model's inference pass.
import { withDevice } from '../../core/device.js'
import { WeftError } from '../../core/error.js'
import { outsideTrace } from '../../core/graph.js'
import type { DType } from '../../core/spec.js'
import { PositionEmbedding } from '../../layers/attention/positional.js'
import type { AnyLayer } from '../../layers/layer.js'
import { Hashing } from '../../layers/hashing.js'
import { StringLookup } from '../../layers/lookup.js'
import { TextVectorization } from '../../layers/text_vectorization.js'
import type { Weighted } from '../../layers/weights.js'
import type { AnyModel } from '../../model/model.js'
import { constantsOf } from './constants.js'
import { fixedExtent } from './extent.js'
import { NodeList } from './nodes.js'
import { Obstacles } from './obstacles.js'
import { probe, type Probed, type Value } from './probe.js'
import { factsOf } from './signature.js'
import { writeCalls } from './write_calls.js'

/** An input or output; extents are numbers, names of those that vary, or undefined. */
export interface Port {
  readonly name: string
  readonly dtype: DType | 'string'
  readonly shape: readonly (number | string | undefined)[]
}

export interface OnnxGraph {
  readonly name: string
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
  readonly nodes: NodeList
}

/** Rows of tables that grow with the number of steps, where the model says nothing. */
const LONGEST = 2048

function eachLayer(model: AnyModel, visit: (layer: AnyLayer) => void): void {
  const walk = (layer: Weighted): void => {
    visit(layer as AnyLayer)
    for (const inner of layer.sublayers) walk(inner)
  }
  walk(model)
}

/** Layers that keep state between calls, or work on what ONNX's numbers are not. */
function checkLayers(model: AnyModel, obstacles: Obstacles): void {
  eachLayer(model, (layer) => {
    if (layer instanceof TextVectorization)
      obstacles.add(`layer '${layer.name}' (textVectorization) takes texts: export what comes behind it, and vectorize before`)
    if (layer instanceof StringLookup || layer instanceof Hashing) {
      const takes = layer instanceof Hashing ? 'hashing) takes strings and integers of the host' : 'stringLookup) takes strings'
      obstacles.add(`layer '${layer.name}' (${takes}: export what comes behind it, and look them up before`)
    }
    if ((layer.config as { stateful?: boolean } | undefined)?.stateful)
      obstacles.add(`layer '${layer.name}' is stateful: an ONNX graph keeps nothing from call to call; make it with returnState`)
  })
}

/** The most steps that position tables have rows for. */
function longestOf(model: AnyModel, known: number | undefined, given: number | undefined): number {
  let longest = known ?? given ?? LONGEST
  eachLayer(model, (layer) => {
    if (layer instanceof PositionEmbedding) longest = Math.min(longest, layer.config.sequenceLength)
  })
  return longest
}

/**
 * The graph of the model's inference pass. ERR_ARGUMENT with everything that cannot be exported.
 * @param maxLength rows of position tables, where the model does not limit its steps
 */
export function graphOf(model: AnyModel, opset: number, maxLength?: number): OnnxGraph {
  const obstacles = new Obstacles()
  checkLayers(model, obstacles)
  obstacles.check(model.name)
  if (!model.built)
    throw new WeftError('ERR_STATE', `${model.name}: exportOnnx() before the weights exist`, {
      hint: 'Give the first layer inputShape, or call the model on data first',
    })
  const facts = factsOf(model)
  const probed = probe(model, facts)
  // numbers that are drawn are told of where they are drawn
  for (const { name } of probed.writes)
    if (!name.endsWith('randomState')) obstacles.add(`the inference pass writes to the variable '${name}'`)
  const inputs = facts.inputs.map(({ name }) => name)
  const outputs = outputNames(probed, facts.outputNames, inputs)
  const nodes = new NodeList(opset, model.device, [...inputs, ...outputs])
  const write = (): void => {
    const constants = constantsOf(probed, longestOf(model, facts.longest, maxLength))
    const emitter = writeCalls(probed, inputs, constants, { nodes, obstacles, device: model.device })
    obstacles.check(model.name)
    nodes.layer = undefined
    nameOutputs(
      probed.outputs.map((v) => emitter.natural(v)),
      outputs,
      nodes,
    )
    nodes.prune(outputs)
  }
  try {
    outsideTrace(() => withDevice(model.device, write))
  } catch (error) {
    nodes.release()
    throw error
  }
  return { name: model.name, ...portsOf(probed, inputs, outputs), nodes }
}

/** Inputs and outputs; extents of outputs that are those of inputs have their names. */
function portsOf(probed: Probed, inputs: readonly string[], outputs: readonly string[]): Pick<OnnxGraph, 'inputs' | 'outputs'> {
  const names = new Map(
    probed.inputs.flatMap((v, i) => v.extents.map((extent, axis) => [extent.join(), probed.inputExtents[i]![axis]!] as const)),
  )
  const shapeOf = (v: Value): Port['shape'] => v.extents.map((extent) => fixedExtent(extent) ?? names.get(extent.join()))
  return {
    inputs: probed.inputs.map(({ dtype }, i) => ({ name: inputs[i]!, dtype, shape: probed.inputExtents[i]! })),
    outputs: probed.outputs.map((v, i) => ({ name: outputs[i]!, dtype: v.dtype, shape: shapeOf(v) })),
  }
}

/** Unique names of the outputs, none of which is that of an input. */
function outputNames({ outputs }: Probed, given: readonly string[], inputs: readonly string[]): string[] {
  const names = outputs.map((_, i) => given[i] ?? `output_${i}`)
  return names.map((name, i) => (inputs.includes(name) || names.indexOf(name) < i ? `${name}_output_${i}` : name))
}

/** Gives the values the outputs' names. A value that is an input, a constant or two outputs is copied. */
function nameOutputs(values: readonly string[], names: readonly string[], nodes: NodeList): void {
  const made = new Set(nodes.nodes.flatMap(({ outputs }) => outputs))
  const renamed = new Map<string, string>()
  const copies = new Map<string, string>()
  values.forEach((value, i) => {
    if (made.has(value) && !renamed.has(value)) renamed.set(value, names[i]!)
    else copies.set(names[i]!, value)
  })
  const current = (name: string): string => renamed.get(name) ?? name
  nodes.rename(current)
  for (const [name, value] of copies)
    nodes.nodes.push({ op: 'Identity', name: nodes.unique(`${name}/Identity`), inputs: [current(value)], outputs: [name], attributes: {} })
}
