// Graph: an ONNX graph that was checked: every name is known, every node comes after those it depends on, and every
// operator is one that can be computed.
import { WeftError } from '../../core/error.js'
import { type FunctionProto, type GraphProto, type NodeProto, type TensorProto, type ValueInfoProto } from '../proto/onnx_pb.js'
import { elementFacts, elementTypeName } from '../element_types.js'
import { wrongFile } from '../stored_tensor.js'
import { changed } from './changed.js'
import { Attributes, nodeText, type Operator } from './operator.js'

export interface GraphNode {
  /** Number of the node in the model. */
  readonly id: number
  readonly op: string
  readonly domain: string
  readonly name: string
  readonly opset: number
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Attributes
  readonly graphs: ReadonlyMap<string, Graph>
  readonly operator: Operator
  /** Whether its first result has exactly one reader, a node of the same graph. */
  readonly isReadOnce: boolean
}

export interface Graph {
  readonly inputs: readonly ValueInfoProto[]
  readonly outputs: readonly ValueInfoProto[]
  readonly initializers: readonly TensorProto[]
  readonly nodes: readonly GraphNode[]
  /** Names that it takes from the graph around it. */
  readonly free: ReadonlySet<string>
}

/** What is known while the graphs of a model are checked. */
export interface GraphContext {
  readonly what: string
  readonly opsets: ReadonlyMap<string, number>
  readonly functions: ReadonlyMap<string, FunctionProto>
  readonly find: (domain: string, op: string) => Operator | undefined
  /** What cannot be computed, a line for each node. */
  readonly problems: string[]
  /** Number of the next node. */
  count: number
}

/** Functions that call functions may multiply: no real model comes near this. */
const MOST_NODES = 100_000
/** The most that lines of an error name. */
const MOST_PROBLEMS = 100

const domainOf = (domain: string): string => (domain === 'ai.onnx' ? '' : domain)
export const functionKey = (domain: string, name: string): string => `${domainOf(domain)}:${name}`

/** Throws ERR_FORMAT that lists everything that cannot be computed. */
export function throwProblems({ problems, what }: GraphContext): void {
  if (problems.length === 0) return
  const shown = problems.slice(0, MOST_PROBLEMS).map((line) => `\n  ${line}`)
  const more = problems.length > MOST_PROBLEMS ? `\n  and ${problems.length - MOST_PROBLEMS} more` : ''
  throw new WeftError('ERR_FORMAT', `importOnnx: ${what}: ${problems.length} of its nodes cannot be computed:${shown.join('')}${more}`, {
    hint: 'docs/onnx-import.md lists the operators that can',
  })
}

/** Checks a graph. `outer`: names of the graphs around it. */
export function graphOf(
  proto: GraphProto,
  context: GraphContext,
  outer: ReadonlySet<string> = new Set(),
  path: readonly string[] = [],
): Graph {
  const { what } = context
  const known = new Set<string>()
  const define = (name: string, by: string): void => {
    if (known.has(name)) throw wrongFile(what, `two values are named '${name}'; the second is ${by}`)
    known.add(name)
  }
  for (const { name } of proto.input) define(name, 'an input')
  // before version 4 of the format, initializers are inputs too
  for (const { name } of proto.initializer) known.add(name)
  if (new Set(proto.initializer.map(({ name }) => name)).size < proto.initializer.length)
    throw wrongFile(what, 'two initializers have the same name')
  for (const { name, dataType } of proto.initializer)
    if (elementFacts(dataType)?.dtype === undefined)
      context.problems.push(`tensor '${name}': elements of ${elementTypeName(dataType)} have no dtype here`)
  if (proto.sparseInitializer.length > 0) context.problems.push(`sparse initializers of graph '${proto.name}'`)
  const ordered = sorted(proto.node, known, outer, define, what)
  const all = new Set([...outer, ...known])
  const reads = readsOf(proto)
  const free = new Set<string>()
  const nodes = ordered.map((node) => {
    const made = nodeOf(node, context, all, path, reads)
    for (const name of [...made.inputs, ...[...made.graphs.values()].flatMap((graph) => [...graph.free])])
      if (name !== '' && !known.has(name)) free.add(name)
    return made
  })
  for (const { name } of proto.output) {
    if (!known.has(name) && !outer.has(name)) throw wrongFile(what, `nothing makes the output '${name}'`)
    if (!known.has(name)) free.add(name)
  }
  return { inputs: proto.input, outputs: proto.output, initializers: proto.initializer, nodes, free }
}

/** Names of outer graphs that the graphs in a node use. */
function captured(node: NodeProto): string[] {
  return node.attribute
    .flatMap(({ g, graphs }) => [...(g ? [g] : []), ...graphs])
    .flatMap((graph) => {
      const own = new Set([...graph.input, ...graph.initializer].map(({ name }) => name).concat(graph.node.flatMap(({ output }) => output)))
      return [...graph.node.flatMap((inner) => [...inner.input, ...captured(inner)]), ...graph.output.map(({ name }) => name)].filter(
        (name) => name !== '' && !own.has(name),
      )
    })
}

/** The nodes, each after those whose results it needs. ERR_FORMAT for circles and names that nothing makes. */
function sorted(
  protos: readonly NodeProto[],
  known: Set<string>,
  outer: ReadonlySet<string>,
  define: (name: string, by: string) => void,
  what: string,
): NodeProto[] {
  const makers = new Map<string, NodeProto>()
  for (const node of protos)
    for (const name of node.output)
      if (name !== '') {
        define(name, `a result of ${nodeText({ op: node.opType, name: node.name, outputs: node.output })}`)
        makers.set(name, node)
      }
  const done = new Set<NodeProto>()
  const open = new Set<NodeProto>()
  const order: NodeProto[] = []
  for (const root of protos) {
    const path: { node: NodeProto; needs: string[]; next: number }[] = []
    const enter = (node: NodeProto): void => {
      open.add(node)
      path.push({ node, needs: [...node.input.filter((name) => name !== ''), ...captured(node)], next: 0 })
    }
    if (!done.has(root)) enter(root)
    while (path.length > 0) {
      const top = path[path.length - 1]!
      const name = top.needs[top.next++]
      if (name === undefined) {
        path.pop()
        open.delete(top.node)
        done.add(top.node)
        order.push(top.node)
        continue
      }
      const maker = makers.get(name)
      if (maker === undefined) {
        if (known.has(name) || outer.has(name)) continue
        throw wrongFile(
          what,
          `nothing makes '${name}', which ${nodeText({ op: top.node.opType, name: top.node.name, outputs: top.node.output })} needs`,
        )
      }
      if (done.has(maker)) continue
      if (open.has(maker)) throw wrongFile(what, `its nodes go round in a circle through '${name}'`)
      enter(maker)
    }
  }
  return order
}

/** Values that have exactly one reader: one input of one node, and none of a graph inside or around. */
function readsOf({ node, output }: GraphProto): ReadonlySet<string> {
  const counts = new Map<string, number>()
  const read = (name: string, times: number): void => void counts.set(name, (counts.get(name) ?? 0) + times)
  for (const each of node) {
    for (const name of each.input) read(name, 1)
    for (const name of captured(each)) read(name, 2)
  }
  for (const { name } of output) read(name, 2)
  return new Set([...counts].filter(([, count]) => count === 1).map(([name]) => name))
}

const WITHOUT: Operator = {
  run: () => {
    throw new Error('a node that cannot be computed')
  },
}

function nodeOf(
  proto: NodeProto,
  context: GraphContext,
  outer: ReadonlySet<string>,
  path: readonly string[],
  reads: ReadonlySet<string>,
): GraphNode {
  if (context.count >= MOST_NODES) throw wrongFile(context.what, `more than ${MOST_NODES} nodes, those of functions counted at each call`)
  const id = context.count++
  const domain = domainOf(proto.domain)
  const opset = context.opsets.get(domain)
  const base = { op: proto.opType, name: proto.name, outputs: proto.output }
  const called = context.functions.get(functionKey(domain, proto.opType))
  const graphs = new Map<string, Graph>()
  for (const { name, g } of proto.attribute) if (g) graphs.set(name, graphOf(g, context, outer, path))
  const attributes = new Attributes(proto.attribute)
  const node = {
    ...base,
    id,
    domain,
    opset: opset ?? 1,
    inputs: proto.input,
    attributes,
    graphs,
    isReadOnce: reads.has(proto.output[0] ?? ''),
  }
  const refuse = (why: string): GraphNode => {
    context.problems.push(`${nodeText(base)}: ${why}`)
    return { ...node, operator: WITHOUT }
  }
  const names = proto.attribute.map(({ name }) => name)
  if (new Set(names).size < names.length) throw wrongFile(context.what, `${nodeText(base)} has an attribute twice`)
  if (called) {
    const key = functionKey(domain, proto.opType)
    if (path.includes(key)) throw wrongFile(context.what, `the function '${key}' calls itself`)
    return { ...node, graphs: new Map([['body', functionGraph(called, proto, context, [...path, key])]]), operator: FUNCTION_CALL }
  }
  const operator = context.find(domain, proto.opType)
  if (operator === undefined)
    return refuse(domain === '' ? 'there is no such operator here' : `there is no such operator of '${domain}' here`)
  if (opset === undefined) return refuse(`the model names no version of '${domain}'`)
  if (opset < (operator.since ?? 1)) return refuse(`the operator is of version ${operator.since}, the model of version ${opset}`)
  const why = beforeSeven(node.op, opset, attributes, domain) ?? operator.refuses?.({ ...node, operator })
  return why === undefined ? { ...node, operator } : refuse(why)
}

/** What nodes of versions before 7 mean that later ones do not. */
function beforeSeven(op: string, opset: number, attributes: Attributes, domain: string): string | undefined {
  if (opset >= 7 || domain !== '') return undefined
  if (attributes.int('broadcast', 0) !== 0 && attributes.has('axis'))
    return `its attribute 'axis' is of version ${opset}: operators align their last axes since version 7`
  const isTrained = ['BatchNormalization', 'Dropout'].includes(op) && attributes.int('is_test', 0) === 0
  const changed = isTrained || op === 'Upsample' || (opset < 6 && (op === 'Cast' || op === 'Tile'))
  return changed ? `the operator of version ${opset} is another one, version 7 is the first that is computed` : undefined
}

/** A call of one of the model's own functions: its nodes, with the attributes of the call. */
const FUNCTION_CALL: Operator = {
  run: function* (call) {
    const body = call.graphOf('body')
    return yield* call.run.within(
      body,
      body.inputs.map((_, i) => call.inputs[i]),
      call.scope,
    )
  },
}

function functionGraph(called: FunctionProto, call: NodeProto, context: GraphContext, path: readonly string[]): Graph {
  const given = new Map([...called.attributeProto, ...call.attribute].map((attribute) => [attribute.name, attribute]))
  const opsets = new Map(called.opsetImport.map(({ domain, version }) => [domainOf(domain), Number(version)]))
  const inner: GraphContext = { ...context, opsets, count: context.count }
  const filled = (nodes: readonly NodeProto[]): NodeProto[] =>
    nodes.map((node) =>
      changed(node, {
        attribute: node.attribute.flatMap((attribute) => {
          if (attribute.refAttrName !== '') {
            const value = given.get(attribute.refAttrName)
            return value ? [changed(value, { name: attribute.name })] : []
          }
          return attribute.g ? [changed(attribute, { g: changed(attribute.g, { node: filled(attribute.g.node) }) })] : [attribute]
        }),
      }),
    )
  const info = (name: string): ValueInfoProto => ({ name }) as ValueInfoProto
  const proto = {
    name: called.name,
    input: called.input.map(info),
    output: called.output.map(info),
    initializer: [],
    sparseInitializer: [],
    node: filled(called.node),
  } as unknown as GraphProto
  const graph = graphOf(proto, inner, new Set(), path)
  context.count = inner.count
  return graph
}
