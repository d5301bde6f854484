// The gRPC server: grpc-js with the methods of the protocol. Who asks is known before a request is looked at.
import type { DescService, Message } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import type { Logger } from 'pino'
import { type Authenticator, type Principal, refuse } from '../auth/principal.js'
import { Disconnection } from '../cancellation.js'
import type { Pem } from '../security.js'
import type { WatchedFiles } from '../watched_files.js'
import type { Service } from '../service.js'
import { statusOf } from '../status.js'
import type { RequestTrace } from '../tracing.js'
import { definitionOf, type Received } from './codec.js'
import { Health } from './health_pb.js'
import { GRPCInferenceService } from './inference_pb.js'
import { Conversation, type Duplex } from './conversation.js'
import { healthMethods, inferenceMethods, type Method, type StreamMethod } from './methods.js'
import { CallCredentials, failureOf, traceOf } from './status.js'
import { serverCredentials } from './tls.js'

export interface GrpcOptions {
  readonly service: Service
  readonly authenticator: Authenticator
  readonly log: Logger
  readonly tls?: WatchedFiles<Pem>
}

/** Streams of one connection. */
const MOST_STREAMS = 1024
/** What an old connection has begun may take so long. */
const AGE_GRACE_MS = 600_000
/** How often a peer is asked whether it is there, and how long it has to answer. */
const KEEPALIVE_MS = 60_000
const KEEPALIVE_ANSWER_MS = 20_000
/** What does not end by itself is ended then. */
const SHUTDOWN_MS = 5000

type Call = grpc.ServerUnaryCall<Received, Message> | grpc.ServerWritableStream<Received, Message>

export class GrpcServer {
  private readonly server: grpc.Server
  /** Streams that last as long as the server. */
  private readonly watching = new Set<grpc.ServerWritableStream<Received, Message>>()

  constructor(private readonly options: GrpcOptions) {
    const { service } = options
    this.server = new grpc.Server({
      'grpc.max_receive_message_length': service.limits.bodyBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': MOST_STREAMS,
      // a session that broke the protocol, or whose peer is gone, would keep its socket
      'grpc.max_connection_idle_ms': service.limits.idleMs,
      'grpc.max_connection_age_ms': service.limits.connectionAgeMs,
      'grpc.max_connection_age_grace_ms': AGE_GRACE_MS,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_MS,
    })
    this.add(GRPCInferenceService, inferenceMethods(service))
    this.add(Health, healthMethods(service))
  }

  /** Resolves with the port. */
  listen(host: string, port: number): Promise<number> {
    const { tls } = this.options
    const credentials = tls ? serverCredentials(tls) : grpc.ServerCredentials.createInsecure()
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    return new Promise((resolve, reject) => {
      this.server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
    })
  }

  /** Answers what was accepted. */
  async close(): Promise<void> {
    for (const stream of this.watching) stream.end()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.server.forceShutdown(), SHUTDOWN_MS)
      this.server.tryShutdown(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  private add(service: DescService, methods: Readonly<Record<string, Method | StreamMethod>>): void {
    const handlers = service.methods.map((descriptor): [string, grpc.UntypedHandleCall] => {
      const method = methods[descriptor.localName]!
      const name = `${service.typeName}/${descriptor.name}`
      if ('answers' in method)
        return [descriptor.name, ((stream: Duplex) => new Conversation(this.options, name, method, stream)) as grpc.UntypedHandleCall]
      if (descriptor.methodKind === 'server_streaming')
        return [
          descriptor.name,
          ((stream: grpc.ServerWritableStream<Received, Message>) => void this.stream(name, method, stream)) as grpc.UntypedHandleCall,
        ]
      return [
        descriptor.name,
        ((call: grpc.ServerUnaryCall<Received, Message>, done: grpc.sendUnaryData<Message>) => {
          this.answer(name, method, call).then(
            (message) => done(null, message),
            (error: unknown) => done(failureOf(error)),
          )
        }) as grpc.UntypedHandleCall,
      ]
    })
    this.server.addService(definitionOf(service), Object.fromEntries(handlers))
  }

  /** The method's answer to a client that may have it. */
  private async answer(name: string, method: Method, call: Call): Promise<Message> {
    const { authenticator, log } = this.options
    const begin = performance.now()
    let principal: Principal | undefined
    let model: string | undefined
    let failure: unknown
    let answered = false
    let trace: RequestTrace | undefined
    try {
      const known = authenticator.authenticate(new CallCredentials(call))
      principal = known instanceof Promise ? await known : known
      trace = traceOf(name, call)
      principal.demand(method.roles, undefined, false)
      if ('failure' in call.request) throw call.request.failure
      model = method.model(call.request.message as never)
      principal.demand(method.roles, model, false)
      authenticator.admit?.(principal, method.roles)
      const signal = new Disconnection()
      // told of every call in the end, also of those that were answered
      call.on('cancelled', () => {
        if (!answered) signal.abort()
      })
      return await method.answer(call.request.message as never, { principal, signal, trace })
    } catch (error) {
      failure = error
      refuse(authenticator, error, { principal: principal?.id, address: call.getPeer(), asked: name, model })
      throw error
    } finally {
      answered = true
      const status = failure === undefined ? 0 : statusOf(failure).grpc
      const ms = Math.round((performance.now() - begin) * 1000) / 1000
      // what is not written need not be put together
      if (log.isLevelEnabled?.('info') !== false)
        log.info(
          {
            ...trace?.ids,
            method: name,
            status,
            ms,
            key: principal?.id,
            model: model?.slice(0, 128),
            code: (failure as { code?: string } | undefined)?.code,
          },
          'request',
        )
      trace?.end({ 'rpc.grpc.status_code': status }, status === grpc.status.INTERNAL)
      if (status === grpc.status.INTERNAL) log.error({ err: failure, method: name }, 'a request failed')
    }
  }

  /** One answer, and then nothing until either side ends. */
  private async stream(name: string, method: Method, stream: grpc.ServerWritableStream<Received, Message>): Promise<void> {
    try {
      stream.write(await this.answer(name, method, stream))
      this.watching.add(stream)
      stream.on('cancelled', () => this.watching.delete(stream))
    } catch (error) {
      stream.emit('error', failureOf(error))
    }
  }
}
