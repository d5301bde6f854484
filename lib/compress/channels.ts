// Channels: outputs of dense and convolution layers are taken away, and with them what later layers make of them.
import { WeftError } from '../core/error.js'
import type { LayerJson } from '../layers/serialize.js'
import { isSkipped } from '../layers/stored_weights.js'
import type { AnyModel } from '../model/model.js'
import { type Flow, mapFlows } from './flow.js'
import { checkFlow } from './fold.js'
import { layersByPath } from './int8_model.js'
import { checkModel, describe, fill, floatsOf, madeFrom, type Values, valuesOf } from './rebuild.js'

export interface ChannelOptions {
  readonly sparsity: number
  readonly scope: 'global' | 'layer'
  readonly skip: readonly string[]
}

/** Layers with outputs that can be taken away, and the option that counts them. */
const OUTPUTS: Readonly<Record<string, string>> = { Dense: 'units', Conv1d: 'filters', Conv2d: 'filters' }
/** Layers that treat each channel by itself. */
const PASSING: ReadonlySet<string> = new Set([
  ...['Relu', 'LeakyRelu', 'Elu', 'ThresholdedRelu', 'Activation'],
  ...['Dropout', 'SpatialDropout1d', 'SpatialDropout2d', 'GaussianNoise', 'GaussianDropout'],
  ...['MaxPooling1d', 'MaxPooling2d', 'AveragePooling1d', 'AveragePooling2d'],
  ...['GlobalMaxPooling1d', 'GlobalMaxPooling2d', 'GlobalAveragePooling1d', 'GlobalAveragePooling2d'],
  ...['Flatten', 'ZeroPadding2d', 'Cropping2d', 'UpSampling2d', 'BatchNormalization'],
])
/** Activations that look at all channels together. */
const JOINT: ReadonlySet<unknown> = new Set(['softmax', 'logSoftmax'])
const NORM_WEIGHTS = ['gamma', 'beta', 'movingMean', 'movingVariance']

/** A layer whose outputs are taken away: by name, with the layers that see fewer channels for it. */
interface Producer {
  readonly path: string
  readonly name: string
  readonly flow: Flow
  readonly norms: readonly string[]
  readonly readers: readonly string[]
}

const nameOf = (layer: LayerJson): string => String(layer.config['name'])
const hasGroups = ({ config }: LayerJson): boolean => ![undefined, null, 1].includes(config['groups'] as undefined)

/**
 * The normalizations and layers that read a layer's outputs channel by channel; undefined where something else does.
 */
function readersOf(flow: Flow, id: number): { norms: string[]; readers: string[] } | undefined {
  const norms: string[] = []
  const readers: string[] = []
  const follow = (from: number): boolean => {
    const next = flow.readers(from)
    if (flow.isOutput(from) || next.length === 0) return false
    return next.every((reader) => {
      const { layer } = flow.nodes[reader]!
      if (layer === undefined || !flow.isSingle(reader)) return false
      if (Object.hasOwn(OUTPUTS, layer.className) && !hasGroups(layer)) {
        readers.push(nameOf(layer))
        return true
      }
      if (!PASSING.has(layer.className) || JOINT.has(layer.config['activation']) || layer.config['dataFormat'] === 'channelsFirst')
        return false
      if (layer.className === 'BatchNormalization') {
        if (![undefined, -1].includes(layer.config['axis'] as undefined)) return false
        norms.push(nameOf(layer))
      }
      return follow(reader)
    })
  }
  return follow(id) ? { norms, readers } : undefined
}

function producersOf(flow: Flow, path: string, skip: readonly string[]): Producer[] {
  return flow.nodes.flatMap(({ layer }, id): Producer[] => {
    if (layer === undefined || !Object.hasOwn(OUTPUTS, layer.className) || !flow.isSingle(id)) return []
    if (hasGroups(layer) || JOINT.has(layer.config['activation'])) return []
    const own = `${path}${nameOf(layer)}`
    if (skip.some((name) => isSkipped(own, name))) return []
    const found = readersOf(flow, id)
    return found ? [{ path, name: nameOf(layer), flow, ...found }] : []
  })
}

/** The sum of the sizes of each output's weights, over their number. */
function importances(kernel: Float32Array, n: number): Float32Array {
  const sums = new Float64Array(n)
  kernel.forEach((value, i) => {
    sums[i % n] = sums[i % n]! + Math.abs(value)
  })
  return Float32Array.from(sums, (sum) => (sum * n) / kernel.length)
}

/** The channels that stay, in order; at least one of each layer. */
function keptChannels(all: readonly Float32Array[], { sparsity, scope }: ChannelOptions): number[][] {
  const ranked = (scores: Float32Array): number[] => [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b)
  const best = (scores: Float32Array, count: number): number[] =>
    ranked(scores)
      .slice(0, Math.max(1, count))
      .sort((a, b) => a - b)
  if (scope === 'layer') return all.map((scores) => best(scores, scores.length - Math.round(sparsity * scores.length)))
  // layers of different widths are compared by their own means (Molchanov et al. 2017)
  const norms = all.map((scores) => Math.sqrt(scores.reduce((sum, score) => sum + score * score, 0)) || 1)
  const flat = all.flatMap((scores, layer) => Array.from(scores, (score) => ({ layer, score: score / norms[layer]! })))
  const gone = flat.sort((a, b) => a.score - b.score).slice(0, Math.round(sparsity * flat.length))
  const counts = all.map((scores, layer) => scores.length - gone.filter((one) => one.layer === layer).length)
  return all.map((scores, layer) => best(scores, counts[layer]!))
}

/** A smaller copy of the model, without the least important channels. */
export function withoutChannels(model: AnyModel, options: ChannelOptions): AnyModel {
  checkModel('prune', model)
  checkFlow('prune', model, 'structured: false prunes single weights of every model')
  const paths = [...layersByPath(model).keys()]
  const stranger = options.skip.find((name) => !paths.some((path) => isSkipped(path, name)))
  if (stranger !== undefined) throw new WeftError('ERR_ARGUMENT', `prune: skip names '${stranger}', which is no layer of ${model.name}`)
  const weights = valuesOf(model)
  const changed = new Map<string, Values>()
  const current = (path: string): Values => {
    const weight = weights.get(path)!
    return changed.get(path) ?? { data: floatsOf(weight), shape: weight.shape }
  }
  const producers: Producer[] = []
  mapFlows(describe('prune', model), (flow, path) => void producers.push(...producersOf(flow, path, options.skip)))
  if (producers.length === 0)
    throw new WeftError('ERR_ARGUMENT', `prune: ${model.name} has no layer whose channels can be taken away`, {
      hint: 'The last layer keeps its outputs, and so do layers that a sum, a concatenation or a function reads',
    })
  const scores = producers.map(({ path, name }) => {
    const { data, shape } = current(`${path}${name}.kernel`)
    return importances(data as Float32Array, shape.at(-1)!)
  })
  const kept = keptChannels(scores, options)
  const counts = new Map<string, number>()
  producers.forEach(({ path, name, norms, readers }, i) => {
    const channels = kept[i]!
    const before = scores[i]!.length
    counts.set(`${path}${name}`, channels.length)
    const outputs = [`${name}.kernel`, `${name}.bias`, ...norms.flatMap((norm) => NORM_WEIGHTS.map((weight) => `${norm}.${weight}`))]
    for (const weight of outputs.map((one) => `${path}${one}`))
      if (weights.has(weight)) changed.set(weight, withAxis(current(weight), -1, channels, before))
    for (const reader of readers) {
      const weight = `${path}${reader}.kernel`
      changed.set(weight, withAxis(current(weight), -2, channels, before))
    }
  })
  const json = mapFlows(describe('prune', model), (flow, path) => {
    for (const [name, layer] of [...flow.layers]) {
      const { build: _, ...rest } = layer
      const count = counts.get(`${path}${name}`)
      // models inside keep their inputs, and so what they were built for
      const plain = ['Sequential', 'Functional'].includes(layer.className) ? layer : rest
      const config = count === undefined ? layer.config : { ...layer.config, [OUTPUTS[layer.className]!]: count }
      flow.replace(name, { ...plain, config })
    }
  })
  const made = madeFrom(json, model)
  fill(made, model, changed)
  return made
}

/**
 * The values of which places along an axis stay. The axis may hold several places for each channel, the channel last,
 * as flattened images have them.
 */
function withAxis({ data, shape }: Values, axis: number, channels: readonly number[], before: number): Values {
  const at = axis + shape.length
  const extent = shape[at]!
  const places = Array.from({ length: extent / before }, (_, i) => channels.map((channel) => i * before + channel)).flat()
  const inner = shape.slice(at + 1).reduce((product, n) => product * n, 1)
  const outer = data.length / (extent * inner)
  const made = new Float32Array(outer * places.length * inner)
  for (let o = 0; o < outer; o++)
    places.forEach((place, i) => {
      const from = (o * extent + place) * inner
      made.set(data.subarray(from, from + inner) as Float32Array, (o * places.length + i) * inner)
    })
  return { data: made, shape: [...shape.slice(0, at), places.length, ...shape.slice(at + 1)] }
}
