// perplexity: how many tokens a language model hesitates between, exp of the mean cross-entropy.
import { sparseCategoricalCrossentropy } from '../losses/factories.js'
import { asTensor } from '../core/create.js'
import type { TensorLike } from '../core/tensor.js'
import { defineMetric, type MetricFactory } from './factory.js'
import { MeanMetric, type Metric, type MetricOptions, type UpdateOptions } from './metric.js'

export interface PerplexityOptions extends MetricOptions {
  /** Predictions are logits, not probabilities. Default: what the compiled loss says, else false. */
  fromLogits?: boolean
  /** Token id that does not count, as padding. */
  maskTokenId?: number
}

class Perplexity extends MeanMetric {
  private readonly options: PerplexityOptions

  constructor(options: PerplexityOptions) {
    const { fromLogits, maskTokenId } = options
    const loss = (logits: boolean) =>
      sparseCategoricalCrossentropy({
        fromLogits: logits,
        reduction: 'none',
        ...(maskTokenId === undefined ? {} : { ignoreClass: maskTokenId }),
      })
    super(
      'perplexity',
      options,
      (yTrue, yPred, { logitsOf, logits }) =>
        logits?.activation === 'softmax' && !fromLogits
          ? loss(true)(yTrue, logits.values)
          : loss(fromLogits ?? logitsOf === 'softmax')(yTrue, yPred),
      (mean) => mean.exp(),
    )
    this.options = options
  }

  override update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const { maskTokenId } = this.options
    const [targets, predictions] = [asTensor(yTrue), asTensor(yPred)]
    let mask = options.mask ?? predictions.mask
    if (maskTokenId !== undefined) {
      const counted = targets.notEqual(maskTokenId).reshape(predictions.shape.slice(0, -1))
      mask = mask ? mask.logicalAnd(counted) : counted
    }
    super.update(targets, predictions, { ...options, ...(mask ? { mask } : {}) })
  }

  protected override remake(): Metric {
    return new Perplexity(this.options)
  }
}

/**
 * exp of the mean of -log p(token) over all tokens so far. Targets are ids [n, steps], predictions are probabilities or
 * logits [n, steps, vocabulary]. Tokens that the predictions' mask leaves out do not count.
 */
export const perplexity: MetricFactory<PerplexityOptions> = defineMetric<PerplexityOptions>({
  name: 'perplexity',
  rising: false,
  options: { maskTokenId: 'integer', fromLogits: 'boolean' },
  make: (options) => new Perplexity(options),
})
