// Faults: a bad datum met by a kernel rejects what the run made, changes no state, and later runs go on.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gather, jit, layers, losses, sequential, synchronize, tensor, type Tensor, variable, type WeftError } from '../../lib/index.js'
import { codeOfAsync, values } from '../expect.js'

const ids = (...list: number[]): Tensor => tensor(list, { dtype: 'int32' })

test('an id out of range rejects the await, naming op and value', async () => {
  const table = tensor([
    [1, 2],
    [3, 4],
  ])
  const out = gather(table, ids(0, 7))
  try {
    await out.data()
    assert.unreachable()
  } catch (error) {
    assert.is((error as WeftError).code, 'ERR_DATA')
    assert.is((error as WeftError).op, 'gather')
    assert.match((error as WeftError).message, '7')
  }
  assert.throws(() => out.dataSync(), /gather/)
})

test('the message says which values there could be', async () => {
  const range = /value 3 is out of range: labels start at 0, and 3 classes have labels up to 2/
  const message = async (of: Promise<unknown>): Promise<string> =>
    of.then(
      () => 'nothing',
      (error: Error) => error.message,
    )
  const loss = losses.sparseCategoricalCrossentropy()
  assert.match(
    await message(
      loss(
        ids(1, 3),
        tensor([
          [1, 1, 1],
          [1, 1, 1],
        ]),
      ).data(),
    ),
    range,
  )
  const net = sequential([layers.dense({ units: 3, activation: 'softmax', inputShape: [1] })])
  net.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' })
  assert.match(await message(net.fit([[1], [2]], [1, 3], { verbose: 0 })), range)
  assert.match(
    await message(gather(tensor([1, 2]), ids(0, 7)).data()),
    /value 7 is out of range: indices start at 0, and axis 0 of \[2\] has those up to 1/,
  )
})

test('what is computed from a failed result fails too; other work goes on', async () => {
  const table = tensor([
    [1, 2],
    [3, 4],
  ])
  const bad = gather(table, ids(-1)).sum()
  const good = gather(table, ids(1)).sum()
  assert.is(await codeOfAsync(bad.item()), 'ERR_DATA')
  assert.is(await good.item(), 7)
})

test('a failed step changes no state', async () => {
  const w = variable([1, 1])
  const steps = variable(0, { dtype: 'int32' })
  const step = jit((i: Tensor) => {
    steps.assign(steps.add(1))
    const row = gather(
      tensor([
        [1, 2],
        [3, 4],
      ]),
      i,
    ).sum(0)
    w.assign(w.add(row))
    return row.sum()
  })
  step(ids(0))
  const failed = step(ids(2))
  const fine = step(ids(1))
  assert.is(await codeOfAsync(failed.data()), 'ERR_DATA')
  assert.is(await fine.item(), 7)
  assert.equal(await values(w), [5, 7])
  assert.equal(await values(steps), [2])
})

test('no fault is missed, however the await meets the end of the run', async () => {
  const table = tensor([
    [1, 2],
    [3, 4],
  ])
  const [bad, good] = [ids(7), ids(1)]
  for (let i = 0; i < 3000; i++) {
    const results = [gather(table, bad), gather(table, good), gather(table, bad).sum()]
    const statuses = (await Promise.allSettled(results.map((t) => t.data()))).map(({ status }) => status)
    assert.equal(statuses, ['rejected', 'fulfilled', 'rejected'])
  }
})

test('submit() tells when a run is done, or failed', async () => {
  const step = jit((i: Tensor) => gather(tensor([10, 20]), i))
  const first = step.submit(ids(1))
  await first.done
  assert.equal(await values(first.outputs), [20])
  assert.is(await codeOfAsync(step.submit(ids(3)).done), 'ERR_DATA')
  await step.submit(ids(0)).done
  await synchronize()
})

test('overlapping runs of one function have each their own fault', async () => {
  const step = jit((i: Tensor) => gather(tensor([10, 20]), i))
  for (const [first, second] of [
    [7, 1],
    [1, 7],
    [7, 8],
  ] as const) {
    const runs = [step.submit(ids(first)), step.submit(ids(second))]
    const ended = await Promise.all(
      runs.map(({ done }) =>
        done.then(
          () => 'done',
          (error: WeftError) => error.message.match(/value \d+/)?.[0],
        ),
      ),
    )
    assert.equal(
      ended,
      [first, second].map((i) => (i > 1 ? `value ${i}` : 'done')),
    )
  }
  // the fault of a run that nobody waited for is not that of a later one
  void step.submit(ids(9)).done.catch(() => undefined)
  await synchronize()
  await step.submit(ids(0)).done
})

test('submit() of a failed result fails', async () => {
  const step = jit((x: Tensor) => x.add(1))
  assert.is(await codeOfAsync(step.submit(gather(tensor([10, 20]), ids(5))).done), 'ERR_DATA')
  await step.submit(tensor([1])).done
})

test.run()
