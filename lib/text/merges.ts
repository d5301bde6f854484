// MergeModel: byte-level byte-pair encoding (R. Sennrich et al. 2016; A. Radford et al. 2019): the bytes of a piece,
// merged pair by pair.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { byteCharacters, fromAlphabet, toAlphabet } from './byte_alphabet.js'
import { Heap } from './heap.js'
import { byId, PieceCache, type SubwordModel } from './subword_model.js'

export type Merge = readonly [left: string, right: string]

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
  /** Ranks of the pairs that merge, by left id · width + right id. */
  private readonly ranks = new Map<number, number>()
  /** The id that the merge of a rank gives. */
  private readonly results: Int32Array
  private readonly width: number
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
    this.width = this.tokens.length
    this.results = new Int32Array(merges.length)
    for (const [rank, [left, right]] of merges.entries()) {
      const [a, b, whole] = [ids.get(left), ids.get(right), ids.get(left + right)]
      if (a === undefined || b === undefined || whole === undefined) {
        throw new WeftError('ERR_FORMAT', `merge ${rank} of the tokenizer, ${show([left, right])}, is not of tokens in its vocabulary`)
      }
      const pair = a * this.width + b
      if (!this.ranks.has(pair)) this.ranks.set(pair, rank)
      this.results[rank] = whole
    }
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
    return this.merge(Int32Array.from(bytes, (byte) => this.idOfByte(byte)))
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

  /**
   * Merges the pair of lowest rank, the leftmost first, until no pair has one. The symbols form a list linked by `next`
   * and `previous`.
   */
  private merge(symbols: Int32Array): number[] {
    const count = symbols.length
    const next = Int32Array.from(symbols, (_, i) => i + 1)
    const previous = Int32Array.from(symbols, (_, i) => i - 1)
    // rank of each symbol with its neighbour to the right
    const rankAt = new Int32Array(count).fill(-1)
    const heap = new Heap<number>((a, b) => a < b)
    const update = (i: number): void => {
      const right = next[i]!
      const rank = right < count ? (this.ranks.get(symbols[i]! * this.width + symbols[right]!) ?? -1) : -1
      rankAt[i] = rank
      if (rank >= 0) heap.push(rank * 2 ** 32 + i)
    }
    for (let i = 0; i + 1 < count; i++) update(i)
    for (let lowest = heap.pop(); lowest !== undefined; lowest = heap.pop()) {
      const i = lowest % 2 ** 32
      const rank = (lowest - i) / 2 ** 32
      // the pair has changed since
      if (rankAt[i] !== rank) continue
      const right = next[i]!
      symbols[i] = this.results[rank]!
      rankAt[right] = -1
      next[i] = next[right]!
      if (next[i]! < count) previous[next[i]!] = i
      update(i)
      if (previous[i]! >= 0) update(previous[i]!)
    }
    const ids: number[] = []
    for (let i = 0; i < count; i = next[i]!) ids.push(symbols[i]!)
    return ids
  }
}
