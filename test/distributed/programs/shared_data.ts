// predict, evaluate and fit with data that ranks share, or that each has its own part of; alone, in the place of so
// many ranks, or as a rank.
import {
  data,
  distributed,
  input,
  layers,
  metrics,
  model,
  optimizers,
  sequential,
  setSeed,
  type Tensor,
  tensor,
  type WeftError,
} from '../../../lib/index.js'
import { partOfStep } from '../../../lib/model/sharded.js'
import { say } from './say.js'

const { rank, size } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 120_000 })
/** How many ranks share the data. */
const ranks = Number(process.argv[2])
const rows = 45
const numbers = (i: number): number[] => [Math.sin(i * 1.7), Math.cos(i * 0.9), Math.sin(i * i), (i % 7) / 7]
const samples = Array.from({ length: rows }, (_, i) => numbers(i))
const labels = Array.from({ length: rows }, (_, i) => i % 3)
const taken = (order: readonly number[]): { x: Tensor; y: Tensor } => ({
  x: tensor(order.map((i) => samples[i]!)),
  y: tensor(Int32Array.from(order, (i) => labels[i]!)),
})
const all = Array.from({ length: rows }, (_, i) => i)
const { x, y } = taken(all)
/** The rows of each rank: another number for each. */
const shards: number[][] = Array.from({ length: ranks }, () => [])
for (const i of all) shards[i % (ranks + 1) === ranks ? 0 : i % (ranks + 1)]!.push(i)
const counts = shards.map((list) => list.length)
/** What this rank has of the data; one process has all. */
const mine = size === 1 ? all : shards[rank]!
/** The order in which ranks with rows of their own give them. */
function orderOf(batchSize: number, from = counts): number[] {
  const given = new Array<number>(ranks).fill(0)
  const order: number[] = []
  for (let step = 0; order.length < from.reduce((a, b) => a + b, 0); step++)
    for (let r = 0; r < ranks; r++) {
      const part = partOfStep(from, r, batchSize, step)
      for (let k = 0; k < part.rows; k++) order.push(shards[r]![given[r]!++]!)
    }
  return order
}

function classifier(learningRate = 0.1): ReturnType<typeof sequential> {
  setSeed(5)
  const net = sequential([
    layers.dense({ units: 6, activation: 'tanh', inputShape: [4] }),
    layers.dropout({ rate: 0.3 }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  net.compile({
    optimizer: optimizers.sgd({ learningRate }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy', metrics.meanIoU()],
  })
  return net
}
async function refusalOf(work: () => Promise<unknown>): Promise<string> {
  const began = performance.now()
  const told = await work().then(
    () => 'no error',
    (error: WeftError) => `${typeof error.code === 'string' ? error.code : error.name} ${error.message}; ${error.hint ?? ''}`,
  )
  return performance.now() - began < 60_000 ? told : `late: ${told}`
}
const listOf = async (t: Tensor): Promise<number[]> => Array.from((await t.data()) as Float32Array)

const bits: Record<string, unknown> = {}
const figures: Record<string, unknown> = {}
const refused: Record<string, unknown> = {}

// predict: the bits of one process
{
  const net = classifier()
  bits['whole'] = await listOf(await net.predict(x, { batchSize: 8 }))
  bits['few'] = await listOf(await net.predict(taken(all.slice(0, 9)).x, { batchSize: 8 }))
  bits['small'] = await listOf(await net.predict(x, { batchSize: 64 }))
  const overlapping = await Promise.all([7, 4, 9].map((batchSize) => net.predict(x, { batchSize })))
  bits['overlapping'] = await Promise.all(overlapping.map(listOf))
  const batches = [0, 10, 20, 30, 40].map((begin) => taken(all.slice(begin, begin + 10)))
  bits['stream'] = await listOf(await net.predict(batches))
  bits['one batch'] = await listOf(await net.predict(batches.slice(0, 1)))
  const own = await net.predict(x, { batchSize: 8, gather: 'none' })
  bits['parts'] = (await distributed.gatherJson(await listOf(own))).flat()
  bits['own rows'] = await listOf(
    await net.predict(taken(size === 1 ? shards.flat() : mine).x, { sharded: true, gather: 'all', batchSize: 4 }),
  )
  bits['kept'] = (await net.predict(taken(mine).x, { sharded: true })).shape[0] === mine.length
  const streamed = size === 1 ? [taken(shards.flat())] : [taken(mine.slice(0, 3)), taken(mine.slice(3))]
  bits['own streams'] = await listOf(await net.predict(streamed, { sharded: true, gather: 'all' }))
}
{
  setSeed(6)
  const given = input({ shape: [4] })
  const hidden = layers.dense({ units: 5, activation: 'relu' }).apply(given)
  const two = model({
    inputs: given,
    outputs: {
      classes: layers.dense({ units: 3 }).apply(hidden),
      wide: layers.reshape({ targetShape: [2, 2] }).apply(layers.dense({ units: 4 }).apply(hidden)),
    },
  })
  const outputs = (await two.predict(x, { batchSize: 8 })) as unknown as Record<string, Tensor>
  bits['two outputs'] = [outputs['wide']!.shape, await listOf(outputs['classes']!), await listOf(outputs['wide']!)]
}
{
  setSeed(7)
  const net = sequential([layers.lstm({ units: 3, stateful: true, inputShape: [2, 2] })])
  bits['stateful'] = await listOf(await net.predict(x.reshape([rows, 2, 2]), { batchSize: 5 }))
}

// evaluate and fit: the figures of one process
figures['evaluate'] = await classifier().evaluate(x, y, { batchSize: 8 })
{
  const { x: own, y: targets } = taken(mine)
  figures['evaluate own rows'] = await classifier().evaluate(own, targets, { batchSize: 8, sharded: true })
  // every row once in an epoch, in whatever order
  const still = classifier(0)
  const { history } = await still.fit(own, targets, { batchSize: 8, sharded: true, validationData: [own, targets], verbose: 0 })
  figures['each once'] = [history['val_loss'], history['val_accuracy'], still.weights.length]
}
for (const batchSize of [8, 3]) {
  const net = classifier()
  const given = size === 1 ? taken(orderOf(batchSize)) : taken(mine)
  const { history } = await net.fit(given.x, given.y, { batchSize, epochs: 2, shuffle: false, sharded: true, verbose: 0 })
  figures[`own rows ${batchSize}`] = [history, await Promise.all(net.weights.map(listOf))]
}
{
  // batches of 4 rows of each rank; some have more of them, and the last ones are short
  const net = classifier()
  const longest = Math.max(...counts)
  const own: { x: Tensor; y: Tensor }[] = []
  const whole: { x: Tensor; y: Tensor }[] = []
  for (let begin = 0; begin < longest; begin += 4) {
    if (size > 1 && begin < mine.length) own.push(taken(mine.slice(begin, begin + 4)))
    whole.push(taken(shards.flatMap((list) => list.slice(begin, begin + 4))))
  }
  const source = size === 1 ? whole : own
  const { history } = await net.fit(() => source[Symbol.iterator](), { epochs: 2, sharded: true, verbose: 0 })
  figures['own streams'] = [history, await net.evaluate(source, { sharded: true }), await Promise.all(net.weights.map(listOf))]
}
{
  const net = classifier()
  const source = data.from(samples, labels).shuffle({ seed: 3 }).batch(8)
  figures['same stream'] = [(await net.fit(source, { epochs: 2, verbose: 0 })).history, await Promise.all(net.weights.map(listOf))]
}

{
  // each sample goes through map on one rank; the order is that of rank 0
  const net = classifier()
  setSeed(100 + rank)
  let calls = 0
  const source = data
    .from(samples, labels)
    .shuffle()
    .map((sample) => {
      calls++
      return sample
    })
    .batch(8)
    .prefetch(2)
  figures['mapped stream'] = [(await net.fit(source, { epochs: 2, verbose: 0 })).history, await Promise.all(net.weights.map(listOf))]
  bits['mapped once'] = (await distributed.gatherJson(calls)).reduce((sum, own) => sum + own, 0)
}

if (size > 1) {
  const last = rank === size - 1
  const fewer = Array.from({ length: last ? 2 : 4 }, () => taken(all.slice(0, 8)))
  refused['known sizes'] = await refusalOf(() => classifier().fit(fewer, { verbose: 0 }))
  refused['a shorter stream'] = await refusalOf(() => classifier().fit(() => fewer[Symbol.iterator](), { verbose: 0 }))
  const uneven = [taken(all.slice(0, 8)), taken(all.slice(0, last ? 6 : 8))]
  refused['another batch'] = await refusalOf(() => classifier().fit(() => uneven[Symbol.iterator](), { verbose: 0 }))
  function* breaks(): Generator<unknown> {
    yield taken(all.slice(0, 8))
    if (last) throw new Error('cannot be read')
    yield taken(all.slice(0, 8))
  }
  refused['a stream that breaks'] = await refusalOf(() => classifier().fit(breaks, { verbose: 0 }))
  refused['evaluate a shorter stream'] = await refusalOf(() => classifier().evaluate(() => fewer[Symbol.iterator]()))
  refused['no rows'] = await refusalOf(() => classifier().fit(last ? x.slice([0], [0]) : x, last ? y.slice([0], [0]) : y, { verbose: 0 }))
  refused['rows'] = await refusalOf(() => classifier().evaluate(last ? x.slice([0], [20]) : x, last ? y.slice([0], [20]) : y))
  refused['no rows of its own'] = await refusalOf(() =>
    classifier().fit(last ? x.slice([0], [0]) : x, last ? y.slice([0], [0]) : y, { verbose: 0, sharded: true }),
  )
  refused['balanced'] = await refusalOf(() => classifier().fit(x, y, { verbose: 0, sharded: true, classWeight: 'balanced' }))
  const net = classifier()
  if (last) net.weights[0]!.assign(net.weights[0]!.mul(-1))
  refused['other weights'] = await refusalOf(() => net.predict(x, { batchSize: 8 }))
  refused['other weights alone'] = await refusalOf(() => distributed.alone(() => net.predict(x, { batchSize: 8 })))
  const ids = tensor(
    Int32Array.from({ length: 40 }, (_, i) => (i === 39 ? 9 : 1)),
    { shape: [40, 1] },
  )
  const words = sequential([layers.embedding({ inputDim: 4, outputDim: 2, inputShape: [1] })])
  refused['bad data'] = await refusalOf(() => words.predict(ids, { batchSize: 8 }))
  const controller = new AbortController()
  if (last) setTimeout(() => controller.abort(), 20)
  const slow = async function* (): AsyncGenerator<unknown> {
    for (let i = 0; i < 40; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      yield taken(all.slice(0, 8))
    }
  }
  refused['abort'] = await refusalOf(() => classifier().evaluate(slow, { signal: controller.signal }))
  // arguments that one rank alone has: nothing was met yet
  const net2 = classifier()
  const only = (wrong: object): object => ({ verbose: 0, ...(last && wrong) })
  refused['wrong: epochs'] = await refusalOf(() => net2.fit(x, y, only({ epochs: -1 })))
  refused['wrong: option of fit'] = await refusalOf(() => net2.fit(x, y, only({ epoch: 1 })))
  refused['wrong: option of train'] = await refusalOf(async () => net2.train(x, y, only({ epoch: 1 })).next())
  refused['wrong: not compiled'] = await refusalOf(() => (last ? sequential([layers.dense({ units: 3 })]) : net2).fit(x, y, { verbose: 0 }))
  refused['wrong: batchSize'] = await refusalOf(() => net2.evaluate(x, y, only({ batchSize: 0 })))
  refused['wrong: option of evaluate'] = await refusalOf(() => net2.evaluate(x, y, only({ batch: 2 })))
  refused['wrong: rows of predict'] = await refusalOf(() => net2.predict(x, only({ batchSize: -8 })))
  refused['wrong: option of predict'] = await refusalOf(() => net2.predict(x, only({ size: 1 })))
  // rows of one batch are computed alone, and nobody is told
  refused['alone'] = await refusalOf(() => net2.predict(x.slice([0], [4]), only({ size: 1 })))
  refused['behind if'] = await refusalOf(async () => {
    const one = classifier()
    return rank === 0 ? one.evaluate(x, y) : one.fit(x, y, { verbose: 0 })
  })
}
say(rank, { size, bits, figures, refused })
await distributed.close()
