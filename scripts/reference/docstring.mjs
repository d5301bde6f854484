// Docstrings: what a comment says, without its stars and with its tags apart.

const TAG = /^@(\w+)\s*/

/** @returns {import('./read.mjs').Doc} */
export function docOf(comment) {
  const lines = comment
    .trim()
    .replace(/^\/\*\*\s?/, '')
    .replace(/\s*\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\*( |$)/, '').replace(/^\s+(?=\S)/, (blanks) => blanks.slice(0, 4)))
  const doc = { text: '', internal: false, params: {} }
  if (!comment.startsWith('/**')) return doc
  let tag = 'text'
  const parts = { text: [] }
  for (const line of lines) {
    const found = TAG.exec(line.trim())
    if (found) {
      tag = found[1] === 'param' ? `param ${/^@param\s+(\S+)/.exec(line.trim())?.[1] ?? ''}` : found[1]
      const rest = line.trim().slice(found[0].length)
      parts[tag] = [tag.startsWith('param ') ? rest.replace(/^\S+\s*/, '') : rest]
    } else parts[tag].push(line)
  }
  const textOf = (list) => list.join('\n').trim()
  // what is written for the package alone says so in its first word
  doc.internal = parts.internal !== undefined
  doc.text = textOf(parts.text)
  if (parts.example) doc.example = textOf(parts.example)
  if (parts.returns) doc.returns = textOf(parts.returns)
  for (const [name, list] of Object.entries(parts))
    if (name.startsWith('param ')) doc.params[name.slice(6)] = textOf(list).replaceAll(/\s*\n\s*/g, ' ')
  return doc
}

/** The first sentence, on one line. */
export function firstSentence(text) {
  const line = text.split('\n\n')[0].replaceAll('\n', ' ').trim()
  // an abbreviation, an initial or a number with a point ends no sentence
  const end = /(?<!\b(?:e\.g|i\.e|al|vs|approx|[A-Z]))\.(?=\s+[A-Z`[(]|\s*$)/.exec(line)
  return end ? line.slice(0, end.index) : line
}
