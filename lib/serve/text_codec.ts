// TextCodec: texts to ids and back by the tokenizer that was saved with a model.
import { TextVectorization } from '../layers/text_vectorization.js'
import { SubwordTokenizer } from '../text/subword_tokenizer.js'
import { Tokenizer } from '../text/tokenizer.js'

export interface Sides {
  readonly padding?: 'pre' | 'post'
  readonly truncating?: 'pre' | 'post'
}

export interface TextCodec {
  encode(text: string): number[]
  /** Ids of exactly this many. */
  fit(ids: readonly number[], length: number): number[]
  /** Undefined where there is no way back. */
  readonly decode: ((ids: readonly number[]) => string) | undefined
  /** Ids that end a text. */
  readonly ends: readonly number[]
}

const PADS: readonly string[] = ['[PAD]', '<pad>', '<|pad|>']
const ENDS: readonly string[] = ['<|endoftext|>', '</s>', '<|im_end|>', '<eos>', '<|eot_id|>', '<|end_of_text|>', '<end_of_turn>', '[SEP]']

/** Undefined for what is no tokenizer. */
export function textCodecOf(asset: unknown, sides: Sides): TextCodec | undefined {
  if (asset instanceof SubwordTokenizer) {
    const { specialTokens } = asset
    const special = new Set(Object.values(specialTokens))
    const idsOf = (names: readonly string[]): number[] => names.flatMap((name) => specialTokens[name] ?? [])
    return {
      // texts of strangers have no say in where special tokens are
      encode: (text) => asset.encode(text, { parseSpecialTokens: false }),
      decode: (ids) => asset.decode(ids, { skipSpecialTokens: true }),
      fit: (ids, length) => {
        const last = ids.at(-1)
        const cut = fitted(ids, length, { padding: 'post', truncating: 'post', ...sides }, idsOf(PADS)[0] ?? 0)
        // the token that ends a text stays where the text is cut
        if (ids.length > length && last !== undefined && special.has(last)) cut[length - 1] = last
        return cut
      },
      ends: idsOf(ENDS),
    }
  }
  if (asset instanceof Tokenizer)
    return {
      encode: (text) => asset.textsToSequences([text])[0]!,
      decode: (ids) => asset.sequencesToTexts([[...ids]])[0]!,
      fit: (ids, length) => fitted(ids, length, { padding: 'pre', truncating: 'pre', ...sides }, 0),
      ends: [],
    }
  if (asset instanceof TextVectorization)
    return {
      encode: (text) => asset.encode(text),
      decode: undefined,
      fit: (ids, length) => fitted(ids, length, { padding: 'post', truncating: 'post', ...sides }, 0),
      ends: [],
    }
  return undefined
}

function fitted(ids: readonly number[], length: number, { padding, truncating }: Required<Sides>, pad: number): number[] {
  if (ids.length >= length) return truncating === 'post' ? ids.slice(0, length) : ids.slice(ids.length - length)
  const filling = Array.from({ length: length - ids.length }, () => pad)
  return padding === 'post' ? [...ids, ...filling] : [...filling, ...ids]
}

/** Longest run of ids that are held back because their bytes are no whole character yet. */
const MOST_HELD = 16

/** The text of ids that arrive one by one: whole characters alone. */
export class TextStream {
  private readonly ids: number[] = []
  /** Where the ids begin that the next ones are decoded with, and those that were not given out. */
  private context = 0
  private given = 0

  constructor(private readonly decode: (ids: readonly number[]) => string) {}

  /** What the id adds to the text; '' while it is not clear. */
  push(id: number): string {
    this.ids.push(id)
    return this.take(this.ids.length - this.given >= MOST_HELD)
  }

  /** What is left. */
  end(): string {
    return this.take(true)
  }

  private take(whole: boolean): string {
    const before = this.decode(this.ids.slice(this.context, this.given))
    const now = this.decode(this.ids.slice(this.context))
    if (!whole && now.endsWith('\u{fffd}')) return ''
    this.context = this.given
    this.given = this.ids.length
    return now.slice(before.length)
  }
}
