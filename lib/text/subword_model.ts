// What the models of subword tokenizers have in common: a vocabulary, and the ids of a piece of text.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'

export interface SubwordModel {
  readonly type: 'BPE' | 'WordPiece'
  /** Tokens by id; holes where a file's ids have some. */
  readonly tokens: readonly (string | undefined)[]
  readonly ids: ReadonlyMap<string, number>
  /** The id of what cannot be encoded. */
  readonly unknown: number | undefined
  encode(piece: string): readonly number[]
  /** The text of a list of tokens. */
  decode(ids: readonly number[]): string
  toJSON(): Record<string, unknown>
}

/** Ids by token, from the `vocab` of a file. */
export function vocabularyOf(json: unknown): Map<string, number> {
  if (!isRecord(json)) throw new WeftError('ERR_FORMAT', 'the vocabulary of the tokenizer is missing')
  const ids = new Map<string, number>()
  for (const [token, id] of Object.entries(json)) {
    if (!Number.isInteger(id) || (id as number) < 0) throw new WeftError('ERR_FORMAT', `the token ${show(token)} has no id, but ${id}`)
    ids.set(token, id as number)
  }
  return ids
}

/** Ids may leave gaps: the largest id is at most this much above the number of tokens. */
const MOST_GAPS = 1 << 16

/** Throws ERR_FORMAT for ids far beyond the number of tokens. */
export function checkIds(ids: ReadonlyMap<string, number>, size: number): void {
  for (const [token, id] of ids)
    if (id >= 2 * size + MOST_GAPS)
      throw new WeftError('ERR_FORMAT', `the token ${show(token)} has id ${id}, in a vocabulary of ${size} tokens`)
}

/** Tokens by id. ERR_FORMAT when two have the same, or ids are far beyond the number of tokens. */
export function byId(ids: ReadonlyMap<string, number>): (string | undefined)[] {
  const tokens: (string | undefined)[] = []
  checkIds(ids, ids.size)
  for (const [token, id] of ids) {
    if (tokens[id] !== undefined) throw new WeftError('ERR_FORMAT', `the tokens ${show(tokens[id])} and ${show(token)} share id ${id}`)
    // without gaps that would make it a dictionary inside
    while (tokens.length < id) tokens.push(undefined)
    tokens[id] = token
  }
  return tokens
}

/** Pieces recur: what was computed for the last ones. */
export class PieceCache {
  private readonly kept = new Map<string, readonly number[]>()

  get(piece: string, compute: (piece: string) => readonly number[]): readonly number[] {
    const known = this.kept.get(piece)
    if (known) return known
    const ids = compute(piece)
    if (piece.length <= 256) {
      if (this.kept.size >= 1 << 16) this.kept.clear()
      this.kept.set(piece, ids)
    }
    return ids
  }
}
