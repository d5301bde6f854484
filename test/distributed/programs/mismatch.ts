// Ranks that ask for the same collectives, drawn at random from a seed, until one of them asks for something else.
// Arguments: a seed. Every rank says which error it gets, and what the difference was.
import type { WeftError } from '../../../lib/core/error.js'
import type { Tensor } from '../../../lib/core/tensor.js'
import { tensor } from '../../../lib/core/create.js'
import * as distributed from '../../../lib/distributed/index.js' // not all of weftjs: a start is half as long
import { heard, say } from './say.js'

/** mulberry32: the same numbers on every rank. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

const { rank, size } = await distributed.init({ timeoutMs: 60_000, heartbeatMs: 5_000 })
const draw = generator(Number(process.argv[2]))
const pick = <T>(list: readonly T[]): T => list[draw(list.length)]!

interface Asked {
  op: string
  dtype: 'float32' | 'float64' | 'int32' | 'bfloat16'
  /** The last extents. The first is a multiple of the number of ranks. */
  inner: number[]
  reduce: 'sum' | 'max'
  root: number
  shift: number
}

const OPS: Record<string, (x: Tensor, asked: Asked) => Tensor> = {
  allReduce: (x, { reduce }) => distributed.allReduce(x, { reduce }),
  allGather: (x) => distributed.allGather(x),
  reduceScatter: (x) => distributed.reduceScatter(x),
  broadcast: (x, { root }) => distributed.broadcast(x, { root }),
  allToAll: (x) => distributed.allToAll(x),
  sendRecv: (x, { shift }) => distributed.sendRecv(x, { to: (rank + shift) % size, from: (rank + size - shift) % size }),
}

const drawn = (): Asked => ({
  op: pick(Object.keys(OPS)),
  dtype: pick(['float32', 'float64', 'int32', 'bfloat16'] as const),
  // now and then more than travels in one piece
  inner: pick([[1], [3], [2, 5], [1000], [40, 25], [draw(20) === 0 ? 400_000 : 5000]]),
  reduce: 'sum',
  root: draw(size),
  shift: 1 + draw(size - 1),
})
const run = (asked: Asked): Promise<unknown> =>
  OPS[asked.op]!(
    tensor(new Float32Array(size * asked.inner.reduce((a, b) => a * b)), { shape: [size, ...asked.inner] }).cast(asked.dtype),
    asked,
  ).data()

const before = Array.from({ length: draw(6) }, drawn)
const common = drawn()
const next = drawn()
const odd = draw(size)
const kind = pick(['shape', 'extent', 'dtype', 'op', 'order', 'root', 'peer'])
const other = (() => {
  if (kind === 'shape') return { ...common, inner: [...common.inner, 1] }
  if (kind === 'extent') return { ...common, inner: [common.inner[0]! + 1 + draw(9), ...common.inner.slice(1)] }
  if (kind === 'dtype') return { ...common, dtype: common.dtype === 'float32' ? 'int32' : 'float32' } as Asked
  if (kind === 'op') return { ...common, op: pick(Object.keys(OPS).filter((op) => op !== common.op)) }
  if (kind === 'root') return { ...common, op: 'broadcast', root: (common.root + 1) % size }
  if (kind === 'peer') return { ...common, op: 'sendRecv', shift: (common.shift + 1) % size }
  return { ...next, reduce: next.op === 'allReduce' && next.dtype !== 'bfloat16' ? 'max' : 'sum' } as Asked
})()
// the operation in which roots and peers can differ
const asked = kind === 'root' ? { ...common, op: 'broadcast' } : kind === 'peer' ? { ...common, op: 'sendRecv' } : common

try {
  for (const one of before) await run(one)
  const began = performance.now()
  try {
    await run(rank === odd ? other : asked)
    // the same by chance: a difference follows
    await run(rank === odd ? { ...next, inner: [7, 7] } : next)
    say(rank, { kind, value: 'nothing was noticed' })
  } catch (error) {
    const { code, message } = error as WeftError
    say(rank, { kind, code, message, ms: performance.now() - began })
  }
} catch (error) {
  say(rank, { kind, message: `before the difference: ${(error as Error).message}` })
}
await heard(size)
