// Tensor cores and asynchronous copies in C++: cp.async, ldmatrix, mma.sync; of sm_90 mbarrier, TMA, wgmma and
// clusters.
import { vector } from './types.mjs'

const shared = (address) => `(shared + uint32_t(${address}))`
const barrierAt = (address) => `reinterpret_cast<uint64_t*>${shared(address)}`

const words = (list, c) => vector(list).map((part) => c.read(part, 'b32'))

function mma(parts, a, c) {
  const [d, left, right, plus] = a
  const kind = parts.includes('tf32') ? 'tf32' : parts.includes('bf16') ? 'bf16' : parts.includes('m16n8k8') ? 'f16_k8' : 'f16'
  if (!parts.includes('f32')) return undefined
  const sums = vector(plus).map((part) => c.read(part, 'f32'))
  return [
    `{ float d[4] = {${sums.join(', ')}}; const uint32_t a[] = {${words(left, c).join(', ')}}, b[] = {${words(right, c).join(', ')}};`,
    `emulator::mma(emulator::Mma::${kind}, d, a, b);`,
    ...vector(d).map((part, i) => c.write(part, 'f32', `d[${i}]`)),
    '}',
  ].join(' ')
}

function copy(a, c) {
  const bytes = Number(a[2])
  const source = c.address(a[1])
  // the last operand, where there is one, says how many bytes are read; the rest is zero
  const valid = a[3] ? `ptx::all_or_none(${c.read(a[3], 'u32')}, ${bytes})` : 'true'
  return `emulator::async_copy(${shared(c.address(a[0]))}, reinterpret_cast<const void*>(${source}), ${bytes}, ${valid});`
}

/** Registers hold the sums, so that a product is finished where it is issued: waits find nothing left. */
function groupProduct(opcode, parts, a, c) {
  const [d, left, right, accumulate, , , transposedA, transposedB] = a
  const columns = Number(/n(\d+)k/.exec(opcode)[1])
  const kind = parts.includes('tf32') ? 'tf32' : parts.includes('bf16') ? 'bf16' : 'f16'
  const sums = vector(d)
  const transposed = (text) => (text === undefined ? 'false' : `${text} != 0`)
  return [
    `{ float d[] = {${sums.map((part) => c.read(part, 'f32')).join(', ')}};`,
    `emulator::group_product(emulator::Mma::${kind}, d, ${columns}, ${c.read(left, 'b64')}, ${c.read(right, 'b64')}, ${transposed(transposedA)}, ${transposed(transposedB)}, ${c.read(accumulate, 'pred')});`,
    'emulator::group_product_commit(); emulator::group_product_wait(0);',
    ...sums.map((part, i) => c.write(part, 'f32', `d[${i}]`)),
    '}',
  ].join(' ')
}

/** [map, {coordinates}] */
function box(text, c) {
  const [, map, coordinates] = /^\[\s*([^,\s]+)\s*,\s*\{([^}]*)\}\s*\]$/.exec(text)
  const at = coordinates.split(',').map((part) => c.read(part.trim(), 's32'))
  return { map: `reinterpret_cast<const CUtensorMap*>(${c.raw(map)})`, at: `{${at.join(', ')}}` }
}

function sharedBarrier(parts, a, c) {
  const operand = a[0] === '_' ? 1 : 0
  if (parts[1] === 'init') return `emulator::shared_barrier_init(${barrierAt(c.address(a[0]))}, ${c.read(a[1], 'u32')});`
  if (parts[1] === 'inval') return ';'
  if (parts[1] === 'arrive') {
    if (a[0] !== '_') return undefined
    const address = c.address(a[operand])
    if (parts.includes('shared::cluster'))
      return `{ const uint32_t remote = uint32_t(${address}); emulator::shared_barrier_arrive(${barrierAt('(remote & 0xffffff)')}, 0, int(remote >> 24) - 1); }`
    const bytes = parts.includes('expect_tx') ? c.read(a[operand + 1], 'u32') : '0'
    return `emulator::shared_barrier_arrive(${barrierAt(address)}, ${bytes}, -1);`
  }
  if (parts[1] === 'try_wait' && parts.includes('parity'))
    return `emulator::shared_barrier_wait(${barrierAt(c.address(a[1]))}, ${c.read(a[2], 'u32')}); ${c.write(a[0], 'pred', 'true')}`
  return undefined
}

function bulkCopy(opcode, parts, a, c) {
  if (opcode === 'cp.async.bulk.commit_group') return 'emulator::tensor_store_commit();'
  if (opcode.startsWith('cp.async.bulk.wait_group')) return `emulator::tensor_store_wait(${a[0]});`
  if (!parts.includes('tensor')) return undefined
  if (parts.indexOf('global') < parts.findIndex((part) => part.startsWith('shared'))) {
    const { map, at } = box(a[0], c)
    return `emulator::tensor_store(${map}, ${shared(c.address(a[1]))}, ${at});`
  }
  const { map, at } = box(a[1], c)
  const blocks = parts.includes('multicast::cluster') ? c.read(a[3], 'u16') : '0'
  return `emulator::tensor_load(${shared(c.address(a[0]))}, ${map}, ${barrierAt(c.address(a[2]))}, ${at}, ${blocks});`
}

/** A shared address in another block of the cluster carries that block's number, plus 1, above its 24 bits. */
function hopper(opcode, parts, a, c) {
  if (opcode.startsWith('wgmma.mma_async')) return groupProduct(opcode, parts, a, c)
  if (opcode.startsWith('wgmma.fence')) return 'emulator::group_product_fence();'
  if (opcode.startsWith('wgmma.commit_group')) return 'emulator::group_product_commit();'
  if (opcode.startsWith('wgmma.wait_group')) return `emulator::group_product_wait(${a[0]});`
  if (parts[0] === 'mbarrier') return sharedBarrier(parts, a, c)
  if (opcode.startsWith('cp.async.bulk')) return bulkCopy(opcode, parts, a, c)
  if (opcode.startsWith('barrier.cluster')) return `emulator::cluster_${parts[2]}();`
  if (opcode.startsWith('mapa.shared')) return c.write(a[0], 'u32', `${c.read(a[1], 'u32')} | (${c.read(a[2], 'u32')} + 1) << 24`)
  if (opcode.startsWith('mapa.u64'))
    return c.write(
      a[0],
      'u64',
      `reinterpret_cast<uint64_t>(emulator::cluster_map(reinterpret_cast<void*>(${c.read(a[1], 'u64')}), ${c.read(a[2], 'u32')}))`,
    )
  if (['setmaxnreg', 'griddepcontrol'].includes(parts[0])) return ';'
  if (opcode.startsWith('elect.sync')) return c.write(a[0].split('|')[1].trim(), 'pred', '(ptx::thread_number() & 31) == 0')
  return undefined
}

/** C++ for an instruction of this kind, or undefined for all others. */
export function tensorInstruction(opcode, parts, a, c) {
  const newer = hopper(opcode, parts, a, c)
  if (newer !== undefined) return newer
  if (opcode.startsWith('mma.sync')) return mma(parts, a, c)
  if (parts[0] === 'ldmatrix') {
    const to = vector(a[0])
    return [
      `{ uint32_t r[4]; emulator::load_matrix(r, ${shared(c.address(a[1]))}, ${to.length}, ${parts.includes('trans')});`,
      ...to.map((part, i) => c.write(part, 'b32', `r[${i}]`)),
      '}',
    ].join(' ')
  }
  if (/^cp\.async\.c[ag]/.test(opcode)) return copy(a, c)
  if (opcode === 'cp.async.commit_group') return 'emulator::async_commit();'
  if (opcode === 'cp.async.wait_group') return `emulator::async_wait(${a[0]});`
  if (opcode === 'cp.async.wait_all') return 'emulator::async_commit(); emulator::async_wait(0);'
  return undefined
}
