// Texts over HTTP: whole, or as server-sent events, one for each token.
import { Readable } from 'node:stream'
import { type Finish, type Generated, parseGenerateRequest } from '../generation.js'
import type { Service } from '../service.js'
import { statusOf } from '../status.js'
import { inflate } from './body.js'
import type { Asked } from './routes.js'

const bytesOf = ({ body }: Asked['request']): Uint8Array => (body instanceof Uint8Array ? body : new Uint8Array(0))

/** The reply's JSON without its text. */
interface Head {
  readonly id?: string
  readonly model_name: string
  readonly model_version: string
}
interface Part extends Head {
  readonly text_output: string
  readonly ids: readonly number[]
  readonly finish_reason?: Finish
}

/** The whole text. */
export async function generateText(service: Service, asked: Asked): Promise<Part> {
  const ids: number[] = []
  let text = ''
  const { head, finish } = await generated(service, asked, (part) => {
    ids.push(...part.ids)
    text += part.text
  })
  const reason = await finish
  return { ...head, text_output: text, ids, finish_reason: reason }
}

/**
 * Events `data: {...}`. What fails before the first token is an HTTP status; what fails later is an event with `error`
 * and the `status` that it would have been.
 */
export async function streamText(service: Service, asked: Asked): Promise<undefined> {
  const { reply } = asked
  const events = new Readable({ read: () => undefined })
  const send = (event: object): void => void events.push(`data: ${JSON.stringify(event)}\n\n`)
  let first = (): void => undefined
  const begun = new Promise<void>((resolve) => (first = resolve))
  const { head, finish } = await generated(service, asked, ({ ids, text }) => {
    send({ ...head, text_output: text, ids })
    first()
  })
  const ended = finish.then(
    (reason) => {
      send({ ...head, text_output: '', ids: [], finish_reason: reason })
      events.push(null)
    },
    (error: unknown) => {
      const { message, http: status } = statusOf(error)
      send({ error: message, status })
      events.push(null)
    },
  )
  await Promise.race([begun, finish])
  reply.type('text/event-stream; charset=utf-8').header('cache-control', 'no-store').header('x-accel-buffering', 'no')
  await reply.send(events)
  await ended
  return undefined
}

async function generated(
  service: Service,
  asked: Asked,
  part: (generated: Generated) => void,
): Promise<{ head: Head; finish: Promise<Finish> }> {
  const { request, principal, model, version, signal } = asked
  const body = await inflate(bytesOf(request), request.headers['content-encoding'], service.limits.bodyBytes)
  const parsed = parseGenerateRequest(body, service.limits)
  const served = service.target(model, version)
  const head = { ...(parsed.id === undefined ? {} : { id: parsed.id }), model_name: served.name, model_version: served.version }
  const finish = Promise.resolve(service.generate(served, parsed, part, signal.signal, principal))
  // who waits for it hears of it
  finish.catch(() => undefined)
  return { head, finish }
}
