// Reads PTX as nvcc writes it: module variables, and per kernel its parameters and its statements in order.

/** Splits at commas that no bracket encloses. */
export function split(text) {
  const parts = []
  let depth = 0
  let part = ''
  for (const c of text) {
    if ('{[('.includes(c)) depth++
    if ('}])'.includes(c)) depth--
    if (c === ',' && depth === 0) {
      parts.push(part.trim())
      part = ''
    } else part += c
  }
  if (part.trim()) parts.push(part.trim())
  return parts
}

const BITS = { b8: 8, u8: 8, s8: 8, b16: 16, u16: 16, s16: 16, b32: 32, u32: 32, s32: 32, f32: 32, b64: 64, u64: 64, s64: 64, f64: 64 }

/** .shared .align 4 .b8 tile[1024], .global .align 4 .b32 table[6] = {1, 2}, ...; undefined for other directives. */
function variable(text) {
  const match =
    /^(?:\.visible\s+|\.weak\s+|\.extern\s+)*\.(shared|global|const|local)\s+(?:\.attribute\([^)]*\)\s+)?(?:\.align\s+(\d+)\s+)?\.(\w+)\s+([\w$]+)((?:\[\d*\])*)(?:\s*=\s*([\s\S]*))?$/.exec(
      text.trim(),
    )
  if (!match) return undefined
  const [, space, align, type, name, extents, initial] = match
  const element = BITS[type] / 8
  const count = [...extents.matchAll(/\[(\d*)\]/g)].reduce((n, m) => n * Number(m[1] || 0), 1)
  return {
    space,
    name,
    align: Number(align ?? element),
    bytes: element * count,
    element,
    initial: initial && split(initial.replace(/[{}]/g, '')),
  }
}

/** The statements of a kernel's body: labels, scopes, registers, variables, instructions. */
function statements(body) {
  const list = []
  let at = 0
  while (at < body.length) {
    const rest = body.slice(at)
    const space = /^\s+/.exec(rest)
    if (space) {
      at += space[0].length
      continue
    }
    if (body[at] === '{' || body[at] === '}') {
      list.push({ kind: body[at] === '{' ? 'open' : 'close' })
      at++
      continue
    }
    const label = /^([\w$]+):(?!:)/.exec(rest.slice(0, 400))
    if (label) {
      list.push({ kind: 'label', name: label[1] })
      at += label[0].length
      continue
    }
    const end = body.indexOf(';', at)
    list.push(statement(body.slice(at, end < 0 ? body.length : end).trim()))
    at = end < 0 ? body.length : end + 1
  }
  return list
}

function statement(text) {
  const registers = /^\.reg\s+\.(\w+)\s+([\s\S]*)$/.exec(text)
  if (registers) return { kind: 'registers', type: registers[1], names: split(registers[2]) }
  if (text.startsWith('.')) {
    const found = variable(text)
    return found ? { kind: 'variable', ...found } : { kind: 'directive' }
  }
  const match = /^(?:@(!?)(%?[\w$]+)\s+)?([\w.:]+)\s*([\s\S]*)$/.exec(text)
  if (!match) throw new Error(`not an instruction: ${text}`)
  const [, not, guard, opcode, operands] = match
  return { kind: 'instruction', guard: guard && { not: not === '!', register: guard }, opcode, operands: split(operands), text }
}

/** The module: { variables, kernels: [{ name, parameters: [{ name, align, bytes }], statements }] }. */
export function parse(source) {
  const text = source.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/\/\/[^\n]*/g, '')
  const variables = []
  const kernels = []
  const header = /\.entry\s+([\w$]+)\s*\(([^)]*)\)[^{;]*\{/g
  let outside = ''
  let last = 0
  for (let match = header.exec(text); match; match = header.exec(text)) {
    outside += text.slice(last, match.index)
    let depth = 1
    let end = header.lastIndex
    for (; depth > 0; end++) depth += text[end] === '{' ? 1 : text[end] === '}' ? -1 : 0
    const parameters = split(match[2]).map((parameter) => {
      const [, align, type, name, count] =
        /^\.param\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+(?:\.ptr\s+(?:\.\w+\s+)?(?:\.align\s+\d+\s+)?)?([\w$]+)(?:\[(\d+)\])?$/.exec(
          parameter.trim(),
        )
      return { name, align: Number(align ?? BITS[type] / 8), bytes: (BITS[type] / 8) * Number(count ?? 1) }
    })
    kernels.push({ name: match[1], parameters, statements: statements(text.slice(header.lastIndex, end - 1)) })
    last = end
    header.lastIndex = end
  }
  outside += text.slice(last)
  for (const part of outside.split(';')) {
    const found = variable(part.replace(/^\s*(\.(version|target|address_size)[^\n]*\n\s*)*/, ''))
    if (found) variables.push(found)
  }
  return { variables, kernels }
}
