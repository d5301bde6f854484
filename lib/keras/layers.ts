// Layers of Keras' files (Keras 2, Keras 3, TensorFlow.js) as ours. What has no counterpart is noted, all of it.
import { isRecord } from '../core/tree.js'
import { show } from '../core/options.js'
import { layerClasses } from '../layers/declare.js'
import type { AnyLayer } from '../layers/layer.js'
import type { CellLike } from '../layers/recurrent/cell.js'
import { camel, ourClass } from './names.js'
import { ourActivation, ourConstraint, ourInitializer, ourRegularizer, Unsupported } from './settings.js'

export type Json = Record<string, unknown>

/** Who writes the files: where they differ, the same name means another thing. */
export type Dialect = 'keras3' | 'tfjs'

/** What cannot be read, by layer: all of it is reported at once. */
export class Issues {
  readonly list: string[] = []
  add(layer: string, what: string): void {
    const line = `${layer}: ${what}`
    if (!this.list.includes(line)) this.list.push(line)
  }
}

/** Classes that hold code, which is never run. */
const CODE: ReadonlySet<string> = new Set([
  'Lambda',
  'TFOpLambda',
  'SlicingOpLambda',
  'TensorFlowOpLayer',
  'TFSMLayer',
  'TorchModuleWrapper',
  'JaxLayer',
  'FlaxLayer',
])

/** Classes whose ids come from a hash function that Keras takes from TensorFlow. */
const OTHER_HASHES: ReadonlySet<string> = new Set(['Hashing', 'StringLookup'])

/** Options that say nothing about results here, or nothing that a loaded model lacks. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(
  'implementation unroll batchInputShape batchShape inputDtype registeredName module buildConfig supportsMasking seedGenerator useCudnn autocast fused batchSize ragged optional numDims numConstants rank quantizationMode'.split(
    ' ',
  ),
)

/** Options with the one value that is what the layer does here. */
const ONLY: Readonly<Record<string, (value: unknown) => boolean>> = {
  dataFormat: (value) => value === 'channels_last',
  scoreMode: (value) => value === 'dot',
  flashAttention: () => true,
  groups: (value) => value === 1,
  attentionAxes: (value) => JSON.stringify(plain(value)) === '[1]',
  dropout: (value) => value === 0,
  recurrentDropout: (value) => value === 0,
}

/** Options that have other names here, by our class. */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  LeakyRelu: { alpha: 'negativeSlope' },
  // both are written for cells on top of each other
  Rnn: { cells: '' },
  // it has no effect
  Embedding: { inputLength: '' },
}

/** All options: `keepdims` is one word there. */
const SPELT: Readonly<Record<string, string>> = { keepdims: 'keepDims' }

const cellOf = (json: unknown): Json | undefined => (isRecord(json) && typeof json['class_name'] === 'string' ? json : undefined)

export interface Reading {
  readonly dialect: Dialect
  readonly issues: Issues
}

/**
 * The layer that { class_name, config } describes; undefined where something of it is not supported, which is then
 * among the issues. Models inside are not read here.
 */
export function readLayer(json: Json, reading: Reading): AnyLayer | undefined {
  return made(json, reading) as AnyLayer | undefined
}

function made(json: Json, reading: Reading): AnyLayer | CellLike | undefined {
  const { class_name: className, config: given } = json
  const { issues } = reading
  const config = isRecord(given) ? given : {}
  const where = typeof config['name'] === 'string' ? `'${short(config['name'])}' (${short(String(className))})` : short(String(className))
  if (typeof className !== 'string' || !isRecord(given)) {
    issues.add(where, 'it is not { class_name, config }')
    return undefined
  }
  if (CODE.has(className)) {
    issues.add(where, 'it holds code, and nothing in a model file is executed')
    return undefined
  }
  const ours = ourClass(className)
  const known = layerClasses.get(ours)
  if (known === undefined) {
    issues.add(where, 'there is no such layer')
    return undefined
  }
  if (OTHER_HASHES.has(ours) && (ours === 'Hashing' || Number(config['num_oov_indices'] ?? 1) > 1)) {
    issues.add(where, 'its hash function is another one here, which would give other ids')
    return undefined
  }
  const before = issues.list.length
  const options = optionsOf(ours, config, where, reading)
  if (issues.list.length > before) return undefined
  try {
    return new known(options as never)
  } catch (error) {
    issues.add(where, (error as Error).message.slice(0, 300))
    return undefined
  }
}

const short = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text)

/** The options of a class, from its config in the file. */
function optionsOf(ours: string, config: Json, where: string, reading: Reading): Json {
  const known = new Set([...Object.keys((layerClasses.get(ours) as { options?: object }).options ?? {}), 'name', 'trainable'])
  const options: Json = {}
  const legacy = reading.dialect === 'tfjs'
  const rules: Readonly<Record<string, unknown>> = defaultsOf(ours, config, reading.dialect)
  for (const [key, value] of [...Object.entries(rules), ...Object.entries(config)]) {
    const plain = SPELT[key] ?? camel(key)
    const name = RENAMED[ours]?.[plain] ?? plain
    if (value === null || value === undefined || name === '') continue
    // TensorFlow.js writes what the cell is made with once more
    if (
      ours === 'Rnn' &&
      !known.has(name) &&
      isRecord(config['cell']) &&
      isRecord(config['cell']['config']) &&
      key in config['cell']['config']
    )
      continue
    if (name === 'dtype') {
      const dtype = dtypeOf(value)
      if (dtype === undefined) reading.issues.add(where, `dtype ${show(value)} is not supported`)
      continue
    }
    const only = ONLY[name]
    if (only !== undefined && !known.has(name)) {
      if (!only(value)) reading.issues.add(where, `${key}: ${show(value)} is not supported`)
      continue
    }
    const read = known.has(name) ? valueOf(name, value, legacy, reading) : undefined
    if (read instanceof Unsupported) reading.issues.add(where, `${key}: ${read.why}`)
    else if (known.has(name)) {
      if (read !== undefined) options[name] = read
    } else if (value !== false && !WITHOUT_EFFECT.has(name)) reading.issues.add(where, `the option ${key}: ${show(value)} is not supported`)
  }
  return adapted(ours, options)
}

/** What an option means where the file does not have it. */
function defaultsOf(ours: string, config: Json, dialect: Dialect): Json {
  if ((ours === 'Gru' || ours === 'GruCell') && !Object.hasOwn(config, 'reset_after')) return { reset_after: dialect === 'keras3' }
  return {}
}

/** float32 where it computes in floats; layers here compute in float32 unless they are told otherwise. */
function dtypeOf(value: unknown): string | undefined {
  const policy = isRecord(value) && isRecord(value['config']) ? value['config']['name'] : value
  if (policy === 'float32' || policy === 'mixed_bfloat16' || policy === 'mixed_float16') return 'float32'
  return policy === 'int32' || policy === 'bool' ? 'float32' : undefined
}

function valueOf(name: string, value: unknown, legacy: boolean, reading: Reading): unknown {
  if (name === 'activation' || name === 'recurrentActivation') return ourActivation(value, legacy)
  if (name.endsWith('Initializer') || name === 'initializer') return ourInitializer(value)
  if (name.endsWith('Regularizer')) return ourRegularizer(value)
  if (name.endsWith('Constraint')) return ourConstraint(value)
  if (name === 'layer' || name === 'backwardLayer' || name === 'cell') {
    const cell = cellOf(value)
    return cell ? made(cell, reading) : new Unsupported('is not { class_name, config }')
  }
  if (name === 'cells') {
    if (!Array.isArray(value)) return new Unsupported('is not a list')
    return value.map((item) => (cellOf(item) ? made(cellOf(item)!, reading) : undefined)).filter((cell) => cell !== undefined)
  }
  if (name === 'seed') return typeof value === 'number' ? value : undefined
  if (name === 'outputMode' || name === 'mode') return typeof value === 'string' ? camel(value) : value
  // the same word is for another rule there
  if (name === 'interpolation') return legacy && value === 'bilinear' ? 'bilinearAsymmetric' : value
  return plain(value)
}

/** Tuples of Keras 3 as lists, arrays of numpy as lists. */
function plain(value: unknown): unknown {
  if (!isRecord(value)) return Array.isArray(value) ? value.map(plain) : value
  const { class_name: className, config } = value
  if (className === '__tuple__' && Array.isArray(value['items'])) return value['items'].map(plain)
  if (className === '__numpy__' && isRecord(config) && Array.isArray(config['value'])) return config['value'].map(plain)
  return value
}

/** Values that mean the same in another form here. */
function adapted(ours: string, options: Json): Json {
  const { axis } = options
  if (Array.isArray(axis) && axis.length === 1 && (ours === 'BatchNormalization' || ours === 'LayerNormalization'))
    options['axis'] = axis[0]
  if (ours === 'StackedRnnCells' || ours === 'Bidirectional' || ours === 'TimeDistributed') delete options['dtype']
  // the weights of the file take the place of those that are given
  // TensorFlow.js writes an extent that follows from the others as null
  if (ours === 'Reshape' && Array.isArray(options['targetShape']))
    options['targetShape'] = options['targetShape'].map((n: unknown) => n ?? -1)
  if (ours === 'Embedding') delete options['weights']
  return options
}
