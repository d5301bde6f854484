// Regular expressions of tokenizer.json files, which are Oniguruma's, as JavaScript's.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'

/** Escapes that mean more, or less, in JavaScript: blanks are those of Unicode, digits and word characters too. */
const ESCAPES: Readonly<Record<string, { inside: string; outside: string }>> = {
  s: { inside: '\\p{White_Space}', outside: '\\p{White_Space}' },
  S: { inside: '\\P{White_Space}', outside: '\\P{White_Space}' },
  d: { inside: '\\p{Nd}', outside: '\\p{Nd}' },
  D: { inside: '\\P{Nd}', outside: '\\P{Nd}' },
  w: { inside: '\\p{L}\\p{M}\\p{N}\\p{Pc}', outside: '[\\p{L}\\p{M}\\p{N}\\p{Pc}]' },
  W: { inside: '', outside: '[^\\p{L}\\p{M}\\p{N}\\p{Pc}]' },
}
const SYNTAX = '^$\\.*+?()[]{}|/-'

/** The expression for all matches (flags g, u). ERR_FORMAT for what JavaScript has no counterpart of. */
export function toRegExp(source: string): RegExp {
  const refuse = (what: string, cause?: unknown): WeftError =>
    new WeftError('ERR_FORMAT', `the regular expression ${show(source)} of the tokenizer cannot be used: ${what}`, { cause })
  let out = ''
  let inClass = false
  // whether case counts, for each open group
  const folds: boolean[] = [false]
  let quantified = false
  for (let i = 0; i < source.length; i++) {
    const character = source[i]!
    const folded = folds.at(-1)!
    const afterQuantifier: boolean = quantified
    quantified = false
    if (character === '\\') {
      const next = source[++i] ?? ''
      const known = Object.hasOwn(ESCAPES, next) ? ESCAPES[next] : undefined
      if (known) {
        if (inClass && known.inside === '') throw refuse(`\\${next} in a class`)
        out += inClass ? known.inside : known.outside
      } else if (/[pPnrtfvxu0bB1-9]/.test(next)) out += `\\${next}`
      else if (/[A-Za-z]/.test(next)) throw refuse(`\\${next}`)
      else out += SYNTAX.includes(next) ? `\\${next}` : next
      if (/[pPxu]/.test(next) && source[i + 1] === '{') {
        const end = source.indexOf('}', i)
        out += source.slice(i + 1, end + 1)
        i = end
      }
    } else if (inClass) {
      if (character === '[' || (character === '&' && source[i + 1] === '&')) throw refuse('a class in a class')
      if (character === ']') inClass = false
      out += folded && /[a-z]/i.test(character) && source[i + 1] !== '-' && source[i - 1] !== '-' ? bothCases(character) : character
    } else if (character === '[') {
      inClass = true
      out += character
    } else if (character === '(') {
      const flags = /^\(\?([a-z-]*)([:)])/.exec(source.slice(i))
      if (flags && flags[1] !== '') {
        if (flags[1] !== 'i' || flags[2] !== ':') throw refuse(flags[0])
        folds.push(true)
        out += '(?:'
        i += flags[0].length - 1
      } else {
        if (source.startsWith('(?>', i)) throw refuse('an atomic group')
        folds.push(folded)
        out += character
      }
    } else if (character === ')') {
      folds.pop()
      if (folds.length === 0) throw refuse('a bracket too many')
      out += character
    } else if ('?*+}'.includes(character)) {
      if (afterQuantifier && character === '+') throw refuse('a possessive quantifier')
      quantified = !afterQuantifier
      out += character
    } else out += folded && /[a-z]/i.test(character) ? `[${bothCases(character)}]` : character
  }
  try {
    return new RegExp(out, 'gu')
  } catch (cause) {
    throw refuse((cause as Error).message, cause)
  }
}

const bothCases = (letter: string): string => letter.toLowerCase() + letter.toUpperCase()

/** A text as an expression that matches it alone. */
export const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
