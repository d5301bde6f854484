// Int8 models: which layers of a model become layers of 8 bits, and between which of them values stay uint8.
import { WeftError } from '../core/error.js'
import type { AnyLayer } from '../layers/layer.js'
import type { LayerJson } from '../layers/serialize.js'
import type { AnyModel } from '../model/model.js'
import { ComposedModel } from '../model/composed.js'
import { FUSED_ACTIVATIONS } from '../ops/dense.js'
import { type CalibrationOptions, calibrate, type Range, uint8Range } from './calibrate.js'
import type { CompressData } from './data.js'
import { type Flow, mapFlows } from './flow.js'
import { foldedCopy } from './fold.js'
import { packedKernel } from './pack.js'
import { describe, fill, floatsOf, madeFrom, type Values, valuesOf } from './rebuild.js'
import './int8_layers.js'

export interface Int8ModelOptions {
  readonly dynamic: boolean
  readonly bits: number
  readonly perChannel: boolean
  readonly skip: readonly string[]
  readonly data: CompressData | undefined
  readonly calibration: CalibrationOptions
  readonly isSkipped: (path: string) => boolean
}

/** Layers that become layers of 8 bits, and what these are. */
const KINDS: Readonly<Record<string, string>> = {
  Dense: 'QuantizedDense',
  Conv2d: 'QuantizedConv2d',
  QuantizeAwareDense: 'QuantizedDense',
  QuantizeAwareConv2d: 'QuantizedConv2d',
}
/** Layers that only choose and move values: what they make of uint8 has the same range. */
const MOVING: ReadonlySet<string> = new Set(['MaxPooling2d', 'Flatten', 'Reshape', 'Permute', 'Cropping2d'])

/** The layers of a model, and of models inside it, by their paths. */
export function layersByPath(model: AnyModel, path = ''): Map<string, AnyLayer> {
  return new Map(
    model.layers.flatMap((layer): [string, AnyLayer][] => [
      [`${path}${layer.name}`, layer],
      ...(layer instanceof ComposedModel ? layersByPath(layer as unknown as AnyModel, `${path}${layer.name}.`) : []),
    ]),
  )
}

/** The model with layers of 8 bits. */
export async function toInt8(model: AnyModel, options: Int8ModelOptions): Promise<AnyModel> {
  const wide = foldedCopy('quantize', model)
  try {
    return await narrowed(model, wide, options)
  } finally {
    wide.dispose()
  }
}

async function narrowed(model: AnyModel, wide: AnyModel, options: Int8ModelOptions): Promise<AnyModel> {
  const { dynamic, data, calibration } = options
  const all = layersByPath(wide)
  const named = [...layersByPath(model).keys()]
  const stranger = options.skip.find((name) => !named.some((path) => options.isSkipped(path) && matches(path, name)))
  if (stranger !== undefined)
    throw new WeftError('ERR_ARGUMENT', `quantize: skip names '${stranger}', which is no layer of ${model.name}`, {
      hint: `Its layers are ${named.slice(0, 12).join(', ')}`,
    })
  const fits = ({ className }: AnyLayer): boolean => Object.hasOwn(KINDS, className) && (!dynamic || className.endsWith('Dense'))
  const targets = new Map([...all].filter(([path, layer]) => fits(layer) && !options.isSkipped(path)))
  if (targets.size === 0)
    throw new WeftError('ERR_ARGUMENT', `quantize: ${model.name} has no ${dynamic ? 'dense' : 'dense or conv2d'} layer to quantize`, {
      hint: "Write method: 'weightOnly', which takes all matrices",
    })
  for (const [path, { dtype }] of targets)
    if (dtype !== 'float32') throw new WeftError('ERR_DTYPE', `quantize: the layer '${path}' computes in ${dtype}, it must be float32`)
  const ranges = dynamic ? new Map<string, Range>() : await rangesOf(wide, targets, data, calibration)
  const changed = new Map<string, Values>()
  const weights = valuesOf(wide)
  const json = mapFlows(describe('quantize', wide), (flow, path) => {
    const plan = dynamic ? undefined : bytesBetween(flow, path, targets, ranges)
    for (const [name, layer] of [...flow.layers]) {
      const own = `${path}${name}`
      if (targets.has(own)) {
        flow.replace(name, narrow(layer, own, ranges.get(own), plan?.get(name), options))
        const kernel = weights.get(`${own}.kernel`)!
        const { kept, scale } = packedKernel(floatsOf(kernel), kernel.shape.at(-1)!, options)
        changed.set(`${own}.kernel`, { data: kept, shape: kernel.shape })
        changed.set(`${own}.kernelScale`, { data: scale, shape: [scale.length] })
      } else if (plan?.get(name)?.moves && layer.className === 'MaxPooling2d')
        flow.replace(name, { ...layer, className: 'QuantizedMaxPooling2d' })
      else if (plan?.get(name)?.output && layer.className === 'Rescaling') flow.replace(name, { ...layer, className: 'QuantizedRescaling' })
    }
  })
  const made = madeFrom(json, model)
  fill(made, wide, changed)
  return made
}

const matches = (path: string, name: string): boolean =>
  path === name || path.startsWith(`${name}.`) || path.endsWith(`.${name}`) || path.includes(`.${name}.`)

/** Ranges that were learned in training, else those found on the data. */
async function rangesOf(
  wide: AnyModel,
  targets: ReadonlyMap<string, AnyLayer>,
  data: CompressData | undefined,
  calibration: CalibrationOptions,
): Promise<Map<string, Range>> {
  const weights = valuesOf(wide)
  const learned = new Map<string, Range>()
  for (const path of targets.keys()) {
    const [low, high] = ['inputLow', 'inputHigh'].map((name) => weights.get(`${path}.${name}`))
    if (low === undefined || high === undefined) continue
    const range = { low: floatsOf(low)[0]!, high: floatsOf(high)[0]! }
    if (range.high > range.low) learned.set(path, range)
  }
  const others = new Map([...targets].filter(([path]) => !learned.has(path)))
  if (others.size === 0) return learned
  if (data === undefined)
    throw new WeftError('ERR_ARGUMENT', "quantize: method 'static' needs data to find the ranges of activations on", {
      hint: 'Write quantize(net, { data: x }) with some hundred rows of typical inputs',
    })
  return new Map([...learned, ...(await calibrate('quantize', wide, others, data, calibration))])
}

/** What is said of a call's values: the range of uint8 that comes in, and that goes out. */
interface Bytes {
  input?: Range
  output?: Range
  moves?: boolean
}

/** The range of images of bytes behind a layer that scales them: its steps are the bytes themselves. */
function rangeOfBytes(layer: LayerJson | undefined): Range | undefined {
  if (layer?.className !== 'Rescaling') return undefined
  const { scale, offset = 0 } = layer.config
  return typeof scale === 'number' && scale > 0 && offset === 0 ? { low: 0, high: 255 * scale } : undefined
}

/** Finds the layers whose results stay uint8, because only layers of 8 bits read them. */
function bytesBetween(
  flow: Flow,
  path: string,
  targets: ReadonlyMap<string, AnyLayer>,
  ranges: ReadonlyMap<string, Range>,
): Map<string, Bytes> {
  const nameOf = (id: number): string => String(flow.nodes[id]!.layer!.config['name'])
  const isTarget = (id: number): boolean => flow.nodes[id]!.layer !== undefined && targets.has(`${path}${nameOf(id)}`)
  const plan = new Map<string, Bytes>()
  const note = (id: number, facts: Bytes): void => void plan.set(nameOf(id), { ...plan.get(nameOf(id)), ...facts })
  flow.nodes.forEach((node, id) => {
    const activation = node.layer?.config['activation'] ?? 'linear'
    const ofBytes = rangeOfBytes(node.layer)
    if (!flow.isSingle(id) || !(ofBytes || (isTarget(id) && FUSED_ACTIVATIONS.includes(activation as 'linear')))) return
    const between: number[] = []
    const ends: number[] = []
    if (!follow(flow, id, isTarget, between, ends) || ends.length === 0) return
    const found = ends.map((end) => ranges.get(`${path}${nameOf(end)}`)!)
    const seen = { low: Math.min(...found.map(({ low }) => low)), high: Math.max(...found.map(({ high }) => high)) }
    if (ofBytes && (seen.low < 0 || seen.high > ofBytes.high * (1 + 1e-6))) return
    const range = ofBytes ?? seen
    note(id, { output: range })
    for (const end of ends) note(end, { input: range })
    for (const move of between) note(move, { moves: true })
  })
  return plan
}

/**
 * Collects the layers of 8 bits that a result comes to, through layers that move values. False where others read it.
 */
function follow(flow: Flow, id: number, isTarget: (id: number) => boolean, between: number[], ends: number[]): boolean {
  if (flow.isOutput(id)) return false
  const readers = flow.readers(id)
  return (
    readers.length > 0 &&
    readers.every((reader) => {
      const { layer } = flow.nodes[reader]!
      if (layer === undefined || !flow.isSingle(reader)) return false
      if (isTarget(reader)) {
        ends.push(reader)
        return true
      }
      between.push(reader)
      return MOVING.has(layer.className) && follow(flow, reader, isTarget, between, ends)
    })
  )
}

/** Options of the float layers that those of 8 bits have too. */
const KEPT = [
  'name',
  'units',
  'filters',
  'kernelSize',
  'strides',
  'padding',
  'dilationRate',
  'groups',
  'useBias',
  'activation',
  'inputShape',
]

/** The description of the layer of 8 bits in the place of one of floats. */
function narrow(
  layer: LayerJson,
  path: string,
  range: Range | undefined,
  bytes: Bytes | undefined,
  { dynamic, bits, perChannel }: Int8ModelOptions,
): LayerJson {
  const kept = Object.fromEntries(KEPT.flatMap((name) => (Object.hasOwn(layer.config, name) ? [[name, layer.config[name]]] : [])))
  const input = bytes?.input ?? range
  if (!dynamic && input === undefined) throw new WeftError('ERR_STATE', `quantize: there is no range for the inputs of '${path}'`)
  const config = {
    ...kept,
    input: dynamic ? 'dynamic' : uint8Range(input!),
    ...(bytes?.output ? { output: uint8Range(bytes.output) } : {}),
    ...(bytes?.input ? { takesBytes: true } : {}),
    ...(perChannel ? {} : { perChannel }),
    ...(bits === 8 ? {} : { bits }),
  }
  return { ...layer, className: KINDS[layer.className]!, config }
}
