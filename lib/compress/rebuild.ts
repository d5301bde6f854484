// Rebuilding: a model made again from its description, with some of it changed. The model that is given stays as it is.
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { tensor } from '../core/create.js'
import { sameShape, type Shape } from '../core/spec.js'
import type { Variable } from '../core/tensor.js'
import { layerClasses, type LayerClass } from '../layers/declare.js'
import { whileLoading } from '../layers/loading.js'
import type { AnyLayer } from '../layers/layer.js'
import { type LayerJson, layerFromJson, layerToJson } from '../layers/serialize.js'
import { storedAs, valueOf } from '../layers/stored_weights.js'
import type { Weighted } from '../layers/weights.js'
import { type AnyModel, Model } from '../model/model.js'
import { packed } from './pack.js'

/** Values of a weight on the host. */
export interface Values {
  readonly data: Float32Array | Int8Array | Uint8Array
  readonly shape: Shape
}

/** Weights by their paths in a model, as 'conv2d.kernel'. */
export type Weights = Map<string, Values>

/** ERR_ARGUMENT unless the value is a model whose weights exist. */
export function checkModel(what: string, model: unknown): asserts model is AnyModel {
  if (!(model instanceof Model))
    throw new WeftError('ERR_ARGUMENT', `${what}: the first argument is a model`, { hint: `Write ${what}(net, { ... })` })
  if (!model.built)
    throw new WeftError('ERR_STATE', `${what}: the weights of ${model.name} do not exist yet`, {
      hint: 'Give the first layer inputShape, or fit the model first',
    })
}

/** Classes of the user's own among the layers of a model, under the names that descriptions have for them. */
function ownClasses(model: AnyModel): Record<string, LayerClass> {
  const found: Record<string, LayerClass> = {}
  const visit = (layer: Weighted): void => {
    const { className } = layer as AnyLayer
    if (!layerClasses.has(className)) found[className] = layer.constructor as unknown as LayerClass
    for (const inner of layer.sublayers) visit(inner)
  }
  visit(model)
  return found
}

/** The description of a model. ERR_ARGUMENT, in terms of `what`, where the model has none. */
export function describe(what: string, model: AnyModel): LayerJson {
  try {
    return structuredClone(layerToJson(model))
  } catch (cause) {
    if (!(cause instanceof WeftError)) throw cause
    throw new WeftError('ERR_ARGUMENT', `${what}: ${model.name} cannot be made again: ${cause.message}`, { cause })
  }
}

/** Classes that the loaders of models know, which are no layers of the catalogue. */
const isLoaderName = (name: string): boolean =>
  ['Sequential', 'Functional', 'Gpt', 'Bert', 'PretrainedDecoder', 'PretrainedEncoder', 'PretrainedVit', 'OnnxModel'].includes(name)

/**
 * The model that a description says, on the device of another one and compiled as that one, with weights to be filled.
 */
export function madeFrom(json: LayerJson, like: AnyModel): AnyModel {
  const own = ownClasses(like)
  for (const name of Object.keys(own)) if (isLoaderName(name)) delete own[name]
  const made = withDevice(like.device, () =>
    whileLoading({ bytes: Number.POSITIVE_INFINITY, layers: Number.POSITIVE_INFINITY }, () => layerFromJson(json, { layers: own })),
  ) as unknown as AnyModel
  made.assets = { ...like.assets }
  made.compileAs(like)
  return made
}

/** A copy of a model with weights of its own, compiled alike. */
export function copyOf(what: string, model: AnyModel): AnyModel {
  const made = madeFrom(describe(what, model), model)
  fill(made, model)
  return made
}

/** The values of all weights and states of a model; of stored weights the matrices that they stand for. */
export function valuesOf(model: AnyModel): Map<string, Variable> {
  return new Map(model.weightPaths())
}

/** Values of a weight as float32 on the host. */
export function floatsOf(weight: Variable): Float32Array {
  const value = withDevice(weight.device, () => valueOf(weight))
  const wide = value.dtype === 'float32' ? value : value.cast('float32')
  const data = (wide.dataSync() as Float32Array).slice()
  for (const t of new Set([value, wide])) if (t !== weight) t.dispose()
  return data
}

/** Replaces the values of a weight. */
export function put(weight: Variable, data: Values['data'], shape: Shape = weight.shape): void {
  const value = tensor(data, { shape, dtype: weight.dtype, device: weight.device })
  weight.assign(value)
  value.dispose()
}

/**
 * Gives the weights of a model their values: those of `changed` by their paths, else those of the model it was made
 * from. Matrices that are stored in fewer bits are rounded to these.
 */
export function fill(made: AnyModel, from: AnyModel, changed: ReadonlyMap<string, Values> = new Map()): void {
  const sources = valuesOf(from)
  const scales = new Set<Variable>()
  const targets = valuesOf(made)
  for (const weight of targets.values()) {
    const scale = storedAs(weight)?.scale
    if (scale) scales.add(scale)
  }
  for (const [path, target] of targets) {
    if (scales.has(target)) continue
    const given = changed.get(path)
    const source = sources.get(path)
    const stored = storedAs(target)
    if (given === undefined && source === undefined)
      throw new WeftError('ERR_STATE', `compress: there are no values for the weight '${path}'`)
    if (stored?.scale !== undefined) {
      const { kept, scale } = packed(given ? (given.data as Float32Array) : floatsOf(source!), stored)
      put(target, kept)
      put(stored.scale, scale)
    } else if (given) put(target, given.data, given.shape)
    else if (storedAs(source!)?.scale !== undefined) put(target, floatsOf(source!))
    else {
      if (!sameShape(source!.shape, target.shape))
        throw new WeftError('ERR_STATE', `compress: '${path}' is [${target.shape}], its values are [${source!.shape}]`)
      target.assign(source!)
    }
  }
}
