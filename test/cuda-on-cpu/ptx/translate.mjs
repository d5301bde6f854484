// Translates the PTX of a file of kernels into C++ that runs on the emulator: what nvcc made of them, inline assembly
// included, is then executed. Registers become local variables, labels stay labels, each instruction is a line
// (instructions.mjs).
// Every kernel registers itself under the name it has in the program that launches it (translated_launch.h).
import { execFileSync } from 'node:child_process'
import { translate } from './instructions.mjs'
import { parse } from './parse.mjs'
import { SIZE, TYPES } from './types.mjs'

const SPECIAL = {
  '%laneid': '(ptx::thread_number() & 31)',
  '%warpid': '(ptx::thread_number() >> 5)',
  '%nwarpid': '32u',
  '%smid': '0u',
  '%nsmid': '1u',
  '%cluster_ctarank': 'emulator::cluster_rank()',
  '%cluster_nctarank': 'emulator::cluster_size()',
  '%clock': '0u',
  '%clock64': '0ull',
  '%globaltimer': '0ull',
}
const INDICES = { tid: 'threadIdx', ntid: 'blockDim', ctaid: 'blockIdx', nctaid: 'gridDim' }

const identifier = (name) => name.replace(/^%/, '').replace(/[^A-Za-z0-9_]/g, '_')
/** Names of labels and registers are those of their scope. */
const scoped = (name, scope) => (scope === 0 ? identifier(name) : `${identifier(name)}_in${scope}`)
const isInteger = (type) => /^[bus]\d/.test(type)
const registerType = (type) => (type === 'pred' ? 'bool' : `uint${8 * Math.max(SIZE[type], 2)}_t`)

/** Labels of each scope, which branches may name before they come. */
function labelsOf(statements) {
  const scopes = [0]
  const labels = new Map()
  let opened = 0
  for (const statement of statements) {
    if (statement.kind === 'open') scopes.push(++opened)
    if (statement.kind === 'close') scopes.pop()
    if (statement.kind === 'label') labels.set(`${scopes.at(-1)} ${statement.name}`, true)
  }
  return labels
}

class Kernel {
  constructor(kernel, moduleVariables, unknown) {
    this.kernel = kernel
    this.unknown = unknown
    this.scopes = [0]
    this.opened = 0
    this.registers = new Map() // by scope and name, to the type of the local variable
    this.used = new Map() // local variables that appear, to their types
    this.variables = new Map(moduleVariables.map((variable) => [variable.name, variable]))
    this.usedVariables = new Map()
    this.labels = labelsOf(kernel.statements)
  }

  /** The C++ name of a register, or undefined. */
  register(name) {
    for (const scope of [...this.scopes].reverse()) {
      const exact = this.registers.get(`${scope} ${name}`)
      const family = exact ?? this.registers.get(`${scope} ${name.replace(/\d+$/, '')}<>`)
      if (!family) continue
      const local = `r_${scoped(name, scope)}`
      this.used.set(local, family)
      return local
    }
    return undefined
  }

  label(name) {
    for (const scope of [...this.scopes].reverse()) if (this.labels.has(`${scope} ${name}`)) return scoped(name, scope)
    throw new Error(`no label ${name} in ${this.kernel.name}`)
  }

  /** An operand before it is seen as a type. */
  raw(text) {
    const special =
      SPECIAL[text] ??
      (/^%(n?tid|n?ctaid)\.([xyz])$/.test(text) ? text.replace(/^%(\w+)\.(\w)$/, (_, name, axis) => `${INDICES[name]}.${axis}`) : undefined)
    if (special) return special
    const local = this.register(text)
    if (local) return local
    if (/^0[fF]/.test(text)) return `0x${text.slice(2)}u`
    if (/^0[dD]/.test(text)) return `0x${text.slice(2)}ull`
    if (/^-?\d+U?$/.test(text) || /^0x/i.test(text)) return `${text.replace(/U$/, '')}ll`
    const parameter = this.kernel.parameters.findIndex(({ name }) => name === text)
    if (parameter >= 0) return `reinterpret_cast<uint64_t>(parameters[${parameter}])`
    const variable = this.variables.get(text)
    if (!variable) throw new Error(`unknown operand '${text}' in ${this.kernel.name}`)
    this.usedVariables.set(text, variable)
    return `v_${identifier(text)}`
  }

  // Registers are seen as another type by a plain cast where that is all it takes: compilers are quicker with it than
  // with templates.
  read(text, type) {
    if (type === 'pred') return text.startsWith('!') ? `!${this.raw(text.slice(1))}` : `(${this.raw(text)} != 0)`
    const value = this.raw(text)
    if (isInteger(type)) return `${TYPES[type]}(${value})`
    const bits = `uint${8 * SIZE[type]}_t`
    return `__builtin_bit_cast(${TYPES[type]}, ${this.used.get(value) === bits ? value : `${bits}(${value})`})`
  }
  write(text, type, expression) {
    if (text === '_') return `(void)(${expression});`
    const to = this.raw(text)
    if (type === 'pred') return `${to} = ${expression};`
    // a wider register takes the number with its sign
    if (isInteger(type)) return `${to} = ${TYPES[type]}(${expression});`
    return `${to} = __builtin_bit_cast(uint${8 * SIZE[type]}_t, ${TYPES[type]}(${expression}));`
  }
  /** [register + offset] as a number. */
  address(text) {
    const [, base, offset] = /^\[\s*([^\s\]+]+)\s*(?:\+\s*(-?\w+)\s*)?\]$/.exec(text)
    return offset ? `(${this.raw(base)} + ${offset})` : this.raw(base)
  }

  line(statement) {
    switch (statement.kind) {
      case 'open':
        this.scopes.push(++this.opened)
        return ''
      case 'close':
        this.scopes.pop()
        return ''
      case 'label':
        return `${scoped(statement.name, this.scopes.at(-1))}:;`
      case 'registers':
        for (const name of statement.names)
          this.registers.set(`${this.scopes.at(-1)} ${name.replace(/<\d+>$/, '<>')}`, registerType(statement.type))
        return ''
      case 'variable':
        this.variables.set(statement.name, statement)
        return ''
      case 'instruction': {
        const code = translate(statement, this)
        if (code === undefined) this.unknown.set(statement.opcode, (this.unknown.get(statement.opcode) ?? 0) + 1)
        const known = code ?? `ptx::unknown("${statement.opcode}");`
        if (!statement.guard) return known
        return `if (${statement.guard.not ? '!' : ''}${this.raw(statement.guard.register)}) { ${known} }`
      }
      default:
        return ''
    }
  }

  declare({ name, space, align, bytes }) {
    const local = `v_${identifier(name)}`
    if (space === 'shared' && bytes === 0) return `const uint32_t ${local} = emulator::shared_offset(emulator::dynamic_shared());`
    if (space === 'shared')
      return `static const char site_${local} = 0; const uint32_t ${local} = emulator::shared_offset(emulator::static_shared(&site_${local}, ${bytes}, ${align}));`
    if (space === 'local')
      return `alignas(${align}) char memory_${local}[${bytes}]; const uint64_t ${local} = reinterpret_cast<uint64_t>(memory_${local});`
    return `const uint64_t ${local} = reinterpret_cast<uint64_t>(${identifier(name)});`
  }

  code() {
    const lines = this.kernel.statements.map((statement) => this.line(statement)).filter((line) => line)
    const registers = [...this.used].map(([name, type]) => `${type} ${name} = 0;`)
    const variables = [...this.usedVariables.values()].map((variable) => this.declare(variable))
    return [
      `static void ${identifier(this.kernel.name)}(const void* const* parameters) {`,
      '[[maybe_unused]] char* const shared = ptx::shared_base();',
      ...registers,
      ...variables,
      ...lines,
      '}',
    ].join('\n')
  }
}

/** Tables in .global and .const memory. */
function table({ name, align, bytes, element, initial }) {
  const type = `uint${8 * element}_t`
  return `alignas(${align}) static ${type} ${identifier(name)}[${Math.max(bytes / element, 1)}] = {${(initial ?? []).map((value) => `${type}(${value}${element === 8 ? 'ull' : ''})`).join(', ')}};`
}

/**
 * Names as c++filt writes them: those of anonymous namespaces lose what nvcc puts into them. A tensor map's type has a
 * name of its own in CUDA.
 */
function readable(names) {
  if (names.length === 0) return []
  return execFileSync('c++filt', { input: `${names.join('\n')}\n`, maxBuffer: 1 << 28 })
    .toString()
    .trimEnd()
    .replaceAll('CUtensorMap_st', 'CUtensorMap')
    .split('\n')
}

/**
 * C++ files of the kernels whose names are wanted, a few kernels in each so that several compilers can work on them,
 * and the instructions that have no translation with how often they appear.
 */
export function translateModule(source, wanted, kernelsPerFile = 4) {
  const { variables, kernels: all } = parse(source)
  const unknown = new Map()
  const names = readable(all.map(({ name }) => name))
  const kernels = all.map((kernel, i) => ({ kernel, name: names[i] })).filter(({ name }) => wanted(name))
  const tables = variables.filter(({ space }) => space === 'global' || space === 'const').map(table)
  const files = []
  for (let from = 0; from < kernels.length; from += kernelsPerFile) {
    const part = kernels.slice(from, from + kernelsPerFile)
    const functions = part.map(({ kernel }) => new Kernel(kernel, variables, unknown).code())
    const entries = part.map(
      ({ kernel, name }, i) => `static const ptx::Entry entry_${i}{${JSON.stringify(name)}, ${identifier(kernel.name)}};`,
    )
    files.push(
      [
        '#include "machine.h"',
        '#include "entries.h"',
        'using weft::BFloat16, weft::Float16;',
        'namespace {',
        ...tables,
        ...functions,
        ...entries,
        '}',
        '',
      ].join('\n'),
    )
  }
  return { files, names: kernels.map(({ name }) => name), unknown }
}
