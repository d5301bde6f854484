// SubwordTokenizer: texts as ids of parts of words, and back; written and read as Hugging Face's tokenizer.json.
import { itemsOf } from '../core/checks.js'
import { writeFile } from 'node:fs/promises'
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import { type AddedToken, addedTokensOf, type Splitter, splitterOf } from './added_tokens.js'
import { validParts } from './byte_alphabet.js'
import { CharacterMergeModel, textDecodingOf } from './character_merges.js'
import type { Merge } from './merge_ranks.js'
import { MergeModel } from './merges.js'
import { type Normalizer, normalizerOf } from './normalizers.js'
import { isByteLevel, type PreTokenizer, preTokenizerOf } from './pre_tokenizers.js'
import { checkIds, type SubwordModel, vocabularyOf } from './subword_model.js'
import { type Templates, templatesOf } from './templates.js'
import { WordPieceModel } from './word_pieces.js'
import { describe } from './words.js'

export interface EncodeOptions {
  /** A second text, for models of pairs of texts. */
  pair?: string
  /**
   * Whether to put the tokens around the text that the tokenizer's post-processor has, as [CLS] and [SEP]. Default
   * true.
   */
  addSpecialTokens?: boolean
  /** False takes special tokens in the text for plain text, which texts of strangers need. Default true. */
  parseSpecialTokens?: boolean
}

const ENCODE_OPTIONS: OptionTable<EncodeOptions> = { pair: 'string', addSpecialTokens: 'boolean', parseSpecialTokens: 'boolean' }

export interface DecodeOptions {
  /** Whether to leave special tokens out. Default false. */
  skipSpecialTokens?: boolean
}

const DECODE_OPTIONS: OptionTable<DecodeOptions> = { skipSpecialTokens: 'boolean' }

/** The parts of a tokenizer.json file. */
export interface SubwordJson {
  added_tokens?: readonly AddedToken[]
  normalizer?: unknown
  pre_tokenizer?: unknown
  post_processor?: unknown
  decoder?: unknown
  model: SubwordModel
}

const VERSION = '1.0'

/** A tokenizer of a vocabulary of parts of words: BPE on bytes or on characters, or WordPiece. */
export class SubwordTokenizer {
  private readonly parts: SubwordJson
  private readonly model: SubwordModel
  private readonly added: readonly AddedToken[]
  private readonly addedById: ReadonlyMap<number, AddedToken>
  private readonly normalize: Normalizer
  private readonly cut: PreTokenizer
  private readonly templates: Templates
  private readonly splitRaw: Splitter
  private readonly splitNormalized: Splitter
  /** Whether decode() leaves out the blank that the text begins with. */
  private readonly stripped: boolean

  /** @internal Made by text.bytePairEncoding, text.wordPiece and text.tokenizerFromJson. */
  constructor(parts: SubwordJson) {
    this.parts = parts
    this.model = parts.model
    this.added = parts.added_tokens ?? []
    this.addedById = new Map(this.added.map((token) => [token.id, token]))
    this.normalize = normalizerOf(parts.normalizer)
    this.cut = preTokenizerOf(parts.pre_tokenizer)
    this.templates = templatesOf(parts.post_processor)
    this.stripped = parts.model instanceof CharacterMergeModel && textDecodingOf(parts.decoder).strip
    const late = (token: AddedToken): boolean => token.normalized && Boolean(parts.normalizer)
    this.splitRaw = splitterOf(
      this.added.filter((token) => !late(token)),
      (content) => content,
    )
    this.splitNormalized = splitterOf(this.added.filter(late), this.normalize)
  }

  /** 'BPE' or 'WordPiece'. */
  get type(): 'BPE' | 'WordPiece' {
    return this.model.type
  }
  /** One more than the largest id: what an embedding needs as inputDim. */
  get vocabularySize(): number {
    return this.added.reduce((size, { id }) => Math.max(size, id + 1), this.model.tokens.length)
  }
  /** The tokens that mark structure, with their ids. */
  get specialTokens(): Record<string, number> {
    return Object.fromEntries(this.added.filter(({ special }) => special).map(({ content, id }) => [content, id]))
  }
  /** Id of a token as the vocabulary writes it; undefined when it has none. */
  tokenToId(token: string): number | undefined {
    return this.added.find(({ content }) => content === token)?.id ?? this.model.ids.get(token)
  }
  /** Token of an id, as the vocabulary writes it. */
  idToToken(id: number): string | undefined {
    return typeof id === 'number' ? (this.addedById.get(id)?.content ?? this.model.tokens[id]) : undefined
  }

  /** Ids of a text. Half surrogate pairs, which no encoding can express, become U+FFFD. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    return this.encodeParts(text, options).flatMap(({ ids }) => ids)
  }

  /** Ids, and for each the type of its text: 0 for the first, 1 for the second of a pair, as BERT's segments. */
  encodeWithTypes(text: string, options: EncodeOptions = {}): { ids: number[]; typeIds: number[] } {
    const parts = this.encodeParts(text, options)
    return { ids: parts.flatMap(({ ids }) => ids), typeIds: parts.flatMap(({ ids, type }) => ids.map(() => type)) }
  }

  /** encode() of each text. */
  encodeBatch(texts: Iterable<string>, options: EncodeOptions = {}): number[][] {
    return itemsOf('encodeBatch', texts, 'a list of texts').map((text) => this.encode(text, options))
  }

  /**
   * Ids of bytes, also those that are no UTF-8, without special tokens: decodeBytes() gives the same bytes. Byte-level
   * tokenizers only.
   */
  encodeBytes(bytes: Uint8Array): number[] {
    const model = this.byteLevel('encodeBytes')
    if (!(bytes instanceof Uint8Array)) throw new WeftError('ERR_ARGUMENT', `encodeBytes: expected a Uint8Array, got ${show(bytes)}`)
    return validParts(bytes).flatMap((part) =>
      typeof part === 'string' ? this.cut(part).flatMap((piece) => [...model.encode(piece)]) : model.encodeBytes(part),
    )
  }

  /** The text of ids. Bytes that are no UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    checkCall('decode(ids, options)', arguments, DECODE_OPTIONS)
    const known = this.checked('decode', ids).filter((id) => !(options.skipSpecialTokens && this.addedById.get(id)?.special))
    if (this.model instanceof CharacterMergeModel) {
      const tokens = known.map((id) => this.addedById.get(id) ?? this.model.tokens[id]!)
      return this.model.text(
        tokens.map((token) => (typeof token === 'string' ? token : { plain: token.content })),
        this.stripped,
      )
    }
    if (this.model.type === 'WordPiece') return this.model.decode(known)
    let text = ''
    let plain: number[] = []
    const flush = (): void => {
      text += this.model.decode(plain)
      plain = []
    }
    for (const id of known) {
      const added = this.addedById.get(id)
      if (added) {
        flush()
        text += added.content
      } else plain.push(id)
    }
    flush()
    return text
  }

  /** decode() of each list. */
  decodeBatch(batch: Iterable<ArrayLike<number>>, options: DecodeOptions = {}): string[] {
    return itemsOf('decodeBatch', batch, 'a list of lists of ids').map((ids) => this.decode(ids, options))
  }

  /**
   * The bytes of ids: for texts that arrive token by token, with a TextDecoder in stream mode. Byte-level tokenizers
   * only.
   */
  decodeBytes(ids: ArrayLike<number>): Uint8Array {
    const model = this.byteLevel('decodeBytes')
    const parts = this.checked('decodeBytes', ids).map((id) => {
      const added = this.addedById.get(id)
      return added ? new TextEncoder().encode(added.content) : model.decodeBytes([id])
    })
    return new Uint8Array(Buffer.concat(parts))
  }

  /** What JSON.stringify() writes: Hugging Face's tokenizer.json. */
  toJSON(): Record<string, unknown> {
    const { normalizer = null, pre_tokenizer = null, post_processor = null, decoder = null } = this.parts
    return {
      version: VERSION,
      truncation: null,
      padding: null,
      added_tokens: this.added,
      normalizer,
      pre_tokenizer,
      post_processor,
      decoder,
      model: this.model.toJSON(),
    }
  }

  /** Writes tokenizer.json. */
  async save(file: string): Promise<void> {
    await writeFile(file, `${JSON.stringify(this, undefined, 2)}\n`)
  }

  /** The tokenizer of a parsed tokenizer.json. ERR_FORMAT names what it has that is not known. */
  static fromJSON(json: unknown): SubwordTokenizer {
    if (!isRecord(json) || !isRecord(json['model'])) throw new WeftError('ERR_FORMAT', 'tokenizer JSON: expected an object with a model')
    const { added_tokens, normalizer, pre_tokenizer, post_processor, decoder } = json
    const model = modelOf(
      json['model'] as Record<string, unknown>,
      isByteLevel(pre_tokenizer),
      isRecord(decoder) && decoder['type'] === 'ByteLevel',
    )
    const added = addedTokensOf(added_tokens)
    checkIds(new Map(added.map(({ content, id }) => [content, id])), model.ids.size + added.length)
    return new SubwordTokenizer({
      added_tokens: added,
      normalizer,
      pre_tokenizer,
      post_processor,
      decoder,
      model,
    })
  }

  /** The parts of the template that are wanted. */
  private encodeParts(text: string, options: EncodeOptions): { ids: number[]; type: number }[] {
    checkOptions('encode', options, ENCODE_OPTIONS, 'text')
    const { pair, addSpecialTokens = true, parseSpecialTokens = true } = options
    const first = this.encodeText(text, parseSpecialTokens)
    const second = pair === undefined ? [] : this.encodeText(pair, parseSpecialTokens)
    return this.templates[pair === undefined ? 'single' : 'pair'].map(({ token, type }) => ({
      ids: token === 'A' ? first : token === 'B' ? second : addSpecialTokens ? [token] : [],
      type,
    }))
  }

  private encodeText(text: string, parseSpecialTokens: boolean): number[] {
    if (typeof text !== 'string') throw new WeftError('ERR_ARGUMENT', `encode: expected a text, got ${describe(text)}`)
    const ids: number[] = []
    const each = (parts: readonly (string | number)[], next: (part: string) => void): void => {
      for (const part of parts) {
        if (typeof part === 'number') ids.push(part)
        else next(part)
      }
    }
    let first = true
    const encodePieces = (part: string): void => {
      for (const piece of this.cut(part, first && ids.length === 0)) for (const id of this.model.encode(piece)) ids.push(id)
      first = false
    }
    each(parseSpecialTokens ? this.splitRaw(text) : [text], (part) => {
      const normalized = this.normalize(part)
      each(parseSpecialTokens ? this.splitNormalized(normalized) : [normalized], encodePieces)
    })
    return ids
  }

  private byteLevel(method: string): MergeModel {
    if (this.model instanceof MergeModel) return this.model
    throw new WeftError('ERR_ARGUMENT', `${method}: only byte-level tokenizers know bytes, this one is ${this.model.type}`)
  }

  private checked(method: string, ids: ArrayLike<number>): number[] {
    return itemsOf(method, ids, 'a list of ids').map((id) => {
      if (typeof id !== 'number' || this.idToToken(id) === undefined) {
        throw new WeftError('ERR_DATA', `${method}: ${describe(id)} is no id of this tokenizer, which has ${this.vocabularySize}`)
      }
      return id
    })
  }
}

function modelOf(json: Record<string, unknown>, byteLevel: boolean, decodesBytes: boolean): SubwordModel {
  const ids = vocabularyOf(json['vocab'])
  const text = (name: string): string | undefined => (typeof json[name] === 'string' && json[name] !== '' ? json[name] : undefined)
  if (json['type'] === 'WordPiece') {
    return new WordPieceModel(ids, {
      unknownToken: text('unk_token') ?? '[UNK]',
      prefix: text('continuing_subword_prefix') ?? '##',
      maxWordLength: Number(json['max_input_chars_per_word'] ?? 100),
    })
  }
  if (json['type'] !== 'BPE') {
    throw new WeftError('ERR_FORMAT', `the model ${show(json['type'])} of the tokenizer is not known`, {
      hint: 'Known: BPE, WordPiece',
    })
  }
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix'])
    if (json[name]) throw new WeftError('ERR_FORMAT', `the tokenizer's BPE model uses ${name}, which is not supported`)
  if (!Array.isArray(json['merges'])) throw new WeftError('ERR_FORMAT', 'the merges of the tokenizer are missing')
  const merges = json['merges'].map((merge: unknown, rank): Merge => {
    const pair = typeof merge === 'string' ? merge.split(' ') : merge
    if (Array.isArray(pair) && pair.length === 2) return pair as unknown as Merge
    throw new WeftError('ERR_FORMAT', `merge ${rank} of the tokenizer is not a pair: ${show(merge)}`)
  })
  const facts = { unknownToken: text('unk_token'), wholePieces: json['ignore_merges'] === true }
  if (byteLevel && json['byte_fallback'])
    throw new WeftError('ERR_FORMAT', "the tokenizer's BPE model uses byte_fallback, which byte-level models do not")
  if (!byteLevel && decodesBytes)
    throw new WeftError('ERR_FORMAT', 'the tokenizer is BPE, but not on bytes, as its decoder is', {
      hint: 'Its pre-tokenizer must be, or hold, ByteLevel',
    })
  if (byteLevel) return new MergeModel(ids, merges, facts)
  return new CharacterMergeModel(ids, merges, {
    ...facts,
    byteFallback: json['byte_fallback'] === true,
    fuseUnknown: json['fuse_unk'] === true,
  })
}
