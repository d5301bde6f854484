// Connections of the REST server, over HTTP/1.1 and HTTP/2: how many there are, how long one may be idle, and how old.
import type { Server as HttpServer } from 'node:http'
import { constants, type Http2ServerRequest, type ServerHttp2Session } from 'node:http2'
import type { Server as NetServer, Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../protocol/limits.js'

/** After a session is over its socket has so long to send what is left, and to be closed by the other side. */
const LINGER_MS = 1000
const IDLE_CHECK_MS = 20
/** Streams of one HTTP/2 session at once. */
export const MOST_STREAMS = 256

export class Connections {
  private readonly sessions = new Set<ServerHttp2Session>()
  private readonly born = new WeakMap<Socket, number>()
  /** The connection that came last. */
  private latest: Socket | undefined
  private closing = false

  constructor(
    private readonly server: NetServer,
    private readonly limits: Required<Limits>,
  ) {
    server.maxConnections = limits.connections
    // before the server's own listener makes a session of it
    for (const event of ['connection', 'secureConnection'])
      server.prependListener(event, (socket: Socket) => {
        this.latest = socket
        this.born.set(socket, performance.now())
      })
    server.on('session', (session: ServerHttp2Session) => this.follow(session, this.latest!))
  }

  /** Before the body of a request is read: an HTTP/2 stream has a time to arrive in, as HTTP/1.1 has by itself. */
  arriving({ raw }: FastifyRequest): void {
    if (raw.httpVersionMajor < 2 || raw.complete) return
    const { stream } = raw as unknown as Http2ServerRequest
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), this.limits.arrivalMs).unref()
    const arrived = (): void => clearTimeout(timer)
    raw.once('end', arrived).once('close', arrived)
  }

  /**
   * Before a reply is sent: an HTTP/1.1 connection that is old is asked to end. HTTP/2 sessions are told so themselves.
   */
  answering({ raw }: FastifyRequest, reply: FastifyReply, draining: boolean): void {
    if (raw.httpVersionMajor < 2 && this.ends(raw.socket, draining)) reply.header('connection', 'close')
  }

  /** Whether the reply that is sent now is the last one on an HTTP/1.1 connection. */
  ends(socket: Socket, draining: boolean): boolean {
    if (draining) return true
    const since = this.born.get(socket)
    return since !== undefined && performance.now() - since > this.limits.connectionAgeMs
  }

  /** What is being answered is; then the connections end. Called as the server closes. */
  close(): () => void {
    this.closing = true
    for (const session of this.sessions) session.close()
    // a connection whose last reply is still on its way is not idle at once, and would be kept for the next request
    const timer = setInterval(() => (this.server as Partial<HttpServer>).closeIdleConnections?.(), IDLE_CHECK_MS)
    return () => clearInterval(timer)
  }

  private follow(session: ServerHttp2Session, socket: Socket): void {
    const { idleMs, connectionAgeMs } = this.limits
    this.sessions.add(session)
    session.setTimeout(idleMs, () => session.close())
    const aged = setTimeout(() => session.close(), connectionAgeMs).unref()
    const end = (): void => {
      this.sessions.delete(session)
      clearTimeout(aged)
      // a peer that broke the protocol may never close its side
      setTimeout(() => socket.destroy(), LINGER_MS).unref()
    }
    session.once('close', end)
    session.on('error', () => session.destroy())
    if (this.closing) session.close()
  }
}
