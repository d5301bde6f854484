// The least that ranks do: they meet, add up their numbers, and end.
import { distributed, tensor } from '../../../lib/index.js'
import { say } from './say.js'

const { rank } = await distributed.init({ timeoutMs: 60_000 })
const [sum] = await distributed.allReduce(tensor([rank])).data()
say(rank, { sum })
