// Writing the calls of a graph as ONNX nodes, and those of the graph of a step as a graph inside a node.
import { Variable } from '../../core/tensor.js'
import { type Constants, constantsOf, fold } from './constants.js'
import { type Body, Emitter } from './emitter.js'
import type { NodeList } from './nodes.js'
import type { Obstacles } from './obstacles.js'
import { OPERATORS } from './operators/index.js'
import { alias } from './operators/pointwise.js'
import { sizeNumber } from './operators/shapes.js'
import type { Overlaid, SymbolicCall, Value } from './probe.js'
import { Unsupported } from './unsupported.js'

interface Setting {
  readonly nodes: NodeList
  readonly obstacles: Obstacles
  readonly device: string
}

/** How often each value is read. */
function readersOf({ calls, outputs }: Overlaid): Map<Value, number> {
  const readers = new Map<Value, number>()
  for (const v of [...calls.flatMap((call) => call.inputs), ...outputs]) readers.set(v, (readers.get(v) ?? 0) + 1)
  return readers
}

/** Operations that leave a weight what it is. */
const SAME_WEIGHT: ReadonlySet<string> = new Set(['reshape', 'transpose', 'cast', 'identity'])

/** A weight's own name; the layer and operation of what follows from weights. */
function nameOfConstant({ leaves, call }: Value): string {
  if (call && SAME_WEIGHT.has(call.op.name)) return nameOfConstant(call.inputs[0]!)
  const [source] = leaves ?? []
  if (source instanceof Variable) return source.name
  return call === undefined ? 'constant' : [call.layer, call.op.name].filter((part) => part !== undefined).join('/')
}

/** Writes a graph whose inputs have these names. Returns the emitter that knows where its values are. */
export function writeCalls(graph: Overlaid, names: readonly string[], constants: Constants, setting: Setting): Emitter {
  const { nodes, obstacles, device } = setting
  const emitter = new Emitter(nodes, constants, readersOf(graph), nameOfConstant, (body) => writeBody(body, setting))
  graph.inputs.forEach((v, i) => {
    emitter.define(v, names[i]!)
  })
  for (const [leaf, { tensor, axes }] of constants.tables) {
    const whole = nodes.tensor(nameOfConstant(leaf), tensor)
    const end = emitter.sizes.shape(axes.map((axis) => leaf.extents[axis]!))
    emitter.define(leaf, nodes.add('Slice', [whole, nodes.ints(axes.map(() => 0)), end, nodes.ints(axes)]))
  }
  for (const [leaf, values] of constants.sizes) {
    const number = sizeNumber(values, leaf.dtype, emitter)
    emitter.define(leaf, nodes.add('Reshape', [number, nodes.ints(leaf.extents.map(() => 1))]))
  }
  for (const [leaf, { message }] of constants.failures) {
    obstacles.add(message)
    emitter.define(leaf, '')
  }
  for (const call of graph.calls) if (!fold(call, constants, device)) write(call, emitter, obstacles)
  return emitter
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

/** A graph inside a node. It sees the constants of the graph around it. */
function writeBody(graph: Overlaid, setting: Setting): Body {
  const { nodes } = setting
  const { layer } = nodes
  const around = nodes.nodes
  nodes.nodes = []
  try {
    const prefix = layer === undefined ? '' : `${layer}/`
    const inputs = graph.inputs.map(() => nodes.unique(`${prefix}step_input`))
    const emitter = writeCalls(graph, inputs, constantsOf({ ...graph, leavesAt: () => [] }, 0), setting)
    nodes.layer = layer
    // outputs of a graph inside a node are made in it, each by a node of its own
    const outputs = graph.outputs.map((v) => nodes.add('Identity', [emitter.natural(v)]))
    const port = (names: readonly string[], values: readonly Value[]) => names.map((name, i) => ({ name, dtype: values[i]!.dtype }))
    return { name: `${prefix}step`, inputs: port(inputs, graph.inputs), outputs: port(outputs, graph.outputs), nodes: nodes.nodes }
  } finally {
    nodes.nodes = around
  }
}
