// The schema of saved models: what model.json and training.json must look like before anything is made from them.
import { WeftError } from '../core/error.js'
import { isRecord, isValue, leavesOf } from '../core/tree.js'
import type { RunJson } from '../model/run.js'

/** How deep values may be nested. */
const MOST_DEPTH = 200
const MOST_RANK = 16
const DTYPES: ReadonlySet<unknown> = new Set(['bool', 'uint8', 'int8', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64'])

type Json = Record<string, unknown>

/** Whether the value is nested deeper than files may be; it need not be JSON. */
export function isTooDeep(value: unknown): boolean {
  // a list of what is open, because a recursive look would end where the stack does
  let level: Set<unknown> = new Set([value])
  for (let depth = 0; level.size > 0; depth++) {
    if (depth > MOST_DEPTH) return true
    const next = new Set<unknown>()
    for (const item of level) {
      if (typeof item !== 'object' || item === null || ArrayBuffer.isView(item)) continue
      // what knows its own JSON says itself what becomes of its insides
      if (typeof (item as { toJSON?: unknown }).toJSON === 'function') continue
      for (const inner of Array.isArray(item) ? item : Object.values(item)) if (typeof inner === 'object' && inner !== null) next.add(inner)
    }
    level = next
  }
  return false
}

/** Throws ERR_FORMAT for JSON that is nested too deep. */
export function checkDepth(file: string, value: unknown): void {
  if (isTooDeep(value)) throw new WeftError('ERR_FORMAT', `${file} is nested more than ${MOST_DEPTH} levels deep`)
}

const isExtent = (n: unknown): boolean => n === null || (Number.isSafeInteger(n) && (n as number) >= 0)
const isShape = (value: unknown): boolean => Array.isArray(value) && value.length <= MOST_RANK && value.every(isExtent)
const isShapeTree = (value: unknown): boolean => leavesOf(value, (part): part is unknown => isShape(part) || isValue(part)).every(isShape)

/**
 * Throws ERR_FORMAT unless the value describes a layer: { className, config, build? }, and so on inside.
 * @param where names its place in the file
 */
export function checkLayer(file: string, json: unknown, where: string): void {
  const wrong = (what: string): WeftError => new WeftError('ERR_FORMAT', `${file}: ${where} ${what}`)
  if (!isRecord(json)) throw wrong('is not { className, config }')
  const { className, config, build } = json
  if (typeof className !== 'string' || className === '' || className.length > 1000) throw wrong('has no className')
  if (!isRecord(config)) throw wrong('has no config')
  if (build !== undefined && !isShapeTree(build)) throw wrong('has a build that is no shape')
  checkConfig(file, config, `${where}.config`)
  if (className === 'Sequential' || className === 'Functional') {
    if (!Array.isArray(config['layers'])) throw wrong('has no list of layers')
    config['layers'].forEach((layer, i) => {
      checkLayer(file, layer, `${where}.config.layers[${i}]`)
    })
  }
  if (className === 'Functional') checkNodes(file, config, `${where}.config`)
}

/** What options of these names are in every layer. */
const KNOWN: Readonly<Record<string, (value: unknown) => boolean>> = {
  name: (value) => typeof value === 'string' && value !== '' && value.length <= 10_000,
  trainable: (value) => typeof value === 'boolean',
  dtype: (value) => DTYPES.has(value),
  inputDtype: (value) => DTYPES.has(value),
  inputShape: isShape,
}

function checkConfig(file: string, config: Json, where: string): void {
  for (const [key, check] of Object.entries(KNOWN)) {
    if (Object.hasOwn(config, key) && !check(config[key])) throw new WeftError('ERR_FORMAT', `${file}: ${where}.${key} is not as expected`)
  }
}

function checkNodes(file: string, config: Json, where: string): void {
  const { layers, nodes, inputs, outputs } = config
  if (!Array.isArray(nodes)) throw new WeftError('ERR_FORMAT', `${file}: ${where} has no list of nodes`)
  const bad = [inputs, outputs, nodes].some(hasBadNode)
  if (bad) throw new WeftError('ERR_FORMAT', `${file}: ${where} has a reference that is not { $node, output } of two numbers`)
  if (!holdsNode(inputs) || !holdsNode(outputs)) throw new WeftError('ERR_FORMAT', `${file}: ${where} has no inputs or outputs`)
  const names = new Set((layers as Json[]).map((layer) => (layer['config'] as Json)['name']))
  if (names.size < (layers as Json[]).length) throw new WeftError('ERR_FORMAT', `${file}: two layers of ${where} have one name`)
  nodes.forEach((node: unknown, i) => {
    const wrong = (what: string): WeftError => new WeftError('ERR_FORMAT', `${file}: ${where}.nodes[${i}] ${what}`)
    if (!isRecord(node)) throw wrong('is not a record')
    if ((typeof node['layer'] === 'string') === (typeof node['function'] === 'string')) throw wrong('calls neither a layer nor a function')
    if (typeof node['layer'] === 'string' && !names.has(node['layer'])) throw wrong('calls a layer that is not there')
    if (typeof node['function'] === 'string' && !Array.isArray(node['args'])) throw wrong('has no list of arguments')
    if (!['boolean', 'undefined'].includes(typeof node['training'])) throw wrong('has a training that is not true or false')
    // a call of constants alone would compute when the model is loaded
    if (!holdsNode(node['args'])) throw wrong('has no argument that another node makes')
  })
}

/** Whether a result of a node is somewhere in the value. */
const holdsNode = (value: unknown): boolean => leavesOf(value, isReference).some(({ $node }) => Number.isInteger($node))

/** Whether something in the value refers to a result of a node, but not by numbers. */
const hasBadNode = (value: unknown): boolean =>
  leavesOf(value, isReference).some(({ $node, output }) => !isCount($node) || !isCount(output))

type Reference = { $node: unknown; output: unknown }
const isReference = (value: unknown): value is Reference => isRecord(value) && Object.hasOwn(value, '$node')

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

/** What training.json holds. */
export interface Training {
  readonly compiled?: { readonly optimizer: { className: string; config: Json }; readonly [part: string]: unknown }
  /** null where it is no finite number. */
  readonly learningRate?: number | null
  readonly shuffle?: { readonly seed: number; readonly pass: number }
  readonly epochs?: number
  /** Where a training was, of backups. */
  readonly run?: RunJson
}

/** training.json, checked; ERR_FORMAT. */
export function checkTraining(file: string, json: Json): Training {
  checkDepth(file, json)
  const wrong = (what: string): WeftError => new WeftError('ERR_FORMAT', `${file}: ${what}`)
  const { compiled, learningRate, shuffle, epochs, run } = json
  if (epochs !== undefined && !isCount(epochs)) throw wrong('epochs is not a number of epochs')
  if (learningRate !== undefined && learningRate !== null && typeof learningRate !== 'number') throw wrong('learningRate is not a number')
  if (shuffle !== undefined && !isShuffle(shuffle)) throw wrong('shuffle is not { seed, pass }')
  if (run !== undefined && !isRun(run)) throw wrong('run does not say where a training was')
  if (compiled === undefined) return json as Training
  if (!isRecord(compiled)) throw wrong('compiled is not a record')
  const { optimizer } = compiled
  if (!isRecord(optimizer) || typeof optimizer['className'] !== 'string' || !isRecord(optimizer['config']))
    throw wrong('the optimizer is missing')
  return json as unknown as Training
}

const isShuffle = (value: unknown): boolean => isRecord(value) && Number.isSafeInteger(value['seed']) && isCount(value['pass'])

function isRun(run: unknown): run is RunJson {
  if (!isRecord(run) || !isCount(run['epoch']) || !isCount(run['step']) || !Array.isArray(run['callbacks'])) return false
  const { data, figures } = run
  if (!isRecord(data) || !Array.isArray(figures)) return false
  const { shuffle, rows, batchSize, orders, sequence, taken } = data
  const isOptional = (value: unknown, check: (value: unknown) => boolean): boolean => value === undefined || check(value)
  const isSequence = (value: unknown): boolean => isRecord(value) && Number.isSafeInteger(value['seed']) && isCount(value['drawn'])
  return (
    isOptional(shuffle, isShuffle) &&
    [rows, batchSize, taken].every((value) => isOptional(value, isCount)) &&
    isOptional(orders, (value) => Array.isArray(value) && value.every(isShuffle)) &&
    isOptional(sequence, isSequence) &&
    figures.every(
      (figure) => isRecord(figure) && DTYPES.has(figure['dtype']) && isShape(figure['shape']) && typeof figure['base64'] === 'string',
    )
  )
}

/** Names of the functions in a saved loss or in saved metrics. */
export const ownNames = (json: unknown): string[] => leavesOf(json, isOwn).map(({ own }) => own)

const isOwn = (value: unknown): value is { own: string } => isRecord(value) && typeof value['own'] === 'string'
