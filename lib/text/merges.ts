// MergeModel: byte-level byte-pair encoding (R. Sennrich et al. 2016; A. Radford et al. 2019): the bytes of a piece,
// merged pair by pair.
import { WeftError } from '../core/error.js'
import { byteCharacters, fromAlphabet, toAlphabet } from './byte_alphabet.js'
import { type Merge, MergeRanks } from './merge_ranks.js'
import { byId, PieceCache, type SubwordModel } from './subword_model.js'

export class MergeModel implements SubwordModel {
  readonly type = 'BPE'
  readonly tokens: readonly (string | undefined)[]
  readonly ids: ReadonlyMap<string, number>
  readonly unknown: number | undefined
  readonly merges: readonly Merge[]
  /** A piece that is a token is not cut up. */
  private readonly wholePieces: boolean
  private readonly unknownToken: string | undefined
  private readonly byteIds: Int32Array
  private readonly ranks: MergeRanks
  private readonly cache = new PieceCache()
  private readonly encoder = new TextEncoder()
  private readonly bytesOf = new Map<number, Uint8Array>()

  /** Tokens and merges are in the byte alphabet. */
  constructor(
    ids: ReadonlyMap<string, number>,
    merges: readonly Merge[],
    options: { unknownToken?: string | undefined; wholePieces?: boolean } = {},
  ) {
    this.ids = ids
    this.tokens = byId(ids)
    this.merges = merges
    this.wholePieces = options.wholePieces ?? false
    this.unknownToken = options.unknownToken
    this.unknown = options.unknownToken === undefined ? undefined : ids.get(options.unknownToken)
    this.byteIds = Int32Array.from(byteCharacters, (character) => ids.get(character) ?? -1)
    this.ranks = new MergeRanks(ids, this.tokens.length, merges)
  }

  encode(piece: string): readonly number[] {
    return this.cache.get(piece, () => this.encodeBytes(this.encoder.encode(piece)))
  }

  /** Ids of a piece given as bytes, valid UTF-8 or not. */
  encodeBytes(bytes: Uint8Array): number[] {
    if (this.wholePieces) {
      const whole = this.ids.get(toAlphabet(bytes))
      if (whole !== undefined) return [whole]
    }
    return this.ranks.merge(Int32Array.from(bytes, (byte) => this.idOfByte(byte)))
  }

  decode(ids: readonly number[]): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.decodeBytes(ids))
  }

  decodeBytes(ids: readonly number[]): Uint8Array {
    const parts = ids.map((id) => {
      let bytes = this.bytesOf.get(id)
      if (!bytes) {
        const token = this.tokens[id]!
        bytes = fromAlphabet(token) ?? this.encoder.encode(token)
        this.bytesOf.set(id, bytes)
      }
      return bytes
    })
    const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
    let at = 0
    for (const part of parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }

  toJSON(): Record<string, unknown> {
    return {
      type: 'BPE',
      dropout: null,
      unk_token: this.unknownToken ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: this.wholePieces,
      vocab: Object.fromEntries(this.ids),
      merges: this.merges,
    }
  }

  private idOfByte(byte: number): number {
    const id = this.byteIds[byte]!
    if (id >= 0) return id
    if (this.unknown !== undefined) return this.unknown
    throw new WeftError(
      'ERR_DATA',
      `the vocabulary has no token for the byte 0x${byte.toString(16).padStart(2, '0')}, and none for unknown ones`,
      {
        hint: 'Byte-level vocabularies should hold all 256 bytes',
      },
    )
  }
}
