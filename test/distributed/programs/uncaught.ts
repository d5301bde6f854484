// A program in which nothing catches an error of rank 1, while rank 0 is busy with work of its own.
import * as distributed from '../../../lib/distributed/index.js'

const { rank } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000 })
await distributed.barrier()
if (rank === 1)
  setTimeout(() => {
    throw new RangeError('nobody catches this')
  }, 10)
else setTimeout(() => console.log('rank 0 has done its work'), 600_000)
