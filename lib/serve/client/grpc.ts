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
import { GRPCInferenceService, type InferParameter } from '../grpc/inference_pb.js'
import { checkDatatype } from '../protocol/datatypes.js'
import { checkBytes, type TensorSpec, type WireTensor } from '../protocol/tensors.js'
import type { IndexEntry, VersionState } from '../repository/repository.js'
import type { ModelMetadata, ServerMetadata } from '../service.js'
import { errorOf } from '../status.js'
import type { Ask, InferAsk, Inferred, Transport, TransportOptions } from './transport.js'

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

  private ask<I extends DescMessage, O extends DescMessage>(
    rpc: DescMethodUnary<I, O>,
    { signal, timeoutMs, traceparent }: Ask,
    init: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    const metadata = this.metadata.clone()
    if (traceparent !== undefined) metadata.set('traceparent', traceparent)
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason) // its event has passed: the call would wait for its deadline
      const call = this.client.makeUnaryRequest(
        pathOf(rpc.parent, rpc),
        (message: MessageShape<I>) => Buffer.from(toBinary(rpc.input, message)),
        (bytes: Buffer) => fromBinary(rpc.output, bytes),
        create(rpc.input, init),
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error, reply) => {
          signal?.removeEventListener('abort', cancel)
          if (signal?.aborted) reject(signal.reason)
          else if (error) {
            const seconds = Number(error.metadata?.get('retry-after')[0] ?? Number.NaN)
            reject(
              Object.assign(errorOf('grpc', error.code, error.details), Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {}),
            )
          } else resolve(reply!)
        },
      )
      const cancel = (): void => call.cancel()
      signal?.addEventListener('abort', cancel, { once: true })
    })
  }
}
