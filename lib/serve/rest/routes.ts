// Routes: the endpoints of the protocol over HTTP, each with the roles it is for.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal, Role } from '../auth/principal.js'
import type { Disconnection } from '../cancellation.js'
import { isObject, member, objectOfJson } from '../protocol/json.js'
import { headerLength, parametersOf, parseInferRequest } from '../protocol/request.js'
import { RequestReader } from '../protocol/request_reader.js'
import { encodeReply, joined } from '../protocol/response.js'
import { invalid } from '../protocol/tensors.js'
import { checkLoadParameters, type Service } from '../service.js'
import type { RequestTrace } from '../tracing.js'
import { inflate } from './body.js'
import { generateText, streamText } from './generate.js'
import { answerInference, refusalOf } from './infer.js'
import { openApiOf } from './openapi.js'
import { metadataV1, predictV1, statusV1 } from './predict_v1.js'

export interface Parameters {
  model?: string
  version?: string
}

/** A request whose sender is known, and allowed. */
export interface Asked {
  readonly request: FastifyRequest<{ Params: Parameters }>
  readonly reply: FastifyReply
  readonly principal: Principal
  readonly model: string
  readonly version: string | undefined
  /** Aborted when the client goes away. */
  readonly signal: Disconnection
  readonly trace: RequestTrace | undefined
}

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly roles: readonly Role[]
  /** It tells of all models: not for credentials that are for some. */
  readonly ofAll?: true
  /** What it does, for the OpenAPI document. */
  readonly about?: string
  /** Names of the document's schemas, for the body and the reply. Absent: no body; any JSON. */
  readonly takes?: string
  readonly gives?: string
  /** Throws where the request is refused whatever its body says; called before the body is read. */
  readonly admit?: (model: string, version: string | undefined) => void
  /** Resolves with the reply's JSON; undefined when the reply was sent. */
  readonly answer: (asked: Asked) => Promise<object | undefined> | object | undefined
}

const ANY: readonly Role[] = ['predict', 'read', 'admin']
const ASK: readonly Role[] = ['predict', 'read']

/** With a version in the path, and without. */
const versions = (url: string): string[] => [`/v2/models/:model${url}`, `/v2/models/:model/versions/:version${url}`]

/** The name of a model in a path that goes on with a colon. */
const V1_MODEL = '/v1/models/:model(^[^:]+)'
const v1Versions = (url: string): string[] => [
  url.startsWith(':') ? `${V1_MODEL}${url}` : `/v1/models/:model${url}`,
  ...['/versions/:version', '/labels/:version'].map((of) => `/v1/models/:model${of}${url.startsWith(':') ? '(^[^:]+)' : ''}${url}`),
]

export function routes(service: Service, metrics: () => Promise<{ type: string; text: string }>): Route[] {
  type About = Pick<Route, 'about' | 'takes' | 'gives'>
  const get = (url: string, roles: readonly Role[], about: About, answer: Route['answer']): Route => ({
    method: 'GET',
    url,
    roles,
    ...about,
    answer,
  })
  const post = (url: string, roles: readonly Role[], about: About, answer: Route['answer']): Route => ({
    method: 'POST',
    url,
    roles,
    ...about,
    answer,
  })
  const ready = ({ reply }: Asked, isReady: boolean): object => {
    if (!isReady) reply.code(503)
    return { ready: isReady }
  }
  const statistics = { about: 'Counts and times of requests and batches', gives: 'Statistics' }
  const text = { about: 'A text that continues the prompt', takes: 'GenerateRequest', gives: 'GenerateReply' }
  const load: About = { about: 'Loads the model from the repository', takes: 'LoadRequest' }
  const unload: About = { about: 'Takes the model out', takes: 'LoadRequest' }
  const reader = new RequestReader(service.limits)
  const list: Route[] = [
    get('/v2', ANY, { about: 'Name, version and extensions of the server', gives: 'ServerMetadata' }, () => service.metadata()),
    get('/v2/health/live', ANY, { about: 'Whether the server runs', gives: 'Live' }, ({ reply }) => {
      if (!service.isLive) reply.code(503)
      return { live: service.isLive }
    }),
    get('/v2/health/ready', ANY, { about: 'Whether the server takes requests', gives: 'Ready' }, (asked) => ready(asked, service.isReady)),
    get('/v2/models/stats', ['read'], statistics, ({ principal }) => ({ model_stats: service.statistics(principal) })),
    ...versions('').map((url) =>
      get(url, ASK, { about: 'Inputs and outputs of the model', gives: 'ModelMetadata' }, ({ model, version }) =>
        service.modelMetadata(model, version),
      ),
    ),
    ...versions('/ready').map((url) =>
      get(url, ANY, { about: 'Whether the model takes requests', gives: 'Ready' }, (asked) =>
        ready(asked, service.modelReady(asked.model, asked.version)),
      ),
    ),
    ...versions('/stats').map((url) =>
      get(url, ['read'], statistics, ({ principal, model, version }) => ({ model_stats: service.statistics(principal, model, version) })),
    ),
    ...versions('/config').map((url) =>
      get(url, ASK, { about: 'The configuration of the model' }, ({ model, version }) => service.configuration(model, version)),
    ),
    ...versions('/infer').map(
      (url): Route => ({
        ...post(url, ['predict'], { about: 'The outputs of the model', takes: 'InferRequest', gives: 'InferReply' }, (asked) =>
          infer(service, reader, asked),
        ),
        // a server that has too much to do does not read what it will not answer
        admit: (model, version) => {
          const refusal = refusalOf(service, model, version)
          if (refusal !== undefined) throw refusal
        },
      }),
    ),
    ...(service.explaining === undefined ? [] : versions('/explain')).map((url) =>
      post(url, ['explain'], { about: 'What each input adds to an output', takes: 'ExplainRequest', gives: 'InferReply' }, (asked) =>
        explain(service, asked),
      ),
    ),
    ...versions('/generate').map((url) => post(url, ['predict'], text, (asked) => generateText(service, asked))),
    ...versions('/generate_stream').map((url) =>
      post(url, ['predict'], { ...text, about: 'The same as server-sent events, one for each token' }, (asked) =>
        streamText(service, asked),
      ),
    ),
    post('/v2/repository/index', ['read'], { about: 'Models of the repository', takes: 'IndexRequest', gives: 'Index' }, async (asked) => {
      const ready = member(await jsonBody(service, asked), 'ready')
      if (ready !== undefined && typeof ready !== 'boolean') throw invalid('ready is true or false')
      return service.index(asked.principal, ready ?? false)
    }),
    post('/v2/repository/models/:model/load', ['admin'], load, async (asked) => {
      checkLoadParameters(parametersOf('the request', member(await jsonBody(service, asked), 'parameters')))
      await service.load(asked.model, asked.principal)
      return {}
    }),
    post('/v2/repository/models/:model/unload', ['admin'], unload, async (asked) => {
      checkLoadParameters(parametersOf('the request', member(await jsonBody(service, asked), 'parameters')))
      await service.unload(asked.model, asked.principal)
      return {}
    }),
    ...v1Versions('::predict').map((url) =>
      post(url, ['predict'], { about: "Outputs, as TensorFlow Serving's version 1 has them", takes: 'PredictRequest' }, (asked) =>
        predictV1(service, asked),
      ),
    ),
    ...v1Versions('').map((url) =>
      get(url, ASK, { about: 'States of the versions' }, ({ model, version }) => statusV1(service, model, version)),
    ),
    ...v1Versions('/metadata').map((url) =>
      get(url, ASK, { about: 'Inputs and outputs, as a signature of TensorFlow' }, ({ model, version }) =>
        metadataV1(service, model, version),
      ),
    ),
    {
      ...get('/metrics', ['read'], { about: 'Metrics for Prometheus' }, async ({ reply }) => {
        const { type, text: page } = await metrics()
        reply.type(type).send(page)
        return undefined
      }),
      ofAll: true,
    },
    get('/openapi.json', ANY, { about: 'This document' }, () => openApiOf(list, service.metadata().version)),
  ]
  return list
}

const bytesOf = ({ body }: FastifyRequest): Uint8Array => (body instanceof Uint8Array ? body : new Uint8Array(0))

/** A body of JSON that may be absent. */
async function jsonBody({ limits }: Service, { request }: Asked): Promise<Record<string, unknown>> {
  const body = await inflate(bytesOf(request), request.headers['content-encoding'], limits.bodyBytes)
  const json = body.length === 0 ? {} : objectOfJson(body, limits.jsonDepth)
  return isObject(json) ? json : {}
}

async function explain(service: Service, asked: Asked): Promise<undefined> {
  const { request, reply, principal, model, version, signal } = asked
  const { limits } = service
  const { headers } = request
  const body = await inflate(bytesOf(request), headers['content-encoding'], limits.bodyBytes)
  const parsed = parseInferRequest(body, headerLength(headers['inference-header-content-length'], body.length), limits)
  const encoded = encodeReply(await service.explain(model, version, parsed, signal, principal))
  if (encoded.parts.length > 0) reply.header('inference-header-content-length', Buffer.byteLength(encoded.json))
  reply.type(encoded.parts.length === 0 ? 'application/json' : 'application/octet-stream').send(joined(encoded))
  return undefined
}

async function infer(
  service: Service,
  reader: RequestReader,
  { request, reply, principal, model, version, signal, trace }: Asked,
): Promise<undefined> {
  const asked = { model, version, headers: request.headers, body: bytesOf(request), principal, signal, trace }
  const answered = await answerInference(service, reader, asked)
  reply.headers(answered.headers).send(joined(answered))
  return undefined
}
