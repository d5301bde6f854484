// The REST protocol of TensorFlow Serving, version 1: predict in rows or columns, status and metadata of models.
import { show } from '../../core/options.js'
import type { Datatype } from '../protocol/datatypes.js'
import { isObject, member, objectOfJson } from '../protocol/json.js'
import { bytesOfJson, jsonOfBytes } from '../protocol/json_values.js'
import type { InferRequest } from '../protocol/request.js'
import { checkWireShape, invalid, joinBytes, named, type TensorSpec, type WireTensor } from '../protocol/tensors.js'
import type { Answering } from '../repository/rollout.js'
import type { Service } from '../service.js'
import { inflate } from './body.js'
import type { Asked } from './routes.js'

const SIGNATURE = 'serving_default'
const MEMBERS: readonly string[] = ['signature_name', 'instances', 'inputs']

export async function predictV1(service: Service, { request, principal, model, version, signal, trace }: Asked): Promise<object> {
  const { limits } = service
  const packed = request.body instanceof Uint8Array ? request.body : new Uint8Array(0)
  const body = await inflate(packed, request.headers['content-encoding'], limits.bodyBytes)
  const json = objectOfJson(body, limits.jsonDepth)
  const unknown = Object.keys(json).find((key) => !MEMBERS.includes(key))
  if (unknown !== undefined) throw invalid(`${named('member', unknown)} is unknown`, `Known: ${MEMBERS.join(', ')}`)
  const signature = member(json, 'signature_name')
  if (signature !== undefined && signature !== '' && signature !== SIGNATURE)
    throw invalid(`signature_name is '${SIGNATURE}', got ${show(signature)}`)
  const [instances, columns] = [member(json, 'instances'), member(json, 'inputs')]
  if ((instances === undefined) === (columns === undefined))
    throw invalid('a request has either instances or inputs', 'Send {"instances":[...]}')
  const served = service.target(model, version)
  const values = instances === undefined ? columnsOf(served, columns) : columnsOfRows(served, instances)
  const inputs = served.signature.inputs.flatMap((spec) => {
    const value = values.get(spec.name)
    return value === undefined ? [] : [tensorOf(served, spec, value, limits)]
  })
  const infer: InferRequest = { id: undefined, priority: 0, timeoutMs: undefined, inputs, outputs: undefined, binaryOutputs: false }
  // what came over the wire is counted already
  const release = service.hold(body.length - packed.length)
  const { outputs } = await service.infer(served, infer, signal, principal, trace).finally(release)
  const found = outputs.map(({ tensor }): [string, unknown] => [tensor.name, valuesOf(tensor)])
  if (instances === undefined) return { outputs: found.length === 1 ? found[0]![1] : Object.fromEntries(found) }
  if (found.length === 1) return { predictions: found[0]![1] }
  const rows = (found[0]![1] as unknown[]).map((_, row) =>
    Object.fromEntries(found.map(([name, list]) => [name, (list as unknown[])[row]])),
  )
  return { predictions: rows }
}

/** Values by input, with the rows of each in a list. */
function columnsOf({ signature }: Answering, value: unknown): Map<string, unknown> {
  if (isObject(value) && !isBase64(value))
    return new Map(checkNames(signature.inputs, Object.keys(value)).map((name) => [name, value[name]]))
  return new Map([[onlyInput(signature.inputs), value]])
}

function columnsOfRows({ signature }: Answering, value: unknown): Map<string, unknown> {
  if (!Array.isArray(value) || value.length === 0) throw invalid(`instances is a list of rows, got ${show(value)}`)
  const [first] = value as unknown[]
  if (!isObject(first) || isBase64(first)) return new Map([[onlyInput(signature.inputs), value]])
  const names = checkNames(signature.inputs, Object.keys(first))
  const columns = new Map(names.map((name): [string, unknown[]] => [name, []]))
  for (const [i, row] of (value as unknown[]).entries()) {
    if (!isObject(row) || Object.keys(row).length !== names.length || !names.every((name) => Object.hasOwn(row, name)))
      throw invalid(`instance ${i} has other inputs than the first`, `Each instance has ${names.join(', ')}`)
    for (const name of names) columns.get(name)!.push(row[name])
  }
  return columns
}

function onlyInput(inputs: readonly TensorSpec[]): string {
  if (inputs.length === 1) return inputs[0]!.name
  throw invalid('the inputs have no names', `Send objects with ${inputs.map(({ name }) => name).join(', ')}`)
}

function checkNames(inputs: readonly TensorSpec[], names: readonly string[]): readonly string[] {
  const unknown = names.find((name) => !inputs.some((input) => input.name === name))
  if (unknown === undefined) return names
  throw invalid(`${named('input', unknown)} is unknown`, `The model takes ${inputs.map(({ name }) => name).join(', ')}`)
}

const isBase64 = (value: unknown): value is { b64: unknown } => isObject(value) && Object.keys(value).join() === 'b64'

function tensorOf(served: Answering, spec: TensorSpec, value: unknown, limits: Service['limits']): WireTensor {
  const what = named('input', spec.name)
  const shape: number[] = []
  let inner = value
  while (Array.isArray(inner)) {
    shape.push(inner.length)
    if (shape.length > limits.axes) break
    inner = inner[0]
  }
  const datatype: Datatype = served.textInput === spec.name && (typeof inner === 'string' || isBase64(inner)) ? 'BYTES' : spec.datatype
  checkWireShape(what, shape, datatype, limits)
  if (shape.length === 0) throw invalid(`${what}: the values are a list, got ${show(value)}`)
  const bytes = datatype === 'BYTES' ? joinBytes(textsOf(what, value, shape)) : bytesOfJson(what, datatype, shape, value)
  return { name: spec.name, datatype, shape, bytes }
}

function textsOf(what: string, value: unknown, shape: readonly number[]): Uint8Array[] {
  const flat = (value as unknown[]).flat(shape.length - 1)
  return flat.map((item, i) => {
    if (typeof item === 'string') return Buffer.from(item)
    const encoded = isBase64(item) ? item.b64 : undefined
    if (typeof encoded === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) return Buffer.from(encoded, 'base64')
    throw invalid(`${what}: value ${i} is ${show(item)}, texts are texts or {"b64": base64}`)
  })
}

/** Values nested as the shape says. */
function valuesOf({ name, datatype, shape, bytes }: WireTensor): unknown {
  let list = JSON.parse(jsonOfBytes(named('output', name), datatype, bytes)) as unknown[]
  for (const extent of shape.slice(1).reverse()) {
    const rows = shape[0] === 0 || extent === 0 ? 0 : list.length / extent
    const from = list
    list = Array.from({ length: rows }, (_, row) => from.slice(row * extent, (row + 1) * extent))
  }
  return list
}

/** States of the versions: of one, or of all that are served. */
export function statusV1(service: Service, model: string, version: string | undefined): object {
  const versions = version === undefined ? service.versions(model) : [service.target(model, version).version]
  const status = { error_code: 'OK', error_message: '' }
  return { model_version_status: versions.map((one) => ({ version: one, state: 'AVAILABLE', status })) }
}

const DT: Readonly<Partial<Record<Datatype, string>>> = {
  BOOL: 'DT_BOOL',
  UINT8: 'DT_UINT8',
  INT8: 'DT_INT8',
  INT32: 'DT_INT32',
  INT64: 'DT_INT64',
  FP16: 'DT_HALF',
  BF16: 'DT_BFLOAT16',
  FP32: 'DT_FLOAT',
  FP64: 'DT_DOUBLE',
  BYTES: 'DT_STRING',
}

/** What the model takes and gives, in the words of TensorFlow's signatures. */
export function metadataV1(service: Service, model: string, wanted: string | undefined): object {
  const { version, signature } = service.target(model, wanted)
  const infoOf = (specs: readonly TensorSpec[]): object =>
    Object.fromEntries(
      specs.map(({ name, datatype, shape }) => {
        const dim = shape.map((extent) => ({ size: `${extent}`, name: '' }))
        return [name, { dtype: DT[datatype] ?? 'DT_INVALID', tensor_shape: { dim, unknown_rank: false }, name }]
      }),
    )
  const definition = { inputs: infoOf(signature.inputs), outputs: infoOf(signature.outputs), method_name: 'tensorflow/serving/predict' }
  return {
    model_spec: { name: model, signature_name: '', version },
    metadata: { signature_def: { signature_def: { [SIGNATURE]: definition } } },
  }
}
