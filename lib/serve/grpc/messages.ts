// Messages of the gRPC protocol to and from what REST has in JSON: the same checks, the same limits.
import { create } from '@bufbuild/protobuf'
import { checkDatatype, type Datatype } from '../protocol/datatypes.js'
import type { Limits } from '../protocol/limits.js'
import { commonOf, type InferRequest, type Parameters, refuseOutputParameters, refuseSharedMemory } from '../protocol/request.js'
import type { InferReply } from '../protocol/response.js'
import {
  checkBytes,
  checkName,
  checkWireShape,
  invalid,
  joinBytes,
  named,
  sizeOfShape,
  tooLarge,
  type WireTensor,
} from '../protocol/tensors.js'
import type { ConfigTensor, ModelConfiguration } from '../service.js'
import type { ModelStatistics } from '../statistics.js'
import {
  DataType,
  type InferParameter,
  type InferTensorContents,
  type ModelConfigResponse,
  ModelConfigResponseSchema,
  type ModelInferRequest,
  type ModelInferRequest_InferInputTensor,
  type ModelInferResponse,
  ModelInferResponseSchema,
  type ModelStatisticsResponse,
  ModelStatisticsResponseSchema,
} from './inference_pb.js'

/** The request as REST would have read it. */
export function requestOf(message: ModelInferRequest, limits: Required<Limits>): InferRequest {
  const { inputs, outputs, rawInputContents: raw } = message
  if (inputs.length === 0) throw invalid('the request has no inputs')
  if (inputs.length > limits.tensors) throw tooLarge(`the request has ${inputs.length} inputs, ${limits.tensors} are the most`)
  if (outputs.length > limits.tensors) throw tooLarge(`the request asks for ${outputs.length} outputs, ${limits.tensors} are the most`)
  if (raw.length > 0 && raw.length !== inputs.length)
    throw invalid(`raw_input_contents has ${raw.length} tensors for ${inputs.length} inputs`)
  const common = commonOf(message.id === '' ? undefined : message.id, parametersOf(message.parameters))
  return {
    ...common,
    inputs: inputs.map((input, i) => tensorOf(input, i, raw[i], limits)),
    outputs:
      outputs.length === 0
        ? undefined
        : outputs.map((output, i) => {
            const name = checkName(`output ${i}`, output.name)
            refuseOutputParameters(named('output', name), parametersOf(output.parameters))
            return { name, binary: true }
          }),
    binaryOutputs: true,
  }
}

interface Choice {
  readonly parameterChoice: InferParameter['parameterChoice'] | { case: 'bytesParam'; value: Uint8Array }
}

/** Parameters as JSON would have them; whole numbers beyond 2^53 are refused where they are used. */
export function parametersOf(map: Readonly<Record<string, Choice>>): Parameters {
  const parameters = Object.create(null) as Record<string, unknown>
  for (const [key, { parameterChoice }] of Object.entries(map)) {
    const { value } = parameterChoice
    if (value !== undefined) parameters[key] = typeof value === 'bigint' ? Number(value) : value
  }
  return parameters
}

function tensorOf(
  input: ModelInferRequest_InferInputTensor,
  index: number,
  raw: Uint8Array | undefined,
  limits: Required<Limits>,
): WireTensor {
  const name = checkName(`input ${index}`, input.name)
  const what = named('input', name)
  const datatype = checkDatatype(what, input.datatype)
  const extents = input.shape.map(Number)
  const shape = checkWireShape(what, extents, datatype, limits)
  refuseSharedMemory(what, parametersOf(input.parameters))
  const filled = contentsOf(input.contents)
  if (raw !== undefined && filled.length > 0) throw invalid(`${what} has contents beside raw_input_contents`)
  const bytes = raw ?? bytesOf(what, datatype, sizeOfShape(shape), input.contents, filled)
  checkBytes(what, datatype, shape, bytes)
  return { name, datatype, shape, bytes }
}

type Field = Exclude<keyof InferTensorContents, '$typeName' | '$unknown'>

const FIELDS: Readonly<Partial<Record<Datatype, Field>>> = {
  BOOL: 'boolContents',
  INT8: 'intContents',
  INT16: 'intContents',
  INT32: 'intContents',
  INT64: 'int64Contents',
  UINT8: 'uintContents',
  UINT16: 'uintContents',
  UINT32: 'uintContents',
  UINT64: 'uint64Contents',
  FP32: 'fp32Contents',
  FP64: 'fp64Contents',
  BYTES: 'bytesContents',
}
const ALL_FIELDS = [...new Set(Object.values(FIELDS))]

/** The fields that hold values. */
const contentsOf = (contents: InferTensorContents | undefined): Field[] =>
  contents === undefined ? [] : ALL_FIELDS.filter((field) => contents[field].length > 0)

const RANGES: Readonly<Partial<Record<Datatype, readonly [number, number]>>> = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
}

function bytesOf(
  what: string,
  datatype: Datatype,
  elements: number,
  contents: InferTensorContents | undefined,
  filled: readonly Field[],
): Uint8Array {
  const field = FIELDS[datatype]
  if (field === undefined) throw invalid(`${what}: ${datatype} has no contents`, 'Send it as raw_input_contents')
  const other = filled.find((one) => one !== field)
  if (other !== undefined) throw invalid(`${what} is ${datatype}, and its contents are ${other}`)
  const values = contents?.[field] ?? []
  if (values.length !== elements) throw invalid(`${what} has ${elements} values, its contents ${values.length}`)
  const range = RANGES[datatype]
  const odd = range === undefined ? -1 : (values as number[]).findIndex((value) => value < range[0] || value > range[1])
  if (odd >= 0) throw invalid(`${what}: value ${odd} is ${values[odd]}, ${datatype} takes integers from ${range![0]} to ${range![1]}`)
  if (field === 'bytesContents') return joinBytes(values as Uint8Array[])
  return new Uint8Array(ARRAYS[datatype]!(values as never).buffer)
}

const ARRAYS: Readonly<Partial<Record<Datatype, (values: never) => { readonly buffer: ArrayBuffer }>>> = {
  BOOL: (values: boolean[]) => Uint8Array.from(values, Number),
  INT8: (values: number[]) => Int8Array.from(values),
  INT16: (values: number[]) => Int16Array.from(values),
  INT32: (values: number[]) => Int32Array.from(values),
  INT64: (values: bigint[]) => BigInt64Array.from(values),
  UINT8: (values: number[]) => Uint8Array.from(values),
  UINT16: (values: number[]) => Uint16Array.from(values),
  UINT32: (values: number[]) => Uint32Array.from(values),
  UINT64: (values: bigint[]) => BigUint64Array.from(values),
  FP32: (values: number[]) => Float32Array.from(values),
  FP64: (values: number[]) => Float64Array.from(values),
}

/** Values go as raw_output_contents. */
export const replyOf = ({ model, version, id, outputs }: InferReply): ModelInferResponse =>
  create(ModelInferResponseSchema, {
    modelName: model,
    modelVersion: version,
    id: id ?? '',
    outputs: outputs.map(({ tensor }) => ({ name: tensor.name, datatype: tensor.datatype, shape: tensor.shape.map(BigInt) })),
    rawOutputContents: outputs.map(({ tensor }) => tensor.bytes),
  })

interface Counted {
  readonly count: number
  readonly ns: number
}
const duration = ({ count, ns }: Counted): { count: bigint; ns: bigint } => ({ count: BigInt(count), ns: BigInt(ns) })

export const statisticsOf = (list: readonly ModelStatistics[]): ModelStatisticsResponse =>
  create(ModelStatisticsResponseSchema, {
    modelStats: list.map((stats) => {
      const { success, fail, queue, compute_input, compute_infer, compute_output, cache_hit, cache_miss } = stats.inference_stats
      return {
        name: stats.name,
        version: stats.version,
        lastInference: BigInt(stats.last_inference),
        inferenceCount: BigInt(stats.inference_count),
        executionCount: BigInt(stats.execution_count),
        inferenceStats: {
          success: duration(success),
          fail: duration(fail),
          queue: duration(queue),
          computeInput: duration(compute_input),
          computeInfer: duration(compute_infer),
          computeOutput: duration(compute_output),
          cacheHit: duration(cache_hit),
          cacheMiss: duration(cache_miss),
        },
        batchStats: stats.batch_stats.map((size) => ({
          batchSize: BigInt(size.batch_size),
          computeInput: duration(size.compute_input),
          computeInfer: duration(size.compute_infer),
          computeOutput: duration(size.compute_output),
        })),
      }
    }),
  })

export function configurationOf(config: ModelConfiguration): ModelConfigResponse {
  const tensor = ({ name, data_type, dims }: ConfigTensor): { name: string; dataType: DataType; dims: bigint[] } => ({
    name,
    dataType: DataType[data_type],
    dims: dims.map(BigInt),
  })
  return create(ModelConfigResponseSchema, {
    config: {
      name: config.name,
      platform: config.platform,
      backend: config.backend,
      maxBatchSize: config.max_batch_size,
      input: config.input.map(tensor),
      output: config.output.map(tensor),
      dynamicBatching: { maxQueueDelayMicroseconds: BigInt(config.dynamic_batching.max_queue_delay_microseconds) },
      parameters: Object.fromEntries(
        Object.entries(config.parameters).map(([key, { string_value: stringValue }]) => [key, { stringValue }]),
      ) as never,
      modelTransactionPolicy: { decoupled: config.model_transaction_policy.decoupled },
    },
  })
}
