// Execution: the nodes of a checked graph one after the other, recorded in a trace or run at once.
import { withDevice } from '../../core/device.js'
import { currentTrace } from '../../core/graph.js'
import type { Tensor } from '../../core/tensor.js'
import { WeftError } from '../../core/error.js'
import { Call, entryOf, nodeText, type Result, type Run, type Scope, Scope as Names, type Steps } from './operator.js'
import type { Graph, GraphNode } from './graph.js'
import { lasting } from './lasting.js'
import { type Entry, Sequence, Value } from './values.js'

const isSteps = (result: Result | Steps<Result>): result is Steps<Result> =>
  typeof (result as Steps<Result> | undefined)?.next === 'function'

const isKnown = (entry: Entry): boolean =>
  entry === undefined || (entry instanceof Sequence ? entry.items.every((item) => item.isKnown) : entry.isKnown)

/** Runs a graph, and gives the entries of its outputs. `constants` gives those of its initializers. */
export function* execute(
  graph: Graph,
  inputs: readonly Entry[],
  run: Run,
  constants: (graph: Graph, scope: Scope) => void,
  outer?: Scope,
): Steps<Entry[]> {
  const scope = new Names(outer)
  constants(graph, scope)
  graph.inputs.forEach(({ name }, i) => {
    // an initializer is the default of the input of its name
    if (inputs[i] !== undefined || i < inputs.length) scope.set(name, inputs[i])
  })
  for (const node of graph.nodes) yield* step(node, run, scope)
  return graph.outputs.map(({ name }) => scope.get(name))
}

/** Loops in loops may multiply: no real run comes near this. */
const MOST_RUNS = 500_000

function* step(node: GraphNode, run: Run, scope: Scope): Steps<void> {
  const { operator } = node
  if (++run.count.nodes > MOST_RUNS) throw new WeftError('ERR_ARGUMENT', `onnx: more than ${MOST_RUNS} nodes are run, loops counted`)
  const inputs = node.inputs.map((name) => (name === '' ? undefined : scope.get(name)))
  const reads = operator.reads === 'all' ? inputs.keys() : (operator.reads ?? [])
  for (const i of reads) {
    const entry = inputs[i]
    if (entry instanceof Value) yield entry
  }
  const call = new Call(node, inputs, run, scope)
  // what depends on constants alone is a constant of the trace
  const folded = currentTrace() !== undefined && !operator.draws && node.graphs.size === 0 && inputs.every(isKnown)
  try {
    const result = folded ? foldedResult(call) : operator.run(call)
    const results = isSteps(result) ? yield* result : result
    const list = Array.isArray(results) ? (results as readonly Entry[]) : [results as Entry]
    node.outputs.forEach((name, i) => {
      if (name !== '') scope.set(name, entryOf(list[i]))
    })
  } catch (error) {
    throw located(error, node)
  }
}

/**
 * What a node makes of constants: a constant. Made once for all programs, where weights and the file alone decide on
 * it.
 */
function foldedResult(call: Call): Result | Steps<Result> {
  const { node, inputs } = call
  const { frozen } = call.run
  if (
    !frozen ||
    inputs.length === 0 ||
    !inputs.every((entry) => entry === undefined || (entry instanceof Value && frozen.lasting.has(entry)))
  )
    return lasting(() => node.operator.run(call))
  const found = frozen.results.get(node.id)
  if (found !== undefined) return found
  const made = lasting(() => node.operator.run(call))
  if (isSteps(made)) return made
  const entries = (Array.isArray(made) ? (made as readonly (Tensor | Entry)[]) : [made as Tensor | Entry]).map(entryOf)
  for (const entry of entries) if (entry instanceof Value) frozen.lasting.add(entry)
  frozen.results.set(node.id, entries)
  return entries
}

/** The error with the node's name, where an operation threw it, or where the node is not as its operator says. */
function located(error: unknown, node: GraphNode): unknown {
  if (error instanceof WeftError)
    return error.message.startsWith('onnx ')
      ? error
      : new WeftError(error.code, `onnx ${nodeText(node)}: ${error.message}`, { op: node.op, cause: error })
  const reason = `onnx ${nodeText(node)}: its inputs or attributes are not those of the operator: ${(error as Error).message}`
  return new WeftError('ERR_FORMAT', reason, { op: node.op, cause: error })
}

/** Drives steps to their end. Values that are not known stay so: the operator says whether it needs them. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** Drives steps on a device to their end without blocking: values are read as the device gets there. */
export async function finishLater<T>(steps: Steps<T>, where: string): Promise<T> {
  for (;;) {
    const { done, value } = withDevice(where, () => steps.next())
    if (done) return value
    await value.load()
  }
}
