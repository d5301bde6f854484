// Breaks comments at 120 columns: paragraphs of whole-line comments that have a longer line are filled anew. Code is
// never touched.
// Usage: node scripts/comments.mjs file ...
import { readFileSync, writeFileSync } from 'node:fs'

const MOST = 120
/** Lines that begin something of their own inside a comment: lists, tags, directives, what is indented. */
const OPENING = /^(\s|[-*@|]|\d+[.)]\s|Usage|biome-ignore|NOLINT|clang-format|https?:)/

/** The words of a text; a span of code is one word, and an operator goes with the word before it. */
function wordsOf(text) {
  const words = []
  for (const [word] of text.matchAll(/(?:`[^`]*`|[^\s`]|`)+/g)) {
    if (/^[-+*·×/=<>≤≥→]+$/.test(word) && words.length > 0) words.push(`${words.pop()} ${word}`)
    else words.push(word)
  }
  return words
}

/** Lines of at most 120 columns; `first` begins the first one, `rest` the others. */
function filled(first, rest, text) {
  const lines = []
  let line = first
  let empty = true
  for (const word of wordsOf(text)) {
    if (!empty && line.length + 1 + word.length > MOST) {
      lines.push(line)
      line = rest
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line]
}

/** Lists of consecutive lines that belong together: a line that ends early, or begins something, ends a paragraph. */
function paragraphs(texts, width) {
  const all = []
  for (const text of texts) {
    const last = all.at(-1)?.at(-1)
    const next = text.split(' ', 1)[0]
    if (last === undefined || last.trim() === '' || text.trim() === '' || OPENING.test(text) || last.length + 1 + next.length < width - 12)
      all.push([text])
    else all.at(-1).push(text)
  }
  return all
}

/** The comment with its long paragraphs filled anew. `prefix` begins each line. */
function wrapped(prefix, texts) {
  const longest = Math.max(...texts.map((text) => prefix.length + text.length))
  if (longest <= MOST) return texts.map((text) => (prefix + text).trimEnd())
  return paragraphs(texts, Math.min(longest, 140) - prefix.length).flatMap((lines) => {
    if (lines.every((text) => prefix.length + text.length <= MOST)) return lines.map((text) => (prefix + text).trimEnd())
    const [lead] = /^\s*(?:[-*] |\d+[.)] )?/.exec(lines[0])
    const rest = prefix + (lines[0].startsWith('@') ? '  ' : ' '.repeat(lead.length))
    return filled(prefix + lead, rest, lines.join(' ').slice(lead.length))
  })
}

/** The text of a file with its comments broken. `hash`: comments begin with #. */
export function wrapComments(text, hash) {
  const marks = hash ? /^(\s*)(#)(?: (.*))?$/ : /^(\s*)(\/\/|\*)(?: (.*))?$/
  const lines = text.split('\n')
  const made = []
  for (let i = 0; i < lines.length; ) {
    const whole = hash ? null : /^(\s*)\/\*\*? (.*?) ?\*\/\s*$/.exec(lines[i])
    if (whole && lines[i].length > MOST) {
      const [, indent, said] = whole
      made.push(`${indent}/**`, ...filled(`${indent} * `, `${indent} * `, said), `${indent} */`)
      i++
      continue
    }
    const found = marks.exec(lines[i])
    if (!found) {
      made.push(lines[i++])
      continue
    }
    const [, indent, mark] = found
    const texts = []
    for (let next = found; next && next[1] === indent && next[2] === mark; next = i < lines.length ? marks.exec(lines[i]) : null) {
      texts.push(next[3] ?? '')
      i++
    }
    made.push(...wrapped(`${indent}${mark} `, texts))
  }
  return made.join('\n')
}

for (const file of process.argv.slice(2)) {
  const before = readFileSync(file, 'utf8')
  const after = wrapComments(before, /\.(sh|py|txt)$|(^|\/)run$/.test(file))
  if (after !== before) writeFileSync(file, after)
}
