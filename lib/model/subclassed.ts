// Model as a class to extend: its layers are those in its fields, and what it computes is its call().
import { checkCall } from '../core/options.js'
import { shownAs } from '../core/shown.js'
import type { DynamicShape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { type AnyLayer, type InputShapes, Layer, type LayerOptions } from '../layers/layer.js'
import { mapShapes } from '../layers/input_spec.js'
import { nameLayers } from '../layers/names.js'
import { inferSpecs, placeholder } from '../layers/symbolic.js'
import { layerOf, textOf } from './composed.js'
import { Model as BaseModel } from './model.js'
import { SUMMARY_OPTIONS, type SummaryOptions, summaryLines } from './summary.js'

/**
 * A model of a class of your own (Keras' subclassing): layers stand in its fields, also in lists and records, and
 * `call(x, { training })` says what it computes. It trains, predicts and saves as every model; loadModel(folder,
 * { layers: { MyModel } }) finds the class. Weights are made for the first data, or by build([null, ...]).
 */
abstract class SubclassedModel<C extends object = object, I = Tensor, O = Tensor> extends BaseModel<C, I, O> {
  // layers inside cast their own inputs
  protected override readonly castsInputs: boolean = false

  get layers(): readonly AnyLayer[] {
    return this.sublayers.filter((part) => part instanceof Layer)
  }

  /** Builds the layers by calling the model on what has the shape of data, and no values. */
  override build(inputShape: InputShapes): void {
    if (typeof this.call !== 'function')
      throw this.error('ERR_ARGUMENT', 'the class has no call()', [], 'Write call(x, { training }) { return this.last.apply(x) }')
    nameLayers(this, this.layers)
    const inputs = mapShapes(inputShape, (shape) => placeholder({ shape, dtype: this.dtype }))
    inferSpecs(inputs, (x) => this.call(x as I, { training: false, mask: undefined, masks: [] }))
  }

  protected override afterBuild(): void {
    for (const [path, weight] of this.weightPaths()) (weight as { name: string }).name = path.replaceAll('.', '/')
  }

  // what stands last in its fields need not be computed last
  override get outputActivations(): readonly (string | undefined)[] {
    return [undefined]
  }
  override get outputEnds(): readonly (string | undefined)[] {
    return [undefined]
  }
  override get outputNames(): readonly string[] {
    return ['output']
  }

  override getLayer(which: string | number): AnyLayer {
    return layerOf(this, which)
  }

  override summary(options: SummaryOptions = {}): void {
    checkCall('summary(options)', arguments, SUMMARY_OPTIONS)
    const print = options.print ?? ((line: string): void => console.log(line))
    const rows = this.layers.map((layer) => ({
      label: `${layer.name} (${layer.className})`,
      shape: shapeOf(layer),
      parameters: layer.built ? layer.countParams() : undefined,
    }))
    for (const line of summaryLines(this, rows)) print(line)
  }
}

/** What a layer makes of the shape that it was built for; undefined where it gives several results. */
function shapeOf(layer: AnyLayer): DynamicShape | undefined {
  if (layer.builtFor === undefined) return undefined
  const shape: unknown = layer.computeOutputShape(layer.builtFor)
  return Array.isArray(shape) && shape.every((extent) => extent === null || typeof extent === 'number') ? shape : undefined
}

shownAs(SubclassedModel.prototype, textOf, 'await net.save(folder)')

// every model is a Model
Object.defineProperty(SubclassedModel, Symbol.hasInstance, {
  value: function (this: typeof SubclassedModel, value: unknown): boolean {
    const wanted: object = this === SubclassedModel ? BaseModel.prototype : (this.prototype as object)
    return typeof value === 'object' && value !== null && Object.prototype.isPrototypeOf.call(wanted, value)
  },
})

/** Any model; as a class, what your own models extend. */
export type Model<C extends object = LayerOptions, I = Tensor, O = Tensor> = BaseModel<C, I, O>
export const Model: typeof SubclassedModel = SubclassedModel
