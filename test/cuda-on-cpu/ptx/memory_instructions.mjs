// Memory in C++: loads, stores, atomics, barriers.
import { TYPES, vector } from './types.mjs'

/** The C++ pointer to `count` elements that an operand names. */
function place(parts, operand, c, count, T) {
  const space = parts.find((part) => /^(shared|global|param|local|const)/.test(part))
  const address = c.address(operand)
  if (space?.startsWith('shared')) return `ptx::at<${T}, ${count}>(shared + uint32_t(${address}))`
  if (space === 'param') return `reinterpret_cast<const ${T}*>(${address})`
  return `ptx::at<${T}, ${count}>(uint64_t(${address}))`
}

/** Loads and stores. */
export function access(op, parts, a, type, c) {
  const load = op !== 'st'
  const T = TYPES[type]
  const values = vector(load ? a[0] : a[1])
  const at = place(parts, load ? a[1] : a[0], c, values.length, T)
  const acquire = parts.includes('acquire')
  if (acquire)
    return `{ emulator::yield(); auto* from = ${at}; emulator::announce_atomic(from, sizeof *from, false, emulator::Order::acquire); ${c.write(values[0], type, '*from')} }`
  if (load)
    return `{ const auto* from = ${at}; ${values.map((value, i) => (value === '_' ? '' : c.write(value, type, `from[${i}]`))).join(' ')} }`
  return `{ auto* to = ${at}; ${values.map((value, i) => `to[${i}] = ${c.read(value, type)};`).join(' ')} }`
}

export function atomic(op, parts, a, type, c) {
  const T = TYPES[type]
  const first = op === 'atom' ? 1 : 0
  const order = parts.includes('acq_rel')
    ? 'acquire_release'
    : parts.includes('release')
      ? 'release'
      : parts.includes('acquire')
        ? 'acquire'
        : 'relaxed'
  const change = {
    add: 'T(before + value)',
    min: 'std::min<T>(before, value)',
    max: 'std::max<T>(before, value)',
    and: 'T(before & value)',
    or: 'T(before | value)',
    xor: 'T(before ^ value)',
    exch: 'value',
    inc: 'before >= value ? T(0) : T(before + 1)',
    dec: 'before == 0 || before > value ? value : T(before - 1)',
    cas: 'before == value ? other : before',
  }
  const kind = Object.keys(change).find((name) => parts.includes(name))
  if (!kind) return undefined
  const other = kind === 'cas' ? `const T other = ${c.read(a[first + 2], type)}; ` : ''
  const body = `using T = ${T}; const T value = ${c.read(a[first + 1], type)}; ${other}`
  const update = `emulator::update(${place(parts, a[first], c, 1, T)}, emulator::Order::${order}, [=](T before) __attribute__((no_sanitize("thread"))) -> T { return ${change[kind]}; })`
  return `{ ${body}${op === 'atom' && a[0] !== '_' ? `const T old = ${update}; ${c.write(a[0], type, 'old')}` : `${update};`} }`
}

export function barrier(parts, a, c) {
  if (parts.includes('warp')) return `emulator::syncwarp(${c.read(a[0], 'u32')});`
  if (parts.includes('cluster')) return undefined
  if (parts.includes('red')) {
    const vote = parts.includes('popc') ? 'count' : parts.includes('and') ? 'all' : 'any'
    return c.write(a[0], vote === 'count' ? 'u32' : 'pred', `emulator::barrier_vote(emulator::Vote::${vote}, ${c.read(a.at(-1), 'pred')})`)
  }
  const threads = a[1] ? `int(${c.read(a[1], 'u32')})` : '0'
  return `emulator::barrier${parts.includes('arrive') ? '_arrive' : ''}(int(${c.read(a[0], 'u32')}), ${threads});`
}
