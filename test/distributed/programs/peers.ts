// Ranks that meet, and end as the first argument says; further arguments belong to it.
import { existsSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { tensor } from '../../../lib/core/create.js'
import * as distributed from '../../../lib/distributed/index.js'
import { say } from './say.js'

const [what, word] = process.argv.slice(2)
if (what === 'ends at once') process.exit(Number(word))
const { rank, size } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 120_000 })
say(rank, { pid: process.pid, host: os.hostname(), threads: process.env['WEFT_THREADS'], setting: process.env['WEFT_TEST_SETTING'] })
console.log(`one line of rank ${rank}`)
if (what === 'hangs') await pause(600_000)
if (what === 'is killed once' && !existsSync(word!)) {
  await distributed.barrier()
  if (rank === 1) {
    writeFileSync(word!, '')
    process.kill(process.pid, 'SIGKILL')
  }
}
if (what === 'leaves' && rank === 1) process.exit(0)
const [sum] = await distributed.allReduce(tensor([rank + 1])).data()
if (sum !== (size * (size + 1)) / 2) throw new Error(`the sum is ${sum}`)
await distributed.close()
