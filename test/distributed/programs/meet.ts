// Meets the other ranks, or says why not.
import { distributed } from '../../../lib/index.js'
import { say } from './say.js'

const number = Number(process.env['WEFT_SAYS'] ?? process.env['RANK'])
await distributed.init({ heartbeatMs: 250, timeoutMs: 1000 }).then(
  ({ size }) => say(number, { size }),
  ({ code, message }: { code: string; message: string }) => say(number, { code, message }),
)
process.exit(0)
