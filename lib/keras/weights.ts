// Values of files as the weights of layers: found by the layer's name, in Keras' order, checked before any is set.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { sameShape, type Shape, sizeOf } from '../core/spec.js'
import type { Variable } from '../core/tensor.js'
import { snake } from './names.js'
import type { Placed } from './calls.js'

/** A value of a file: row-major numbers. */
export interface StoredValue {
  readonly name: string
  readonly shape: Shape
  /** The numbers; read when they are asked for. */
  values(): Float32Array
}

/** A weight, and what it is set to. */
export type Assignment = readonly [Variable, StoredValue]

const last = (name: string): string => snake(name.slice(name.lastIndexOf('/') + 1).replace(/:\d+$/, ''))

/**
 * What the weights of a layer are set to: one value of the file for each, in order. ERR_FORMAT where their number or
 * shapes differ. @param what names the file
 */
export function assignmentsOf(what: string, { layer, name }: Placed, values: readonly StoredValue[]): Assignment[] {
  const weights = layer.weights
  // a count that Keras' normalization keeps and nothing reads
  const given = layer.className === 'Normalization' ? values.slice(0, weights.length) : values
  if (given.length !== weights.length) {
    const had = given.length === 0 ? 'none' : given.map((value) => `[${value.shape}]`).join(', ')
    throw new WeftError(
      'ERR_FORMAT',
      `${what}: the layer '${name}' (${layer.className}) has ${weights.length} weights (${weights.map((w) => `[${w.shape}]`).join(', ')}), the file has ${had} for it`,
    )
  }
  return weights.map((weight, i) => {
    const value = given[i]!
    const theirs = last(value.name)
    const named = /^\d+$/.test(theirs) || last(weight.name).endsWith(theirs) || theirs.endsWith(last(weight.name))
    if (!sameShape(value.shape, weight.shape) || !named)
      throw new WeftError(
        'ERR_FORMAT',
        `${what}: '${value.name}' is [${value.shape}], the layer '${name}' (${layer.className}) has [${weight.shape}] as '${last(weight.name)}'`,
        { shapes: [value.shape, weight.shape] },
      )
    return [weight, value]
  })
}

/** Sets the weights, one after the other. */
export function assignAll(assignments: readonly Assignment[]): void {
  for (const [weight, value] of assignments) {
    const made = tensor(value.values(), { shape: value.shape, device: weight.device })
    weight.assign(made)
    made.dispose()
  }
}

/**
 * The values under a layer's name, in the order of the file: 'dense/kernel', or 'model/dense/kernel' in a model inside.
 */
export function valuesOf(name: string, values: readonly StoredValue[]): StoredValue[] {
  const own = values.filter((value) => value.name.startsWith(`${name}/`))
  return own.length > 0 ? own : values.filter((value) => value.name.includes(`/${name}/`))
}

/** Bytes of weights in float32. */
export const bytesOfAll = (values: readonly StoredValue[]): number => values.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0)
