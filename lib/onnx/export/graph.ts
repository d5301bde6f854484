// The ONNX graph of a model's inference pass.
import { withDevice } from '../../core/device.js'
import { WeftError } from '../../core/error.js'
import { outsideTrace } from '../../core/graph.js'
import type { DType } from '../../core/spec.js'
import { Variable } from '../../core/tensor.js'
import { PositionEmbedding } from '../../layers/attention/positional.js'
import type { AnyLayer } from '../../layers/layer.js'
import { TextVectorization } from '../../layers/text_vectorization.js'
import type { Weighted } from '../../layers/weights.js'
import type { AnyModel } from '../../model/model.js'
import { constantsOf, fold } from './constants.js'
import { Emitter } from './emitter.js'
import { fixedExtent } from './extent.js'
import { NodeList } from './nodes.js'
import { OPERATORS } from './operators/index.js'
import { alias } from './operators/pointwise.js'
import { sizeNumber } from './operators/shapes.js'
import { probe, type Probed, type SymbolicCall, type Value } from './probe.js'
import { factsOf } from './signature.js'
import { Unsupported } from './unsupported.js'

/** An input or output; extents are numbers, names of those that vary, or undefined. */
export interface Port {
  readonly name: string
  readonly dtype: DType
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

/** What stands in the way: all of it is told at once. */
class Obstacles {
  private readonly list: string[] = []
  /** Whether it is there already: an operation may stand in each of many layers. */
  add(text: string): void {
    if (!this.list.includes(text)) this.list.push(text)
  }
  check(model: AnyModel): void {
    if (this.list.length === 0) return
    const many = this.list.length === 1 ? 'one thing' : `${this.list.length} things`
    throw new WeftError('ERR_ARGUMENT', `exportOnnx: ${model.name} has ${many} that ONNX cannot say: ${this.list.join('; ')}`, {
      hint: 'Leave these out, for example in a model({ inputs, outputs }) of the other layers',
    })
  }
}

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

/** How often each value is read. */
function readersOf({ calls, outputs }: Probed): Map<Value, number> {
  const readers = new Map<Value, number>()
  for (const v of [...calls.flatMap((call) => call.inputs), ...outputs]) readers.set(v, (readers.get(v) ?? 0) + 1)
  return readers
}

/**
 * The graph of the model's inference pass. ERR_ARGUMENT with everything that cannot be exported.
 * @param maxLength rows of position tables, where the model does not limit its steps
 */
export function graphOf(model: AnyModel, opset: number, maxLength?: number): OnnxGraph {
  const obstacles = new Obstacles()
  checkLayers(model, obstacles)
  obstacles.check(model)
  if (!model.built)
    throw new WeftError('ERR_STATE', `${model.name}: exportOnnx() before the weights exist`, {
      hint: 'Give the first layer inputShape, or call the model on data first',
    })
  const facts = factsOf(model)
  const probed = probe(model, facts)
  for (const { name } of probed.writes) obstacles.add(`the inference pass writes to the variable '${name}'`)
  const names = outputNames(probed, facts.outputNames, facts.inputs.map(({ name }) => name))
  const nodes = new NodeList(opset, model.device, [...facts.inputs.map(({ name }) => name), ...names])
  try {
    return withDevice(model.device, () => outsideTrace(() => emit(model, probed, nodes, names, obstacles, longestOf(model, facts.longest, maxLength))))
  } catch (error) {
    nodes.release()
    throw error
  }

  function emit(model: AnyModel, probed: Probed, nodes: NodeList, names: readonly string[], obstacles: Obstacles, longest: number): OnnxGraph {
    const constants = constantsOf(probed, longest)
    const emitter = new Emitter(nodes, constants, readersOf(probed), nameOfConstant)
    probed.inputs.forEach(({ value }, i) => {
      emitter.define(value, facts.inputs[i]!.name)
    })
    for (const [leaf, { tensor, axis }] of constants.tables) {
      const whole = nodes.tensor(nameOfConstant(leaf), tensor)
      const end = emitter.sizes.vector(leaf.extents[axis]!)
      emitter.define(leaf, nodes.add('Slice', [whole, nodes.ints([0]), end, nodes.ints([axis])]))
    }
    for (const [leaf, values] of constants.sizes) {
      const number = sizeNumber(values, leaf.dtype, emitter)
      emitter.define(leaf, nodes.add('Reshape', [number, nodes.ints(leaf.extents.map(() => 1))]))
    }
    for (const [leaf, { message }] of constants.failures) {
      obstacles.add(message)
      emitter.define(leaf, '')
    }
    for (const call of probed.calls) if (!fold(call, constants, model.device)) write(call, emitter, obstacles)
    obstacles.check(model)
    nodes.layer = undefined
    nameOutputs(
      probed.outputs.map((v) => emitter.natural(v)),
      names,
      nodes,
    )
    nodes.prune(names)
    const known = new Map(probed.inputs.flatMap(({ value, extents }) => value.extents.map((extent, i) => [extent.join(), extents[i]!] as const)))
    const shapeOf = (v: Value): Port['shape'] => v.extents.map((extent) => fixedExtent(extent) ?? known.get(extent.join()))
    return {
      name: model.name,
      inputs: probed.inputs.map(({ value, extents }, i) => ({ name: facts.inputs[i]!.name, dtype: value.dtype, shape: extents })),
      outputs: probed.outputs.map((v, i) => ({ name: names[i]!, dtype: v.dtype, shape: shapeOf(v) })),
      nodes,
    }
  }
}

/** Writes the nodes of a call, or notes why not. */
function write(call: SymbolicCall, emitter: Emitter, obstacles: Obstacles): void {
  const { op, layer, outputs } = call
  emitter.nodes.layer = layer
  try {
    if (outputs.some(({ dtype }) => dtype === 'bfloat16')) throw new Unsupported('most of its operators do not take bfloat16')
    const operator = op.alias === undefined ? OPERATORS[op.name] : alias
    if (!operator) throw new Unsupported('ONNX has no such operator')
    operator(call, emitter)
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error
    obstacles.add(`${op.name}${layer === undefined ? '' : ` in layer '${layer}'`}: ${error.message}`)
    for (const v of outputs) emitter.define(v, '')
  }
}

/** Operations that leave a weight what it is. */
const SAME_WEIGHT: ReadonlySet<string> = new Set(['reshape', 'transpose', 'cast', 'identity'])

const nameOfConstant = ({ leaves, call }: Value): string => {
  if (call && SAME_WEIGHT.has(call.op.name)) return nameOfConstant(call.inputs[0]!)
  const [source] = leaves ?? []
  if (source instanceof Variable) return source.name
  return call === undefined ? 'constant' : [call.layer, call.op.name].filter((part) => part !== undefined).join('/')
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
