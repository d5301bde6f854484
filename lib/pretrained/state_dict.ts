// loadStateDict, saveStateDict: weights of networks of one's own in the names and layouts of PyTorch.
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { isFloat, sameShape, type Shape } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { tidy } from '../core/tidy.js'
import { isRecord } from '../core/tree.js'
import { openTensors, safetensors } from '../io/tensor_files.js'
import type { AnyLayer } from '../layers/layer.js'
import type { Weighted } from '../layers/weights.js'
import { type AnyModel, Model } from '../model/model.js'
import { cast } from '../ops/index.js'
import { type ModuleFacts, ruleOf, type Rule, type Values } from './state_dict_rules.js'
import { listed } from './weights.js'

/** The module of a layer: the path of its name, and what else has to be known. */
export interface ModuleOptions {
  /** As in 'features.0'. */
  readonly module: string
  /** Of nn.LSTM and the like with num_layers: which of its layers. Default 0. */
  readonly layer?: number
  /**
   * [channels, height, width] of the image whose flattened values the nn.Linear takes: PyTorch has channels first, the
   * layers here have them last.
   */
  readonly flattened?: readonly [number, number, number]
}

export interface StateDictOptions {
  /** The module of each layer, by the layer's name. Default: of the same name. */
  names?: Readonly<Record<string, string | ModuleOptions>>
  /** Tensors of the file that the network does not have, by name. Default: none. */
  ignore?: readonly string[]
}
const OPTIONS: OptionTable<StateDictOptions> = { names: 'object', ignore: 'list' }

interface Entry {
  readonly rule: Rule
  readonly facts: ModuleFacts
  readonly module: string
  readonly own: ReadonlyMap<string, Variable>
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf('.') + 1)

/** Layers with weights, of models inside too. */
function leaves(layer: Weighted): AnyLayer[] {
  const inner = layer instanceof Model ? layer.layers : undefined
  if (inner) return (inner as readonly AnyLayer[]).flatMap(leaves)
  return (layer as AnyLayer).weights.length > 0 ? [layer as AnyLayer] : []
}

function entriesOf(what: string, net: AnyModel, { names = {} }: StateDictOptions): Entry[] {
  if (!(net instanceof Model)) throw new WeftError('ERR_ARGUMENT', `${what}: expected a model, got ${show(net)}`)
  if (!net.built)
    throw new WeftError('ERR_STATE', `${what}: the weights do not exist yet`, {
      hint: 'Give the first layer inputShape, or call the model on data first',
    })
  const layers = leaves(net)
  const unknown = Object.keys(names).find((name) => !layers.some((layer) => layer.name === name))
  if (unknown !== undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: names has ${show(unknown)}, which is no layer with weights`, {
      hint: `Layers: ${layers.map(({ name }) => name).join(', ')}`,
    })
  return layers.flatMap((layer) => {
    const given = names[layer.name] ?? layer.name
    const options: ModuleOptions = typeof given === 'string' ? { module: given } : given
    if (!isRecord(options) || typeof options.module !== 'string')
      throw new WeftError('ERR_ARGUMENT', `${what}: the module of '${layer.name}' is a name or { module }, got ${show(given)}`)
    const { module, flattened, layer: index = 0 } = options
    const facts: ModuleFacts = { layer: index, flattened: flattened as Shape | undefined }
    if (flattened && layer.className !== 'Dense')
      throw new WeftError('ERR_ARGUMENT', `${what}: flattened is for dense layers, '${layer.name}' is a ${layer.className}`)
    const entry = (part: AnyLayer, reversed: boolean): Entry => ({
      rule: ruleOf(part, reversed),
      facts,
      module,
      own: new Map(
        part
          .weightPaths()
          .filter(([, v]) => part.weights.includes(v))
          .map(([path, v]) => [lastPart(path), v]),
      ),
    })
    if (layer.className !== 'Bidirectional') return [entry(layer, false)]
    const [forward, backward] = layer.sublayers as readonly AnyLayer[]
    return [entry(forward!, false), entry(backward!, true)]
  })
}

const full = (module: string, name: string): string => (module === '' ? name : `${module}.${name}`)

/**
 * Sets the weights of a network to those of a PyTorch state dict in a safetensors file (or shards, or a folder with
 * model.safetensors). Layouts and the order of gates are converted: nn.Linear, nn.Conv1d, nn.Conv2d,
 * nn.ConvTranspose2d, nn.Embedding, normalizations, nn.LSTM, nn.GRU, nn.RNN and nn.MultiheadAttention.
 * Throws ERR_FORMAT where the file lacks a weight, has one of another shape, or has tensors that no layer takes; the
 * weights then stay as they were.
 */
export async function loadStateDict(net: AnyModel, place: Place, options: StateDictOptions = {}): Promise<void> {
  checkCall('loadStateDict(net, file, options)', arguments, OPTIONS)
  const entries = entriesOf('loadStateDict', net, options)
  const path = pathOf('loadStateDict', place, 'file')
  const file = await openTensors(path)
  try {
    const wanted = entries.flatMap(({ rule, facts, module, own }) => rule.names([...own.keys()], facts).map((name) => full(module, name)))
    const missing = wanted.filter((name) => !file.has(name))
    if (missing.length > 0)
      throw new WeftError('ERR_FORMAT', `loadStateDict: ${path} lacks ${listed(missing)}`, { hint: `It has ${listed(file.names)}` })
    const known = new Set([...wanted, ...(options.ignore ?? [])])
    const strangers = file.names.filter((name) => !known.has(name) && !name.endsWith('num_batches_tracked'))
    if (strangers.length > 0)
      throw new WeftError('ERR_FORMAT', `loadStateDict: ${path} has tensors that no layer takes: ${listed(strangers)}`, {
        hint: 'Name the modules of the layers: { names: { dense: "fc1" } }, or leave tensors out: { ignore: [...] }',
      })
    withDevice(net.device, () =>
      outsideTrace(() =>
        tidy(() => {
          const values = entries.flatMap((entry) => valuesOf(entry, (name) => file.get(full(entry.module, name)), path))
          for (const [variable, value] of values) variable.assign(value)
        }),
      ),
    )
  } finally {
    await file.close()
  }
}

/** The new value of each weight of a layer, checked. */
function valuesOf({ rule, facts, own, module }: Entry, get: (name: string) => Tensor, path: string): [Variable, Tensor][] {
  const shapes = Object.fromEntries([...own].map(([name, { shape }]) => [name, shape]))
  const given = Object.fromEntries(
    rule.names([...own.keys()], facts).map((name) => {
      const t = get(name)
      if (!isFloat(t.dtype))
        throw new WeftError('ERR_FORMAT', `loadStateDict: ${path}: '${full(module, name)}' is ${t.dtype}, a float is expected`)
      return [name, t.dtype === 'float32' ? t : cast(t, 'float32')]
    }),
  )
  const misfit = (why: string): WeftError =>
    new WeftError('ERR_FORMAT', `loadStateDict: ${path}: module '${module}' does not fit its layer: ${why}`)
  let found: Values
  try {
    found = rule.read(given, shapes, facts)
  } catch (error) {
    if (error instanceof WeftError) throw misfit(error.message)
    throw error
  }
  return [...own].map(([name, variable]) => {
    const value = found[name]
    if (!value) throw misfit(`it has no ${name}`)
    if (!sameShape(value.shape, variable.shape)) throw misfit(`its ${name} becomes [${value.shape}], the layer has [${variable.shape}]`)
    return [variable, value]
  })
}

/**
 * Writes the weights of a network as a PyTorch state dict in a safetensors file:
 * `model.load_state_dict(load_file(...))` reads it. One bias stands for the two of a recurrent module: the second is
 * zeros.
 */
export async function saveStateDict(net: AnyModel, place: Place, options: StateDictOptions = {}): Promise<void> {
  checkCall('saveStateDict(net, file, options)', arguments, OPTIONS)
  const entries = entriesOf('saveStateDict', net, options)
  const made: Record<string, Tensor> = {}
  try {
    withDevice(net.device, () => {
      for (const { rule, facts, module, own } of entries)
        for (const [name, value] of Object.entries(rule.write(Object.fromEntries(own), facts))) made[full(module, name)] = value
    })
    await safetensors.save(place, made, { metadata: { format: 'pt' } })
  } finally {
    const weights = new Set<Tensor>(net.weights)
    for (const value of Object.values(made)) if (!weights.has(value)) value.dispose()
  }
}
