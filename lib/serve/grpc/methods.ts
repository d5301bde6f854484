// Methods of the gRPC services, each with the roles it is for: the same service as behind REST.
import { create, type Message } from '@bufbuild/protobuf'
import type { Principal, Role } from '../auth/principal.js'
import type { Disconnection } from '../cancellation.js'
import type { TensorSpec } from '../protocol/tensors.js'
import { checkLoadParameters, checkRepositoryName, type Service } from '../service.js'
import type { RequestTrace } from '../tracing.js'
import { Health, type HealthCheckRequest, HealthCheckResponse_ServingStatus, HealthCheckResponseSchema } from './health_pb.js'
import * as pb from './inference_pb.js'
import { configurationOf, parametersOf, replyOf, requestOf, statisticsOf } from './messages.js'
import { int64Parameter, STATUS, streamInfer } from './stream_infer.js'

export interface Asked {
  readonly principal: Principal
  /** Aborted when the client cancels, goes away, or its deadline passes. */
  readonly signal: Disconnection
  readonly trace: RequestTrace | undefined
}

export interface Method {
  readonly roles: readonly Role[]
  /** The model that the request is about. */
  readonly model: (request: never) => string | undefined
  readonly answer: (request: never, asked: Asked) => Promise<Message> | Message
}

/** A method of many requests and answers on one stream. What fails is said in an answer, and the stream goes on. */
export interface StreamMethod extends Omit<Method, 'answer'> {
  readonly answers: (request: never, asked: Asked, send: (answer: Message) => void) => Promise<void>
  readonly failure: (message: string, status: number) => Message
}

const ANY: readonly Role[] = ['predict', 'read', 'admin']
const ASK: readonly Role[] = ['predict', 'read']
const none = (): undefined => undefined

/** By method of the generated service: one that is missing does not compile. */
export function inferenceMethods(service: Service): Readonly<Record<keyof typeof pb.GRPCInferenceService.method, Method | StreamMethod>> {
  const metadata = (specs: readonly TensorSpec[]): { name: string; datatype: string; shape: bigint[] }[] =>
    specs.map(({ name, datatype, shape }) => ({ name, datatype, shape: shape.map(BigInt) }))
  return {
    serverLive: { roles: ANY, model: none, answer: () => create(pb.ServerLiveResponseSchema, { live: service.isLive }) },
    serverReady: { roles: ANY, model: none, answer: () => create(pb.ServerReadyResponseSchema, { ready: service.isReady }) },
    modelReady: {
      roles: ANY,
      model: ({ name }: pb.ModelReadyRequest) => name,
      answer: ({ name, version }: pb.ModelReadyRequest) =>
        create(pb.ModelReadyResponseSchema, { ready: service.modelReady(name, version) }),
    },
    serverMetadata: {
      roles: ANY,
      model: none,
      answer: () => {
        const { name, version, extensions } = service.metadata()
        return create(pb.ServerMetadataResponseSchema, { name, version, extensions: [...extensions] })
      },
    },
    modelMetadata: {
      roles: ASK,
      model: ({ name }: pb.ModelMetadataRequest) => name,
      answer: ({ name, version }: pb.ModelMetadataRequest) => {
        const { versions, platform, inputs, outputs } = service.modelMetadata(name, version)
        return create(pb.ModelMetadataResponseSchema, {
          name,
          versions: [...versions],
          platform,
          inputs: metadata(inputs),
          outputs: metadata(outputs),
        })
      },
    },
    modelInfer: {
      roles: ['predict'],
      model: ({ modelName }: pb.ModelInferRequest) => modelName,
      answer: async (request: pb.ModelInferRequest, { principal, signal, trace }) => {
        const served = service.target(request.modelName, request.modelVersion)
        const release = service.hold(request.rawInputContents.reduce((sum, { length }) => sum + length, 0))
        try {
          return replyOf(await service.infer(served, requestOf(request, service.limits), signal, principal, trace))
        } finally {
          release()
        }
      },
    },
    modelStreamInfer: {
      roles: ['predict'],
      model: ({ modelName }: pb.ModelInferRequest) => modelName,
      failure: (errorMessage, status) =>
        create(pb.ModelStreamInferResponseSchema, { errorMessage, inferResponse: { parameters: { [STATUS]: int64Parameter(status) } } }),
      answers: (request: pb.ModelInferRequest, asked, send) =>
        streamInfer(service, request, asked, (inferResponse) => send(create(pb.ModelStreamInferResponseSchema, { inferResponse }))),
    },
    modelConfig: {
      roles: ASK,
      model: ({ name }: pb.ModelConfigRequest) => name,
      answer: ({ name, version }: pb.ModelConfigRequest) => configurationOf(service.configuration(name, version)),
    },
    modelStatistics: {
      roles: ['read'],
      model: ({ name }: pb.ModelStatisticsRequest) => name || undefined,
      answer: ({ name, version }: pb.ModelStatisticsRequest, { principal }) =>
        statisticsOf(service.statistics(principal, name || undefined, version)),
    },
    repositoryIndex: {
      roles: ['read'],
      model: none,
      answer: async ({ ready, repositoryName }: pb.RepositoryIndexRequest, { principal }) => {
        checkRepositoryName(repositoryName)
        return create(pb.RepositoryIndexResponseSchema, { models: (await service.index(principal, ready)).map((entry) => ({ ...entry })) })
      },
    },
    repositoryModelLoad: {
      roles: ['admin'],
      model: ({ modelName }: pb.RepositoryModelLoadRequest) => modelName,
      answer: async ({ modelName, parameters, repositoryName }: pb.RepositoryModelLoadRequest, { principal }) => {
        checkRepositoryName(repositoryName)
        checkLoadParameters(parametersOf(parameters))
        await service.load(modelName, principal)
        return create(pb.RepositoryModelLoadResponseSchema)
      },
    },
    repositoryModelUnload: {
      roles: ['admin'],
      model: ({ modelName }: pb.RepositoryModelUnloadRequest) => modelName,
      answer: async ({ modelName, parameters, repositoryName }: pb.RepositoryModelUnloadRequest, { principal }) => {
        checkRepositoryName(repositoryName)
        checkLoadParameters(parametersOf(parameters))
        await service.unload(modelName, principal)
        return create(pb.RepositoryModelUnloadResponseSchema)
      },
    },
  }
}

/**
 * Health of the server ('', or the name of the inference service) and of each model. Watch gives the state as it is,
 * and the end.
 */
export function healthMethods(service: Service): Readonly<Record<keyof typeof Health.method, Method>> {
  const status = ({ service: name }: HealthCheckRequest): Message => {
    const whole = name === '' || name === pb.GRPCInferenceService.typeName
    const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus
    return create(HealthCheckResponseSchema, { status: (whole ? service.isReady : service.modelReady(name)) ? SERVING : NOT_SERVING })
  }
  const model = ({ service: name }: HealthCheckRequest): string | undefined =>
    name === '' || name === pb.GRPCInferenceService.typeName ? undefined : name
  return { check: { roles: ANY, model, answer: status }, watch: { roles: ANY, model, answer: status } }
}
