// REST transport: values go and come as binary data, over connections that are kept.
import * as http from 'node:http'
import * as https from 'node:https'
import { WeftError } from '../../core/error.js'
import { checkDatatype } from '../protocol/datatypes.js'
import { isObject, member } from '../protocol/json.js'
import { bytesOfJson } from '../protocol/json_values.js'
import { checkBytes, sizeOfShape, type WireTensor } from '../protocol/tensors.js'
import type { IndexEntry } from '../repository/repository.js'
import type { ModelMetadata, ServerMetadata } from '../service.js'
import { errorOf } from '../status.js'
import type { Finish } from '../generation.js'
import { eventsOf } from './events.js'
import type { Ask, ExplainAsk, GenerateAsk, GeneratedPart, InferAsk, Inferred, Transport, TransportOptions } from './transport.js'

interface Reply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

/** A reply whose body is still to come. */
interface Opened {
  readonly response: http.IncomingMessage
  /** The error of what broke off. */
  readonly failure: (cause: unknown) => unknown
  /** Ends the limit of its time. */
  readonly over: () => void
}

/** How long the server asks to wait, in milliseconds. */
export const retryAfterOf = (error: unknown): number | undefined => (error as { retryAfterMs?: number }).retryAfterMs

export class RestTransport implements Transport {
  private readonly agent: http.Agent
  private readonly request: typeof http.request
  private readonly headers: Readonly<Record<string, string>>

  constructor(
    private readonly base: URL,
    { apiKey, ca, cert, key }: TransportOptions,
  ) {
    const secure = base.protocol === 'https:'
    this.request = secure ? https.request : http.request
    this.agent = secure
      ? new https.Agent({ keepAlive: true, ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) })
      : new http.Agent({ keepAlive: true })
    this.headers = { 'accept-encoding': 'identity', ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) }
  }

  infer({ priority, ...ask }: InferAsk): Promise<Inferred> {
    return this.tensors('infer', { ...ask, parameters: priority > 0 ? { priority } : {} })
  }
  explain(ask: ExplainAsk): Promise<Inferred> {
    return this.tensors('explain', ask)
  }

  private async tensors(
    what: 'infer' | 'explain',
    { model, version, id, inputs, outputs, parameters: given, ...ask }: ExplainAsk,
  ): Promise<Inferred> {
    const parameters = { ...given, binary_data_output: true, timeout: Math.ceil(ask.timeoutMs * 1000) }
    const json = Buffer.from(
      JSON.stringify({
        ...(id === undefined ? {} : { id }),
        parameters,
        inputs: inputs.map(({ name, datatype, shape, bytes }) => ({
          name,
          datatype,
          shape,
          parameters: { binary_data_size: bytes.length },
        })),
        ...(outputs === undefined ? {} : { outputs: outputs.map((name) => ({ name, parameters: { binary_data: true } })) }),
      }),
    )
    const parts = [json, ...inputs.map(({ bytes }) => bytes)]
    const headers = { 'content-type': 'application/octet-stream', 'inference-header-content-length': `${json.length}` }
    const reply = await this.ask('POST', `${pathOf(model, version)}/${what}`, parts, ask, headers)
    return inferredOf(reply)
  }

  async *generate({
    model,
    version,
    id,
    prompt,
    stopTokens,
    parameters,
    ...ask
  }: GenerateAsk): AsyncGenerator<GeneratedPart, void, undefined> {
    const body = {
      ...(id === undefined ? {} : { id }),
      ...(typeof prompt === 'string' ? { text_input: prompt } : { ids: prompt }),
      ...(stopTokens === undefined ? {} : { stop_tokens: stopTokens }),
      parameters: { ...parameters, timeout: Math.ceil(ask.timeoutMs * 1000) },
    }
    const url = `${pathOf(model, version)}/generate_stream`
    const { response, failure, over } = await this.open('POST', url, [Buffer.from(JSON.stringify(body))], ask, {
      'content-type': 'application/json',
    })
    try {
      if (response.statusCode !== 200)
        throw failureOf({ status: response.statusCode!, headers: response.headers, body: await collected(response) })
      for await (const event of eventsOf(response.setEncoding('utf8'))) yield partOf(event)
    } catch (cause) {
      throw failure(cause)
    } finally {
      over()
      // a reader that stops early ends the text
      response.destroy()
    }
  }

  async serverMetadata(ask: Ask): Promise<ServerMetadata> {
    return (await this.json('GET', 'v2', ask)) as unknown as ServerMetadata
  }
  async modelMetadata(model: string, version: string, ask: Ask): Promise<ModelMetadata> {
    return (await this.json('GET', pathOf(model, version), ask)) as unknown as ModelMetadata
  }
  async ready(model: string, version: string, ask: Ask): Promise<boolean> {
    const path = model === '' ? 'v2/health/ready' : `${pathOf(model, version)}/ready`
    const { status, body } = await this.send('GET', path, [], ask, {})
    if (status === 200) return true
    // a server that is not ready says so; one that is refused does not know
    if (status === 503) return false
    throw failureOf({ status, body, headers: {} })
  }
  async index(ask: Ask): Promise<IndexEntry[]> {
    return (await this.json('POST', 'v2/repository/index', ask)) as unknown as IndexEntry[]
  }
  async load(model: string, ask: Ask): Promise<void> {
    await this.ask('POST', `v2/repository/models/${encodeURIComponent(model)}/load`, [], ask, {})
  }
  async unload(model: string, ask: Ask): Promise<void> {
    await this.ask('POST', `v2/repository/models/${encodeURIComponent(model)}/unload`, [], ask, {})
  }
  close(): void {
    this.agent.destroy()
  }

  private async json(method: string, path: string, ask: Ask): Promise<unknown> {
    const { body } = await this.ask(method, path, [], ask, {})
    try {
      return JSON.parse(body.toString())
    } catch (cause) {
      throw new WeftError('ERR_FORMAT', `${this.base}: the reply to ${path} is not JSON`, { cause })
    }
  }

  private async ask(method: string, path: string, parts: readonly Uint8Array[], ask: Ask, headers: Record<string, string>): Promise<Reply> {
    const reply = await this.send(method, path, parts, ask, headers)
    if (reply.status < 200 || reply.status > 299) throw failureOf(reply)
    return reply
  }

  private async send(
    method: string,
    path: string,
    parts: readonly Uint8Array[],
    ask: Ask,
    headers: Record<string, string>,
  ): Promise<Reply> {
    const { response, failure, over } = await this.open(method, path, parts, ask, headers)
    try {
      return { status: response.statusCode!, headers: response.headers, body: await collected(response) }
    } catch (cause) {
      throw failure(cause)
    } finally {
      over()
    }
  }

  private open(method: string, path: string, parts: readonly Uint8Array[], ask: Ask, headers: Record<string, string>): Promise<Opened> {
    const { signal, timeoutMs, traceparent } = ask
    const trace = traceparent === undefined ? {} : { traceparent }
    return new Promise((resolve, reject) => {
      let late: WeftError | undefined
      const failure = (cause: unknown): unknown => {
        if (signal?.aborted) return signal.reason
        if (late !== undefined || cause instanceof WeftError) return late ?? cause
        return new WeftError('ERR_UNAVAILABLE', `${this.base.origin} cannot be reached: ${(cause as Error).message}`, { cause })
      }
      const length = parts.reduce((sum, part) => sum + part.length, 0)
      const request = this.request(
        new URL(path, this.base),
        {
          method,
          agent: this.agent,
          headers: { ...this.headers, ...trace, ...headers, 'content-length': length },
          ...(signal ? { signal } : {}),
        },
        (response) => resolve({ response, failure, over: () => clearTimeout(timer) }),
      )
      const timer = setTimeout(
        () => {
          late = new WeftError('ERR_TIMEOUT', `no answer within ${timeoutMs} ms`)
          request.destroy(late)
        },
        Math.min(timeoutMs, 2 ** 31 - 1),
      )
      request.on('error', (cause) => {
        clearTimeout(timer)
        reject(failure(cause))
      })
      for (const part of parts) request.write(part)
      request.end()
    })
  }
}

async function collected(response: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** The part of a text in an event; throws what the event says went wrong. */
function partOf(event: string): GeneratedPart {
  let json: unknown
  try {
    json = JSON.parse(event)
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', 'an event of the reply is not JSON', { cause })
  }
  if (!isObject(json)) throw new WeftError('ERR_FORMAT', 'an event of the reply is not an object')
  const [error, status, text, ids, finish] = ['error', 'status', 'text_output', 'ids', 'finish_reason'].map((name) => member(json, name))
  if (typeof error === 'string') throw errorOf('http', typeof status === 'number' ? status : 500, error)
  if (typeof text !== 'string' || (ids !== undefined && !Array.isArray(ids)))
    throw new WeftError('ERR_FORMAT', 'an event of the reply is no part of a text')
  return { text, ids: (ids as number[] | undefined) ?? [], ...(typeof finish === 'string' ? { finish: finish as Finish } : {}) }
}

const pathOf = (model: string, version: string): string =>
  `v2/models/${encodeURIComponent(model)}${version === '' ? '' : `/versions/${encodeURIComponent(version)}`}`

function failureOf({ status, body, headers }: Reply): WeftError {
  let message = `the server answered with status ${status}`
  try {
    const json: unknown = JSON.parse(body.toString())
    if (isObject(json) && typeof member(json, 'error') === 'string') message = member(json, 'error') as string
  } catch {
    // a proxy may answer with a page
  }
  const seconds = Number(headers['retry-after'] ?? Number.NaN)
  return Object.assign(errorOf('http', status, message), Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {})
}

interface JsonOutput {
  readonly name: string
  readonly datatype: string
  readonly shape: number[]
  readonly data?: unknown
  readonly parameters?: { readonly binary_data_size?: number }
}

function inferredOf({ headers, body }: Reply): Inferred {
  const given = headers['inference-header-content-length']
  const length = given === undefined ? body.length : Number(given)
  try {
    const json = JSON.parse(body.subarray(0, length).toString()) as {
      model_name: string
      model_version?: string
      id?: string
      outputs: JsonOutput[]
    }
    let at = length
    const outputs = json.outputs.map(({ name, datatype: given, shape, data, parameters }): WireTensor => {
      const datatype = checkDatatype(`output '${name}'`, given)
      const size = parameters?.binary_data_size
      if (size === undefined)
        return { name, datatype, shape, bytes: bytesOfJson(`output '${name}'`, datatype, shape, sizeOfShape(shape) === 0 ? [] : data) }
      const bytes = body.subarray(at, (at += size))
      checkBytes(`output '${name}'`, datatype, shape, bytes)
      return { name, datatype, shape, bytes }
    })
    return { model: json.model_name, version: json.model_version ?? '', id: json.id, outputs }
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `the reply cannot be read: ${(cause as Error).message}`, { cause })
  }
}
