// What an exported model takes and gives: names, dtypes and shapes of its inputs, names of its outputs.
import { WeftError } from '../../core/error.js'
import type { DType, DynamicShape } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import { mapTree, walk } from '../../core/tree.js'
import { TokenAndPositionEmbedding } from '../../layers/attention/positional.js'
import { Embedding } from '../../layers/embedding.js'
import type { SymbolicTensor } from '../../layers/symbolic.js'
import { FunctionalModel } from '../../model/functional.js'
import type { AnyModel } from '../../model/model.js'
import { Sequential } from '../../model/sequential.js'
import { PretrainedDecoder } from '../../pretrained/decoder_model.js'
import { PretrainedEncoder } from '../../pretrained/encoder_model.js'
import { Bert } from '../../transformers/bert.js'
import { Gpt } from '../../transformers/gpt.js'

export interface InputFacts {
  readonly name: string
  /** null for the batch and other extents that vary. */
  readonly shape: DynamicShape
  readonly dtype: DType
}

export interface ModelFacts {
  readonly inputs: readonly InputFacts[]
  readonly outputNames: readonly string[]
  /** The inputs in the order above, as the model takes them. */
  readonly form: (inputs: readonly Tensor[]) => unknown
  /** The most steps that the model takes. */
  readonly longest: number | undefined
}

/** The only input of a model that gives it no name; the model server calls it so too. */
const ONLY_INPUT = 'x'

/** ERR_STATE where shapes are not known yet. */
export function factsOf(model: AnyModel): ModelFacts {
  const { outputNames } = model
  const one = (facts: Omit<InputFacts, 'name'> & { name?: string }, longest?: number): ModelFacts => ({
    inputs: [{ name: ONLY_INPUT, ...facts }],
    outputNames,
    form: ([x]) => x,
    longest,
  })
  const any: unknown = model
  if (any instanceof Sequential && any.inputShape !== undefined)
    return one({ shape: [null, ...any.inputShape], dtype: takesIds(any) ? 'int32' : any.inputType })
  if (any instanceof FunctionalModel) return functionalFacts(any)
  if (any instanceof Gpt) return one({ name: 'ids', shape: [null, null], dtype: 'int32' }, any.config.sequenceLength)
  if (any instanceof PretrainedDecoder) return one({ name: 'ids', shape: [null, null], dtype: 'int32' }, any.config.sequenceLength)
  if (any instanceof Bert) return encoderFacts(outputNames, any.config.sequenceLength, true)
  if (any instanceof PretrainedEncoder) {
    // not all of them know kinds of text
    const segments = model.weights.some(({ name }) => name.includes('token_type_embeddings'))
    return encoderFacts(outputNames, any.config.sequenceLength, segments)
  }
  const shapes = model.builtFor
  if (shapes === undefined)
    throw new WeftError('ERR_STATE', `${model.name}: exportOnnx() before the shape of the inputs is known`, {
      hint: 'Give the first layer inputShape, or call the model on data first',
    })
  const { dtype } = model
  if (!shapes.some(Array.isArray)) return one({ shape: shapes as DynamicShape, dtype })
  const inputs = (shapes as readonly DynamicShape[]).map((shape, i) => ({ name: `${ONLY_INPUT}${i}`, shape, dtype }))
  return { inputs, outputNames, form: (list) => list, longest: undefined }
}

/** Of an encoder of texts: ids, kinds of text where it knows them, and what is no padding. */
function encoderFacts(outputNames: readonly string[], longest: number, segments: boolean): ModelFacts {
  const steps = (name: string, dtype: DType): InputFacts => ({ name, shape: [null, null], dtype })
  const inputs = [steps('tokenIds', 'int32'), ...(segments ? [steps('segmentIds', 'int32')] : []), steps('paddingMask', 'bool')]
  const form = (list: readonly Tensor[]): unknown => Object.fromEntries(inputs.map(({ name }, i) => [name, list[i]!]))
  return { inputs, outputNames, form, longest }
}

function functionalFacts(model: FunctionalModel): ModelFacts {
  const inputs: InputFacts[] = []
  walk(model.inputs, (t) => {
    const { dynamicShape, dtype } = t as SymbolicTensor
    inputs.push({ name: model.inputNames[inputs.length]!, shape: dynamicShape, dtype })
  })
  const form = (list: readonly Tensor[]): unknown => {
    let index = 0
    return mapTree(model.inputs, () => list[index++]!)
  }
  return { inputs, outputNames: model.outputNames, form, longest: undefined }
}

/** Whether the first layer looks up ids: they are integers, whatever dtype the model's input was declared with. */
function takesIds(model: Sequential): boolean {
  const [first] = model.layers
  return first instanceof Embedding || first instanceof TokenAndPositionEmbedding || (first instanceof Sequential && takesIds(first))
}

/** Names of the extents that vary, for each axis of each input; undefined: the extent is fixed. */
export function extentNames(inputs: readonly InputFacts[], shared: boolean): (string | undefined)[][] {
  return inputs.map(({ name, shape }) =>
    shape.map((extent, axis) => {
      if (extent !== null) return undefined
      if (axis === 0) return 'batch'
      const kind = shape.length === 4 ? ['height', 'width', 'channels'][axis - 1]! : axis === 1 ? 'time' : `axis${axis}`
      return shared || inputs.length === 1 ? kind : `${name}_${kind}`
    }),
  )
}
