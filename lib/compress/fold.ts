// Folding: batch normalization becomes part of the convolution or dense layer before it, and activations that stand
// alone become that layer's own. What a model computes in inference stays the same.
import { WeftError } from '../core/error.js'
import { checkCall } from '../core/options.js'
import type { LayerJson } from '../layers/serialize.js'
import type { AnyModel } from '../model/model.js'
import { type Flow, mapFlows } from './flow.js'
import { checkModel, describe, fill, floatsOf, madeFrom, valuesOf, type Values } from './rebuild.js'

/** Layers of a kernel whose last axis is the outputs. */
const KERNELS: ReadonlySet<string> = new Set(['Dense', 'Conv1d', 'Conv2d', 'Conv3d'])
/** Layers that do nothing in inference. */
const IDLE: ReadonlySet<string> = new Set([
  'Dropout',
  'SpatialDropout1d',
  'SpatialDropout2d',
  'GaussianNoise',
  'GaussianDropout',
  'AlphaDropout',
  'ActivityRegularization',
])

const isLinear = ({ config }: LayerJson): boolean => [undefined, null, 'linear'].includes(config['activation'] as undefined)

/** The name of the activation that a layer is, where it can stand in another layer. */
function activationOf({ className, config }: LayerJson): string | undefined {
  if (className === 'Activation') return typeof config['activation'] === 'string' ? config['activation'] : undefined
  const plain = ['negativeSlope', 'threshold', 'maxValue'].every((name) => config[name] === undefined || config[name] === null)
  return className === 'Relu' && plain ? 'relu' : undefined
}

/** What the layers of a flow are told of the model: values of weights by their paths. */
interface Folding {
  readonly valueOf: (path: string) => Float32Array | undefined
  readonly changed: Map<string, Values>
}

function foldFlow(flow: Flow, path: string, { valueOf, changed }: Folding, dropIdle: boolean): void {
  for (let id = 0; id < flow.nodes.length; id++) {
    const { layer } = flow.nodes[id]!
    if (dropIdle && layer && IDLE.has(layer.className) && flow.isSingle(id) && flow.nodes.filter(({ call }) => call).length > 1) {
      flow.bypass(id--)
      continue
    }
    if (!layer || !KERNELS.has(layer.className) || !flow.isSingle(id) || !isLinear(layer)) continue
    for (let next = flow.onlyReader(id); next !== undefined; next = flow.onlyReader(id)) {
      const follower = flow.nodes[next]!.layer
      if (!follower || !flow.isSingle(next)) break
      if (dropIdle && IDLE.has(follower.className)) {
        flow.bypass(next)
        continue
      }
      if (follower.className === 'BatchNormalization' && fold(layer, follower, path, valueOf, changed)) {
        flow.bypass(next)
        continue
      }
      const activation = activationOf(follower)
      if (activation === undefined) break
      layer.config['activation'] = activation
      flow.bypass(next)
      if (activation !== 'linear') break
    }
  }
}

/** Puts a normalization into the layer before it. False where its axis is not that of the outputs. */
function fold(layer: LayerJson, norm: LayerJson, path: string, valueOf: Folding['valueOf'], changed: Map<string, Values>): boolean {
  const [own, other] = [`${path}${layer.config['name']}`, `${path}${norm.config['name']}`]
  const axis = norm.config['axis']
  const rank = (layer.build as unknown[] | undefined)?.length
  if (axis !== undefined && axis !== -1 && axis !== (rank ?? 0) - 1) return false
  const before = changed.get(`${own}.kernel`)
  const kernel = (before?.data as Float32Array | undefined) ?? valueOf(`${own}.kernel`)!
  const [mean, variance] = [valueOf(`${other}.movingMean`)!, valueOf(`${other}.movingVariance`)!]
  const [gamma, beta] = [valueOf(`${other}.gamma`), valueOf(`${other}.beta`)]
  const n = mean.length
  const old = (changed.get(`${own}.bias`)?.data as Float32Array | undefined) ?? valueOf(`${own}.bias`)
  const epsilon = (norm.config['epsilon'] as number | undefined) ?? 1e-3
  const factor = Float64Array.from({ length: n }, (_, j) => (gamma?.[j] ?? 1) / Math.sqrt(variance[j]! + epsilon))
  const bias = Float32Array.from({ length: n }, (_, j) => ((old?.[j] ?? 0) - mean[j]!) * factor[j]! + (beta?.[j] ?? 0))
  const scaled = Float32Array.from(kernel, (value, i) => value * factor[i % n]!)
  changed.set(`${own}.kernel`, { data: scaled, shape: before?.shape ?? [] })
  changed.set(`${own}.bias`, { data: bias, shape: [n] })
  layer.config['useBias'] = true
  return true
}

/** The description of a model with batch normalization and activations folded, and the weights that change by it. */
function foldedJson(what: string, model: AnyModel, { dropIdle }: { dropIdle: boolean }): { json: LayerJson; changed: Map<string, Values> } {
  const weights = valuesOf(model)
  const changed = new Map<string, Values>()
  const valueOf = (path: string): Float32Array | undefined => {
    const weight = weights.get(path)
    return weight && floatsOf(weight)
  }
  const json = mapFlows(describe(what, model), (flow, path) => foldFlow(flow, path, { valueOf, changed }, dropIdle))
  for (const [path, values] of changed)
    if (values.shape.length === 0) changed.set(path, { data: values.data, shape: weights.get(path)!.shape })
  return { json, changed }
}

/** @internal A copy of the model in which batch normalization and activations are folded. */
export function foldedCopy(what: string, model: AnyModel, options = { dropIdle: true }): AnyModel {
  const { json, changed } = foldedJson(what, model, options)
  const made = madeFrom(json, model)
  fill(made, model, changed)
  return made
}

/**
 * A model that computes in inference what the given one does, in which batch normalization is part of the convolution
 * (conv1d, conv2d, conv3d) or dense layer right before it (Jacob et al. 2018), and an activation that stands alone is
 * that layer's own. A normalization that nothing of the kind comes before stays. The given model is unharmed.
 * ERR_ARGUMENT for a model that is neither sequential nor functional.
 */
export function foldBatchNormalization(model: AnyModel): AnyModel {
  checkCall('foldBatchNormalization(net)', arguments)
  checkModel('foldBatchNormalization', model)
  checkFlow('foldBatchNormalization', model)
  return foldedCopy('foldBatchNormalization', model, { dropIdle: false })
}

/** Whether the layers of a model can be replaced one by one. */
export const isFlow = ({ className }: AnyModel): boolean => ['Sequential', 'Functional'].includes(className)

/** ERR_ARGUMENT unless the layers of a model can be replaced one by one. */
export function checkFlow(what: string, model: AnyModel, hint?: string): void {
  if (isFlow(model)) return
  throw new WeftError('ERR_ARGUMENT', `${what}: ${model.name} is a ${model.className}, whose layers cannot be replaced`, {
    hint: hint ?? 'It takes models of sequential() and model()',
  })
}
