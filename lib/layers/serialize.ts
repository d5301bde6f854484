// Layers as JSON: the class's name and the config the layer is made from again.
import { isTypedArray } from '../core/checks.js'
import { unknownName, WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord, mapData } from '../core/tree.js'
import { type LayerClass, layerClasses } from './declare.js'
import type { AnyLayer, InputShapes } from './layer.js'
import { keepStorage, type Storage, storageFromJson, storageOfModel, whileStored } from './stored_weights.js'

export interface LayerJson {
  className: string
  config: Record<string, unknown>
  /** Shapes the layer was built for, null for the batch. */
  build?: unknown
  /** How matrices are stored, where that is not as float32. */
  storage?: unknown
}

/** What layers of a file may be made of. */
export interface KnownLayers {
  /** Classes of the user by name. */
  layers?: Readonly<Record<string, LayerClass>> | undefined
}

/** How a class is made from its config, when not by its constructor alone. */
type Loader = (config: Record<string, unknown>, options: KnownLayers) => AnyLayer
const loaders = new Map<string, Loader>()

/** @internal For models, whose config holds layers. */
export function registerLoader(className: string, loader: Loader): void {
  loaders.set(className, loader)
}

/** Classes whose code is loaded when a saved model names one of them. */
const later = new Map<string, () => Promise<unknown>>()

/** @internal For models of other formats, whose code most programs never need: `load` registers the class's loader. */
export function registerLater(className: string, load: () => Promise<unknown>): void {
  later.set(className, load)
}

/** @internal Loads the code of the classes that the JSON of a model names. */
export async function loadNamed(json: unknown): Promise<void> {
  const named = new Set<string>()
  const pending = [json]
  while (pending.length > 0) {
    const value = pending.pop()
    if (typeof value !== 'object' || value === null) continue
    const { className } = value as { className?: unknown }
    if (typeof className === 'string' && !loaders.has(className)) named.add(className)
    for (const part of Object.values(value)) pending.push(part)
  }
  for (const className of named) await later.get(className)?.()
}

/** JSON of the layer. ERR_ARGUMENT for what is no data, such as functions. */
export function layerToJson(layer: AnyLayer): LayerJson {
  const json = (value: unknown, path: string): unknown => {
    if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return value
    if (isNamed(value)) return { className: value.className, config: mapData(value.config, json, `${path}.config`) }
    if (isTypedArray(value)) return Array.from(value as Float32Array)
    const what = typeof value === 'function' ? 'a function' : `a ${(value as object | undefined)?.constructor?.name ?? typeof value}`
    throw new WeftError('ERR_ARGUMENT', `layer '${layer.name}' (${layer.className}) cannot be saved: ${path} is ${what}`, {
      layer: layer.name,
      hint: "Use a name, as activation: 'relu', or write a class with JSON in its config",
    })
  }
  // named functions as { className, config }, typed arrays as lists
  const config = mapData(layer.toConfig(), json, 'config') as Record<string, unknown>
  return {
    className: layer.className,
    config,
    ...(layer.built && layer.builtFor !== undefined ? { build: layer.builtFor } : {}),
    ...storageJson(layer),
  }
}

function storageJson(layer: AnyLayer): { storage?: Storage } {
  const storage = storageOfModel(layer)
  return storage ? { storage } : {}
}

const isNamed = (value: unknown): value is { className: string; config: object } =>
  typeof value === 'function' &&
  typeof (value as { className?: unknown }).className === 'string' &&
  typeof (value as { config?: unknown }).config === 'object'

/** A class of the user's own may want other arguments than the options that were saved. */
function madeOf(own: NonNullable<KnownLayers['layers']>[string], name: string, config: object): AnyLayer {
  try {
    return new own(config as never) as AnyLayer
  } catch (error) {
    throw new WeftError('ERR_FORMAT', `new ${name}(${show(config)}) throws: ${error instanceof Error ? error.message : show(error)}`, {
      hint: `A class is loaded with the options that it handed to super(): write constructor(options) { super(options); ... }`,
      cause: error,
    })
  }
}

/** The layer that layerToJson() described, with new weights of the same shapes. */
export function layerFromJson(json: LayerJson, options: KnownLayers = {}): AnyLayer {
  if (!isRecord(json) || typeof json.className !== 'string' || !isRecord(json.config)) {
    throw new WeftError('ERR_FORMAT', `a saved layer is not { className, config }: ${show(json)}`)
  }
  if (json.storage !== undefined) {
    const { storage: saved, ...plain } = json
    const storage = storageFromJson(saved)
    const made = whileStored(storage, () => layerFromJson(plain, options))
    keepStorage(made, storage)
    return made
  }
  const { className, config } = json
  const own = options.layers && Object.hasOwn(options.layers, className) ? options.layers[className] : undefined
  const known = own ?? layerClasses.get(className)
  const loader = own ? undefined : loaders.get(className)
  if (!known && !loader) {
    const error = unknownName('layer class', className, [...Object.keys(options.layers ?? {}), ...layerClasses.keys(), ...loaders.keys()])
    const name = className.length > 60 ? `${className.slice(0, 57)}...` : className
    // without the list of all classes, behind which the message would be cut off
    const [close = ''] = /^Did you mean .*?\? /.exec(error.hint ?? '') ?? []
    throw new WeftError('ERR_FORMAT', `unknown layer class '${name}'`, {
      hint: `${close}Give a class of your own by its name: loadModel(folder, { layers: { ${name} } })`,
    })
  }
  const layer = loader ? loader(config, options) : own ? madeOf(own, className, config) : (new known!(config as never) as AnyLayer)
  if (json.build !== undefined && !layer.built) layer.build(json.build as InputShapes)
  return layer
}
