// categoryEncoding: integers as vectors of 0 and 1, or of counts.
import type { OptionTable } from '../core/options.js'
import type { DType } from '../core/spec.js'
import { wholeNumbers } from '../ops/ids.js'
import * as ops from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import { type LayerFactory, layer } from './declare.js'
import { Layer, type LayerOptions } from './layer.js'
import { integerOption } from './options.js'

export type CategoryMode = 'oneHot' | 'multiHot' | 'count'
export const CATEGORY_MODES: readonly CategoryMode[] = ['oneHot', 'multiHot', 'count']

export interface CategoryEncodingOptions {
  /** Number of categories: the integers are from 0 on and below it. */
  numTokens: number
  /**
   * 'oneHot': a vector for each integer; 'multiHot': one for all of a sample, with 1 for each that is there; 'count':
   * with their numbers. Default 'multiHot'.
   */
  outputMode?: CategoryMode
}

export class CategoryEncoding extends Layer<CategoryEncodingOptions> {
  static override readonly className: string = 'CategoryEncoding'
  static override readonly options: OptionTable<CategoryEncodingOptions> = { numTokens: 'integer', outputMode: CATEGORY_MODES }
  protected override readonly castsInputs: boolean = false

  constructor(config: CategoryEncodingOptions & LayerOptions) {
    super(config)
    integerOption('layers.categoryEncoding', 'numTokens', config.numTokens)
  }

  call(x: Tensor): Tensor {
    const { numTokens, outputMode = 'multiHot' } = this.config
    return encoded(wholeNumbers(x), numTokens, outputMode, this.dtype)
  }
}

/** @internal Integers [..., n] as vectors of `depth` values. */
export function encoded(ids: Tensor, depth: number, mode: CategoryMode, dtype: DType): Tensor {
  // a last axis of 1 holds one integer, and is not an axis of its own in the result
  const single = ids.rank > 1 && ids.shape.at(-1) === 1 && mode === 'oneHot'
  const vectors = ops.cast(ops.oneHot(single ? ops.squeeze(ids, -1) : ids, depth), dtype)
  if (mode === 'oneHot' || ids.rank === 1) return vectors
  return mode === 'count' ? ops.sum(vectors, -2) : ops.max(vectors, -2)
}

/** Integers [batch, n] → [batch, numTokens]; one by one with outputMode 'oneHot': [batch, n, numTokens]. */
export const categoryEncoding: LayerFactory<typeof CategoryEncoding> = layer(CategoryEncoding)
