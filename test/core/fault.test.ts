// Faults: a bad datum met by a kernel rejects what the run made, changes no state, and later runs go on.
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  dynamicSlice,
  gather,
  gatherAlong,
  jit,
  layers,
  losses,
  ones,
  scatterAdd,
  sequential,
  synchronize,
  takeBatch,
  tensor,
  type Tensor,
  updateSlice,
  variable,
  type WeftError,
  zeros,
} from '../../lib/index.js'
import { ops } from '../../lib/core/op.js'
import { codeOfAsync, rejects, values } from '../expect.js'

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

test('every operation that meets a bad value says which there could be', async () => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ])
  const messages: readonly (readonly [run: () => Tensor, message: RegExp])[] = [
    [() => gather(x, ids(3), 1), /^gather: value 3 is out of range: indices start at 0, and axis 1 of \[2,3\] has those up to 2/],
    [() => gather(zeros([0, 2]), ids(0)), /value 0 is out of range: axis 0 of \[0,2\] is empty/],
    [() => gatherAlong(x, tensor([[3], [0]], { dtype: 'int32' })), /gatherAlong: value 3 .*axis 1 of \[2,3\] has those up to 2/],
    [() => scatterAdd(x, ids(2), ones([1, 3])), /scatterAdd: value 2 .*axis 0 of \[2,3\] has those up to 1/],
    [() => takeBatch(x, ids(0, 5), ids(1), 1), /takeBatch: value 5 .*a permutation of 2 rows, and in that indices start at 0.* up to 1/],
    [
      () => updateSlice(x, ones([1, 3]), ids(2)),
      /updateSlice: value 2 .*start lies in 0 to 1, so that 1 places fit into axis 0 of \[2,3\]/,
    ],
    [
      () => dynamicSlice(x, ids(-1), { size: 2, axis: 1 }),
      /dynamicSlice: value -1 .*start lies in 0 to 1, so that 2 places fit into axis 1/,
    ],
    [() => layers.embedding({ inputDim: 3, outputDim: 2 }).apply(ids(3)), /layer 'embedding.*value 3 .*start at 0.* up to 2/],
  ]
  for (const [run, message] of messages) await rejects('ERR_DATA', message, run().data())
})

test('an operation whose kernel reports bad values knows the good ones', () => {
  const folder = new URL('../../../native/cpu/kernels/', import.meta.url)
  const silent: string[] = []
  let found = 0
  for (const file of readdirSync(folder)) {
    const text = readFileSync(new URL(file, folder), 'utf8')
    if (!text.includes('frame.raise(')) continue
    for (const [, name] of text.matchAll(/KERNEL\(cpu, (\w+)\)/g)) {
      found++
      // targets that are distributions have no range
      if (ops.get(name!)!.valuesTaken === undefined && !name!.startsWith('softmaxCrossEntropy')) silent.push(name!)
    }
  }
  assert.ok(found >= 9)
  assert.equal(silent, [])
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

test('a step that reads a bad variable fails also where that is found out while the step is submitted', async () => {
  const w = variable([10, 1])
  const seen = variable([0, 0])
  const step = jit(() => seen.assign(w.add(1)).sum())
  // the worker fails at another moment in each round
  for (let round = 0; round < 1000; round++) {
    w.assign(
      gather(tensor([1, 2]), ids(0, 7))
        .mul(2)
        .add(1),
    )
    assert.is(await codeOfAsync(step().data()), 'ERR_DATA', `round ${round}`)
  }
  assert.equal(await values(seen), [0, 0])
})

/** Each makes an input that comes of a bad id, in another way. */
const BAD_INPUTS: Readonly<Record<string, () => Tensor | Promise<Tensor>>> = {
  'of a run under way': () => gather(tensor([1, 2]), ids(7)),
  'of an operation on such a result': () =>
    gather(tensor([1, 2]), ids(7))
      .mul(2)
      .add(1),
  'of a run that is known to have failed': async () => {
    const bad = gather(tensor([1, 2]), ids(7))
    await codeOfAsync(bad.data())
    return bad
  },
}
for (const [how, make] of Object.entries(BAD_INPUTS)) {
  test(`an input ${how} changes no state`, async () => {
    const w = variable([10])
    const step = jit((x: Tensor) => {
      w.assign(w.add(x))
      return w.sum()
    })
    for (let round = 0; round < 4; round++) {
      const bad = await make()
      assert.is(await codeOfAsync(step(bad).data()), 'ERR_DATA')
      assert.equal(await values(w), [10 + round])
      await step(tensor([1])).data()
    }
    assert.equal(await values(w), [14])
  })

  test(`a captured tensor ${how} changes no state`, async () => {
    const w = variable([10])
    const bad = await make()
    const step = jit(() => w.assign(w.add(bad)).sum())
    for (let round = 0; round < 3; round++) assert.is(await codeOfAsync(step().data()), 'ERR_DATA')
    assert.equal(await values(w), [10])
  })

  test(`a variable that is assigned a value ${how} is bad until it is assigned again`, async () => {
    const w = variable([10])
    const seen = variable([0])
    const step = jit(() => seen.assign(w.add(1)).sum())
    w.assign(await make())
    assert.is(await codeOfAsync(step().data()), 'ERR_DATA')
    assert.is(await codeOfAsync(w.data()), 'ERR_DATA')
    w.assign(await make())
    w.assign(tensor([3]))
    assert.equal(await values(w), [3])
    assert.is(await step().item(), 4)
    assert.equal(await values(seen), [4])
  })
}

test.run()
