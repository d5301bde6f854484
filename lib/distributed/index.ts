// The public names of distributed training, nothing else.
export { allGather, allReduce, allToAll, broadcast, type Reduce, reduceScatter, sendRecv } from './collectives.js'
export { alone, barrier, close, gatherJson, init, type InitOptions, type World } from './world.js'
