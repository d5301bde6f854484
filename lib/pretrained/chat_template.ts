// ChatTemplate: a conversation as the text that a model was trained on, by the Jinja template of its folder.
import { Template } from '@huggingface/jinja'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { isRecord } from '../core/tree.js'

export interface ChatMessage {
  readonly role: string
  readonly content: unknown
  readonly [name: string]: unknown
}

export interface ChatOptions {
  /** Whether to end with the tokens that begin an answer. Default false, as in Python. */
  addGenerationPrompt?: boolean
  /** Functions that the model may call, in the form that its template expects. */
  tools?: readonly unknown[]
  /** Other values that the template reads, as `enable_thinking`. */
  values?: Readonly<Record<string, unknown>>
}
const OPTIONS: OptionTable<ChatOptions> = { addGenerationPrompt: 'boolean', tools: 'list', values: 'object' }

/** A template of a folder. The text has the special tokens already: encode it with addSpecialTokens: false. */
export class ChatTemplate {
  /** The template's source. */
  readonly source: string
  private readonly template: Template
  private readonly tokens: Readonly<Record<string, string>>

  /** The special tokens that the template knows by name, as bos_token. */
  get specialTokens(): Readonly<Record<string, string>> {
    return this.tokens
  }

  /** @internal */
  constructor(source: string, tokens: Readonly<Record<string, string>>) {
    this.source = source
    this.tokens = tokens
    try {
      this.template = new Template(source)
    } catch (cause) {
      throw new WeftError('ERR_FORMAT', `the chat template cannot be read: ${(cause as Error).message}`, { cause })
    }
  }

  /**
   * The text of a conversation:
   * `chatTemplate.apply([{ role: 'user', content: 'Hello' }], { addGenerationPrompt: true })`. ERR_ARGUMENT for
   * messages that the template refuses.
   */
  apply(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    checkCall('chatTemplate.apply(messages, options)', arguments, OPTIONS)
    if (!Array.isArray(messages) || !messages.every((message) => isRecord(message) && typeof message['role'] === 'string'))
      throw new WeftError('ERR_ARGUMENT', `chatTemplate.apply: messages are a list of { role, content }, got ${show(messages)}`)
    const { addGenerationPrompt = false, tools, values = {} } = options
    try {
      return this.template.render({
        ...this.tokens,
        messages,
        add_generation_prompt: addGenerationPrompt,
        ...(tools ? { tools } : {}),
        ...values,
      })
    } catch (cause) {
      throw new WeftError('ERR_ARGUMENT', `chatTemplate.apply: ${(cause as Error).message}`, { cause })
    }
  }
}
