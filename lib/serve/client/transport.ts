// Transport: the protocol as a client asks it, over REST or gRPC.
import type { Finish } from '../generation.js'
import type { WireTensor } from '../protocol/tensors.js'
import type { IndexEntry } from '../repository/repository.js'
import type { ModelMetadata, ServerMetadata } from '../service.js'

export interface Ask {
  readonly signal?: AbortSignal | undefined
  /** Until the answer must be here. */
  readonly timeoutMs: number
  readonly traceparent?: string | undefined
}

export interface InferAsk extends Ask {
  readonly model: string
  readonly version: string
  readonly id: string | undefined
  readonly priority: number
  readonly inputs: readonly WireTensor[]
  /** Undefined: all. */
  readonly outputs: readonly string[] | undefined
}

/** A request for an explanation; `parameters` under their names on the wire. */
export interface ExplainAsk extends Omit<InferAsk, 'priority'> {
  readonly parameters: Readonly<Record<string, string | number | boolean>>
}

export interface Inferred {
  readonly model: string
  readonly version: string
  readonly id: string | undefined
  readonly outputs: readonly WireTensor[]
}

/** A request for a text; `parameters` under their names on the wire. */
export interface GenerateAsk extends Ask {
  readonly model: string
  readonly version: string
  readonly id: string | undefined
  readonly prompt: string | readonly number[]
  readonly stopTokens: readonly number[] | undefined
  readonly parameters: Readonly<Record<string, number>>
}

/** A part of a text that is being generated. */
export interface GeneratedPart {
  /** The characters that its tokens complete: none for the first tokens of a character that has several. */
  readonly text: string
  readonly ids: readonly number[]
  /**
   * In the last part alone: 'stop', a token that ends texts was drawn; 'length', there are as many tokens as asked for.
   */
  readonly finish?: Finish
}

export interface Transport {
  infer(ask: InferAsk): Promise<Inferred>
  /** Rejects with ERR_UNSUPPORTED where the protocol has no such call. */
  explain(ask: ExplainAsk): Promise<Inferred>
  generate(ask: GenerateAsk): AsyncGenerator<GeneratedPart, void, undefined>
  serverMetadata(ask: Ask): Promise<ServerMetadata>
  modelMetadata(model: string, version: string, ask: Ask): Promise<ModelMetadata>
  /** Of the server, where `model` is ''. */
  ready(model: string, version: string, ask: Ask): Promise<boolean>
  index(ask: Ask): Promise<IndexEntry[]>
  load(model: string, ask: Ask): Promise<void>
  unload(model: string, ask: Ask): Promise<void>
  close(): void
}

export interface TransportOptions {
  readonly apiKey?: string | undefined
  /** PEM of the certificates to trust, where the system's do not do. */
  readonly ca?: string | undefined
  /** PEM of the certificate of this client, and of its key. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}
