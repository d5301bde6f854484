// Meets the other ranks, or says why not. Arguments: the milliseconds to wait, and how many processes are there at
// first.
import { readFileSync } from 'node:fs'
import * as distributed from '../../../lib/distributed/index.js'
import { say, started } from './say.js'

const given = process.env['WEFT_SAYS']
if (process.argv[3]) await started(Number(process.argv[3]))
await distributed.init({ heartbeatMs: 5_000, timeoutMs: Number(process.argv[2]) }).then(
  async ({ rank, size, engine }) => {
    const mpi = readFileSync('/proc/self/maps', 'utf8').includes('libmpi')
    say(Number(given ?? rank), { size, engine, mpi, ranks: await distributed.gatherJson(rank) })
  },
  ({ code, message }: { code: string; message: string }) => say(Number(given ?? process.env['RANK']), { code, message }),
)
process.exit(0)
