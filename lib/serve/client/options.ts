// What calls of a client take.
import type { OptionTable } from '../../core/options.js'
import type { TensorLike } from '../../core/tensor.js'

export interface CallOptions {
  signal?: AbortSignal
  timeoutMs?: number
  /** W3C trace context. Default: that of the active span, where OpenTelemetry is set up. */
  traceparent?: string
}

export interface InferOptions extends CallOptions {
  /** Rows by input; nested arrays and tensors of other dtypes are made what the model takes. */
  inputs: Record<string, TensorLike>
  /** Default all. */
  outputs?: readonly string[]
  /** A number or a label. Default: the server's choice. */
  version?: string | number
  id?: string
  /** 1 is the highest. */
  priority?: number
}

export interface ExplainOptions extends CallOptions {
  /** The rows to explain, and what the method takes beside them: `baseline`, `background`. */
  inputs: Record<string, TensorLike>
  /** Default 'integratedGradients'. */
  method?: 'integratedGradients' | 'saliency' | 'occlusion' | 'shap'
  /** Of the method: target, steps, absolute, size, stride, value, samples, seed. Defaults as the server has them. */
  parameters?: Readonly<Record<string, string | number | boolean>>
  /** Default all: attributions, and what else the method gives. */
  outputs?: readonly string[]
  /** A number or a label. Default: the stable one. */
  version?: string | number
  id?: string
}

export interface GenerateOptions extends CallOptions {
  /** A text, or token ids. */
  prompt: string | readonly number[]
  /** Tokens to generate at most. Default 100. */
  maxTokens?: number
  /** Logits are divided by it: below 1 likely tokens become likelier; 0: always the likeliest token. Default 1. */
  temperature?: number
  /** Draws from the k likeliest tokens only. Default: from all. */
  topK?: number
  /** Draws from the likeliest tokens that together have this probability, in (0, 1], only. Default 1. */
  topP?: number
  /** The same text for each request with it. */
  seed?: number
  /** Ends the text when one of these ids is drawn. Default: the tokenizer's. */
  stopTokens?: readonly number[]
  /** A number or a label. Default: the server's choice. */
  version?: string | number
  id?: string
  /** 1 is the highest. */
  priority?: number
}

const CALL: OptionTable<CallOptions> = { signal: 'object', timeoutMs: 'number', traceparent: 'string' }
export const INFER: OptionTable<InferOptions> = {
  inputs: 'object',
  outputs: 'list',
  version: 'any',
  id: 'string',
  priority: 'integer',
  ...CALL,
}
export const EXPLAIN: OptionTable<ExplainOptions> = {
  inputs: 'object',
  method: ['integratedGradients', 'saliency', 'occlusion', 'shap'],
  parameters: 'object',
  outputs: 'list',
  version: 'any',
  id: 'string',
  ...CALL,
}
export const GENERATE: OptionTable<GenerateOptions> = {
  prompt: 'any',
  maxTokens: 'integer',
  temperature: 'number',
  topK: 'integer',
  topP: 'number',
  seed: 'integer',
  stopTokens: 'list',
  version: 'any',
  id: 'string',
  priority: 'integer',
  ...CALL,
}
