// Inputs of models: the input layer, and how data are fitted to the shape a model was made for.
import { isInteger } from '../core/checks.js'
import { type DType, type DynamicShape, type Shape, shapeText } from '../core/spec.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer, type NoOptions } from './declare.js'
import { WeftError } from '../core/error.js'
import { cast, reshape } from '../ops/index.js'
import { Tensor } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { Layer, type LayerOptions } from './layer.js'

export interface InputLayerOptions {
  /** Shape of one sample; null for an extent that varies. */
  inputShape: DynamicShape
  /** Of the data. Default float32. */
  dtype?: DType
}

/** The place where data enter a model. */
export class InputLayer extends Layer<Omit<InputLayerOptions, 'dtype'>> {
  static override readonly className: string = 'InputLayer'
  static override readonly options: OptionTable<NoOptions> = {}
  protected override readonly castsInputs: boolean = false
  protected override readonly supportsMasking: boolean = true
  protected override readonly keepsRange: boolean = true
  /** The dtype the data are expected in. */
  readonly dataType: DType

  constructor(config: InputLayerOptions & Omit<LayerOptions, 'inputShape' | 'dtype'>) {
    // the dtype is that of the data, not what the layer computes in
    super(isRecord(config) ? { ...config, dtype: 'float32' } : config)
    const { dtype = 'float32', inputShape } = config
    checkSampleShape('layers.inputLayer', inputShape)
    this.dataType = dtype
    this.build([null, ...config.inputShape])
  }

  call(x: Tensor): Tensor {
    return x.dtype === this.dataType ? x : cast(x, this.dataType)
  }

  override toConfig(): object {
    return { ...super.toConfig(), dtype: this.dataType }
  }
}

/** The place where data enter a sequential model. */
export const inputLayer: LayerFactory<typeof InputLayer> = layer(InputLayer)

/** Throws ERR_SHAPE unless every extent is a positive integer or null. */
export function checkSampleShape(what: string, shape: unknown): asserts shape is DynamicShape {
  if (!Array.isArray(shape) || shape.some((extent) => extent !== null && !isInteger(extent, 0))) {
    throw new WeftError(
      'ERR_SHAPE',
      `${what}: the shape of a sample is a list of extents (null: any), without the batch, got ${shape === undefined ? 'nothing' : show(shape)}`,
    )
  }
}

const matches = (shape: DynamicShape, wanted: DynamicShape): boolean =>
  shape.length === wanted.length && wanted.every((extent, i) => extent === null || shape[i] === null || extent === shape[i])

/**
 * The shape in which data of shape `shape` enter a model made for samples of shape `sample`: a missing last axis of 1
 * is added. ERR_SHAPE when they do not fit, with a hint for a sample without its batch axis. `exact`: extents must be
 * equal, not only the rank.
 */
function fitShape(shape: Shape, sample: DynamicShape, layer: string, exact = true): Shape {
  const wanted: DynamicShape = [null, ...sample]
  if (shape.length === wanted.length && (!exact || matches(shape, wanted))) return shape
  if (sample.at(-1) === 1 && matches(shape, wanted.slice(0, -1))) return [...shape, 1]
  // the first axis may have been cut into batches already
  const alone = matches(shape.slice(1), sample.slice(1)) || (sample.at(-1) === 1 && matches(shape.slice(1), sample.slice(1, -1)))
  throw new WeftError('ERR_SHAPE', `layer '${layer}': expected data of shape ${shapeText(wanted)}, received ${shapeText(shape)}`, {
    layer,
    shapes: [shape],
    hint: alone ? 'The batch axis is missing: use expandDims(0) for a single sample' : 'null is the batch, or any extent',
  })
}

/** The data in the shape a model takes them; see fitShape. The mask stays. */
export function fitInput(x: Tensor, sample: DynamicShape, layer: string, exact = true): Tensor {
  if (!(x instanceof Tensor))
    throw new WeftError('ERR_ARGUMENT', `layer '${layer}': the model has one input, got ${show(x)}`, {
      layer,
      hint: 'Pass one Tensor or array, not a list or record of them',
    })
  const shape = fitShape(x.shape, sample, layer, exact)
  if (shape.length === x.rank) return x
  const fitted = reshape(x, shape)
  fitted.mask = x.mask
  return fitted
}
