// Conversation: a stream of requests and answers. Each request is looked at by itself; an error is an answer.
import type { Message } from '@bufbuild/protobuf'
import type * as grpc from '@grpc/grpc-js'
import { type Principal, refuse } from '../auth/principal.js'
import { Disconnection } from '../cancellation.js'
import { GRPC, statusOf } from '../status.js'
import type { RequestTrace } from '../tracing.js'
import type { Received } from './codec.js'
import type { StreamMethod } from './methods.js'
import type { GrpcOptions } from './server.js'
import { CallCredentials, failureOf, traceOf } from './status.js'

export type Duplex = grpc.ServerDuplexStream<Received, Message>

/** Requests of one stream that are being answered; no more are read meanwhile. */
const MOST_AT_ONCE = 64

export class Conversation {
  private readonly client = new Disconnection()
  private answering = 0
  private ended = false
  private over = false

  constructor(
    private readonly options: GrpcOptions,
    private readonly name: string,
    private readonly method: StreamMethod,
    private readonly stream: Duplex,
  ) {
    // nothing is read before it is known who asks
    stream.pause()
    void this.begin()
    stream.on('cancelled', () => {
      this.over = true
      this.client.abort()
    })
    stream.on('data', (request: Received) => {
      if (++this.answering >= MOST_AT_ONCE) stream.pause()
      void this.answer(request).finally(() => {
        this.answering--
        stream.resume()
        this.finish()
      })
    })
    stream.on('end', () => {
      this.ended = true
      this.finish()
    })
    stream.on('error', () => this.client.abort())
  }

  private async begin(): Promise<void> {
    const { log, authenticator } = this.options
    try {
      const principal = await this.principal()
      principal.demand(this.method.roles, undefined, false)
      this.stream.resume()
    } catch (error) {
      const { code } = error as { code?: string }
      log.info({ method: this.name, status: statusOf(error).grpc, code }, 'request')
      refuse(authenticator, error, { principal: undefined, address: this.stream.getPeer(), asked: this.name, model: undefined })
      this.over = true
      this.stream.emit('error', failureOf(error))
    }
  }

  /** Credentials may expire while a stream is open. */
  private principal(): Principal | Promise<Principal> {
    return this.options.authenticator.authenticate(new CallCredentials(this.stream))
  }

  /** Never rejects. */
  private async answer(request: Received): Promise<void> {
    const { log, authenticator } = this.options
    const begin = performance.now()
    let principal: Principal | undefined
    let model: string | undefined
    let failure: unknown
    let trace: RequestTrace | undefined
    try {
      principal = await this.principal()
      trace = traceOf(this.name, this.stream)
      if ('failure' in request) throw request.failure
      model = this.method.model(request.message as never)
      principal.demand(this.method.roles, model, false)
      authenticator.admit?.(principal, this.method.roles)
      const asked = { principal, signal: this.client, trace }
      await this.method.answers(request.message as never, asked, (answer) => this.send(answer))
    } catch (error) {
      failure = error
      refuse(authenticator, error, { principal: principal?.id, address: this.stream.getPeer(), asked: this.name, model })
      const { message, grpc: status } = statusOf(error)
      this.send(this.method.failure(message, status))
    }
    const status = failure === undefined ? 0 : statusOf(failure).grpc
    const ms = Math.round((performance.now() - begin) * 1000) / 1000
    const code = (failure as { code?: string } | undefined)?.code
    trace?.end({ 'rpc.grpc.status_code': status }, status === GRPC.INTERNAL)
    log.info({ ...trace?.ids, method: this.name, status, ms, key: principal?.id, model: model?.slice(0, 128), code }, 'request')
    if (failure !== undefined && statusOf(failure).http === 500) log.error({ err: failure, method: this.name }, 'a request failed')
  }

  private send(answer: Message): void {
    if (!this.over) this.stream.write(answer)
  }

  private finish(): void {
    if (!this.ended || this.answering > 0 || this.over) return
    this.over = true
    this.stream.end()
  }
}
