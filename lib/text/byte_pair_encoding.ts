// bytePairEncoding: byte-level BPE tokenizers, trained on texts or read from files.
import { unknownName, WeftError } from '../core/error.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { addedToken, splitterOf } from './added_tokens.js'
import { byteCharacters, toAlphabet } from './byte_alphabet.js'
import type { Merge } from './merge_ranks.js'
import { MergeModel } from './merges.js'
import { trainPairs } from './pair_training.js'
import { type Pattern, patterns, preTokenizerOf } from './pre_tokenizers.js'
import { SubwordTokenizer } from './subword_tokenizer.js'
import { loadSubword, readText, subwordFromJson } from './tokenizer_file.js'
import { checkTraining, textsToTrain } from './training_options.js'

export interface BytePairOptions {
  /** Tokens at most: special ones, the 256 bytes, and what is learned. */
  vocabularySize: number
  /** Texts that are one token wherever they stand. They have the first ids. Default: none. */
  specialTokens?: readonly string[]
  /** Pairs that occur less often are not merged. Default 2. */
  minFrequency?: number
  /** How texts are cut before merging; nothing is merged across a cut. Default 'gpt2'. */
  pattern?: Pattern
}

const BYTE_PAIR_OPTIONS: OptionTable<BytePairOptions> = {
  vocabularySize: 'integer',
  specialTokens: 'list',
  minFrequency: 'integer',
  pattern: 'string',
}

export interface RanksOptions {
  /** How the vocabulary's makers cut texts: 'gpt2' (default; also r50k_base and p50k_base), 'cl100k' or 'o200k'. */
  pattern?: Pattern
  /** Special tokens with their ids. Default: none. */
  specialTokens?: Readonly<Record<string, number>>
}

const RANKS_OPTIONS: OptionTable<RanksOptions> = { pattern: 'string', specialTokens: 'object' }

/** The pre-tokenizer of a pattern as tokenizer.json files describe it. */
function preTokenizerJson(pattern: Pattern): object {
  if (!Object.hasOwn(patterns, pattern)) throw unknownName('pattern of text.bytePairEncoding', pattern, Object.keys(patterns))
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true }
  if (pattern === 'gpt2') return { ...byteLevel, use_regex: true }
  const split = { type: 'Split', pattern: { Regex: patterns[pattern] }, behavior: 'Isolated', invert: false }
  return { type: 'Sequence', pretokenizers: [split, { ...byteLevel, use_regex: false }] }
}

function tokenizerOf(model: MergeModel, pattern: Pattern, special: Readonly<Record<string, number>>): SubwordTokenizer {
  return new SubwordTokenizer({
    model,
    added_tokens: Object.entries(special)
      .sort((a, b) => a[1] - b[1])
      .map(([content, id]) => addedToken(id, content)),
    pre_tokenizer: preTokenizerJson(pattern),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  })
}

function train(texts: Iterable<string>, options: BytePairOptions): SubwordTokenizer {
  const what = 'text.bytePairEncoding.train'
  checkCall(`${what}(texts, options)`, arguments, BYTE_PAIR_OPTIONS)
  const { vocabularySize, specialTokens = [], minFrequency = 2, pattern = 'gpt2' } = options ?? {}
  checkTraining(what, vocabularySize, minFrequency, specialTokens)
  const cut = preTokenizerOf(preTokenizerJson(pattern))
  const split = splitterOf(
    specialTokens.map((content, id) => addedToken(id, content)),
    (content) => content,
  )
  const counts = new Map<string, number>()
  for (const text of textsToTrain(what, texts)) {
    for (const part of split(text)) {
      if (typeof part === 'number') continue
      for (const piece of cut(part)) counts.set(piece, (counts.get(piece) ?? 0) + 1)
    }
  }
  const tokens = [...specialTokens, ...[...byteCharacters].sort()]
  if (new Set(tokens).size < tokens.length) {
    throw new WeftError('ERR_ARGUMENT', `${what}: a special token is a single character of the byte alphabet`, {
      hint: "Write it as '<|name|>'",
    })
  }
  const idOfByte = byteCharacters.map((character) => tokens.lastIndexOf(character))
  const encoder = new TextEncoder()
  // in an order that does not depend on that of the texts
  const words = [...counts]
    .sort((a, b) => (a[0] < b[0] ? -1 : 1))
    .map(([piece, count]) => ({ symbols: Array.from(encoder.encode(piece), (byte) => idOfByte[byte]!), count }))
  const merges = trainPairs({ words, tokens, vocabularySize, minFrequency, join: (left, right) => left + right })
  const model = new MergeModel(new Map(tokens.map((token, id) => [token, id])), merges)
  return tokenizerOf(model, pattern, Object.fromEntries(specialTokens.map((token, id) => [token, id])))
}

async function loadRanks(file: string, options: RanksOptions = {}): Promise<SubwordTokenizer> {
  const what = 'text.bytePairEncoding.loadRanks'
  checkCall(`${what}(file, options)`, arguments, RANKS_OPTIONS)
  const { pattern = 'gpt2', specialTokens = {} } = options
  const ids = new Map<string, number>()
  const lines = (await readText(file)).split('\n')
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    const found = /^([A-Za-z0-9+/]+={0,2}) (\d+)\s*$/.exec(line)
    if (!found) throw new WeftError('ERR_FORMAT', `${file}, line ${i + 1}: expected a token in base64 and its rank`)
    ids.set(toAlphabet(Buffer.from(found[1]!, 'base64')), Number(found[2]))
  }
  return tokenizerOf(new MergeModel(ids, mergesOf(ids), { wholePieces: true }), pattern, specialTokens)
}

/** The merges that follow from ranks: any two neighbours that make a token, the token of lowest rank first. */
function mergesOf(ids: ReadonlyMap<string, number>): Merge[] {
  const rank = (token: string): number => ids.get(token)!
  return [...ids.keys()]
    .sort((a, b) => rank(a) - rank(b))
    .flatMap((token) =>
      Array.from({ length: token.length - 1 }, (_, i): Merge => [token.slice(0, i + 1), token.slice(i + 1)])
        .filter(([left, right]) => ids.has(left) && ids.has(right))
        .sort((a, b) => rank(a[0]) - rank(b[0]) || rank(a[1]) - rank(b[1])),
    )
}

/** Ways to a byte-level BPE tokenizer. */
export interface BytePairEncoding {
  /** Learns a vocabulary from texts. Equal texts give equal vocabularies, whatever their order. */
  train(texts: Iterable<string>, options: BytePairOptions): SubwordTokenizer
  /**
   * Reads a vocabulary in the .tiktoken format: lines of a token in base64 and its rank. ERR_FORMAT when the file is
   * none.
   */
  loadRanks(file: string, options?: RanksOptions): Promise<SubwordTokenizer>
  /** Reads tokenizer.json. */
  load(file: string): Promise<SubwordTokenizer>
  /** The tokenizer of a tokenizer.json: its text, or the parsed object. */
  fromJSON(json: string | object): SubwordTokenizer
}

/** Byte-level byte-pair encoding, as GPT models use it. */
export const bytePairEncoding: BytePairEncoding = {
  train,
  loadRanks,
  async load(file) {
    checkCall('text.bytePairEncoding.load(file)', arguments)
    return loadSubword(file, 'BPE')
  },
  fromJSON(json) {
    checkCall('text.bytePairEncoding.fromJSON(json)', arguments)
    return subwordFromJson(json, 'BPE')
  },
}
