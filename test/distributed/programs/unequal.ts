// Ranks that ask for the same collective of very unequal sizes. Argument: which one. Every rank says its error.
import type { WeftError } from '../../../lib/core/error.js'
import type { Tensor } from '../../../lib/core/tensor.js'
import * as distributed from '../../../lib/distributed/index.js'
import { zeros } from '../../../lib/ops/index.js'
import { heard, say } from './say.js'

const { rank, size } = await distributed.init({ timeoutMs: 60_000, heartbeatMs: 5_000 })
const OPS: Record<string, (x: Tensor) => Tensor> = {
  allGather: (x) => distributed.allGather(x),
  allToAll: (x) => distributed.allToAll(x),
  reduceScatter: (x) => distributed.reduceScatter(x),
  sendRecv: (x) => distributed.sendRecv(x, { to: (rank + 1) % size, from: (rank + size - 1) % size }),
}
const error = await OPS[process.argv[2]!]!(zeros([size * (rank === 0 ? 4_000_000 : 4)]))
  .data()
  .then(
    () => ({ code: 'none', message: '' }),
    (reason: WeftError) => reason,
  )
say(rank, { code: error.code, message: error.message })
await heard(size)
