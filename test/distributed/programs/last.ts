// A program whose last call is predict(), or a collective that nobody awaits.
import { tensor } from '../../../lib/core/create.js'
import * as data from '../../../lib/data/index.js'
import { setSeed } from '../../../lib/core/random.js'
import * as distributed from '../../../lib/distributed/index.js'
import { say } from './say.js'
import { classifier } from './small_models.js'

const { rank } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000 })
setSeed(1)
const net = classifier(3, [], 8)
const rows = Array.from({ length: 96 }, (_, i) => Array.from({ length: 8 }, (_, j) => Math.sin(i * 8 + j)))
// which of them comes last is asked for
const ways = {
  rows: () => net.predict(tensor(rows)),
  sharded: () => net.predict(tensor(rows), { sharded: true, gather: 'all' as const }),
  collective: () => void distributed.allReduce(tensor(new Float32Array(1e6))),
  batches: () => net.predict(data.from(rows).batch(16)),
}
say(rank, {})
await ways[process.argv[2] as keyof typeof ways]()
