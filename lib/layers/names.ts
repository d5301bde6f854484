// Names of layers: dense, dense_1, ... as Keras numbers them, unique in the process.
const next = new Map<string, number>()

/** 'MaxPooling2d' gives 'max_pooling2d'. */
export const snakeCase = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()

/** The next free name of a class of layers. */
export function uniqueName(className: string): string {
  const kind = snakeCase(className)
  const index = next.get(kind) ?? 0
  next.set(kind, index + 1)
  return index === 0 ? kind : `${kind}_${index}`
}

/** A name given by the user or by a file: later automatic names avoid it. */
export function reserveName(name: string): string {
  const [, kind, index] = /^(.*?)(?:_(\d+))?$/.exec(name)!
  next.set(kind!, Math.max(next.get(kind!) ?? 0, Number(index ?? 0) + 1))
  return name
}
