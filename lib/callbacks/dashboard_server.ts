// The server of the dashboard: one page, and a stream of what changes, for browsers on this machine.
// https://html.spec.whatwg.org/multipage/server-sent-events.html
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WeftError } from '../core/error.js'
import { HEADERS, PAGE, POLICY } from './dashboard_page.js'

/** Pages that may look on. */
const MOST_PAGES = 32
/** What a page that reads slowly may have waiting; more is left out. */
const MOST_WAITING = 4 << 20

export class DashboardServer {
  readonly url: string
  private readonly server: Server
  private readonly pages: Set<ServerResponse>

  private constructor(server: Server, pages: Set<ServerResponse>) {
    this.server = server
    this.pages = pages
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  }

  /** @param snapshot all there is to tell, for a page that comes */
  static async open(port: number, snapshot: () => object): Promise<DashboardServer> {
    const pages = new Set<ServerResponse>()
    const server = createServer((request, response) => answer(request, response, pages, snapshot))
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => {
        const why = cause.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be opened (${cause.code})`
        reject(
          new WeftError('ERR_STATE', `callbacks.dashboard: port ${port} ${why}`, { cause, hint: 'Leave port out: a free one is found' }),
        )
      })
      // this machine alone
      server.listen(port, '127.0.0.1', resolve)
    })
    return new DashboardServer(server, pages)
  }

  /** Tells all pages. */
  send(event: string, data: object): void {
    if (this.pages.size === 0) return
    const text = textOf(event, data)
    for (const page of this.pages) if (page.writableLength < MOST_WAITING) page.write(text)
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    for (const page of this.pages) page.end(textOf('end', {}))
    const closed = new Promise((resolve) => this.server.close(resolve))
    // pages that do not read what was sent last are not waited for
    const late = setTimeout(() => this.server.closeAllConnections(), 200)
    this.server.closeIdleConnections()
    await closed
    clearTimeout(late)
  }
}

/** Numbers that JSON lacks are told as null. */
const textOf = (event: string, data: object): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

interface Reply {
  readonly status: number
  readonly type: string
  readonly text: string
  readonly more?: Record<string, string>
}
const refused = (status: number, text: string, more?: Record<string, string>): Reply => ({
  status,
  type: 'text/plain',
  text,
  ...(more && { more }),
})

/** What a request is told at once; undefined where it is the stream of what changes. */
function replyTo({ headers, method, url, socket }: IncomingMessage, pages: number, snapshot: () => object): Reply | undefined {
  const { port } = socket.address() as AddressInfo
  // a page of elsewhere whose name leads here has another Host
  if (![`127.0.0.1:${port}`, `localhost:${port}`].includes(headers.host ?? '')) return refused(403, 'This page is for this machine.\n')
  if (method !== 'GET') return refused(405, 'GET alone is answered.\n', { allow: 'GET' })
  const [path] = (url ?? '/').split('?')
  if (path === '/') return { status: 200, type: 'text/html', text: PAGE, more: { 'content-security-policy': POLICY } }
  if (path === '/data') return { status: 200, type: 'application/json', text: JSON.stringify(snapshot()) }
  if (path !== '/events') return refused(404, 'There is /, /data and /events.\n')
  return pages < MOST_PAGES ? undefined : refused(503, 'Too many pages are open.\n')
}

function answer(request: IncomingMessage, response: ServerResponse, pages: Set<ServerResponse>, snapshot: () => object): void {
  const reply = replyTo(request, pages.size, snapshot)
  if (reply) {
    const { status, type, text, more } = reply
    response.writeHead(status, { ...HEADERS, 'content-type': `${type}; charset=utf-8`, ...more }).end(text)
    return
  }
  response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream; charset=utf-8' })
  response.write(textOf('state', snapshot()))
  pages.add(response)
  response.on('error', () => undefined)
  response.once('close', () => pages.delete(response))
}
