// Training of byte-pair vocabularies: the most frequent pair of neighbours becomes a token, again and again (R.
// Sennrich et al. 2016). A merge touches only the words that hold its pair; counts of all others stay.
import { WeftError } from '../core/error.js'
import { Heap } from './heap.js'

export interface PairTraining {
  /** Words as ids of `tokens`, and how often each occurs. */
  words: readonly { symbols: number[]; count: number }[]
  /** Tokens so far; new ones are added. */
  tokens: string[]
  vocabularySize: number
  /** Pairs that are rarer are not merged. */
  minFrequency: number
  /** The token of a pair. */
  join: (left: string, right: string) => string
}

interface Candidate {
  pair: number
  count: number
}

/**
 * Adds tokens up to vocabularySize, or until no pair is frequent enough. Returns the pairs merged, in order. Of equally
 * frequent pairs that of lower ids is first.
 */
export function trainPairs({ words, tokens, vocabularySize, minFrequency, join }: PairTraining): [string, string][] {
  if (tokens.length > vocabularySize) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `train: special tokens and characters are ${tokens.length} tokens, vocabularySize is ${vocabularySize}`,
      {
        hint: 'Make vocabularySize larger than that',
      },
    )
  }
  const width = vocabularySize
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const counts = new Map<number, number>()
  const places = new Map<number, Set<number>>()
  const change = (pair: number, by: number, word: number): void => {
    const count = (counts.get(pair) ?? 0) + by
    if (count === 0) counts.delete(pair)
    else counts.set(pair, count)
    if (by > 0) {
      const found = places.get(pair)
      if (found) found.add(word)
      else places.set(pair, new Set([word]))
    }
  }
  for (const [w, { symbols, count }] of words.entries()) {
    for (let i = 0; i + 1 < symbols.length; i++) change(symbols[i]! * width + symbols[i + 1]!, count, w)
  }
  const queue = new Heap<Candidate>(isBefore)
  for (const [pair, count] of counts) queue.push({ pair, count })
  const merges: [string, string][] = []
  while (tokens.length < vocabularySize) {
    const best = queue.pop()
    if (best === undefined || best.count < Math.max(1, minFrequency)) break
    const { pair } = best
    const count = counts.get(pair) ?? 0
    if (count !== best.count) {
      // some of its places have gone to other merges
      if (count > 0) queue.push({ pair, count })
      continue
    }
    const [left, right] = [Math.floor(pair / width), pair % width]
    const token = join(tokens[left]!, tokens[right]!)
    let id = ids.get(token)
    if (id === undefined) {
      id = tokens.push(token) - 1
      ids.set(token, id)
    }
    merges.push([tokens[left]!, tokens[right]!])
    const grown = new Set<number>()
    for (const w of places.get(pair)!) {
      const { symbols, count: times } = words[w]!
      mergeIn(symbols, left, right, id, (a, b, sign) => {
        const neighbours = a * width + b
        change(neighbours, sign * times, w)
        if (sign > 0) grown.add(neighbours)
      })
    }
    counts.delete(pair)
    places.delete(pair)
    for (const neighbours of grown) {
      const now = counts.get(neighbours)
      if (now !== undefined) queue.push({ pair: neighbours, count: now })
    }
  }
  return merges
}

/** Replaces a pair in a word by its token, and reports the pairs of neighbours that go (-1) and come (+1). */
function mergeIn(symbols: number[], left: number, right: number, id: number, report: (a: number, b: number, sign: 1 | -1) => void): void {
  let kept = 0
  for (let i = 0; i < symbols.length; ) {
    if (symbols[i] !== left || i + 1 >= symbols.length || symbols[i + 1] !== right) {
      symbols[kept++] = symbols[i++]!
      continue
    }
    if (kept > 0) {
      report(symbols[kept - 1]!, left, -1)
      report(symbols[kept - 1]!, id, 1)
    }
    if (i + 2 < symbols.length) {
      report(right, symbols[i + 2]!, -1)
      report(id, symbols[i + 2]!, 1)
    }
    symbols[kept++] = id
    i += 2
  }
  symbols.length = kept
}

/** The most frequent first; of equals the one of lower ids. */
const isBefore = (a: Candidate, b: Candidate): boolean => a.count > b.count || (a.count === b.count && a.pair < b.pair)
