// WordPieceModel: the longest token a word begins with, then the longest that goes on, and so forth (Y. Wu et al. 2016;
// J. Devlin et al. 2018).
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { byId, PieceCache, type SubwordModel } from './subword_model.js'

export interface WordPieceFacts {
  unknownToken: string
  /** What marks a token inside a word. */
  prefix: string
  /** Longer words are unknown. */
  maxWordLength: number
}

export class WordPieceModel implements SubwordModel {
  readonly type = 'WordPiece'
  readonly tokens: readonly (string | undefined)[]
  readonly ids: ReadonlyMap<string, number>
  readonly unknown: number
  private readonly facts: WordPieceFacts
  private readonly cache = new PieceCache()

  constructor(ids: ReadonlyMap<string, number>, facts: WordPieceFacts) {
    this.ids = ids
    this.tokens = byId(ids)
    this.facts = facts
    const unknown = ids.get(facts.unknownToken)
    if (unknown === undefined) throw new WeftError('ERR_FORMAT', `the vocabulary has no ${show(facts.unknownToken)} for unknown words`)
    this.unknown = unknown
  }

  encode(word: string): readonly number[] {
    return this.cache.get(word, () => this.cut(word))
  }

  private cut(word: string): number[] {
    const characters = Array.from(word)
    if (characters.length > this.facts.maxWordLength) return [this.unknown]
    const ids: number[] = []
    for (let begin = 0; begin < characters.length; ) {
      let end = characters.length
      let id: number | undefined
      for (; end > begin; end--) {
        id = this.ids.get((begin > 0 ? this.facts.prefix : '') + characters.slice(begin, end).join(''))
        if (id !== undefined) break
      }
      if (id === undefined) return [this.unknown]
      ids.push(id)
      begin = end
    }
    return ids
  }

  /** Words with blanks between them, less those that English does not write before punctuation. */
  decode(ids: readonly number[]): string {
    const { prefix } = this.facts
    return ids
      .map((id, i) => {
        const token = this.tokens[id]!
        return tidied(i > 0 && token.startsWith(prefix) ? token.slice(prefix.length) : i > 0 ? ` ${token}` : token)
      })
      .join('')
  }

  toJSON(): Record<string, unknown> {
    return {
      type: 'WordPiece',
      unk_token: this.facts.unknownToken,
      continuing_subword_prefix: this.facts.prefix,
      max_input_chars_per_word: this.facts.maxWordLength,
      vocab: Object.fromEntries(this.ids),
    }
  }
}

const tidied = (text: string): string => text.replace(/ ([.?!,]|n't|'m|'s|'ve|'re)/g, '$1').replace(/ ' /g, "'")
