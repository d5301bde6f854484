// A model whose every node can be computed: its graph, its inputs and outputs, and the weights among its tensors.
import { WeftError } from '../../core/error.js'
import type { DType, DynamicShape } from '../../core/spec.js'
import { elementFacts, ElementType, elementTypeName } from '../element_types.js'
import type { ModelProto, ValueInfoProto } from '../proto/onnx_pb.js'
import { wrongFile } from '../stored_tensor.js'
import { changed } from './changed.js'
import { fused } from './fusion.js'
import { functionKey, type Graph, type GraphContext, graphOf, throwProblems } from './graph.js'
import { findOperator } from './table.js'
import { computedDType } from './values.js'
import { type StoredWeight, weightsOf, withInitializers } from './weights.js'

/**
 * Versions of the operators that are read. Of those before 7, nodes whose attributes have another meaning are refused.
 */
const OLDEST_OPSET = 1
const NEWEST_OPSET = 21

/** An input or output of a graph as its file declares it. */
export interface Port {
  readonly name: string
  readonly type: ElementType
  /** The dtype that it has here. */
  readonly dtype: DType | undefined
  /** Extents, null where they vary; undefined where the file does not say the rank. */
  readonly shape: DynamicShape | undefined
  readonly isSequence: boolean
}

export interface CheckedModel {
  /** The model, its constants as initializers. */
  readonly model: ModelProto
  readonly graph: Graph
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
  readonly weights: readonly StoredWeight[]
}

export function portOf({ name, type }: ValueInfoProto): Port {
  let facts = type
  if (facts?.value.case === 'optionalType') facts = facts.value.value.elemType
  const isSequence = facts?.value.case === 'sequenceType'
  if (facts?.value.case === 'sequenceType') facts = facts.value.value.elemType
  const tensor = facts?.value.case === 'tensorType' ? facts.value.value : undefined
  const elements = (tensor?.elemType ?? ElementType.UNDEFINED) as ElementType
  const stored = elementFacts(elements)?.dtype
  const shape = tensor?.shape?.dim.map(({ value }) => {
    const extent = value.case === 'dimValue' ? Number(value.value) : -1
    return Number.isSafeInteger(extent) && extent >= 0 && value.case === 'dimValue' ? extent : null
  })
  return { name, type: elements, dtype: stored && computedDType(stored), shape, isSequence }
}

/** Checks a model. ERR_FORMAT with a line for every node that cannot be computed. */
export function checkModel(given: ModelProto, what: string): CheckedModel {
  const { context, checked } = inspect(given, what)
  throwProblems(context)
  return checked
}

/** A line for everything in a model that cannot be computed. */
export const problemsOf = (given: ModelProto, what: string): readonly string[] => inspect(given, what).context.problems

function inspect(given: ModelProto, what: string): { context: GraphContext; checked: CheckedModel } {
  const opsets = new Map(given.opsetImport.map(({ domain, version }) => [domain === 'ai.onnx' ? '' : domain, Number(version)]))
  const context: GraphContext = {
    what,
    opsets,
    functions: new Map(given.functions.map((fn) => [functionKey(fn.domain, fn.name), fn])),
    find: findOperator,
    problems: [],
    count: 0,
  }
  const opset = opsets.get('')
  if (opset !== undefined && (opset < OLDEST_OPSET || opset > NEWEST_OPSET))
    throw new WeftError(
      'ERR_FORMAT',
      `importOnnx: ${what}: version ${opset} of the operators, ${OLDEST_OPSET} to ${NEWEST_OPSET} are read`,
      {
        hint:
          opset > NEWEST_OPSET ? `Export it with opset ${NEWEST_OPSET}` : 'onnx.version_converter (Python) brings it to a later version',
      },
    )
  const model: ModelProto = changed(given, { graph: withInitializers(given.graph!) })
  const graph = fused(graphOf(model.graph!, context), findOperator('', 'HardSwish')!)
  const stored = new Set(graph.initializers.map(({ name }) => name))
  const inputs = graph.inputs.filter(({ name }) => !stored.has(name)).map(portOf)
  const outputs = graph.outputs.map(portOf)
  for (const port of inputs)
    if (port.dtype === undefined)
      context.problems.push(`input '${port.name}': elements of ${elementTypeName(port.type)} have no dtype here`)
  if (outputs.length === 0) throw wrongFile(what, 'the graph has no output')
  const checked = {
    model,
    graph: { ...graph, inputs: graph.inputs.filter(({ name }) => !stored.has(name)) },
    inputs,
    outputs,
    weights: weightsOf(graph, what),
  }
  return { context, checked }
}
