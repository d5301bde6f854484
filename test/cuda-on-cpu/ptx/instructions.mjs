// What each PTX instruction is in C++ (machine.h). `operand` turns registers, numbers and names into C++; see
// translate.mjs.
import { access, atomic, barrier } from './memory_instructions.mjs'
import { tensorInstruction } from './tensor_instructions.mjs'
import { SIZE, TYPES, vector } from './types.mjs'

const UNSIGNED = { 1: 'uint8_t', 2: 'uint16_t', 4: 'uint32_t', 8: 'uint64_t' }
const WIDE = { s16: 's32', u16: 'u32', s32: 's64', u32: 'u64' }

const COMPARISONS = { eq: '==', ne: '!=', lt: '<', gt: '>', le: '<=', ge: '>=', lo: '<', hi: '>', ls: '<=', hs: '>=' }
/** True where an operand is NaN: the opposite of the opposite. */
const UNORDERED = { equ: '!(a < b || a > b)', neu: '!(a == b)', ltu: '!(a >= b)', gtu: '!(a <= b)', leu: '!(a > b)', geu: '!(a < b)' }

/** C++ for one instruction, or undefined when it is not known. `c`: { read, write, raw, address, label }. */
export function translate({ opcode, operands: a }, c) {
  const parts = opcode.split('.')
  const op = parts[0]
  const has = (part) => parts.includes(part)
  const types = parts.filter((part) => TYPES[part])
  const type = types.at(-1)
  const T = TYPES[type]
  const isFloat = type?.startsWith('f') || type === 'bf16'
  const U = type && UNSIGNED[SIZE[type]]
  const read = (index, as = type) => c.read(a[index], as)
  const set = (expression, as = type) => c.write(a[0], as, expression)
  const rounding = has('rm') ? 'down' : has('rp') ? 'up' : has('rz') ? 'zero' : 'nearest'
  const finish = (x) => (has('sat') && isFloat ? `ptx::clamp01<${T}>(${x})` : x)

  const tensor = tensorInstruction(opcode, parts, a, c)
  if (tensor !== undefined) return tensor

  const arithmetic = { add: '+', sub: '-' }
  const bitwise = { and: '&', or: '|', xor: '^' }
  if (arithmetic[op] && !has('cc') && op !== 'addc') {
    if (isFloat) {
      const sign = op === 'sub' ? '-' : ''
      return set(
        finish(
          rounding === 'nearest'
            ? `${read(1)} ${arithmetic[op]} ${read(2)}`
            : `ptx::fused<ptx::Rounding::${rounding}, ${T}>(${read(1)}, ${T}(1), ${sign}${read(2)})`,
        ),
      )
    }
    return set(`${U}(${read(1)}) ${arithmetic[op]} ${U}(${read(2)})`)
  }
  if (bitwise[op]) return type === 'pred' ? set(`${read(1)} ${bitwise[op]} ${read(2)}`) : set(`${read(1)} ${bitwise[op]} ${read(2)}`)
  if (op === 'mul' || op === 'mad' || op === 'fma') {
    const third = (as) => (op === 'mul' ? '' : ` + ${c.read(a[3], as)}`)
    if (isFloat) {
      if (op === 'mul' && rounding === 'nearest') return set(finish(`${read(1)} * ${read(2)}`))
      return set(finish(`ptx::fused<ptx::Rounding::${rounding}, ${T}>(${read(1)}, ${read(2)}, ${op === 'mul' ? `${T}(-0.0)` : read(3)})`))
    }
    const wide = WIDE[type]
    if (has('wide')) return set(`${TYPES[wide]}(${read(1)}) * ${TYPES[wide]}(${read(2)})${third(wide)}`, wide)
    if (has('hi')) return set(`ptx::high<${T}>(${read(1)}, ${read(2)})${third(type)}`)
    const factor = `uint64_t` // no promotion of 16 bits to a signed int
    return set(`${factor}(${read(1)}) * ${factor}(${read(2)})${op === 'mul' ? '' : ` + ${factor}(${read(3)})`}`)
  }
  const convertType = () => (isFloat ? undefined : T)
  switch (op) {
    case 'div':
      return set(isFloat ? `${read(1)} / ${read(2)}` : `ptx::divide<${convertType()}>(${read(1)}, ${read(2)})`)
    case 'rem':
      return set(`ptx::remainder<${T}>(${read(1)}, ${read(2)})`)
    case 'neg':
      return set(isFloat ? `-${read(1)}` : `${U}(0) - ${U}(${read(1)})`)
    case 'abs':
      return set(isFloat ? `std::fabs(${read(1)})` : `${read(1)} < 0 ? ${U}(0) - ${U}(${read(1)}) : ${U}(${read(1)})`)
    case 'not':
      return set(type === 'pred' ? `!${read(1)}` : `~${read(1)}`)
    case 'max':
    case 'min': {
      const value = `ptx::${op === 'max' ? 'larger' : 'smaller'}<${T}>(${read(1)}, ${read(2)})`
      return set(has('NaN') ? `ptx::or_nan<${T}>(${read(1)}, ${read(2)}, ${value})` : value)
    }
    case 'shl':
      return set(`ptx::shift_left<${T}>(${read(1)}, ${c.read(a[2], 'u32')})`)
    case 'shr':
      return set(`ptx::shift_right<${T}>(${read(1)}, ${c.read(a[2], 'u32')})`)
    case 'shf': {
      const count = c.read(a[3], 'u32')
      return set(
        `ptx::funnel_${parts[1] === 'l' ? 'left' : 'right'}(${read(1)}, ${read(2)}, ${has('wrap') ? `${count} & 31` : `std::min(${count}, 32u)`})`,
      )
    }
    case 'bfe':
      return set(`ptx::extract<${T}>(${read(1)}, ${c.read(a[2], 'u32')}, ${c.read(a[3], 'u32')})`)
    case 'bfi':
      return set(`ptx::insert<${T}>(${read(1)}, ${read(2)}, ${c.read(a[3], 'u32')}, ${c.read(a[4], 'u32')})`)
    case 'prmt':
      return set(`ptx::permute(${read(1)}, ${read(2)}, ${read(3)})`)
    case 'lop3':
      return set(`ptx::lookup3(${read(1)}, ${read(2)}, ${read(3)}, ${a[4]})`)
    case 'brev':
      return set(`ptx::reverse<${T}>(${read(1)})`)
    case 'popc':
      return set(`uint32_t(std::popcount(${read(1)}))`, 'u32')
    case 'clz':
      return set(`uint32_t(std::countl_zero(${read(1)}))`, 'u32')
    case 'bfind':
      return set(`${read(1)} == 0 ? 0xffffffffu : uint32_t(${8 * SIZE[type] - 1} - std::countl_zero(${U}(${read(1)})))`, 'u32')
    case 'ex2':
      return set(`std::exp2(${read(1)})`)
    case 'lg2':
      return set(`std::log2(${read(1)})`)
    case 'rcp':
      return set(`${T}(1) / ${read(1)}`)
    case 'sqrt':
      return set(`std::sqrt(${read(1)})`)
    case 'rsqrt':
      return set(`${T}(1) / std::sqrt(${read(1)})`)
    case 'sin':
    case 'cos':
    case 'tanh':
      return set(`std::${op}(${read(1)})`)
    case 'copysign':
      return set(`std::copysign(${read(2)}, ${read(1)})`)
    case 'selp':
      return set(`${c.read(a[3], 'pred')} ? ${read(1)} : ${read(2)}`)
    case 'testp':
      return set(
        { finite: `std::isfinite(${read(1)})`, infinite: `std::isinf(${read(1)})`, notanumber: `std::isnan(${read(1)})` }[parts[1]],
        'pred',
      )
    case 'setp':
      return comparison(parts, a, type, c)
    case 'mov':
      return move(a, type, c)
    case 'cvt':
      return conversion(parts, types, a, c)
    case 'cvta': {
      const value = c.read(a[1], 'u64')
      if (!has('shared') && !parts[1].startsWith('shared') && !parts[2]?.startsWith('shared')) return set(value, 'u64')
      if (has('to')) return set(`uint64_t(emulator::shared_offset(reinterpret_cast<const void*>(${value})))`, 'u64')
      return set(`reinterpret_cast<uint64_t>(shared + ${value})`, 'u64')
    }
    case 'ld':
    case 'ldu':
    case 'st':
      return access(op, parts, a, type, c)
    case 'atom':
    case 'red':
      return atomic(op, parts, a, type, c)
    case 'shfl': {
      const mode = { idx: 'from', up: 'up', down: 'down', bfly: 'exclusive_or' }[parts[2]]
      const [to, predicate] = a[0].split('|').map((part) => part.trim())
      const call = `ptx::shuffle(emulator::Shuffle::${mode}, ${c.read(a[1], 'u32')}, ${c.read(a[2], 'u32')}, ${c.read(a[3], 'u32')}, ${c.read(a[4], 'u32')}, inside)`
      return `{ bool inside; const uint32_t value = ${call}; (void)inside; ${c.write(to, 'b32', 'value')} ${predicate ? c.write(predicate, 'pred', 'inside') : ''} }`
    }
    case 'vote': {
      const votes = `emulator::ballot(${c.read(a[2], 'u32')}, ${c.read(a[1], 'pred')})`
      if (has('ballot')) return set(votes, 'b32')
      return set(has('any') ? `${votes} != 0` : `${votes} == ${c.read(a[2], 'u32')}`, 'pred')
    }
    case 'match':
      return set(`emulator::match_any(${c.read(a[2], 'u32')}, ${read(1)})`, 'b32')
    case 'redux': {
      const kind = { add: 'add', min: 'minimum', max: 'maximum', and: 'bit_and', or: 'bit_or', xor: 'bit_xor' }[parts[2]]
      return set(`${T}(emulator::reduce(emulator::Reduction::${kind}, ${c.read(a[2], 'u32')}, ${read(1)}))`)
    }
    case 'bar':
    case 'barrier':
      return barrier(parts, a, c)
    case 'membar':
    case 'fence':
      return 'emulator::fence();'
    case 'bra':
      return `goto ${c.label(a[0])};`
    case 'ret':
    case 'exit':
      return 'return;'
    case 'trap':
      return 'emulator::fault("trap");'
    case 'nanosleep':
      return 'emulator::yield();'
    case 'prefetch':
    case 'prefetchu':
    case 'discard':
    case 'createpolicy':
      return ';'
    default:
      return undefined
  }
}

function comparison(parts, a, type, c) {
  const [test] = parts.slice(1)
  const T = TYPES[type]
  const holds =
    UNORDERED[test] ??
    { num: 'a == a && b == b', nan: 'a != a || b != b' }[test] ??
    (test === 'ne' && type[0] === 'f' ? 'a < b || a > b' : `a ${COMPARISONS[test]} b`)
  const combine = parts.find((part) => part === 'and' || part === 'or' || part === 'xor')
  const [to, opposite] = a[0].split('|').map((part) => part.trim())
  const with_third = (value) => (combine ? `(${value}) ${{ and: '&', or: '|', xor: '^' }[combine]} ${c.read(a[3], 'pred')}` : value)
  const second = opposite ? c.write(opposite, 'pred', with_third('!result')) : ''
  return `{ const ${T} a = ${c.read(a[1], type)}, b = ${c.read(a[2], type)}; const bool result = ${holds}; ${c.write(to, 'pred', with_third('result'))} ${second} }`
}

function move(a, type, c) {
  const bits = 8 * (SIZE[type] ?? 0)
  if (a[0].startsWith('{')) {
    const to = vector(a[0])
    const width = bits / to.length
    return `{ const auto all = ${c.read(a[1], `b${bits}`)}; ${to.map((part, i) => c.write(part, `b${width}`, `all >> ${width * i}`)).join(' ')} }`
  }
  if (a[1].startsWith('{')) {
    const from = vector(a[1])
    const width = bits / from.length
    return c.write(a[0], `b${bits}`, from.map((part, i) => `uint${bits}_t(${c.read(part, `b${width}`)}) << ${width * i}`).join(' | '))
  }
  return c.write(a[0], type, c.read(a[1], type))
}

function conversion(parts, types, a, c) {
  if (parts.includes('f16x2') || parts.includes('bf16x2')) {
    const half = parts.includes('f16x2') ? 'Float16' : 'BFloat16'
    const word = (text) => `uint32_t(ptx::convert<${half}>(${c.read(text, 'f32')}).bits)`
    return c.write(a[0], 'b32', `${word(a[1])} << 16 | ${word(a[2])}`)
  }
  if (parts.includes('tf32')) return c.write(a[0], 'b32', `emulator::to_tf32(${c.read(a[1], 'f32')})`)
  const [to, from] = types
  const fraction = parts.find((part) => ['rni', 'rzi', 'rmi', 'rpi'].includes(part))
  let value = c.read(a[1], from)
  const wide = from === 'f16' || from === 'bf16' ? `float(${value})` : value
  if (fraction) value = `std::${{ rni: 'nearbyint', rzi: 'trunc', rmi: 'floor', rpi: 'ceil' }[fraction]}(${wide})`
  if (parts.includes('sat') && to[0] === 'f') value = `ptx::clamp01<${TYPES[to]}>(${value})`
  return c.write(a[0], to, `ptx::convert<${TYPES[to]}>(${value})`)
}
