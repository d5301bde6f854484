// Names of layers: dense, dense_1, ... as Keras numbers them. A layer's automatic name is unique in the process until a
// model takes the layer; the model then numbers its layers by itself, so that names do not depend on what else was
// made.
const next = new Map<string, number>()

interface Named {
  readonly name: string
  readonly className: string
}

/** Layers that nobody named, each with the model that numbers it: undefined before one does, SHARED with several. */
const numbered = new WeakMap<Named, object | undefined>()
const SHARED: object = {}

/** The name of a class of layers in saved models: its own `className`, else that of the class. */
export function classNameOf(made: { className?: string; name: string }): string {
  return (Object.hasOwn(made, 'className') ? made.className : undefined) ?? (made.name || 'Layer')
}

/** 'MaxPooling2d' gives 'max_pooling2d'. */
export const snakeCase = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()

const numberedName = (kind: string, index: number): string => (index === 0 ? kind : `${kind}_${index}`)

/** The next free name of a class of layers. */
function uniqueName(className: string): string {
  const kind = snakeCase(className)
  const index = next.get(kind) ?? 0
  next.set(kind, index + 1)
  return numberedName(kind, index)
}

/** A name given by the user or by a file: later automatic names avoid it. */
function reserveName(name: string): string {
  const [, kind, index] = /^(.*?)(?:_(\d+))?$/s.exec(name)!
  next.set(kind!, Math.max(next.get(kind!) ?? 0, Number(index ?? 0) + 1))
  return name
}

/** The name of a layer that is being made: the given one, else the next of its kind. */
export function nameOf(layer: object, className: string, given: string | undefined): string {
  if (given !== undefined) return reserveName(given)
  numbered.set(layer as Named, undefined)
  return uniqueName(className)
}

/** Whether the name says something about the process: nobody gave it, and no model has numbered the layer. */
export const isAutomatic = (layer: Named): boolean => numbered.has(layer) && numbered.get(layer) === undefined

/**
 * Numbers the layers of a model by their kinds, in order. Names that were given stay, and those in another model; the
 * other layers are numbered around them.
 */
export function nameLayers(model: object, layers: readonly Named[]): void {
  const rename = (layer: Named, name: string, owner: object): void => {
    ;(layer as { name: string }).name = name
    numbered.set(layer, owner)
  }
  const isOwn = (layer: Named): boolean => numbered.has(layer) && [undefined, model].includes(numbered.get(layer))
  const taken = new Set(layers.filter((layer) => !numbered.has(layer)).map(({ name }) => name))
  for (const layer of layers) {
    if (!numbered.has(layer) || isOwn(layer)) continue
    // two models may have numbered two layers alike: the second one gets a name that no model gives
    let { name } = layer
    while (taken.has(name)) name = uniqueName(layer.className)
    taken.add(name)
    rename(layer, name, SHARED)
  }
  const counts = new Map<string, number>()
  for (const layer of layers.filter(isOwn)) {
    const kind = snakeCase(layer.className)
    let index = counts.get(kind) ?? 0
    while (taken.has(numberedName(kind, index))) index++
    counts.set(kind, index + 1)
    rename(layer, numberedName(kind, index), model)
  }
}
