// ConfigReader: the fields of a config.json, read one by one. What a config asks for and nobody reads is refused.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { gelu, mul, relu, sigmoid, silu, tanh } from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'

export type Json = Readonly<Record<string, unknown>>

/** Fields that say nothing about what a model computes, or that other files say again. */
const SILENT: ReadonlySet<string> = new Set([
  '_name_or_path',
  '_attn_implementation_autoset',
  'architectures',
  'auto_map',
  'begin_suppress_tokens',
  'bos_token_id',
  'cache_implementation',
  'chunk_size_feed_forward',
  'classifier_dropout',
  'decoder_start_token_id',
  'do_sample',
  'dtype',
  'eos_token_id',
  'finetuning_task',
  'forced_bos_token_id',
  'forced_eos_token_id',
  'gradient_checkpointing',
  'id2label',
  'initializer_factor',
  'initializer_range',
  'is_encoder_decoder',
  'label2id',
  'max_length',
  'min_length',
  'num_beams',
  'repetition_penalty',
  'model_type',
  'n_ctx',
  'num_labels',
  'output_attentions',
  'output_hidden_states',
  'output_past',
  'pad_token_id',
  'prefix',
  'pretraining_tp',
  'problem_type',
  'return_dict',
  'sep_token_id',
  'task_specific_params',
  'temperature',
  'tie_word_embeddings',
  'tokenizer_class',
  'top_k',
  'top_p',
  'torch_dtype',
  'torchscript',
  'transformers_version',
  'use_bfloat16',
  'use_cache',
])

export class ConfigReader {
  readonly json: Json
  private readonly file: string
  private readonly read = new Set<string>()

  constructor(json: Json, file: string) {
    this.json = json
    this.file = file
  }

  /** ERR_FORMAT that names the file. */
  wrong(message: string, hint?: string): WeftError {
    return new WeftError('ERR_FORMAT', `${this.file}: ${message}`, hint === undefined ? {} : { hint })
  }

  /** The value of a field; undefined where there is none, or null. */
  optional(name: string): unknown {
    this.read.add(name)
    const value = Object.hasOwn(this.json, name) ? this.json[name] : undefined
    return value === null ? undefined : value
  }

  number(name: string, otherwise?: number): number {
    const value = this.optional(name) ?? otherwise
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw this.wrong(value === undefined ? `${name} is missing` : `${name} must be a number, got ${show(value)}`)
  }
  /** An integer from 1 to `most`. */
  integer(name: string, otherwise?: number, most: number = MOST): number {
    const value = this.number(name, otherwise)
    if (Number.isInteger(value) && value >= 1 && value <= most) return value
    throw this.wrong(`${name} must be an integer from 1 to ${most}, got ${show(value)}`)
  }
  /** A rate in [0, 1). */
  rate(name: string, otherwise = 0): number {
    const value = this.number(name, otherwise)
    if (value >= 0 && value < 1) return value
    throw this.wrong(`${name} must be a number in [0, 1), got ${show(value)}`)
  }
  flag(name: string, otherwise: boolean): boolean {
    const value = this.optional(name) ?? otherwise
    if (typeof value === 'boolean') return value
    throw this.wrong(`${name} must be true or false, got ${show(value)}`)
  }
  text(name: string, otherwise?: string): string {
    const value = this.optional(name) ?? otherwise
    if (typeof value === 'string') return value
    throw this.wrong(value === undefined ? `${name} is missing` : `${name} must be a text, got ${show(value)}`)
  }

  /** Refuses every value of a field but these. */
  only(name: string, ...values: readonly unknown[]): void {
    const value = this.optional(name)
    if (value === undefined || values.includes(value)) return
    throw this.wrong(`${name}: ${show(value)} is not supported`, `Supported: ${values.map(show).join(', ')}`)
  }

  /** The activation of a field. */
  activation(name: string, otherwise: string): (x: Tensor) => Tensor {
    const wanted = this.text(name, otherwise)
    const found = Object.hasOwn(ACTIVATIONS, wanted) ? ACTIVATIONS[wanted] : undefined
    if (found) return found
    throw this.wrong(`${name}: the activation ${show(wanted)} is not supported`, `Supported: ${Object.keys(ACTIVATIONS).join(', ')}`)
  }

  /** Throws ERR_FORMAT for fields that nobody has read, and that ask for something. */
  finish(ignored: readonly string[] = []): void {
    const asks = (value: unknown): boolean =>
      value !== null && value !== undefined && value !== false && !(typeof value === 'object' && Object.keys(value).length === 0)
    const unread = Object.keys(this.json).filter(
      (name) => !this.read.has(name) && !SILENT.has(name) && !ignored.includes(name) && asks(this.json[name]),
    )
    if (unread.length === 0) return
    const listed = unread.map((name) => `${name}: ${show(this.json[name])}`).join(', ')
    throw this.wrong(
      `asks for what is not supported: ${listed}`,
      `If it does not change what the model computes: loadPretrained(folder, { ignore: [${unread.map((name) => `'${name}'`).join(', ')}] })`,
    )
  }
}

/** Of sizes that no list here is as long as: weights of such sizes are bounded by the files. */
const MOST = 2 ** 31 - 1
/** Of layers, heads and features of a head. */
export const MOST_PARTS: number = 1 << 16

const tanhGelu = (x: Tensor): Tensor => gelu(x, { approximate: true })

/** Activations by the names of Transformers. */
const ACTIVATIONS: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  gelu: (x) => gelu(x),
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  quick_gelu: (x) => mul(x, sigmoid(mul(x, 1.702))),
  relu: (x) => relu(x),
  silu: (x) => silu(x),
  swish: (x) => silu(x),
  tanh: (x) => tanh(x),
}
