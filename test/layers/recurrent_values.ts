// What the tests of recurrent layers share: layers with weights that are known, and sequences.
import { type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import type { Recurrent } from '../../lib/layers/recurrent/recurrent.js'
import type { LayerOptions } from '../../lib/layers/layer.js'
import type { LstmLayerOptions, GruLayerOptions } from '../../lib/layers/recurrent/layers.js'
import { generator } from '../expect.js'
import type { Kind, Matrix, Weights } from './recurrent_reference.js'

const GATES: Record<Kind, number> = { lstm: 4, gru: 3, simpleRnn: 1 }

/** Random values in ±scale. */
export function matrix(rows: number, columns: number, seed: number, scale = 1): Matrix {
  const next = generator(seed)
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => scale * (2 * next() - 1)))
}

export const sequences = (batch: number, time: number, features: number, seed = 1): Matrix[] =>
  Array.from({ length: batch }, (_, i) => matrix(time, features, seed * 100 + i))

/** Also of no steps, which nested arrays cannot say. */
export const tensorOf = (x: Matrix[], features: number, dtype: 'float32' | 'float64' = 'float64'): Tensor =>
  tensor(Float64Array.from(x.flat(2)), { shape: [x.length, x[0]!.length, features], dtype })

export function weightsOf(kind: Kind, features: number, units: number, resetAfter = true): Weights {
  const n = GATES[kind] * units
  const bias = kind === 'gru' && resetAfter ? matrix(2, n, 9, 0.5) : matrix(1, n, 9, 0.5)[0]!
  return { kernel: matrix(features, n, 7), recurrent: matrix(units, n, 8), bias }
}

export type Options = Omit<LstmLayerOptions & GruLayerOptions & LayerOptions, 'units'>

/** A layer of the kind with these weights, in float64. */
export function layerOf(kind: Kind, weights: Weights, options: Options = {}): Recurrent {
  const config = { units: weights.recurrent.length, dtype: 'float64' as const, ...options }
  const layer: Recurrent = kind === 'lstm' ? layers.lstm(config) : kind === 'gru' ? layers.gru(config) : layers.simpleRnn(config)
  layer.build([1, 1, weights.kernel.length])
  layer.setWeights(listOf(weights))
  return layer
}

/** The weights in the order of a layer's. */
export const listOf = ({ kernel, recurrent, bias }: Weights): Tensor[] =>
  [kernel, recurrent, bias].map((w) => tensor(w, { dtype: 'float64' }))
