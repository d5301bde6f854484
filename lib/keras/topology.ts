// Models in Keras' files: layers one after the other, or wired by their calls, and models inside of models.
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import { InputLayer } from '../layers/input.js'
import { model as functional, type FunctionalModel } from '../model/functional.js'
import type { AnyModel } from '../model/model.js'
import { Sequential } from '../model/sequential.js'
import { type Call, callsOf, format, MODELS, type Part, type Placed, Reached, references } from './calls.js'
import { groupName } from './names.js'
import { type Json, type Reading, readLayer } from './layers.js'
import { isOperation, OPERATIONS, sampleOf, Wiring } from './wiring.js'

export interface Built {
  readonly model: AnyModel
  /** Leaves: layers that are no models, in the order of the file. */
  readonly layers: readonly Placed[]
}

/** The model that { class_name, config } describes; undefined where something is not supported. */
export function readModel(json: Json, reading: Reading, group = ''): Built | undefined {
  const { class_name: className, config } = json
  if (!MODELS.has(className)) {
    reading.issues.add(show(className), 'it is no Sequential or functional model; subclasses of Model hold code')
    return undefined
  }
  // the first files of Keras 2 have the list of layers alone
  const facts: Json = Array.isArray(config) ? { layers: config } : isRecord(config) ? config : {}
  if (!Array.isArray(facts['layers'])) throw format(`the model ${show(facts['name'])} has no list of layers`)
  if (facts['layers'].length > MOST_LAYERS) throw format(`the model ${show(facts['name'])} has more than ${MOST_LAYERS} layers`)
  const own = parts(facts['layers'], reading, group)
  if (className === 'Sequential') return sequentialOf(facts, own, reading)
  return functionalOf(facts, own, reading)
}

const MOST_LAYERS = 100_000

/** The layers of a list, made; operations of keras.ops have none. */
function parts(list: readonly unknown[], reading: Reading, group: string): Part[] {
  const used = new Map<string, number>()
  return list.map((json) => {
    if (!isRecord(json) || !isRecord(json['config'])) throw format('a layer is not { class_name, config }')
    const { class_name: className, config } = json
    const name = String((config as Json)['name'] ?? json['name'] ?? '')
    const kind = groupName(typeof className === 'string' ? className : '')
    if (isOperation(json)) return { json, className, config: config as Json, name, built: undefined }
    const count = used.get(kind) ?? 0
    used.set(kind, count + 1)
    const place = `${group}layers/${count === 0 ? kind : `${kind}_${count}`}`
    return {
      json,
      className,
      config: config as Json,
      name,
      built: className === 'InputLayer' ? undefined : builtOf(json, name, place, reading),
    }
  })
}

function builtOf(json: Json, name: string, place: string, reading: Reading): Part['built'] {
  if (MODELS.has(json['class_name'])) {
    const inner = readModel(json, reading, `${place}/`)
    return inner && { layer: inner.model, layers: inner.layers }
  }
  const layer = readLayer(json, reading)
  return layer && { layer, layers: [{ layer, name, group: place }] }
}

const nameOf = (facts: Json): { name?: string } =>
  typeof facts['name'] === 'string' && facts['name'] !== '' ? { name: facts['name'] } : {}

function sequentialOf(facts: Json, own: readonly Part[], reading: Reading): Built | undefined {
  const made = new Sequential([], nameOf(facts))
  let sample = sampleOf({ batch_input_shape: facts['build_input_shape'] })
  for (const part of own) sample = sampleOf(part.config) ?? sample
  const first =
    own.map(({ config }) => sampleOf(config)).find((found) => found !== undefined) ??
    sampleOf({ batch_input_shape: facts['build_input_shape'] })
  if (reading.issues.list.length > 0 || own.some(({ built, className }) => built === undefined && className !== 'InputLayer'))
    return undefined
  if (first !== undefined) made.add(new InputLayer({ inputShape: first.shape, dtype: first.dtype }))
  for (const { built } of own) if (built) made.add(built.layer)
  return { model: made, layers: own.flatMap(({ built }) => built?.layers ?? []) }
}

function functionalOf(facts: Json, own: readonly Part[], reading: Reading): Built | undefined {
  const byName = new Map<string, Part>()
  for (const part of own) {
    if (byName.has(part.name)) throw format(`two layers are named ${show(part.name)}`)
    byName.set(part.name, part)
  }
  const calls = new Map(own.map((part) => [part.name, callsOf(part)]))
  const inputs = references(facts['input_layers'])
  const outputs = references(facts['output_layers'])
  checkOperations(own, calls, reading)
  if (reading.issues.list.length > 0) return undefined
  const wired = new Wiring(byName, calls)
  const ins = inputs.map((reference) => wired.get(reference))
  const outs = outputs.map((reference) => wired.get(reference))
  const options = { inputs: ins.length === 1 ? ins[0]! : ins, outputs: outs.length === 1 ? outs[0]! : outs, ...nameOf(facts) }
  const made = functional(options as never) as FunctionalModel
  return { model: made as AnyModel, layers: own.flatMap(({ built }) => built?.layers ?? []) }
}

function checkOperations(own: readonly Part[], calls: ReadonlyMap<string, readonly Call[]>, { issues }: Reading): void {
  for (const { json, name, className } of own) {
    if (isOperation(json) && !OPERATIONS.has(String(className)))
      issues.add(`'${name}' (keras.ops ${String(className)})`, 'there is no such operation')
    for (const { kwargs } of calls.get(name) ?? []) {
      for (const [key, value] of Object.entries(kwargs)) {
        const known = key === 'training' || key === 'initial_state' || ['query', 'value', 'key'].includes(key)
        if (!known && value !== null && value !== undefined && value !== false && !(value instanceof Reached && key === 'mask'))
          issues.add(`'${name}'`, `it is called with ${key}, which is not supported`)
      }
    }
  }
}
