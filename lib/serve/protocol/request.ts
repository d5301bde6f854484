// Inference requests: the JSON of the REST protocol with its binary extension, checked and read without a model.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { checkDatatype } from './datatypes.js'
import { isObject, member, objectOfJson } from './json.js'
import { bytesOfJson } from './json_values.js'
import type { Limits } from './limits.js'
import { checkBytes, checkName, checkWireShape, invalid, named, tooLarge, type WireTensor } from './tensors.js'

/** An output that was asked for. `binary` undefined: as the request says for all. */
export interface RequestedOutput {
  readonly name: string
  readonly binary: boolean | undefined
}

export interface InferRequest {
  /** Echoed in the reply. */
  readonly id: string | undefined
  /** 1 is the highest, 0 the default. */
  readonly priority: number
  /** Limit in milliseconds; undefined: the server's. */
  readonly timeoutMs: number | undefined
  readonly inputs: readonly WireTensor[]
  /** Undefined: all outputs. */
  readonly outputs: readonly RequestedOutput[] | undefined
  /** Outputs as binary data where they say nothing themselves. */
  readonly binaryOutputs: boolean
  /** All that were given, where somebody asks for them. */
  readonly parameters?: Parameters
}

/** Length of the JSON in a body of so many bytes, by the header Inference-Header-Content-Length. */
export function headerLength(value: string | readonly string[] | undefined, bodyBytes: number): number {
  if (value === undefined) return bodyBytes
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) throw invalid('Inference-Header-Content-Length is one number of bytes')
  const length = Number(value)
  if (length > bodyBytes) throw invalid(`Inference-Header-Content-Length is ${length}, the body has ${bodyBytes} bytes`)
  return length
}

/** Reads a body whose first `length` bytes are JSON; binary data of its tensors follow, in order. */
export function parseInferRequest(body: Uint8Array, length: number, limits: Required<Limits>): InferRequest {
  const json = objectOfJson(body.subarray(0, length), limits.jsonDepth)
  const binary = body.subarray(length)
  const parameters = parametersOf('the request', member(json, 'parameters'))
  const { id, priority, timeoutMs } = commonOf(member(json, 'id'), parameters)
  const list = member(json, 'inputs')
  if (!Array.isArray(list) || list.length === 0) throw invalid(`inputs is a list of tensors, got ${show(list)}`)
  if (list.length > limits.tensors) throw tooLarge(`the request has ${list.length} inputs, ${limits.tensors} are the most`)
  let at = 0
  let total = 0
  const inputs = list.map((item: unknown, i): WireTensor => {
    const { input, used } = inputOf(item, i, binary, at, limits)
    at += used
    total += input.bytes.length
    if (total > limits.bodyBytes) throw tooLarge(`the inputs have more than ${limits.bodyBytes} bytes`)
    return input
  })
  if (at !== binary.length) throw invalid(`the body has ${binary.length} bytes of binary data, its inputs name ${at}`)
  return {
    id,
    priority,
    timeoutMs,
    inputs,
    outputs: outputsOf(member(json, 'outputs'), limits),
    binaryOutputs: flag(parameters, 'binary_data_output') ?? false,
    parameters,
  }
}

/** A parameter: what JSON and gRPC have in common. */
export type Parameters = Readonly<Record<string, unknown>>

/** Id and parameters that say how a request is handled, from REST or gRPC. */
export function commonOf(id: unknown, parameters: Parameters): Pick<InferRequest, 'id' | 'priority' | 'timeoutMs'> {
  if (id !== undefined && typeof id !== 'string') throw invalid(`id is a text, got ${show(id)}`)
  if (id !== undefined && id.length > 1024) throw tooLarge(`id has ${id.length} characters, 1024 are the most`)
  for (const key of Object.keys(parameters)) {
    if (key.startsWith('triton_')) throw invalid(`${named('parameter', key)} is reserved`)
    if (key.startsWith('sequence_') && parameters[key] !== 0 && parameters[key] !== false && parameters[key] !== '')
      throw new WeftError('ERR_UNSUPPORTED', `${named('parameter', key)}: sequences of requests are not offered`, {
        hint: 'Send the whole sequence',
      })
  }
  const priority = whole(parameters, 'priority') ?? 0
  const timeout = whole(parameters, 'timeout')
  // microseconds; 0: the server's
  return { id, priority, timeoutMs: timeout === undefined || timeout === 0 ? undefined : timeout / 1000 }
}

export function parametersOf(what: string, value: unknown): Parameters {
  if (value === undefined) return {}
  if (!isObject(value)) throw invalid(`${what}: parameters is an object, got ${show(value)}`)
  for (const key of Object.keys(value))
    if (!['boolean', 'number', 'string'].includes(typeof value[key]))
      throw invalid(`${what}: ${named('parameter', key)} is a boolean, number or text, got ${show(value[key])}`)
  // without a prototype, so that no key finds what the client did not send
  return Object.assign(Object.create(null) as Record<string, unknown>, value)
}

function whole(parameters: Parameters, key: string): number | undefined {
  const value = parameters[key]
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) return value as number | undefined
  throw invalid(`parameter '${key}' is an integer of at least 0, got ${show(value)}`)
}

function flag(parameters: Parameters, key: string): boolean | undefined {
  const value = parameters[key]
  if (value === undefined || typeof value === 'boolean') return value
  throw invalid(`parameter '${key}' is true or false, got ${show(value)}`)
}

function inputOf(
  item: unknown,
  index: number,
  binary: Uint8Array,
  at: number,
  limits: Required<Limits>,
): { input: WireTensor; used: number } {
  if (!isObject(item)) throw invalid(`input ${index} is an object, got ${show(item)}`)
  const name = checkName(`input ${index}`, member(item, 'name'))
  const what = named('input', name)
  const datatype = checkDatatype(what, member(item, 'datatype'))
  const shape = checkWireShape(what, member(item, 'shape'), datatype, limits)
  const parameters = parametersOf(what, member(item, 'parameters'))
  refuseSharedMemory(what, parameters)
  const size = whole(parameters, 'binary_data_size')
  const data = member(item, 'data')
  if ((size === undefined) === (data === undefined))
    throw invalid(`${what} has ${data === undefined ? 'neither' : 'both'} data ${data === undefined ? 'nor' : 'and'} binary_data_size`)
  if (size === undefined) return { input: { name, datatype, shape, bytes: bytesOfJson(what, datatype, shape, data) }, used: 0 }
  if (size > binary.length - at) throw invalid(`${what}: binary_data_size is ${size}, ${binary.length - at} bytes are left`)
  const bytes = binary.subarray(at, at + size)
  checkBytes(what, datatype, shape, bytes)
  return { input: { name, datatype, shape, bytes }, used: size }
}

function outputsOf(value: unknown, limits: Required<Limits>): RequestedOutput[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw invalid(`outputs is a list, got ${show(value)}`)
  if (value.length > limits.tensors) throw tooLarge(`the request asks for ${value.length} outputs, ${limits.tensors} are the most`)
  // an empty list asks for all, as none does
  if (value.length === 0) return undefined
  return value.map((item: unknown, i): RequestedOutput => {
    if (!isObject(item)) throw invalid(`output ${i} is an object, got ${show(item)}`)
    const name = checkName(`output ${i}`, member(item, 'name'))
    const what = named('output', name)
    const parameters = parametersOf(what, member(item, 'parameters'))
    refuseOutputParameters(what, parameters)
    return { name, binary: flag(parameters, 'binary_data') }
  })
}

export function refuseSharedMemory(what: string, parameters: Parameters): void {
  if (parameters['shared_memory_region'] !== undefined)
    throw new WeftError('ERR_UNSUPPORTED', `${what}: shared memory is not offered`, { hint: 'Send the values in the request' })
}

export function refuseOutputParameters(what: string, parameters: Parameters): void {
  refuseSharedMemory(what, parameters)
  const classes = parameters['classification']
  if (classes !== undefined && classes !== 0)
    throw new WeftError('ERR_UNSUPPORTED', `${what}: classification is not offered`, { hint: 'Sort the output' })
}
