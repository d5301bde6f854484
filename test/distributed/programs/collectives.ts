// Every collective and its gradient, on each rank.
import { distributed, grad, jit, type Tensor, tensor } from '../../../lib/index.js'
import { say } from './say.js'

const { rank, size, engine } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000 })
/** [2, 2 * size]: other values on each rank. */
const values = Array.from({ length: 4 * size }, (_, i) => i + 10 * rank)
const x = tensor(values, { shape: [2, 2 * size] })
const said: Record<string, unknown> = { size, engine }
const collectives: Record<string, (t: Tensor) => Tensor> = {
  sum: (t) => distributed.allReduce(t),
  mean: (t) => distributed.allReduce(t, { reduce: 'mean' }),
  max: (t) => distributed.allReduce(t, { reduce: 'max' }),
  min: (t) => distributed.allReduce(t, { reduce: 'min' }),
  gather0: (t) => distributed.allGather(t),
  gather1: (t) => distributed.allGather(t, { axis: 1 }),
  scatter: (t) => distributed.reduceScatter(t, { axis: 1 }),
  scatterMean: (t) => distributed.reduceScatter(t, { axis: -1, reduce: 'mean' }),
  broadcast: (t) => distributed.broadcast(t, { root: size - 1 }),
  allToAll: (t) => distributed.allToAll(t, { axis: 1 }),
  ring: (t) => distributed.sendRecv(t, { to: (rank + 1) % size, from: (rank + size - 1) % size }),
}
for (const [name, of] of Object.entries(collectives)) {
  const traced = jit(of)
  said[name] = await of(x).array()
  // the second run replays
  await traced(x).data()
  said[`${name} traced`] = await traced(x).array()
  // the loss of the run is the sum of these over the ranks; its weights differ by place and rank
  const weighted = (t: Tensor): Tensor => {
    const y = of(t)
    return y.mul(tensor(Array.from({ length: y.size }, (_, i) => (i % 7) + rank)).reshape(y.shape)).sum()
  }
  said[`${name} gradient`] = await grad(weighted)(x).array()
}
for (const dtype of ['bfloat16', 'float16', 'int32', 'uint8'] as const)
  said[dtype] = await distributed
    .allReduce(tensor([1, rank]).cast(dtype))
    .cast('float32')
    .array()
// how MPI's own extremes treat NaN depends on the order of the ranks, and NCCL says nothing of it
for (const reduce of ['max', 'min'] as const)
  for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
    const extremes = [0, size - 1].map((holder) => {
      const given = tensor(rank === holder ? [Number.NaN, Infinity, -Infinity, -0, -3] : [2, 2, 2, 0, -2]).cast(dtype)
      return distributed.allReduce(given, { reduce }).cast('float32').array()
    })
    const shown = (await Promise.all(extremes)).flat().map((value) => (Object.is(value, -0) ? '-0' : String(value)))
    said[`${reduce} of special ${dtype}`] = shown
  }
said['json'] = await distributed.gatherJson({ rank, text: 'ü' })
// more than a connection takes at once
said['long'] = (await distributed.gatherJson('x'.repeat(3e6))).map(({ length }) => length)
await distributed.barrier()
say(rank, said)
await distributed.close()
