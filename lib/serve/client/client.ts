// connect: a client of this server, and of others that speak the Open Inference Protocol.
import { setTimeout as pause } from 'node:timers/promises'
import { tensor } from '../../core/create.js'
import { device } from '../../core/device.js'
import { WeftError } from '../../core/error.js'
import { integer } from '../../core/checks.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { Tensor, type TensorLike } from '../../core/tensor.js'
import { cast } from '../../ops/index.js'
import { toDevice, toHost } from '../host_tensor.js'
import { datatypeOf, dtypeOfDatatype } from '../protocol/datatypes.js'
import type { WireTensor } from '../protocol/tensors.js'
import type { IndexEntry } from '../repository/repository.js'
import type { ModelMetadata, ServerMetadata } from '../service.js'
import { loadTracing, outgoingTraceparent, parseTraceparent } from '../tracing.js'
import { type CallOptions, EXPLAIN, type ExplainOptions, GENERATE, type GenerateOptions, INFER, type InferOptions } from './options.js'
import { RestTransport, retryAfterOf } from './rest.js'
import type { Ask, GenerateAsk, GeneratedPart, Inferred, Transport } from './transport.js'

export interface ConnectOptions {
  /** An API key, or a token of an identity provider. */
  apiKey?: string
  /** PEM of the certificates to trust. */
  ca?: string
  /** PEM of the certificate that this client shows, and of its key. */
  cert?: string
  key?: string
  /** Limit of a call with its retries. Default 30,000. */
  timeoutMs?: number
  /** How often a call is tried again that the server was too busy or not ready for. Default 3. */
  retries?: number
}

export interface InferResult {
  readonly outputs: Record<string, Tensor>
  readonly model: string
  readonly version: string
  readonly id: string | undefined
}

const CONNECT: OptionTable<ConnectOptions> = {
  apiKey: 'string',
  ca: 'string',
  cert: 'string',
  key: 'string',
  timeoutMs: 'number',
  retries: 'integer',
}
const AGAIN: ReadonlySet<unknown> = new Set(['ERR_OVERLOADED', 'ERR_UNAVAILABLE'])
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [50, 2000]

export class Client {
  /** Metadata by model and version, for the datatypes of its inputs. */
  private readonly known = new Map<string, Promise<ModelMetadata>>()

  /** @internal connect() makes clients. */
  constructor(
    private readonly transport: Transport,
    private readonly timeoutMs: number,
    private readonly retries: number,
  ) {}

  /**
   * The outputs by name. Rejects with a WeftError whose code says whether the request, the server or the time was at
   * fault.
   */
  async infer(model: string, options: InferOptions): Promise<InferResult> {
    checkCall('infer(model, options)', arguments)
    checkOptions('infer', options ?? null, INFER, 'model')
    const { inputs, outputs, version = '', id, priority = 0 } = options
    const at = String(version)
    return this.call(options, async (ask) => {
      const wire = await this.wireOf(model, at, inputs, ask)
      return resultOf(await this.transport.infer({ ...ask, model, version: at, id, priority, inputs: wire, outputs }))
    })
  }

  /**
   * What each input adds to an output: `outputs.attributions`, and what else the method gives. The server must offer
   * explanations. Over gRPC it rejects with ERR_UNSUPPORTED: the protocol has no such call.
   */
  async explain(model: string, options: ExplainOptions): Promise<InferResult> {
    checkCall('explain(model, options)', arguments)
    checkOptions('explain', options ?? null, EXPLAIN, 'model')
    const { inputs, outputs, version = '', id, method, parameters } = options
    const at = String(version)
    const all = { ...parameters, ...(method === undefined ? {} : { method }) }
    return this.call(options, async (ask) => {
      const wire = await this.wireOf(model, at, inputs, ask)
      return resultOf(await this.transport.explain({ ...ask, model, version: at, id, parameters: all, inputs: wire, outputs }))
    })
  }

  /**
   * The text that continues the prompt, part by part as its tokens are drawn; the last part has `finish`. Throws as
   * `infer` rejects. Leaving the loop ends the text on the server. `timeoutMs` is for the whole text.
   */
  generate(model: string, options: GenerateOptions): AsyncGenerator<GeneratedPart, void, undefined> {
    checkCall('generate(model, options)', arguments)
    checkOptions('generate', options ?? null, GENERATE, 'model')
    const { prompt, maxTokens, temperature, topK, topP, seed, stopTokens, version = '', id, priority } = options
    if (typeof prompt !== 'string' && !(Array.isArray(prompt) && prompt.every(Number.isInteger)))
      throw new WeftError('ERR_ARGUMENT', `generate: prompt is a text or a list of token ids, got ${show(prompt)}`, {
        hint: "Write client.generate('writer', { prompt: 'Once' })",
      })
    const numbers = { max_tokens: maxTokens, temperature, top_k: topK, top_p: topP, seed, priority }
    const parameters = Object.fromEntries(Object.entries(numbers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
    return this.parts({ model, version: String(version), id, prompt, stopTokens, parameters }, options)
  }

  serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.call(options, (ask) => this.transport.serverMetadata(ask))
  }
  metadata(model: string, version: string | number = '', options: CallOptions = {}): Promise<ModelMetadata> {
    return this.call(options, (ask) => this.transport.modelMetadata(model, String(version), ask))
  }
  /** Of the server, or of a model. */
  ready(model: string = '', version: string | number = '', options: CallOptions = {}): Promise<boolean> {
    return this.call(options, (ask) => this.transport.ready(model, String(version), ask))
  }
  /** Models of the repository with their states. */
  index(options: CallOptions = {}): Promise<IndexEntry[]> {
    return this.call(options, (ask) => this.transport.index(ask))
  }
  load(model: string, options: CallOptions = {}): Promise<void> {
    return this.call(options, (ask) => this.transport.load(model, ask))
  }
  unload(model: string, options: CallOptions = {}): Promise<void> {
    return this.call(options, (ask) => this.transport.unload(model, ask))
  }

  /** Closes the connections. */
  close(): void {
    this.transport.close()
  }
  [Symbol.dispose](): void {
    this.close()
  }

  private async *parts(what: Omit<GenerateAsk, keyof Ask>, options: CallOptions): AsyncGenerator<GeneratedPart, void, undefined> {
    // nothing is tried again once there is a part
    const { parts, first } = await this.call(options, async (ask) => {
      const parts = this.transport.generate({ ...ask, ...what })
      return { parts, first: await parts.next() }
    })
    if (first.done) return
    try {
      yield first.value
      yield* parts
    } finally {
      await parts.return()
    }
  }

  /** Tries again, with growing random pauses, while the server is too busy and there is time. */
  private async call<T>(options: CallOptions, fn: (ask: Ask) => Promise<T>): Promise<T> {
    const { signal, timeoutMs = this.timeoutMs, traceparent = outgoingTraceparent() } = options
    if (traceparent !== undefined && parseTraceparent({ traceparent }) === undefined)
      throw new WeftError('ERR_ARGUMENT', `traceparent is no W3C trace context: ${show(traceparent)}`)
    const end = performance.now() + timeoutMs
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted()
      const left = Math.max(1, end - performance.now())
      try {
        return await fn({ signal, timeoutMs: left, traceparent })
      } catch (error) {
        if (attempt >= this.retries || !AGAIN.has((error as { code?: unknown }).code)) throw error
        const random = Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt)
        const wait = Math.max(random, retryAfterOf(error) ?? 0)
        if (performance.now() + wait >= end) throw error
        await pause(wait, undefined, signal ? { signal } : {}).catch(() => undefined)
      }
    }
  }

  private wireOf(model: string, version: string, inputs: InferOptions['inputs'], ask: Ask): Promise<WireTensor[]> {
    return Promise.all(Object.entries(inputs).map(([name, value]) => this.wire(model, version, name, value, ask)))
  }

  private async wire(model: string, version: string, name: string, value: TensorLike, ask: Ask): Promise<WireTensor> {
    const spec = (await this.metadataOf(model, version, ask)).inputs.find((input) => input.name === name)
    // a name that the model does not have is the server's to refuse
    const dtype = spec && dtypeOfDatatype(spec.datatype)
    const given = value instanceof Tensor ? value : tensor(value, dtype === undefined ? {} : { dtype })
    const own = dtype === undefined || given.dtype === dtype ? given : cast(given, dtype)
    const { shape, bytes, dtype: sent } = await toHost(own)
    return { name, datatype: datatypeOf(sent), shape, bytes }
  }

  private metadataOf(model: string, version: string, ask: Ask): Promise<ModelMetadata> {
    const key = `${model}/${version}`
    let found = this.known.get(key)
    if (found === undefined) {
      found = this.transport.modelMetadata(model, version, ask)
      this.known.set(key, found)
      found.catch(() => this.known.delete(key))
    }
    return found
  }
}

function resultOf({ outputs, model, version, id }: Inferred): InferResult {
  return { outputs: Object.fromEntries(outputs.map((output) => [output.name, tensorOf(output)])), model, version, id }
}

function tensorOf({ name, datatype, shape, bytes }: WireTensor): Tensor {
  const dtype = dtypeOfDatatype(datatype)
  if (dtype === undefined) throw new WeftError('ERR_DTYPE', `output '${name}': no dtype holds ${datatype}`)
  return toDevice({ dtype, shape, bytes }, device())
}

/**
 * A client for a server at http:, https:, grpc: or grpcs:. Rejects with ERR_UNAVAILABLE where no server answers, and
 * with ERR_UNAUTHENTICATED where it does not take the key.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  checkCall('connect(url, options)', arguments, CONNECT)
  const { timeoutMs = 30_000, retries = 3 } = options
  await loadTracing()
  integer('connect', 'retries', retries, 0)
  const client = new Client(await transportOf(url, options), timeoutMs, retries)
  try {
    await client.serverMetadata()
    return client
  } catch (error) {
    client.close()
    throw error
  }
}

async function transportOf(text: string, options: ConnectOptions): Promise<Transport> {
  const wrong = (): WeftError =>
    new WeftError('ERR_ARGUMENT', `connect: ${show(text)} is not the address of a server`, {
      hint: "Write connect('http://127.0.0.1:8080')",
    })
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.host === '') throw wrong()
  checkTls(url.protocol, options)
  if (url.protocol === 'http:' || url.protocol === 'https:')
    return new RestTransport(new URL(url.pathname.endsWith('/') ? url : `${url}/`), options)
  if (url.protocol === 'grpc:' || url.protocol === 'grpcs:') {
    const { GrpcTransport } = await import('./grpc.js')
    return new GrpcTransport(url, options)
  }
  throw wrong()
}

/** ERR_ARGUMENT for certificates that would not be used: the connection would be open, or show none. */
function checkTls(protocol: string, { ca, cert, key }: ConnectOptions): void {
  if ((cert === undefined) !== (key === undefined)) throw new WeftError('ERR_ARGUMENT', 'connect: cert and key go together')
  if ((protocol !== 'http:' && protocol !== 'grpc:') || (ca ?? cert) === undefined) return
  throw new WeftError('ERR_ARGUMENT', `connect: ${ca === undefined ? 'cert' : 'ca'} is for TLS, which ${protocol} does without`, {
    hint: `Write ${protocol === 'http:' ? 'https' : 'grpcs'}:`,
  })
}
