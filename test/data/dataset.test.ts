// Pipelines: what goes in comes out, in order or shuffled reproducibly, on every pass.
import { Readable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Tensor, tensor } from '../../lib/index.js'
import { type Batch, type Dataset, from, generator } from '../../lib/data/index.js'
import { setSeed } from '../../lib/core/random.js'
import { rejects, throws } from '../expect.js'

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
const numbers = (n: number): Dataset<{ x: number; y: number }> =>
  from(
    count(n),
    count(n).map((i) => i * 10),
  )
const xs = async (dataset: Dataset<{ x: number }>): Promise<number[]> => (await dataset.toArray()).map((sample) => sample.x)
const field = (value: unknown): Tensor => value as Tensor

test('samples of nested arrays come as they are, with their weights', async () => {
  const dataset = from(
    [
      [1, 2],
      [3, 4],
    ],
    [0, 1],
    [0.5, 2],
  )
  assert.is(dataset.size, 2)
  assert.equal(await dataset.toArray(), [
    { x: [1, 2], y: 0, sampleWeight: 0.5 },
    { x: [3, 4], y: 1, sampleWeight: 2 },
  ])
})

test('samples of Tensors and typed data take the form their rank asks for', async () => {
  const images = { data: Uint8Array.from(count(12)), shape: [2, 2, 3] }
  const [first, second] = await from(images, tensor(new Int32Array([7, 8]))).toArray()
  assert.equal(first, { x: { data: Uint8Array.from(count(6)), shape: [2, 3] }, y: 7 })
  assert.is(second!.y, 8)
  const [row] = await from(tensor([[1, 2, 3]])).toArray()
  assert.equal(row, { x: new Float32Array([1, 2, 3]) })
  const matrix = new Float32Array([1, 2, 3, 4])
  for await (const sample of from({ data: matrix, shape: [2, 2] })) (sample.x as Float32Array).fill(0)
  assert.equal(matrix, new Float32Array([1, 2, 3, 4]), 'writing to a sample leaves the source alone')
})

test('batch joins samples to Tensors of the dtypes of the source', async () => {
  const images = { data: Uint8Array.from(count(20)), shape: [5, 2, 2] }
  const batches = await from(images, new Int32Array(count(5)), [1, 1, 1, 1, 3])
    .batch(2)
    .toArray()
  assert.equal(
    batches.map((batch) => field(batch.x).shape),
    [
      [2, 2, 2],
      [2, 2, 2],
      [1, 2, 2],
    ],
  )
  assert.equal(
    batches.map((batch) => [field(batch.x).dtype, field(batch.y).dtype, batch.sampleWeight!.dtype]),
    Array(3).fill(['uint8', 'int32', 'float32']),
  )
  assert.equal(await field(batches[2]!.x).data(), Uint8Array.from([16, 17, 18, 19]))
  assert.equal(await batches[2]!.sampleWeight!.array(), [3])
  assert.is(from(images).batch(2).size, 3)
  assert.is(from(images).batch(2, { dropRemainder: true }).size, 2)
  assert.is((await from(images).batch(2, { dropRemainder: true }).toArray()).length, 2)
})

test('labels keep their dtype through map, fractions become float32, bools stay bools', async () => {
  const dtypeOfY = async (dataset: Dataset<{ x: unknown; y: unknown }>): Promise<string> =>
    field((await dataset.batch(3).toArray())[0]!.y).dtype
  const labels = from([1, 2, 3], tensor(new Int32Array([0, 1, 2])))
  assert.is(await dtypeOfY(labels.map(({ x, y }) => ({ x, y: y + 1 }))), 'int32')
  assert.is(await dtypeOfY(labels.map(({ x, y }) => ({ x, y: y / 2 }))), 'float32')
  assert.is(await dtypeOfY(from([1, 2, 3], tensor([true, false, true]))), 'bool')
  assert.is(await dtypeOfY(from([1, 2, 3], tensor([[true], [false], [true]]))), 'bool')
  assert.is(await dtypeOfY(from([1, 2, 3], new BigInt64Array([1n, 2n, 3n]))), 'int64')
  assert.is(await dtypeOfY(from([1, 2, 3], tensor([1, 2, 3], { dtype: 'float64' }))), 'float64')
  assert.is(await dtypeOfY(from([1, 2, 3], [1, 2, 3])), 'float32')
})

test('several inputs: records and lists stay records and lists', async () => {
  const [record] = (await from({ a: [1, 2], b: [[1], [2]] }, [0, 1])
    .batch(2)
    .toArray()) as [Batch]
  const x = record.x as Record<string, Tensor>
  assert.equal([x['a']!.shape, x['b']!.shape], [[2], [2, 1]])
  const [list] = (await from(
    [
      tensor([1, 2]),
      tensor([
        [3, 4],
        [5, 6],
      ]),
    ],
    [0, 1],
  )
    .batch(2)
    .toArray()) as [Batch]
  assert.equal(
    (list.x as Tensor[]).map((part) => part.shape),
    [[2], [2, 2]],
  )
  assert.equal(await (list.x as Tensor[])[1]!.array(), [
    [3, 4],
    [5, 6],
  ])
})

test('map, filter, take, skip and repeat, with async functions and indices', async () => {
  const later = async <T>(value: T): Promise<T> => value
  assert.equal(await xs(numbers(3).map(async (sample, i) => later({ x: sample.x * 100 + i }))), [0, 101, 202])
  assert.equal(await xs(numbers(6).filter((sample) => later(sample.x % 2 === 1))), [1, 3, 5])
  assert.equal(await xs(numbers(6).filter((_, i) => i < 2)), [0, 1])
  assert.equal(await xs(numbers(5).take(2)), [0, 1])
  assert.equal(await xs(numbers(5).take(0)), [])
  assert.equal(await xs(numbers(5).take(9)), [0, 1, 2, 3, 4])
  assert.equal(await xs(numbers(5).skip(3)), [3, 4])
  assert.equal(await xs(numbers(2).repeat(3)), [0, 1, 0, 1, 0, 1])
  assert.equal(await xs(numbers(2).repeat().take(5)), [0, 1, 0, 1, 0])
  assert.equal(await xs(numbers(0).repeat()), [])
  assert.equal(
    [
      numbers(5).take(2).size,
      numbers(5).skip(3).size,
      numbers(5).repeat(2).size,
      numbers(5).repeat().size,
      numbers(5).filter(Boolean).size,
    ],
    [2, 2, 10, Number.POSITIVE_INFINITY, undefined],
  )
})

test('a dataset can be iterated again, and twice at once', async () => {
  const dataset = numbers(4).map((sample) => ({ x: sample.x + 1 }))
  assert.equal(await xs(dataset), [1, 2, 3, 4])
  assert.equal(await Promise.all([xs(dataset), xs(dataset)]), [
    [1, 2, 3, 4],
    [1, 2, 3, 4],
  ])
})

test('shuffle is a permutation, reproducible by seed, new on every pass', async () => {
  const make = (seed: number): Dataset<{ x: number }> => numbers(100).shuffle({ seed })
  const dataset = make(1)
  const [first, second] = [await xs(dataset), await xs(dataset)]
  assert.equal(
    [...first].sort((a, b) => a - b),
    count(100),
  )
  assert.not.equal(first, count(100))
  assert.not.equal(first, second)
  const again = make(1)
  assert.equal([await xs(again), await xs(again)], [first, second])
  assert.not.equal(await xs(make(2)), first)
  const fixed = numbers(100).shuffle({ seed: 1, reshuffleEachIteration: false })
  assert.equal(await xs(fixed), await xs(fixed))
})

test('x and y stay together in any order', async () => {
  for (const sample of await numbers(50).shuffle({ seed: 3 }).toArray()) assert.is(sample.y, sample.x * 10)
})

test('a small buffer shuffles locally and loses nothing', async () => {
  const order = await xs(numbers(100).shuffle({ seed: 1, bufferSize: 10 }))
  assert.equal(
    [...order].sort((a, b) => a - b),
    count(100),
  )
  assert.not.equal(order, count(100))
  for (const [at, x] of order.entries()) assert.ok(x < at + 10, `${x} at ${at} was not in the buffer yet`)
  const stream = await generator(() => count(30))
    .map((x) => ({ x }))
    .shuffle({ seed: 1 })
    .toArray()
  assert.equal(
    stream.map((sample) => sample.x).sort((a, b) => a - b),
    count(30),
  )
})

test('every order of three elements is about equally likely', async () => {
  const seen = new Map<string, number>()
  for (let seed = 0; seed < 6000; seed++) {
    const key = (await xs(numbers(3).shuffle({ seed }))).join('')
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  assert.is(seen.size, 6)
  for (const times of seen.values()) assert.ok(Math.abs(times - 1000) < 150, `${[...seen]}`)
})

test('setSeed decides the order of shuffles without a seed', async () => {
  const order = (seed: number): Promise<number[]> => {
    setSeed(seed)
    return xs(numbers(50).shuffle())
  }
  assert.equal(await order(5), await order(5))
  assert.not.equal(await order(5), await order(6))
})

test('cache reads its source once, and only a whole pass is kept', async () => {
  let reads = 0
  const dataset = generator(() => count(4)).map((x) => {
    reads++
    return { x }
  })
  const cached = dataset.cache()
  assert.equal(await xs(cached.take(2)), [0, 1])
  assert.equal(await xs(cached), [0, 1, 2, 3])
  assert.equal(await xs(cached), [0, 1, 2, 3])
  assert.is(reads, 2 + 4)
})

test('prefetch keeps order, reads ahead no further than asked, and closes its source', async () => {
  let started = 0
  let closed = 0
  const dataset = generator(async function* () {
    try {
      for (let x = 0; x < 100; x++) {
        started++
        yield { x }
      }
    } finally {
      closed++
    }
  })
  assert.equal(await xs(dataset.prefetch(3)), count(100))
  started = 0
  for await (const sample of dataset.prefetch(3)) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    assert.ok(started <= sample.x + 1 + 3, `${started} were read when ${sample.x} arrived`)
    if (sample.x === 10) break
  }
  assert.is(closed, 2)
})

test('an error of the source, of map or of prefetched work reaches the loop, once', async () => {
  const failing = generator(() => count(5)).map((x) => {
    if (x === 3) throw new Error('at three')
    return { x }
  })
  for (const dataset of [failing, failing.prefetch(4), failing.batch(2).prefetch()]) {
    let caught = ''
    try {
      await dataset.toArray()
    } catch (error) {
      caught = (error as Error).message
    }
    assert.is(caught, 'at three')
  }
})

test('generator takes functions, iterables, async iterables and streams', async () => {
  assert.equal(await generator(() => count(3)).toArray(), [0, 1, 2])
  assert.equal(await generator(async () => new Set([1, 2])).toArray(), [1, 2])
  assert.equal(await generator(count(3)).toArray(), [0, 1, 2])
  const streamed = generator(() => Readable.from(['a', 'b']))
  assert.equal(
    [await streamed.toArray(), await streamed.toArray()],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  )
  const lines = generator<string>(() => Readable.from(['1,2', '3,4'])).map((line) => ({ x: line.split(',').map(Number) }))
  assert.equal(await field((await lines.batch(2).toArray())[0]!.x).array(), [
    [1, 2],
    [3, 4],
  ])
})

test('what can be read once says so the second time', async () => {
  const stream = generator(Readable.from([1, 2]))
  assert.equal(await stream.toArray(), [1, 2])
  await rejects('ERR_STATE', /data\.generator\(\(\) =>/, stream.toArray())
  const once = generator(
    (function* () {
      yield 1
    })(),
  )
  assert.equal(await once.toArray(), [1])
  await rejects('ERR_STATE', /only once/, once.toArray())
})

test('a long pass leaves the event loop its turns', async () => {
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  for await (const _ of generator(() => count(300_000)).filter((x) => x < 0)) assert.unreachable()
  clearInterval(timer)
  assert.ok(turns > 2, `${turns} turns`)
})

test('bad arguments and samples are typed errors with the values', async () => {
  throws('ERR_SHAPE', /x has 3 samples, y has 2/, () => from([1, 2, 3], [1, 2]))
  throws('ERR_SHAPE', /x has 2 samples, sampleWeight has 1/, () => from([1, 2], [1, 2], [1]))
  throws('ERR_SHAPE', /5 values do not fill shape \[2,3\]/, () => from({ data: new Float32Array(5), shape: [2, 3] }))
  throws('ERR_SHAPE', /x\.a has 2 samples, x\.b has 1/, () => from({ a: [1, 2], b: [1] }))
  throws('ERR_SHAPE', /scalar/, () => from(tensor(1)))
  throws('ERR_ARGUMENT', /batch: size must be an integer of at least 1, got 0/, () => numbers(3).batch(0))
  throws('ERR_ARGUMENT', /got 1\.5/, () => numbers(3).take(1.5))
  throws('ERR_ARGUMENT', /bufferSize/, () => numbers(3).shuffle({ bufferSize: 0 }))
  throws('ERR_ARGUMENT', /map: expected a function/, () => numbers(3).map(undefined as unknown as () => number))
  throws('ERR_ARGUMENT', /generator: expected/, () => generator(5 as unknown as number[]))
  await rejects('ERR_ARGUMENT', /returned 5/, generator(() => 5 as unknown as number[]).toArray())
  await rejects('ERR_ARGUMENT', /repeats endlessly/, numbers(3).repeat().toArray())
  await rejects(
    'ERR_SHAPE',
    /sample 1 has shape \[2\], that of sample 0 has \[1\]/,
    generator(() => [{ x: [1] }, { x: [1, 2] }])
      .batch(2)
      .toArray(),
  )
  await rejects(
    'ERR_ARGUMENT',
    /sample 0 is 5/,
    generator(() => [5])
      .batch(1)
      .toArray(),
  )
  await rejects(
    'ERR_ARGUMENT',
    /sample 1 has no y/,
    generator(() => [{ x: 1, y: 1 }, { x: 1 }])
      .batch(2)
      .toArray(),
  )
  await rejects(
    'ERR_ARGUMENT',
    /the string 'cat'/,
    generator(() => [{ x: 'cat' }])
      .batch(1)
      .toArray(),
  )
  await rejects(
    'ERR_SHAPE',
    /different lengths/,
    generator(() => [{ x: [[1, 2], [3]] }])
      .batch(1)
      .toArray(),
  )
})

test.run()
