// Signature: what a model takes and gives, as the protocol says it.
import { WeftError } from '../core/error.js'
import type { DType, DynamicShape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { mapTree, walk } from '../core/tree.js'
import { Embedding } from '../layers/embedding.js'
import { FunctionalModel } from '../model/functional.js'
import type { AnyModel } from '../model/model.js'
import { Sequential } from '../model/sequential.js'
import { Bert, type BertOptions } from '../transformers/bert.js'
import { PretrainedDecoder } from '../pretrained/decoder_model.js'
import { Gpt } from '../transformers/gpt.js'
import { datatypeOf } from './protocol/datatypes.js'
import { aligned, type Signature, type TensorSpec, type WireTensor } from './protocol/tensors.js'

export interface Described {
  readonly signature: Signature
  /** The inputs in the signature's order, as the model takes them. */
  readonly form: (inputs: readonly Tensor[]) => unknown
  /** Adds inputs that may be left out. */
  readonly complete?: (inputs: readonly WireTensor[]) => readonly WireTensor[]
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
  if ((model as unknown) instanceof Gpt || (model as unknown) instanceof PretrainedDecoder) return describeGpt(model as unknown as Gpt)
  if ((model as unknown) instanceof Bert) return describeBert(model as unknown as Bert)
  throw new WeftError('ERR_UNSUPPORTED', `${model.name}: a ${model.className} cannot be served`, {
    hint: 'Serve a sequential or functional model, gpt() or bert(); wrap another one in model({ inputs, outputs })',
  })
}

function describeGpt({ config, dtype, outputNames }: Gpt): Described {
  const logits: TensorSpec = { name: outputNames[0]!, datatype: datatypeOf(dtype), shape: [-1, -1, config.vocabularySize] }
  return { signature: { inputs: [{ name: 'ids', datatype: 'INT32', shape: [-1, -1] }], outputs: [logits] }, form: ([ids]) => ids }
}

function describeBert(model: Bert): Described {
  const { hiddenDim, vocabularySize, maskedLanguageHead = false, maskZero = true } = model.config as BertOptions
  const datatype = datatypeOf(model.dtype)
  const steps = (name: string, of: TensorSpec['datatype']): TensorSpec => ({ name, datatype: of, shape: [-1, -1] })
  const outputs: TensorSpec[] = maskedLanguageHead
    ? [{ name: 'logits', datatype, shape: [-1, -1, vocabularySize] }]
    : [
        { name: 'sequenceOutput', datatype, shape: [-1, -1, hiddenDim] },
        { name: 'pooledOutput', datatype, shape: [-1, hiddenDim] },
      ]
  const inputs = [steps('tokenIds', 'INT32'), steps('segmentIds', 'INT32'), steps('paddingMask', 'BOOL')]
  return {
    signature: { inputs, outputs },
    form: ([tokenIds, segmentIds, paddingMask]) => ({ tokenIds, segmentIds, paddingMask }),
    // segments of the first kind; padding as the model itself finds it
    complete: (given) => {
      const tokens = given.find(({ name, datatype: of }) => name === 'tokenIds' && of === 'INT32')
      if (tokens === undefined) return given
      const has = (name: string): boolean => given.some((input) => input.name === name)
      const { shape, bytes } = tokens
      const own = aligned(bytes, 4)
      const ids = new Int32Array(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / 4)
      const mask = (): Uint8Array => Uint8Array.from(ids, (id) => (maskZero && id === 0 ? 0 : 1))
      return [
        ...given,
        ...(has('segmentIds') ? [] : [{ name: 'segmentIds', datatype: 'INT32' as const, shape, bytes: new Uint8Array(bytes.length) }]),
        ...(has('paddingMask') ? [] : [{ name: 'paddingMask', datatype: 'BOOL' as const, shape, bytes: mask() }]),
      ]
    },
  }
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
