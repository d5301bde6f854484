// Class weights: how much samples count by their class, as a record, a Map or a list, or balanced by the classes'
// frequencies.
import { WeftError } from '../core/error.js'
import { isInteger, isTypedArray } from '../core/checks.js'
import { isDetached, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import type { Tree } from './feed.js'

/** Weights of the classes, by class number. */
export type ClassWeight = Readonly<Record<string, number>>
/**
 * What fit takes: weights by class number in a record, a Map or a list; 'balanced': samples / (classes · samples of the
 * class).
 */
export type ClassWeightLike = ClassWeight | ReadonlyMap<number, number> | readonly number[] | Float32Array | Float64Array | 'balanced'

/** The weights as a record; ERR_ARGUMENT for what is none of the forms. */
export function classWeightOption(what: string, given: ClassWeightLike | undefined): ClassWeight | 'balanced' | undefined {
  if (given === undefined || given === 'balanced') return given
  const entries: readonly (readonly [unknown, unknown])[] | undefined =
    given instanceof Map
      ? [...given]
      : Array.isArray(given) || (isTypedArray(given) && !isDetached(given))
        ? Array.from(given as readonly number[], (weight, label) => [label, weight])
        : isRecord(given)
          ? Object.entries(given)
          : undefined
  if (entries === undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: classWeight is a record, a Map, a list or 'balanced', got ${show(given)}`, {
      hint: 'Write classWeight: { 0: 1, 1: 2.5 }',
    })
  for (const [label, weight] of entries) {
    const known = typeof label === 'number' ? isInteger(label, 0) : typeof label === 'string' && /^\d+$/.test(label)
    if (!known || typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0)
      throw new WeftError(
        'ERR_ARGUMENT',
        `${what}: classWeight has class numbers and weights of at least 0, got ${show(label)}: ${show(weight)}`,
      )
  }
  return Object.fromEntries(entries as [string | number, number][])
}

/**
 * Weights that let all classes among the first `rows` targets count alike: rows / (classes · rows of the class), as
 * scikit-learn's.
 */
export async function balancedWeights(what: string, targets: Tree | undefined, rows: number): Promise<ClassWeight> {
  if (!(targets instanceof Tensor)) {
    throw new WeftError('ERR_ARGUMENT', `${what}: classWeight 'balanced' needs the targets of one output as an array`, {
      hint: 'For a source of batches give the weights: classWeight: { 0: 1, 1: 2.5 }',
    })
  }
  const classes = targets.rank > 1 ? targets.shape.at(-1)! : 1
  const values = await targets.data()
  const counts = new Map<number, number>()
  for (let row = 0; row < rows; row++) {
    let label = Number(values[row])
    if (classes > 1) {
      label = 0
      for (let k = 1; k < classes; k++) if (values[row * classes + k]! > values[row * classes + label]!) label = k
    }
    if (!isInteger(label, 0))
      throw new WeftError('ERR_ARGUMENT', `${what}: classWeight 'balanced' needs class numbers as targets, target ${row} is ${label}`)
    counts.set(label, (counts.get(label) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].map(([label, count]) => [label, rows / (counts.size * count)]))
}
