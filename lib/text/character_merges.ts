// CharacterMergeModel: byte-pair encoding of characters, as SentencePiece learns it (Kudo and Richardson 2018).
// Characters that no token has are spelled as bytes, or are unknown.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import { listOf } from './json_parts.js'
import { type Merge, MergeRanks } from './merge_ranks.js'
import { byId, PieceCache, type SubwordModel } from './subword_model.js'

export interface CharacterMergeFacts {
  readonly unknownToken: string | undefined
  /** A piece that is a token is not cut up. */
  readonly wholePieces: boolean
  /** Unknown characters are spelled as their bytes, <0x00> to <0xFF>. */
  readonly byteFallback: boolean
  /** Unknown characters side by side are one unknown token. */
  readonly fuseUnknown: boolean
}

const BLANK = '▁'
const BYTE = /^<0x([0-9A-F]{2})>$/

export class CharacterMergeModel implements SubwordModel {
  readonly type = 'BPE'
  readonly tokens: readonly (string | undefined)[]
  readonly ids: ReadonlyMap<string, number>
  readonly unknown: number | undefined
  private readonly facts: CharacterMergeFacts
  private readonly ranks: MergeRanks
  private readonly cache = new PieceCache()
  private readonly encoder = new TextEncoder()

  constructor(ids: ReadonlyMap<string, number>, merges: readonly Merge[], facts: CharacterMergeFacts) {
    this.ids = ids
    this.tokens = byId(ids)
    this.facts = facts
    this.unknown = facts.unknownToken === undefined ? undefined : ids.get(facts.unknownToken)
    this.ranks = new MergeRanks(ids, this.tokens.length, merges)
  }

  encode(piece: string): readonly number[] {
    return this.cache.get(piece, () => this.cut(piece))
  }

  private cut(piece: string): number[] {
    const whole = this.facts.wholePieces ? this.ids.get(piece) : undefined
    if (whole !== undefined) return [whole]
    const symbols: number[] = []
    let unknown = false
    for (const character of piece) {
      const id = this.ids.get(character)
      if (id !== undefined) symbols.push(id)
      else {
        const spelled = this.facts.byteFallback ? this.bytesOf(character) : undefined
        if (spelled) symbols.push(...spelled)
        else if (!(unknown && this.facts.fuseUnknown)) symbols.push(this.unknownFor(character))
        unknown = spelled === undefined
        continue
      }
      unknown = false
    }
    return this.ranks.merge(Int32Array.from(symbols))
  }

  /** The tokens of a character's bytes; undefined where one is missing. */
  private bytesOf(character: string): number[] | undefined {
    const ids = Array.from(this.encoder.encode(character), (byte) =>
      this.ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    )
    return ids.includes(undefined) ? undefined : (ids as number[])
  }

  private unknownFor(character: string): number {
    if (this.unknown !== undefined) return this.unknown
    throw new WeftError('ERR_DATA', `the vocabulary has no token for '${character}', and none for unknown characters`)
  }

  decode(ids: readonly number[]): string {
    return this.text(
      ids.map((id) => this.tokens[id]!),
      false,
    )
  }

  /**
   * The text of tokens. Bytes side by side that are no UTF-8 become U+FFFD.
   * @param tokens as the vocabulary writes them; `plain` ones are taken as they are
   * @param strip leaves out the blank that the text begins with
   */
  text(tokens: readonly (string | { readonly plain: string })[], strip: boolean): string {
    let text = ''
    let bytes: number[] = []
    const flush = (): void => {
      if (bytes.length === 0) return
      // what is no UTF-8 as a whole is none at all
      try {
        text += new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
      } catch {
        text += '\ufffd'.repeat(bytes.length)
      }
      bytes = []
    }
    for (const token of tokens) {
      const byte = typeof token === 'string' && this.facts.byteFallback ? BYTE.exec(token)?.[1] : undefined
      if (byte !== undefined) {
        bytes.push(Number.parseInt(byte, 16))
        continue
      }
      flush()
      text += typeof token === 'string' ? token.replaceAll(BLANK, ' ') : token.plain
    }
    flush()
    return strip && text.startsWith(' ') ? text.slice(1) : text
  }

  toJSON(): Record<string, unknown> {
    const { unknownToken, wholePieces, byteFallback, fuseUnknown } = this.facts
    return {
      type: 'BPE',
      dropout: null,
      unk_token: unknownToken ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: fuseUnknown,
      byte_fallback: byteFallback,
      ignore_merges: wholePieces,
      vocab: Object.fromEntries(this.ids),
      merges: this.ranks.merges,
    }
  }
}

/** What a decoder does beside putting tokens side by side. */
export interface TextDecoding {
  /** The blank that the text begins with is left out. */
  readonly strip: boolean
}

/** The decoder of a tokenizer of characters, in JSON; ERR_FORMAT for kinds that are not known. */
export function textDecodingOf(json: unknown): TextDecoding {
  if (!isRecord(json)) throw new WeftError('ERR_FORMAT', `the decoder of the tokenizer is missing`)
  switch (json['type']) {
    case 'Sequence':
      return {
        strip: listOf(json, 'decoders')
          .map(textDecodingOf)
          .some(({ strip }) => strip),
      }
    case 'Metaspace':
      if ((json['replacement'] ?? BLANK) !== BLANK) break
      return { strip: json['prepend_scheme'] !== 'never' && json['add_prefix_space'] !== false }
    case 'Replace': {
      const { pattern, content } = json
      if (!isRecord(pattern) || pattern['String'] !== BLANK || content !== ' ') break
      return { strip: false }
    }
    case 'Strip':
      if (json['content'] !== ' ' || Number(json['start'] ?? 0) > 1 || Number(json['stop'] ?? 0) > 0) break
      return { strip: Number(json['start'] ?? 0) === 1 }
    case 'ByteFallback':
    case 'Fuse':
      return { strip: false }
  }
  throw new WeftError('ERR_FORMAT', `the decoder of the tokenizer is not known: ${show(json)}`, {
    hint: `Known: Sequence, Metaspace, ByteFallback, Fuse, Strip of the first blank, Replace of '${BLANK}'`,
  })
}
