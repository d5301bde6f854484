// Collectives and their gradients, against plain arithmetic on the values of all ranks.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { distributed, tensor } from '../../lib/index.js'
import { testWith } from '../skip.js'
import { FAMILIES, launch } from './launch.js'
import { built, launchOnGpus, NEED } from './launch_gpus.js'

type Matrix = number[][]
const zip = (of: (...values: number[]) => number, all: Matrix[]): Matrix =>
  all[0]!.map((row, i) => row.map((_, j) => of(...all.map((one) => one[i]![j]!))))
const add = (...values: number[]): number => values.reduce((a, b) => a + b, 0)
const columns = (m: Matrix, begin: number, count: number): Matrix => m.map((row) => row.slice(begin, begin + count))
const beside = (all: Matrix[]): Matrix => all[0]!.map((_, i) => all.flatMap((one) => one[i]!))

/** The results of each rank, of the values of all. */
function expected(name: string, all: Matrix[], rank: number): Matrix {
  const size = all.length
  const width = all[0]![0]!.length / size
  const mean = (m: Matrix): Matrix => m.map((row) => row.map((v) => v / size))
  switch (name) {
    case 'sum':
      return zip(add, all)
    case 'mean':
      return mean(zip(add, all))
    case 'max':
      return zip(Math.max, all)
    case 'min':
      return zip(Math.min, all)
    case 'gather0':
      return all.flat()
    case 'gather1':
      return beside(all)
    case 'scatter':
      return columns(zip(add, all), rank * width, width)
    case 'scatterMean':
      return columns(mean(zip(add, all)), rank * width, width)
    case 'broadcast':
      return all[size - 1]!
    case 'allToAll':
      return beside(all.map((one) => columns(one, rank * width, width)))
    default:
      return all[(rank + size - 1) % size]!
  }
}

const NAMES = ['sum', 'mean', 'max', 'min', 'gather0', 'gather1', 'scatter', 'scatterMean', 'broadcast', 'allToAll', 'ring']
const valuesOf = (rank: number, size: number): Matrix =>
  [0, 1].map((i) => Array.from({ length: 2 * size }, (_, j) => i * 2 * size + j + 10 * rank))
/** The loss of the run: what every rank adds. */
const lossOf = (name: string, all: Matrix[]): number =>
  add(
    ...all.map((_, rank) =>
      add(
        ...expected(name, all, rank)
          .flat()
          .map((v, i) => v * ((i % 7) + rank)),
      ),
    ),
  )

/** By differences: the loss is linear in the values but for max and min, and there between their corners. */
function slopes(name: string, all: Matrix[], rank: number): Matrix {
  return all[rank]!.map((row, i) =>
    row.map((v, j) => {
      const moved = (by: number): Matrix[] =>
        all.map((m, r) => (r === rank ? m.map((q, a) => q.map((w, b) => (a === i && b === j ? v + by : w))) : m))
      return (lossOf(name, moved(1)) - lossOf(name, moved(-1))) / 2
    }),
  )
}

/** What every rank has said, of programs/collectives.ts. */
function checkResults(said: readonly { readonly [key: string]: unknown }[]): void {
  const ranks = said.length
  const all = said.map((_, rank) => valuesOf(rank, ranks))
  said.forEach((one, rank) => {
    assert.is(one['size'], ranks)
    for (const name of NAMES) {
      assert.equal(one[name], expected(name, all, rank), `${name} on rank ${rank}`)
      assert.equal(one[`${name} traced`], expected(name, all, rank), `${name} traced on rank ${rank}`)
      assert.equal(one[`${name} gradient`], slopes(name, all, rank), `gradient of ${name} on rank ${rank}`)
    }
    for (const dtype of ['bfloat16', 'float16', 'int32', 'uint8']) assert.equal(one[dtype], [ranks, add(...said.map((_, r) => r))], dtype)
    for (const dtype of ranks === 1 ? [] : ['float32', 'bfloat16', 'float16']) {
      const twice = (words: string[]): string[] => [...words, ...words]
      assert.equal(one[`max of special ${dtype}`], twice(['NaN', 'Infinity', '2', '0', '-2']), `${dtype} on rank ${rank}`)
      assert.equal(one[`min of special ${dtype}`], twice(['NaN', '2', '-Infinity', '-0', '-3']), `${dtype} on rank ${rank}`)
    }
    assert.equal(
      one['long'],
      said.map(() => 3e6),
    )
    assert.equal(
      one['json'],
      said.map((_, r) => ({ rank: r, text: 'ü' })),
    )
  })
}

for (const { name: family, command, found, package: brought } of FAMILIES)
  for (const ranks of [1, 2, 4])
    testWith(found, brought, `${family}: collectives and gradients on ${ranks} ranks`, async () => {
      const { said, code, output } = await launch(command, ranks, 'collectives')
      assert.is(code, 0, output)
      assert.is(said.length, ranks, output)
      checkResults(said)
    })

for (const ranks of [1, 2, 4])
  testWith(built, NEED, `NCCL, on emulated GPUs: collectives and gradients on ${ranks} ranks`, async () => {
    const { said, ends, output } = await launchOnGpus(ranks, 'collectives')
    assert.equal(ends, Array(ranks).fill(0), output)
    checkResults(said)
    for (const { engine } of said) assert.is(engine, ranks === 1 ? 'none' : 'nccl')
  })

test('before the ranks have met, collectives say what to call', () => {
  assert.throws(
    () => distributed.allReduce(tensor([1])),
    (error: { code: string; message: string }) => error.code === 'ERR_STATE' && error.message.includes('await distributed.init()'),
  )
})

test('a process alone is one rank, and opens nothing', async () => {
  const world = await distributed.init()
  assert.equal({ ...world }, { rank: 0, size: 1, localRank: 0, engine: 'none', version: undefined })
  const x = tensor([[1, 2]])
  for (const y of [
    distributed.allReduce(x),
    distributed.allGather(x),
    distributed.reduceScatter(x),
    distributed.broadcast(x),
    distributed.allToAll(x),
  ])
    assert.equal(await y.array(), [[1, 2]])
  assert.equal(await distributed.gatherJson(7), [7])
  for (const wrong of [
    () => distributed.allReduce(x, { reduce: 'median' as never }),
    () => distributed.allReduce(x.cast('bool')),
    () => distributed.allReduce(x.cast('int32'), { reduce: 'mean' }),
    () => distributed.broadcast(x, { root: 1 }),
    () => distributed.allGather(tensor(1)),
    () => distributed.sendRecv(x, { to: 0, from: -1 }),
    () => distributed.allReduce(x, { axis: 0 } as never),
  ])
    assert.throws(wrong, (error: { code?: string }) => error.code?.startsWith('ERR_') === true)
  let again: unknown
  await distributed.init().catch((error: unknown) => void (again = error))
  assert.is((again as { code: string }).code, 'ERR_STATE')
})

test.run()
