// Group normalization: the features of each sample in groups, each normalized over the group and all places.
import { isInteger } from '../core/checks.js'
import { type DynamicShape, sizeOf } from '../core/spec.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { WeftError } from '../core/error.js'
import { add, layerNorm, mul, ones, reshape, transpose, zeros } from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import type { LayerOptions } from './layer.js'
import { AFFINE_OPTIONS, type Affine, AffineLayer, withLastAxes } from './normalization.js'

export interface GroupNormalizationOptions extends Affine {
  /** Number of groups, a divisor of the features; -1: every feature is a group of its own. Default 32. */
  groups?: number
  /** The axis of the features. Default -1. */
  axis?: number
}

/** Each group of features of a sample normalized by its own mean and variance (Wu and He 2018). */
export class GroupNormalization extends AffineLayer<GroupNormalizationOptions> {
  static override readonly className: string = 'GroupNormalization'
  static override readonly options: OptionTable<GroupNormalizationOptions> = { groups: 'integer', axis: 'integer', ...AFFINE_OPTIONS }
  private axis = -1
  private groups: number

  constructor(config: GroupNormalizationOptions & LayerOptions = {}) {
    super('layers.groupNormalization', config)
    this.groups = config.groups ?? 32
    if (!isInteger(this.groups, 1) && this.groups !== -1)
      throw new WeftError('ERR_ARGUMENT', `layers.groupNormalization: groups must be a positive integer or -1, got ${show(config.groups)}`)
  }

  override build(inputShape: DynamicShape): void {
    this.axis = this.front([this.config.axis ?? -1], inputShape.length)[0]!
    const features = this.extentOf(inputShape, this.axis)
    if (this.groups === -1) this.groups = features
    if (features % this.groups !== 0)
      throw this.error(
        'ERR_SHAPE',
        `${features} features cannot be cut into ${this.groups} groups`,
        [inputShape],
        'Choose groups that divide them',
      )
    this.addAffine([features])
    this.inputSpec = { rank: inputShape.length, axes: { [this.axis]: features } }
  }

  call(x: Tensor): Tensor {
    return withLastAxes(x, [this.axis], (moved) => {
      const [batch, features] = [moved.shape[0]!, moved.shape.at(-1)!]
      const [places, width] = [sizeOf(moved.shape.slice(1, -1)), features / this.groups]
      // [batch, groups, places · features of a group]
      const grouped = reshape(transpose(reshape(moved, [batch, places, this.groups, width]), [0, 2, 1, 3]), [
        batch,
        this.groups,
        places * width,
      ])
      const made = { dtype: x.dtype }
      const normal = layerNorm(grouped, ones([places * width], made), zeros([places * width], made), { epsilon: this.epsilon })
      const back = reshape(transpose(reshape(normal, [batch, this.groups, places, width]), [0, 2, 1, 3]), moved.shape)
      const scaled = this.gamma ? mul(back, this.gamma) : back
      return this.beta ? add(scaled, this.beta) : scaled
    })
  }
}

/** Groups of features normalized by themselves (Wu and He 2018). */
export const groupNormalization: LayerFactory<typeof GroupNormalization> = layer(GroupNormalization)
