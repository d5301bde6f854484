// dice: how little the predicted places overlap with the true ones, for segmentation.
import { isInteger } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { sharing } from '../core/share.js'
import type { Tensor } from '../core/tensor.js'
import { defineLoss, type Loss } from './loss.js'
import { LOSS_OPTIONS, type LossOptions } from './regression.js'

export interface DiceOptions extends LossOptions {
  /**
   * The axes that are added up, as [1, 2] for one loss per sample and class of images. Default: all but the batch,
   * which gives one loss per sample. With axis 0 among them the samples of a batch share their sums, as in Keras by
   * default.
   */
  axis?: number | readonly number[]
}
const DICE_OPTIONS: OptionTable<DiceOptions> = { axis: 'any', ...LOSS_OPTIONS }

const EPSILON = 1e-7

/**
 * 1 - 2·Σ yTrue·yPred / (Σ yTrue + Σ yPred + 1e-7), targets 0 and 1 and predictions probabilities, of one shape.
 * Milletari et al., 2016.
 */
export function dice(options: DiceOptions = {}): Loss {
  checkCall('losses.dice(options)', arguments, DICE_OPTIONS)
  const { axis } = options
  if (axis !== undefined && ![axis].flat().every((one) => isInteger(one)))
    throw new WeftError('ERR_ARGUMENT', `losses.dice: axis is an integer or a list of them, got ${show(axis)}`)
  const each = (y: Tensor, p: Tensor): Tensor => {
    const axes = axis === undefined ? y.shape.map((_, i) => i).slice(1) : axis
    const ofBatch = [axes].flat().some((one) => one === 0 || one === -y.rank)
    const share = ofBatch ? sharing() : undefined
    // the samples of all ranks of a distributed run
    const sum = (t: Tensor): Tensor => (share ? share.sum(t.sum(axes).mul(share.weight > 0 ? 1 : 0)) : t.sum(axes))
    return sum(y.mul(p))
      .mul(2)
      .div(sum(y).add(sum(p)).add(EPSILON))
      .neg()
      .add(1)
  }
  return defineLoss({ name: 'dice', config: { ...options }, reduction: options.reduction, each })
}
