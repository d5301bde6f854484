// Shedding: refusals of requests that a full queue would refuse, before anything else is done about them. What a server
// spends on requests that it does not answer, it lacks for those that it does.
import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import type { Service } from '../service.js'
import { statusOf } from '../status.js'

const INFER = /^\/v2\/models\/([A-Za-z0-9._-]+)(?:\/versions\/([A-Za-z0-9._-]+))?\/infer$/

export class Shedding {
  /** A queue was full a moment ago. */
  private crowded = false

  /** `isPlain`: who asks needs not be known, and nothing is written down of the request. `idOf`: its id. */
  constructor(
    private readonly service: Service,
    private readonly isPlain: (request: IncomingMessage) => boolean,
    private readonly idOf: (request: IncomingMessage) => string,
  ) {}

  /** Told of requests that failed: those that follow a refusal are looked at first. */
  noticed(error: unknown): void {
    if ((error as { code?: unknown }).code === 'ERR_OVERLOADED') this.crowded = true
  }

  /** Stands before the server's own listener. Called before the server listens. */
  guard(server: Server): void {
    const listeners = server.listeners('request') as ((request: IncomingMessage, reply: ServerResponse) => void)[]
    server.removeAllListeners('request')
    server.on('request', (request, reply) => {
      if (this.crowded && this.refuses(request, reply)) return
      for (const listener of listeners) listener.call(server, request, reply)
    })
  }

  private refuses(request: IncomingMessage, reply: ServerResponse): boolean {
    if (request.method !== 'POST' || request.httpVersionMajor >= 2) return false
    const [, model, version] = INFER.exec(request.url ?? '') ?? []
    if (model === undefined || !this.isPlain(request)) return false
    try {
      this.service.target(model, version).checkRoom()
    } catch (error) {
      const { http, message, retryAfter } = statusOf(error)
      if (http !== 429) return false
      const body = JSON.stringify({ error: message })
      const headers: OutgoingHttpHeaders = {
        'x-request-id': this.idOf(request),
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'retry-after': `${retryAfter ?? 1}`,
      }
      reply.writeHead(http, headers).end(body)
      return true
    }
    this.crowded = false
    return false
  }
}
