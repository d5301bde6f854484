// gRPC transport: values go and come as raw contents.
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  type DescMessage,
} from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { WeftError } from '../../core/error.js'
import { pathOf } from '../grpc/codec.js'
import {
  GRPCInferenceService,
  type InferParameter,
  type ModelInferRequest,
  ModelInferRequestSchema,
  type ModelInferResponse,
  type ModelStreamInferResponse,
} from '../grpc/inference_pb.js'
import { checkDatatype } from '../protocol/datatypes.js'
import { checkBytes, joinBytes, eachBytes, type TensorSpec, type WireTensor } from '../protocol/tensors.js'
import type { IndexEntry, VersionState } from '../repository/repository.js'
import type { ModelMetadata, ServerMetadata } from '../service.js'
import { errorOf } from '../status.js'
import { FINISH, IDS, integersOf, LAST, STATUS, STOP_TOKENS, TEXT } from '../grpc/stream_infer.js'
import type { Finish } from '../generation.js'
import type { Ask, ExplainAsk, GenerateAsk, GeneratedPart, InferAsk, Inferred, Transport, TransportOptions } from './transport.js'

const { method } = GRPCInferenceService
type Parameters = Record<string, { parameterChoice: InferParameter['parameterChoice'] }>

export class GrpcTransport implements Transport {
  private readonly client: grpc.Client
  private readonly metadata = new grpc.Metadata()

  constructor(url: URL, { apiKey, ca, cert, key }: TransportOptions) {
    const bytesOf = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem))
    const credentials =
      url.protocol === 'grpcs:' ? grpc.credentials.createSsl(bytesOf(ca), bytesOf(key), bytesOf(cert)) : grpc.credentials.createInsecure()
    this.client = new grpc.Client(url.host, credentials, { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })
    if (apiKey !== undefined) this.metadata.set('authorization', `Bearer ${apiKey}`)
  }

  async infer({ model, version, id, priority, inputs, outputs, ...ask }: InferAsk): Promise<Inferred> {
    const parameters: Parameters = priority > 0 ? { priority: { parameterChoice: { case: 'int64Param', value: BigInt(priority) } } } : {}
    const reply = await this.ask(method.modelInfer, ask, {
      modelName: model,
      modelVersion: version,
      id: id ?? '',
      parameters: parameters as never,
      inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: shape.map(BigInt) })),
      outputs: (outputs ?? []).map((name) => ({ name })),
      rawInputContents: inputs.map(({ bytes }) => bytes),
    })
    return {
      model: reply.modelName,
      version: reply.modelVersion,
      id: reply.id === '' ? undefined : reply.id,
      outputs: reply.outputs.map(({ name, datatype: given, shape: extents }, i): WireTensor => {
        const datatype = checkDatatype(`output '${name}'`, given)
        const shape = extents.map(Number)
        const bytes = reply.rawOutputContents[i]
        if (bytes === undefined) throw new WeftError('ERR_FORMAT', `the reply has no raw contents for output '${name}'`)
        checkBytes(`output '${name}'`, datatype, shape, bytes)
        return { name, datatype, shape, bytes }
      }),
    }
  }

  explain({ model }: ExplainAsk): Promise<Inferred> {
    const error = new WeftError('ERR_UNSUPPORTED', `explain: the gRPC protocol has no call that explains model '${model}'`, {
      hint: "Ask over REST: connect('http://127.0.0.1:8080')",
    })
    return Promise.reject(error)
  }

  async *generate(ask: GenerateAsk): AsyncGenerator<GeneratedPart, void, undefined> {
    const { signal, timeoutMs, traceparent } = ask
    const rpc = method.modelStreamInfer
    const call = this.client.makeBidiStreamRequest(
      pathOf(rpc.parent, rpc),
      (message: ModelInferRequest) => Buffer.from(toBinary(rpc.input, message)),
      (bytes: Buffer) => fromBinary(rpc.output, bytes),
      this.metadataOf(traceparent),
      { deadline: Date.now() + timeoutMs },
    )
    const cancel = (): void => call.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      call.write(generateMessageOf(ask))
      call.end()
      for await (const { errorMessage, inferResponse } of call as AsyncIterable<ModelStreamInferResponse>) {
        if (errorMessage !== '') throw errorOf('grpc', statusIn(inferResponse), errorMessage)
        yield partOf(inferResponse)
      }
    } catch (cause) {
      if (signal?.aborted) throw signal.reason
      if (cause instanceof WeftError) throw cause
      throw failureOf(cause as grpc.ServiceError)
    } finally {
      signal?.removeEventListener('abort', cancel)
      // a reader that stops early ends the text
      call.cancel()
    }
  }

  async serverMetadata(ask: Ask): Promise<ServerMetadata> {
    const { name, version, extensions } = await this.ask(method.serverMetadata, ask, {})
    return { name, version, extensions }
  }
  async modelMetadata(name: string, version: string, ask: Ask): Promise<ModelMetadata> {
    const { versions, platform, inputs, outputs } = await this.ask(method.modelMetadata, ask, { name, version })
    const specs = (list: typeof inputs): TensorSpec[] =>
      list.map((spec) => ({ name: spec.name, datatype: checkDatatype(spec.name, spec.datatype), shape: spec.shape.map(Number) }))
    return { name, versions, platform, inputs: specs(inputs), outputs: specs(outputs) }
  }
  async ready(model: string, version: string, ask: Ask): Promise<boolean> {
    const { ready } =
      model === '' ? await this.ask(method.serverReady, ask, {}) : await this.ask(method.modelReady, ask, { name: model, version })
    return ready
  }
  async index(ask: Ask): Promise<IndexEntry[]> {
    const { models } = await this.ask(method.repositoryIndex, ask, {})
    return models.map(({ name, version, state, reason }) =>
      version === '' ? { name } : { name, version, state: state as VersionState, reason },
    )
  }
  async load(modelName: string, ask: Ask): Promise<void> {
    await this.ask(method.repositoryModelLoad, ask, { modelName })
  }
  async unload(modelName: string, ask: Ask): Promise<void> {
    await this.ask(method.repositoryModelUnload, ask, { modelName })
  }
  close(): void {
    this.client.close()
  }

  private metadataOf(traceparent: string | undefined): grpc.Metadata {
    const metadata = this.metadata.clone()
    if (traceparent !== undefined) metadata.set('traceparent', traceparent)
    return metadata
  }

  private ask<I extends DescMessage, O extends DescMessage>(
    rpc: DescMethodUnary<I, O>,
    { signal, timeoutMs, traceparent }: Ask,
    init: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason) // its event has passed: the call would wait for its deadline
      const call = this.client.makeUnaryRequest(
        pathOf(rpc.parent, rpc),
        (message: MessageShape<I>) => Buffer.from(toBinary(rpc.input, message)),
        (bytes: Buffer) => fromBinary(rpc.output, bytes),
        create(rpc.input, init),
        this.metadataOf(traceparent),
        { deadline: Date.now() + timeoutMs },
        (error, reply) => {
          signal?.removeEventListener('abort', cancel)
          if (signal?.aborted) reject(signal.reason)
          else if (error) reject(failureOf(error))
          else resolve(reply!)
        },
      )
      const cancel = (): void => call.cancel()
      signal?.addEventListener('abort', cancel, { once: true })
    })
  }
}

function failureOf(error: grpc.ServiceError): WeftError {
  const seconds = Number(error.metadata?.get('retry-after')[0] ?? Number.NaN)
  return Object.assign(
    errorOf('grpc', error.code, error.details ?? error.message),
    Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {},
  )
}

function generateMessageOf({ model, version, id, prompt, stopTokens, parameters, timeoutMs }: GenerateAsk): ModelInferRequest {
  const numbers = { ...parameters, timeout: Math.ceil(timeoutMs * 1000) }
  const integers = (name: string, values: readonly number[], shape: number[]) =>
    ({ name, datatype: 'INT32', shape: shape.map(BigInt), bytes: new Uint8Array(Int32Array.from(values).buffer) }) as const
  const inputs = [
    typeof prompt === 'string'
      ? { name: TEXT, datatype: 'BYTES', shape: [1n], bytes: joinBytes([new TextEncoder().encode(prompt)]) }
      : integers(IDS, prompt, [1, prompt.length]),
    ...(stopTokens === undefined ? [] : [integers(STOP_TOKENS, stopTokens, [stopTokens.length])]),
  ]
  return create(ModelInferRequestSchema, {
    modelName: model,
    modelVersion: version,
    id: id ?? '',
    parameters: Object.fromEntries(
      Object.entries(numbers).map(([name, value]) => [name, { parameterChoice: parameterOf(value) }]),
    ) as never,
    inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    rawInputContents: inputs.map(({ bytes }) => bytes),
  })
}

const parameterOf = (value: number): InferParameter['parameterChoice'] =>
  Number.isInteger(value) ? { case: 'int64Param', value: BigInt(value) } : { case: 'doubleParam', value }

function statusIn(reply: ModelInferResponse | undefined): number {
  const choice = reply?.parameters[STATUS]?.parameterChoice
  return choice?.case === 'int64Param' ? Number(choice.value) : grpc.status.INTERNAL
}

/** The part of a text in an answer: of this server, or of another that gives `text_output`. */
function partOf(reply: ModelInferResponse | undefined): GeneratedPart {
  const bytesOf = (name: string): Uint8Array | undefined =>
    reply?.rawOutputContents[reply.outputs.findIndex((output) => output.name === name)]
  let text = ''
  eachBytes(bytesOf('text_output') ?? new Uint8Array(0), (element) => (text += new TextDecoder().decode(element)))
  const ids = bytesOf(IDS)
  const reason = reply?.parameters[FINISH]?.parameterChoice
  const isLast = reply?.parameters[LAST]?.parameterChoice.value === true
  return {
    text,
    ids: ids === undefined ? [] : integersOf({ bytes: ids }),
    ...(isLast && reason?.case === 'stringParam' ? { finish: reason.value as Finish } : {}),
  }
}
