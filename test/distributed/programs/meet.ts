// Meets the other ranks, or says why not.
import { readFileSync } from 'node:fs'
import * as distributed from '../../../lib/distributed/index.js'
import { say } from './say.js'

const given = process.env['WEFT_SAYS']
await distributed.init({ heartbeatMs: 500, timeoutMs: Number(process.argv[2]) }).then(
  async ({ rank, size, engine }) => {
    const mpi = readFileSync('/proc/self/maps', 'utf8').includes('libmpi')
    say(Number(given ?? rank), { size, engine, mpi, ranks: await distributed.gatherJson(rank) })
  },
  ({ code, message }: { code: string; message: string }) => say(Number(given ?? process.env['RANK']), { code, message }),
)
process.exit(0)
