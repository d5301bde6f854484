// Random texts from many scripts, with all that breaks tokenizers: marks, emoji, blanks of every kind, cases that
// change length.
// biome-ignore format: a list to look through
const WORDS = [
  'the', 'The', 'THE', 'cat', "it's", "don't", 'a', 'I', 'naïve', 'naïve', 'Straße', 'STRASSE', 'İstanbul', 'ΟΔΟΣ', 'Σ', 'ΣΑΣ', 'ǅ',
  'ﬁne', '今天', '天气', '很好', '今天天气很好', '日本語', 'ひらがな', 'カタカナ', '한국어', 'привет', 'Мир', 'שלום', 'مرحبا', 'สวัสดี', 'नमस्ते', '👍',
  '👩‍👩‍👧', '🇫🇷', '❤️', '𝒳', '𐐀', '2020', '7', '3.14', '-1', '1e3', '__proto__', 'constructor', 'toString', 'oov', '<oov>', '\u0000',
  'x\u0301\u0327', '\u200b', '\ufeff',
]
// biome-ignore format: a list to look through
const GAPS = [
  ' ', ' ', ' ', ' ', '  ', '\t', '\n', '\r\n', '\u00a0', '\u3000', '\u2028', '\u0085', '\u001c', ', ', '. ', '!', '，', '。', '_',
  '-', "'", '|', '@', '',
]

/** Draws a number in [0, 1). */
export type Random = () => number

export const pick = <T>(next: Random, list: readonly T[]): T => list[Math.floor(next() * list.length)]!
export const integer = (next: Random, low: number, high: number): number => low + Math.floor(next() * (high - low + 1))

/** A text of up to `most` words. */
export function randomText(next: Random, most: number): string {
  let text = next() < 0.1 ? pick(next, GAPS) : ''
  for (let n = integer(next, 0, most); n > 0; n--) text += pick(next, WORDS) + pick(next, GAPS)
  return text
}

export const randomTokens = (next: Random, most: number): string[] =>
  Array.from({ length: integer(next, 0, most) }, () => pick(next, WORDS))
