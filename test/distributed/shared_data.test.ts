// predict has the bits of one process, evaluate and fit its figures: also with rows or batches that each rank has of
// its own, in whatever numbers. What differs between ranks ends the call on all of them, and soon.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data } from '../../lib/index.js'
import { rowsGiven } from '../../lib/model/sharded.js'
import { testWith } from '../skip.js'
import { alone, FAMILIES, launch, numbersIn, sameBits } from './launch.js'

test('ranks give their rows in proportion, and each row once', () => {
  for (const counts of [[5, 5, 5], [1, 10, 3], [7], [4, 0, 9], [100, 101, 1]]) {
    const all = counts.reduce((a, b) => a + b, 0)
    let before = counts.map(() => 0)
    for (let taken = 0; taken <= all; taken++) {
      const given = rowsGiven(counts, taken)
      assert.is(
        given.reduce((a, b) => a + b, 0),
        taken,
      )
      given.forEach((rows, rank) => {
        assert.ok(rows >= before[rank]! && rows <= counts[rank]!, `${counts}: ${given} after ${before}`)
        assert.ok(Math.abs(rows - (counts[rank]! * taken) / all) < 2, `${counts}: ${given} of ${taken}`)
      })
      before = given
    }
    assert.equal(before, counts)
  }
})

test('shard takes every so many elements, and maps those alone', async () => {
  let calls = 0
  const numbers = data.generator(() => [0, 1, 2, 3, 4, 5, 6])
  const mapped = data.from([0, 1, 2, 3, 4, 5, 6]).map(({ x }, index) => {
    calls++
    return x * 10 + index
  })
  assert.equal(await numbers.shard(3, 1).toArray(), [1, 4])
  assert.equal(await mapped.shard(3, 0).toArray(), [0, 33, 66])
  assert.is(calls, 3)
  assert.is(mapped.shard(3, 2).size, 2)
  assert.throws(() => mapped.shard(3, 3), /index/)
})

const REFUSED: Record<string, RegExp> = {
  'known sizes': /ERR_DISTRIBUTED fit: .*4 batches on rank 0 and 2 on rank/,
  'a shorter stream': /ERR_DISTRIBUTED fit: .*batch 2 .*8 rows on rank 0 and no batch on rank .*sharded/,
  'another batch': /ERR_DISTRIBUTED fit: .*batch 1 .*8 rows on rank 0 and 6 rows/,
  'evaluate a shorter stream': /ERR_DISTRIBUTED evaluate: .*batch 2 /,
  rows: /ERR_DISTRIBUTED evaluate: .*rows is 45 on rank 0 and 20 on rank/,
  balanced: /ERR_(ARGUMENT|DISTRIBUTED) .*balanced/,
  'other weights': /ERR_DISTRIBUTED predict: rank \d has other weights than rank 0. .*alone/,
  'other weights alone': /no error/,
}
/** What the last rank and what the others are told. */
const ON_LAST: Record<string, readonly [last: RegExp, others: RegExp]> = {
  'a stream that breaks': [/undefined|Error cannot be read/, /ERR_DISTRIBUTED fit: .*failed on rank \d: cannot be read/],
  'no rows': [/ERR_ARGUMENT fit: x has no rows/, /ERR_DISTRIBUTED fit: .*failed on rank \d: fit: x has no rows/],
  'no rows of its own': [/ERR_ARGUMENT fit: x has no rows/, /ERR_DISTRIBUTED fit: .*failed on rank \d: fit: x has no rows/],
  'bad data': [/ERR_DATA .*9/, /ERR_DATA predict: .*failed on rank \d: .*9/],
  abort: [/AbortError/, /ERR_DISTRIBUTED evaluate: the signal of another rank/],
  'wrong: epochs': [/ERR_ARGUMENT fit: .*-1/, /ERR_DISTRIBUTED fit: the training has failed on rank \d: fit: .*-1/],
  'wrong: option of fit': [/ERR_ARGUMENT fit: .*epoch/, /ERR_DISTRIBUTED fit: the training has failed on rank \d: fit: .*epoch/],
  'wrong: option of train': [/ERR_ARGUMENT train: .*epoch/, /ERR_DISTRIBUTED fit: the training has failed on rank \d: train: .*epoch/],
  'wrong: not compiled': [/ERR_STATE .*not compiled/, /ERR_DISTRIBUTED fit: the training has failed on rank \d: .*not compiled/],
  'wrong: batchSize': [/ERR_ARGUMENT evaluate: .*batchSize/, /ERR_DISTRIBUTED evaluate: it has failed on rank \d: evaluate: .*batchSize/],
  'wrong: option of evaluate': [/ERR_ARGUMENT evaluate: .*batch/, /ERR_DISTRIBUTED evaluate: it has failed on rank \d: .*batch/],
  'wrong: rows of predict': [/ERR_ARGUMENT predict: .*-8/, /ERR_DISTRIBUTED predict: it has failed on rank \d: predict: .*-8/],
  'wrong: option of predict': [/ERR_ARGUMENT predict.*size/, /ERR_DISTRIBUTED predict: it has failed on rank \d: predict.*size/],
  alone: [/ERR_ARGUMENT predict.*size/, /no error/],
}

const [open, mpich] = FAMILIES as [(typeof FAMILIES)[number], (typeof FAMILIES)[number]]
for (const [{ name: family, command, found, package: brought }, ranks] of [
  [open, 4],
  [mpich, 2],
] as const)
  testWith(found, brought, `${family}: data of ${ranks} ranks`, async () => {
    const expected = alone('shared_data', [String(ranks)]) as { bits: Record<string, unknown>; figures: Record<string, unknown> }
    const { said, code, output } = await launch(command, ranks, 'shared_data', [String(ranks)])
    assert.is(code, 0, output)
    assert.is(said.length, ranks, output)
    sameBits(said, ['refused'])
    const { bits, figures } = said[0] as unknown as typeof expected
    for (const [name, value] of Object.entries(expected.bits)) assert.equal(bits[name], value, `bits: ${name}`)
    for (const [name, value] of Object.entries(expected.figures)) {
      const [one, many] = [numbersIn(value), numbersIn(figures[name])]
      assert.is(many.length, one.length, name)
      one.forEach((number, i) => {
        const apart = Math.abs(many[i]! - number) / Math.max(Math.abs(number), 1e-2)
        assert.ok(apart < 2e-6, `figures: ${name}: ${i} is ${many[i]} instead of ${number}`)
      })
    }
    for (const { rank, refused } of said as unknown as { rank: number; refused: Record<string, string> }[]) {
      for (const [name, message] of Object.entries(REFUSED)) assert.match(refused[name]!, message, `rank ${rank}: ${name}`)
      for (const [name, [last, others]] of Object.entries(ON_LAST))
        assert.match(refused[name]!, rank === ranks - 1 ? last : others, `rank ${rank}: ${name}`)
      assert.match(
        refused['behind if']!,
        rank === 0 ? /ERR_DISTRIBUTED evaluate: rank 1 calls fit/ : /ERR_DISTRIBUTED fit: rank 0 calls evaluate/,
      )
    }
  })

test.run()
