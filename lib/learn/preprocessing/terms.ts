// Terms: the words, or pieces of words, that a text is counted by. Rules: scikit-learn's CountVectorizer.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'

/** What terms are. */
export interface TermOptions {
  /** Words, runs of characters, or runs of characters inside words with a space around them. Default 'word'. */
  analyzer?: 'word' | 'char' | 'charWb'
  /** The least and the most words or characters of a term. Default [1, 1]. */
  ngramRange?: readonly [number, number]
  /** Texts in lower case. Default true. */
  lowercase?: boolean
  /** Words that are left out. Default none. */
  stopWords?: readonly string[]
  /** What a word is, as the source of a regular expression. Default: runs of at least two letters, digits or '_'. */
  tokenPattern?: string
}

export const TOKEN_PATTERN = '[\\p{L}\\p{N}_]{2,}'

export function checkTerms(kind: string, { ngramRange, tokenPattern, stopWords }: Required<TermOptions>): void {
  const [least, most] = Array.isArray(ngramRange) ? (ngramRange as unknown[]) : []
  const good = Number.isInteger(least) && Number.isInteger(most) && (least as number) >= 1 && (most as number) >= (least as number)
  if (!good || ngramRange.length !== 2)
    throw new WeftError('ERR_ARGUMENT', `${kind}: ngramRange is two integers from 1 on in order, got ${show(ngramRange)}`)
  if (!stopWords.every((word) => typeof word === 'string'))
    throw new WeftError('ERR_ARGUMENT', `${kind}: stopWords is a list of words, got ${show(stopWords)}`)
  patternOf(kind, tokenPattern)
}

function patternOf(kind: string, source: string): RegExp {
  try {
    return new RegExp(source, 'gu')
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `${kind}: tokenPattern ${show(source)} is no regular expression`, { cause })
  }
}

/** The function that lists the terms of a text, repeated ones as often as they occur. */
export function termsOf(kind: string, options: Required<TermOptions>): (text: string) => string[] {
  const { analyzer, lowercase, ngramRange } = options
  const [least, most] = ngramRange
  const pattern = patternOf(kind, options.tokenPattern)
  const stop = new Set(options.stopWords)
  return (given) => {
    const text = lowercase ? given.toLowerCase() : given
    if (analyzer === 'word')
      return runs(
        (text.match(pattern) ?? []).filter((word) => !stop.has(word)),
        least,
        most,
        ' ',
      )
    const even = text.replace(/\s\s+/gu, ' ')
    if (analyzer === 'char') return runs([...even], least, most, '')
    return even
      .split(/\s+/u)
      .filter((word) => word !== '')
      .flatMap((word) => runsInside([' ', ...word, ' '], least, most))
  }
}

function runs(parts: readonly string[], least: number, most: number, join: string): string[] {
  const found: string[] = []
  for (let n = least; n <= most; n++)
    for (let at = 0; at + n <= parts.length; at++) found.push(n === 1 ? parts[at]! : parts.slice(at, at + n).join(join))
  return found
}

/** Runs in a word; a word that is shorter than a run is one run, once. */
function runsInside(letters: readonly string[], least: number, most: number): string[] {
  const found: string[] = []
  for (let n = least; n <= most; n++) {
    for (let at = 0; at === 0 || at + n <= letters.length; at++) found.push(letters.slice(at, at + n).join(''))
    if (n >= letters.length) break
  }
  return found
}
