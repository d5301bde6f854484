// quantizeAware: a model that is trained as if it were quantized.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { isSkipped } from '../layers/stored_weights.js'
import type { AnyModel } from '../model/model.js'
import { mapFlows } from './flow.js'
import { checkFlow, foldedCopy } from './fold.js'
import { layersByPath } from './int8_model.js'
import { checkModel, describe, fill, madeFrom, type Values } from './rebuild.js'
import './aware_layers.js'

export interface QuantizeAwareOptions {
  /** Bits of the kernels' values, 2 to 8. Default 8. */
  bits?: number
  /** Each output of a kernel has a scale of its own. Default true. */
  perChannel?: boolean
  /** Share of the old range of a layer's inputs in each step. Default 0.9. */
  momentum?: number
  /** Names of layers that stay as they are. Default: none. */
  skip?: readonly string[]
}
const OPTIONS: OptionTable<QuantizeAwareOptions> = { bits: 'integer', perChannel: 'boolean', momentum: 'number', skip: 'list' }

const KINDS: Readonly<Record<string, string>> = { Dense: 'QuantizeAwareDense', Conv2d: 'QuantizeAwareConv2d' }
const RANGE = ['inputLow', 'inputHigh', 'inputSeen']

/**
 * A model with the weights of the given one whose dense and conv2d layers round kernels and inputs as quantize() will,
 * while gradients pass as if they did not (Jacob et al. 2018): `const aware = quantizeAware(net, { bits: 4 })`. Batch
 * normalization is folded into the layers before it. It is compiled as the given model, which is unharmed; fit() trains
 * it and finds the ranges of its activations. Then `await quantize(aware, { bits: 4 })` needs no data.
 * ERR_ARGUMENT for a model that is neither sequential nor functional, or that has no such layer.
 */
export function quantizeAware<M extends AnyModel>(model: M, options: QuantizeAwareOptions = {}): M {
  checkCall('quantizeAware(net, options)', arguments, OPTIONS)
  checkModel('quantizeAware', model)
  checkFlow('quantizeAware', model)
  const { skip = [], ...facts } = options
  if (!skip.every((name) => typeof name === 'string'))
    throw new WeftError('ERR_ARGUMENT', `quantizeAware: skip is a list of names of layers, got ${show(skip)}`)
  const paths = [...layersByPath(model).keys()]
  const stranger = skip.find((name) => !paths.some((path) => isSkipped(path, name)))
  if (stranger !== undefined)
    throw new WeftError('ERR_ARGUMENT', `quantizeAware: skip names '${stranger}', which is no layer of ${model.name}`, {
      hint: `Its layers are ${paths.slice(0, 12).join(', ')}`,
    })
  const folded = foldedCopy('quantizeAware', model, { dropIdle: false })
  try {
    const added = new Map<string, Values>()
    const json = mapFlows(describe('quantizeAware', folded), (flow, path) => {
      for (const [name, layer] of [...flow.layers]) {
        const kind = Object.hasOwn(KINDS, layer.className) ? KINDS[layer.className]! : undefined
        if (kind === undefined || skip.some((one) => isSkipped(`${path}${name}`, one))) continue
        flow.replace(name, { ...layer, className: kind, config: { ...layer.config, ...facts } })
        for (const end of RANGE) added.set(`${path}${name}.${end}`, { data: Float32Array.of(0), shape: [] })
      }
    })
    if (added.size === 0) throw new WeftError('ERR_ARGUMENT', `quantizeAware: ${model.name} has no dense or conv2d layer`)
    const made = madeFrom(json, model)
    fill(made, folded, added)
    return made as M
  } finally {
    folded.dispose()
  }
}
