// Conversation: a stream of requests and answers. Each request is looked at by itself; an error is an answer.
import type { Message } from '@bufbuild/protobuf'
import type * as grpc from '@grpc/grpc-js'
import type { Principal } from '../auth/principal.js'
import { statusOf } from '../status.js'
import type { Received } from './codec.js'
import type { StreamMethod } from './methods.js'
import type { GrpcOptions } from './server.js'
import { failureOf, header } from './status.js'

export type Duplex = grpc.ServerDuplexStream<Received, Message>

/** Requests of one stream that are being answered; no more are read meanwhile. */
const MOST_AT_ONCE = 64

export class Conversation {
  private readonly controller = new AbortController()
  private answering = 0
  private ended = false
  private over = false

  constructor(
    private readonly options: GrpcOptions,
    private readonly name: string,
    private readonly method: StreamMethod,
    private readonly stream: Duplex,
  ) {
    try {
      this.principal().demand(method.roles, undefined, false)
    } catch (error) {
      options.log.info({ method: name, status: statusOf(error).grpc, code: (error as { code?: string }).code }, 'request')
      this.over = true
      stream.emit('error', failureOf(error))
      return
    }
    stream.on('cancelled', () => {
      this.over = true
      this.controller.abort()
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
    stream.on('error', () => this.controller.abort())
  }

  /** Credentials may expire while a stream is open. */
  private principal(): Principal {
    const { metadata } = this.stream
    return this.options.authenticator.authenticate({
      authorization: header(metadata, 'authorization'),
      apiKey: header(metadata, 'x-api-key'),
    })
  }

  /** Never rejects. */
  private async answer(request: Received): Promise<void> {
    const { log } = this.options
    const begin = performance.now()
    let principal: Principal | undefined
    let model: string | undefined
    let failure: unknown
    try {
      principal = this.principal()
      if ('failure' in request) throw request.failure
      model = this.method.model(request.message as never)
      principal.demand(this.method.roles, model, false)
      const asked = { principal, signal: this.controller.signal }
      await this.method.answers(request.message as never, asked, (answer) => this.send(answer))
    } catch (error) {
      failure = error
      this.send(this.method.failure(statusOf(error).message))
    }
    const status = failure === undefined ? 0 : statusOf(failure).grpc
    const ms = Math.round((performance.now() - begin) * 1000) / 1000
    const code = (failure as { code?: string } | undefined)?.code
    log.info({ method: this.name, status, ms, key: principal?.id, model: model?.slice(0, 128), code }, 'request')
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
