// Weights of classes, as the option classWeight gives them.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import type { Label, Labels } from './matrix.js'

/** 'balanced': rows / (classes · rows of the class); a record: a weight by class, 1 where none is given. */
export type ClassWeight = 'balanced' | Readonly<Record<string, number>> | null

/** Throws ERR_ARGUMENT for what is no ClassWeight. */
export function checkClassWeight(what: string, value: unknown): void {
  if (value === null || value === 'balanced') return
  const fine = (weight: unknown): boolean => typeof weight === 'number' && weight >= 0 && Number.isFinite(weight)
  if (!isRecord(value) || !Object.values(value).every(fine))
    throw new WeftError('ERR_ARGUMENT', `${what}: classWeight is ${show(value)}`, {
      hint: `Write classWeight: 'balanced', or a weight of at least 0 by class: { spam: 2 }`,
    })
}

/** The weight of each class. ERR_ARGUMENT for a weight of a class that y does not have. */
export function classWeights(what: string, value: ClassWeight, { classes, index }: Labels): Float64Array {
  if (value === null) return new Float64Array(classes.length).fill(1)
  if (value === 'balanced') {
    const counts = new Float64Array(classes.length)
    for (const place of index) counts[place]!++
    return counts.map((count) => index.length / (classes.length * count))
  }
  const names = classes.map(String)
  for (const name of Object.keys(value))
    if (!names.includes(name))
      throw new WeftError('ERR_ARGUMENT', `${what}: classWeight names the class ${show(name)}, y has ${show(classes as Label[])}`)
  return Float64Array.from(names, (name) => value[name] ?? 1)
}

/** The weight of each row: its own times that of its class. */
export function rowWeights(what: string, value: ClassWeight, labels: Labels, weights: Float64Array | undefined): Float64Array {
  const ofClass = classWeights(what, value, labels)
  return Float64Array.from(labels.index, (place, row) => ofClass[place]! * (weights?.[row] ?? 1))
}
