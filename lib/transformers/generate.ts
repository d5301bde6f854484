// generate: text from a language model, token by token, each token one native call on the cached keys and values of
// those before.
import { integer, isInteger, isIntegers, isList } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import type { Decoder } from './decoder.js'
import { ComposedModel } from '../model/composed.js'
import type { Sampling } from './sampling.js'

export interface GenerateOptions {
  /** Tokens to generate at most. Default 100. */
  maxTokens?: number
  /** Logits are divided by it: below 1 likely tokens become likelier; 0: always the likeliest token. Default 1. */
  temperature?: number
  /** Draws from the k likeliest tokens only. Default: from all. */
  topK?: number
  /**
   * Draws from the likeliest tokens that together have this probability, in (0, 1], only (Holtzman et al. 2020).
   * Default 1.
   */
  topP?: number
  /**
   * Above 1, tokens that the prompt or the text have already become less likely: their logits are divided by it, or
   * multiplied where they are negative (Keskar et al. 2019). Default 1.
   */
  repetitionPenalty?: number
  /** The same tokens on every run. By default the numbers follow setSeed(). */
  seed?: number
  /** Ends the text when one of these ids is drawn; it is not given out. */
  stopTokens?: readonly number[]
  /** Aborting it rejects with signal.reason, after the token in flight. */
  signal?: AbortSignal
}

const GENERATE_OPTIONS: OptionTable<GenerateOptions> = {
  maxTokens: 'integer',
  temperature: 'number',
  topK: 'integer',
  topP: 'number',
  repetitionPenalty: 'number',
  seed: 'number',
  stopTokens: 'list',
  signal: 'any',
}

/** Token ids of one text. */
export type Prompt = ArrayLike<number> | Tensor

/** What generate() needs of a model. */
export interface TokenModel {
  readonly config: { readonly sequenceLength: number; readonly vocabularySize: number }
  /** What options that are not given are. */
  readonly generationDefaults?: GenerateOptions
  /** A decoder for texts of so many tokens that nobody uses; it comes back by returnDecoder(). */
  takeDecoder(tokens?: number): Decoder
  returnDecoder(decoder: Decoder): void
}

const isTokenModel = (model: unknown): model is TokenModel => model instanceof ComposedModel && 'takeDecoder' in model

interface Plan extends Sampling {
  readonly maxTokens: number
  readonly temperature: number
  readonly topP: number
  readonly repetitionPenalty: number
}

/**
 * Token ids that continue the prompt, as they are drawn: with temperature first, then topK, then topP.
 *
 * The model sees its last `sequenceLength` tokens at most. When its context is full, the last half of it is taken in
 * anew, in one call, and writing goes on from there.
 * @param model made by gpt(), or loaded
 * @param prompt token ids [n] or [1, n]: at least one, at most the model's sequenceLength
 * @throws ERR_ARGUMENT for a prompt or options that do not fit, at the call; for ids in a Tensor, with the first token
 */
export function generate(model: unknown, prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<number, void, void> {
  checkCall('generate(model, prompt, options)', arguments, GENERATE_OPTIONS)
  if (!isTokenModel(model))
    throw new WeftError('ERR_ARGUMENT', 'generate: the model must be one made by gpt(), or loaded', {
      hint: 'Write generate(net, ids, { maxTokens })',
    })
  const settings = { ...model.generationDefaults, ...given(options) }
  const plan = checkPlan(settings)
  if (!(prompt instanceof Tensor)) return tokens(model, checkPrompt(model, prompt), plan, settings)
  const { shape } = prompt
  if (shape.length !== 1 && (shape.length !== 2 || shape[0] !== 1))
    throw new WeftError('ERR_SHAPE', `generate: a prompt is of shape [n] or [1, n], got [${shape}]`, {
      shapes: [shape],
      hint: 'Texts are generated one by one',
    })
  return tokens(model, prompt, plan, settings)
}

/** The options that are not undefined. */
const given = (options: GenerateOptions): GenerateOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

async function* tokens(
  model: TokenModel,
  prompt: number[] | Tensor,
  plan: Plan,
  { seed, stopTokens = [], signal }: GenerateOptions,
): AsyncGenerator<number, void, void> {
  const ids = prompt instanceof Tensor ? checkPrompt(model, Array.from(await prompt.data(), Number)) : prompt
  const { sequenceLength } = model.config
  const { maxTokens } = plan
  const how = howOf(plan)
  signal?.throwIfAborted()
  if (maxTokens === 0) return
  const decoder: Decoder = model.takeDecoder(ids.length + maxTokens)
  try {
    decoder.prepare(plan.temperature, plan.topP, seed, plan.repetitionPenalty)
    let run = decoder.first([ids], how)
    for (let count = 1; ; count++) {
      await run.done
      const id = await taken(run.outputs)
      signal?.throwIfAborted()
      if (stopTokens.includes(id)) return
      ids.push(id)
      yield id
      if (count === maxTokens) return
      signal?.throwIfAborted()
      if (ids.length > sequenceLength) {
        ids.splice(0, ids.length - Math.max(1, Math.floor(sequenceLength / 2)))
        run = decoder.first([ids], how)
      } else run = decoder.next(how)
    }
  } finally {
    model.returnDecoder(decoder)
  }
}

/**
 * Texts that continue each of the prompts, written together: the tokens of each, without the prompt and the stop token.
 * Prompt and text together have at most sequenceLength tokens.
 */
export async function generateBatch(model: BatchModel, prompts: unknown, options: GenerateOptions): Promise<number[][]> {
  checkOptions('generateBatch', options, GENERATE_OPTIONS, 'prompts')
  const settings = { ...model.generationDefaults, ...given(options) }
  const plan = checkPlan(settings)
  if (!Array.isArray(prompts) || prompts.length === 0)
    throw new WeftError('ERR_ARGUMENT', `generateBatch: expected a list of prompts, got ${show(prompts)}`)
  const texts = prompts.map((prompt) => checkPrompt(model, prompt))
  const longest = Math.max(...texts.map((text) => text.length))
  const { maxTokens } = plan
  if (longest + maxTokens - 1 > model.config.sequenceLength)
    throw new WeftError(
      'ERR_ARGUMENT',
      `generateBatch: a prompt of ${longest} tokens and ${maxTokens} new ones are more than the model's sequenceLength ${model.config.sequenceLength}`,
      { hint: `Set maxTokens to at most ${model.config.sequenceLength - longest + 1}` },
    )
  const { stopTokens = [], signal, seed } = settings
  const written: number[][] = texts.map(() => [])
  const open = new Set(written.keys())
  signal?.throwIfAborted()
  if (maxTokens === 0) return written
  const how = howOf(plan)
  const decoder = model.makeDecoder(texts.length, longest + maxTokens)
  try {
    decoder.prepare(plan.temperature, plan.topP, seed, plan.repetitionPenalty)
    let run = decoder.first(texts, how)
    for (let count = 1; ; count++) {
      await run.done
      const ids = await run.outputs.data()
      run.outputs.dispose()
      signal?.throwIfAborted()
      for (const row of [...open]) {
        const id = Number(ids[row])
        if (stopTokens.includes(id)) open.delete(row)
        else written[row]!.push(id)
      }
      if (count === maxTokens || open.size === 0) return written
      run = decoder.next(how)
    }
  } finally {
    decoder.dispose()
  }
}

/** What generateBatch() needs of a model. */
export interface BatchModel {
  readonly config: TokenModel['config']
  readonly generationDefaults?: GenerateOptions
  /** A decoder for several texts of so many tokens; the caller disposes it. */
  makeDecoder(batch: number, tokens: number): Decoder
}

/** The id in the result of a step, whose memory is given back. */
async function taken(t: Tensor): Promise<number> {
  const id = await t.item()
  t.dispose()
  return id
}

function checkPrompt(model: Pick<TokenModel, 'config'>, prompt: unknown): number[] {
  const { sequenceLength, vocabularySize } = model.config
  if (!isList(prompt)) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `generate: the prompt must be a list of token ids, got ${prompt === null ? 'null' : typeof prompt}`,
      {
        hint: 'Encode text with a tokenizer first',
      },
    )
  }
  const ids = Array.from(prompt as ArrayLike<number>)
  if (ids.length === 0) throw new WeftError('ERR_ARGUMENT', 'generate: the prompt is empty', { hint: 'Give at least one token id' })
  if (ids.length > sequenceLength) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `generate: a prompt of ${ids.length} tokens is longer than the model's sequenceLength ${sequenceLength}`,
      {
        hint: `Give its end: prompt.slice(-${sequenceLength})`,
      },
    )
  }
  const bad = ids.findIndex((id) => !isInteger(id, 0, vocabularySize - 1))
  if (bad >= 0)
    throw new WeftError(
      'ERR_ARGUMENT',
      `generate: prompt[${bad}] is ${show(ids[bad])}, token ids are integers from 0 to ${vocabularySize - 1}`,
    )
  return ids
}

const howOf = ({ greedy, topK, nucleus, penalized }: Plan): Sampling => ({ greedy, topK, nucleus, penalized })

function checkPlan(options: GenerateOptions): Plan {
  const { maxTokens = 100, temperature = 1, topK, topP = 1, repetitionPenalty = 1, seed, stopTokens, signal } = options
  const refuse = (name: string, wanted: string, got: unknown): never => {
    throw new WeftError('ERR_ARGUMENT', `generate: ${name} must be ${wanted}, got ${show(got)}`)
  }
  integer('generate', 'maxTokens', maxTokens, 0)
  if (typeof temperature !== 'number' || !(temperature >= 0) || !Number.isFinite(temperature))
    refuse('temperature', 'a number of at least 0', temperature)
  if (topK !== undefined) integer('generate', 'topK', topK, 1)
  if (typeof topP !== 'number' || !(topP > 0 && topP <= 1)) refuse('topP', 'in (0, 1]', topP)
  if (typeof repetitionPenalty !== 'number' || !(repetitionPenalty > 0) || !Number.isFinite(repetitionPenalty))
    refuse('repetitionPenalty', 'a positive number', repetitionPenalty)
  if (seed !== undefined && !Number.isSafeInteger(seed)) refuse('seed', 'an integer', seed)
  if (stopTokens !== undefined && !isIntegers(stopTokens)) refuse('stopTokens', 'a list of token ids', stopTokens)
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', 'an AbortSignal', signal)
  return {
    maxTokens,
    temperature: temperature === 0 ? 1 : temperature,
    topP,
    greedy: temperature === 0,
    topK: topK ?? 0,
    nucleus: topP < 1,
    repetitionPenalty,
    penalized: repetitionPenalty !== 1,
  }
}
