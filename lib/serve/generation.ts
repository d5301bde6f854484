// Generation: texts of a language model, token by token, several at once, with the queue and the limits of inference.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { type GenerateOptions, generate } from '../transformers/generate.js'
import type { Gpt } from '../transformers/gpt.js'
import { isObject, member, objectOfJson } from './protocol/json.js'
import type { Limits } from './protocol/limits.js'
import { commonOf, type InferRequest, parametersOf } from './protocol/request.js'
import { invalid, tooLarge } from './protocol/tensors.js'
import type { Observer } from './ended.js'
import { Scheduler, type SchedulerOptions } from './scheduler.js'
import { type TextCodec, TextStream } from './text_codec.js'

export interface GenerateRequest extends Pick<InferRequest, 'id' | 'priority' | 'timeoutMs'> {
  /** A text, or token ids. */
  readonly prompt: string | readonly number[]
  readonly options: Pick<GenerateOptions, 'maxTokens' | 'temperature' | 'topK' | 'topP' | 'seed' | 'stopTokens'>
}

/** A part of a text: a token, and the characters that it completes. */
export interface Generated {
  readonly ids: readonly number[]
  readonly text: string
}
export type Finish = 'stop' | 'length'

/** Names on the wire. */
const OPTIONS: Readonly<Record<string, keyof GenerateRequest['options']>> = {
  max_tokens: 'maxTokens',
  temperature: 'temperature',
  top_k: 'topK',
  top_p: 'topP',
  seed: 'seed',
}
/** What a request has beside the parameters. */
const MEMBERS: readonly string[] = ['id', 'text_input', 'ids', 'stop_tokens', 'parameters', 'stream']
const MOST_PROMPT = 1 << 20
const DEFAULT_INSTANCES = 4

/** A request in JSON: { "text_input" or "ids", "parameters" }. The parameters may stand beside them. */
export function parseGenerateRequest(body: Uint8Array, limits: Required<Limits>): GenerateRequest {
  const json = objectOfJson(body, limits.jsonDepth)
  const inner = member(json, 'parameters')
  if (inner !== undefined && !isObject(inner)) throw invalid(`parameters is an object, got ${show(inner)}`)
  const outer = Object.fromEntries(Object.entries(json).filter(([key]) => !MEMBERS.includes(key)))
  const parameters = parametersOf('the request', { ...outer, ...(inner ?? {}) })
  return generateRequestOf(member(json, 'id'), member(json, 'text_input'), member(json, 'ids'), parameters, member(json, 'stop_tokens'))
}

/** The request of what REST and gRPC say in their own ways. */
export function generateRequestOf(
  id: unknown,
  text: unknown,
  ids: unknown,
  parameters: Readonly<Record<string, unknown>>,
  stopTokens?: unknown,
): GenerateRequest {
  if ((text === undefined) === (ids === undefined)) throw invalid('a request has either text_input or ids', 'Send {"text_input":"Once"}')
  if (text !== undefined && typeof text !== 'string') throw invalid(`text_input is a text, got ${show(text)}`)
  if (ids !== undefined && (!Array.isArray(ids) || !ids.every(Number.isInteger))) throw invalid('ids is a list of token ids')
  if ((text?.length ?? (ids as number[]).length) > MOST_PROMPT) throw tooLarge(`the prompt is longer than ${MOST_PROMPT}`)
  if (stopTokens !== undefined && (!Array.isArray(stopTokens) || stopTokens.length > 1024 || !stopTokens.every(Number.isInteger)))
    throw invalid('stop_tokens is a list of at most 1024 token ids')
  const options: Record<string, unknown> = stopTokens === undefined ? {} : { stopTokens }
  for (const [key, value] of Object.entries(parameters)) {
    const name = Object.hasOwn(OPTIONS, key) ? OPTIONS[key]! : undefined
    if (name !== undefined) options[name] = value
    else if (key !== 'priority' && key !== 'timeout')
      throw invalid(`parameter ${show(key)} is unknown`, `Known: ${[...Object.keys(OPTIONS), 'priority', 'timeout'].join(', ')}`)
  }
  return { ...commonOf(id, parameters), prompt: (text ?? ids) as string | number[], options }
}

interface Job {
  readonly ids: readonly number[]
  readonly options: GenerateOptions
  readonly token: (id: number) => void
}

export class Generation {
  private readonly scheduler: Scheduler<Job, Finish>

  constructor(
    private readonly name: string,
    private readonly model: Gpt,
    private readonly text: TextCodec | undefined,
    options: SchedulerOptions,
    observer: Observer,
  ) {
    const { instances = DEFAULT_INSTANCES } = options
    this.scheduler = new Scheduler(`model '${name}'`, { ...options, instances, maxBatchSize: 1 }, ([job]) => this.run(job!), observer)
  }

  get waiting(): number {
    return this.scheduler.waiting
  }

  /**
   * Calls `part` for each token, and resolves with why the text ended. Rejects with ERR_ARGUMENT for a prompt that does
   * not fit.
   */
  async generate(request: GenerateRequest, part: (generated: Generated) => void, signal?: AbortSignal): Promise<Finish> {
    const { prompt, options, priority, timeoutMs } = request
    const { text } = this
    if (typeof prompt === 'string' && text === undefined)
      throw invalid(`model '${this.name}' has no tokenizer among its assets`, 'Send ids, or save the model with assets: { tokenizer }')
    const { sequenceLength } = this.model.config
    const all = typeof prompt === 'string' ? text!.encode(prompt) : prompt
    // the end of a long text is what the model sees
    const ids = typeof prompt === 'string' ? all.slice(-sequenceLength) : all
    const { maxTokens = 100 } = options
    integer('generate', 'max_tokens', maxTokens, 0, MOST_TOKENS)
    // what is wrong is said before the request waits
    void this.model.generate(ids, { ...options, maxTokens: 0 })
    const stream = text?.decode && new TextStream(text.decode)
    const controller = new AbortController()
    const aborted = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal])
    const job: Job = {
      ids,
      options: { ...options, maxTokens, stopTokens: options.stopTokens ?? text?.ends ?? [], signal: aborted },
      token: (id) => part({ ids: [id], text: stream?.push(id) ?? '' }),
    }
    try {
      const submit = { priority, ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal ? { signal } : {}) }
      const finish = await this.scheduler.submit(job, 1, '', submit)
      const rest = stream?.end() ?? ''
      if (rest !== '') part({ ids: [], text: rest })
      return finish
    } finally {
      // the time is over, or the client gone: the token in flight is the last
      controller.abort(new WeftError('ERR_CANCELLED', 'the request is over'))
    }
  }

  close(): Promise<void> {
    return this.scheduler.close()
  }

  private async run({
    ids,
    options,
    token,
  }: Job): Promise<{ results: Finish[]; timing: { inputMs: number; inferMs: number; outputMs: number } }> {
    const begin = performance.now()
    let count = 0
    for await (const id of generate(this.model, ids, options)) {
      count++
      token(id)
    }
    const finish = count < options.maxTokens! ? 'stop' : 'length'
    return { results: [finish], timing: { inputMs: 0, inferMs: performance.now() - begin, outputMs: 0 } }
  }
}

/** Tokens of one text at most. */
const MOST_TOKENS = 65_536
