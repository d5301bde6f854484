// Signature: what a model takes and gives, as the protocol says it.
import { WeftError } from '../core/error.js'
import type { DType, DynamicShape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { mapTree, walk } from '../core/tree.js'
import { Embedding } from '../layers/embedding.js'
import { FunctionalModel } from '../model/functional.js'
import type { AnyModel } from '../model/model.js'
import { Sequential } from '../model/sequential.js'
import { datatypeOf } from './protocol/datatypes.js'
import type { Signature, TensorSpec } from './protocol/tensors.js'

export interface Described {
  readonly signature: Signature
  /** The inputs in the signature's order, as the model takes them. */
  readonly form: (inputs: readonly Tensor[]) => unknown
}

/** The names of a sequential model's input, which has none of its own. */
const ONLY_INPUT = 'x'

/** ERR_STATE for a model that was not built, ERR_UNSUPPORTED for one whose inputs are not known. */
export function describe(model: AnyModel): Described {
  if (model instanceof Sequential) {
    const [from] = model.inputs
    const [to] = model.outputs
    const input = { ...specOf(ONLY_INPUT, from), ...(takesIds(model) ? { datatype: 'INT32' as const } : {}) }
    return { signature: { inputs: [input], outputs: [specOf(model.outputNames[0]!, to)] }, form: ([x]) => x }
  }
  if (model instanceof FunctionalModel) {
    const inputs = leaves(model.inputs).map((t, i) => specOf(model.inputNames[i]!, t))
    const outputs = leaves(model.outputs).map((t, i) => specOf(model.outputNames[i]!, t))
    const form = (list: readonly Tensor[]): unknown => {
      let index = 0
      return mapTree(model.inputs, () => list[index++]!)
    }
    return { signature: { inputs, outputs }, form }
  }
  throw new WeftError('ERR_UNSUPPORTED', `${model.name}: a ${model.className} cannot be served`, {
    hint: 'Serve a sequential or functional model; wrap another one in model({ inputs, outputs })',
  })
}

function leaves(tree: unknown): Tensor[] {
  const found: Tensor[] = []
  walk(tree, (t) => found.push(t))
  return found
}

function specOf(name: string, t: Tensor): TensorSpec {
  const { dtype, dynamicShape } = t as Tensor & { readonly dynamicShape: DynamicShape; readonly dtype: DType }
  return { name, datatype: datatypeOf(dtype), shape: dynamicShape.map((extent) => extent ?? -1) }
}

/** Whether the first layer looks up ids: they are integers, whatever the model's input would be cast to. */
function takesIds(model: Sequential): boolean {
  const [first] = model.layers
  return first instanceof Embedding || (first instanceof Sequential && takesIds(first))
}
