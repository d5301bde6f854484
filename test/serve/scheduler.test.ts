// Scheduler: when a batch is cut and from what; limits, timeouts, cancellation, faults of single requests. On a clock
// that the tests move.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WeftError } from '../../lib/index.js'
import { systemClock } from '../../lib/serve/clock.js'
import type { Ended, Timing } from '../../lib/serve/ended.js'
import { Executor } from '../../lib/serve/executor.js'
import { Scheduler, type SchedulerOptions } from '../../lib/serve/scheduler.js'
import { codeOfAsync, generator, rejects, throws } from '../expect.js'
import { StillClock, turn } from './clock.js'

const timing: Timing = { inputMs: 0, inferMs: 0, outputMs: 0 }

/** A scheduler of texts whose batches end when the test says so. */
function setUp(options: SchedulerOptions = {}) {
  const clock = new StillClock()
  const batches: string[][] = []
  const ends: (() => void)[] = []
  const outcomes: Ended[] = []
  const computed: number[] = []
  const execute = (batch: readonly string[]): Promise<{ results: string[]; timing: Timing }> =>
    new Promise((resolve, reject) => {
      batches.push([...batch])
      ends.push(() => {
        const bad = batch.find((text) => text.startsWith('bad'))
        if (bad) reject(new WeftError(bad === 'bad memory' ? 'ERR_OUT_OF_MEMORY' : bad === 'bad device' ? 'ERR_CUDA' : 'ERR_DATA', bad))
        else resolve({ results: batch.map((text) => text.toUpperCase()), timing })
      })
    })
  const observer = { ended: (facts: Ended) => outcomes.push(facts), computed: (rows: number) => computed.push(rows) }
  const scheduler = new Scheduler<string, string>('test', options, execute, observer, clock)
  const submit = (
    text: string,
    more: { rows?: number; key?: string; priority?: number; signal?: AbortSignal; timeoutMs?: number } = {},
  ) => {
    const { rows = 1, key = '', ...rest } = more
    const promise = scheduler.submit(text, rows, key, rest)
    promise.catch(() => undefined)
    return promise
  }
  /** The batch that is being computed ends. */
  const finish = async (): Promise<void> => {
    ends.shift()!()
    await turn()
  }
  return { clock, batches, outcomes, computed, scheduler, submit, finish }
}

test('what came in one turn is one batch; what comes meanwhile is the next one, as large as is waiting', async () => {
  const { batches, submit, finish } = setUp()
  const first = [submit('a'), submit('b')]
  await turn()
  const second = [submit('c'), submit('d'), submit('e')]
  await turn()
  assert.equal(batches, [['a', 'b']])
  await finish()
  assert.equal(await Promise.all(first), ['A', 'B'])
  assert.equal(batches, [
    ['a', 'b'],
    ['c', 'd', 'e'],
  ])
  await finish()
  assert.equal(await Promise.all(second), ['C', 'D', 'E'])
})

test('where one request came in each turn lately, it goes at once; two in a turn share a batch again', async () => {
  const { batches, submit, finish } = setUp()
  const alone = async (text: string): Promise<number> => {
    void submit(text)
    const { length } = batches
    await turn()
    await finish()
    return length
  }
  let turns = 0
  // the batch of the request is cut before the turn is over
  while ((await alone('a')) === turns) turns++
  assert.ok(turns > 8 && turns < 64, `${turns} turns`)
  const before = batches.length
  void submit('b')
  void submit('c')
  void submit('d')
  assert.is(batches.length, before + 1)
  await turn()
  await finish()
  await finish()
  assert.equal(batches.slice(before), [['b'], ['c', 'd']])
  // not one of its own for the first of several any more
  void submit('e')
  void submit('f')
  await turn()
  assert.equal(batches.at(-1), ['e', 'f'])
  await finish()
})

test('clients that ask again as they are answered: one half is read while the other is computed', async () => {
  const later: (() => void)[] = []
  const ends: (() => void)[] = []
  const sizes: number[] = []
  const long: Timing = { inputMs: 0, inferMs: 10, outputMs: 0 }
  const execute = (batch: readonly string[]): Promise<{ results: string[]; timing: Timing }> =>
    new Promise((resolve) => {
      sizes.push(batch.length)
      ends.push(() => resolve({ results: [...batch], timing: long }))
    })
  const clock = {
    now: () => 0,
    after: () => () => undefined,
    deadline: () => () => undefined,
    soon: (fn: () => void) => void later.push(fn),
  }
  const scheduler = new Scheduler<string, string>('test', { maxBatchSize: 64 }, execute, {}, clock)
  const ask = (count: number): void => {
    for (let i = 0; i < count; i++) void scheduler.submit('a', 1, '')
  }
  const loop = (): void => {
    for (const fn of later.splice(0)) fn()
  }
  ask(40)
  loop()
  ends.shift()!()
  await turn()
  assert.equal(sizes, [40])
  // as many come again: the largest power of two in half of them goes before the others were read
  ask(15)
  assert.equal(sizes, [40])
  ask(25)
  assert.equal(sizes, [40, 16])
  // what waits when a half is done is another half, and waits for nobody
  ends.shift()!()
  await turn()
  assert.equal(sizes, [40, 16, 24])
})

test('a batch that is computed in no time is answered at once', async () => {
  const outcomes: Ended[] = []
  const execute = (batch: readonly string[]) => {
    if (batch.includes('bad')) throw new WeftError('ERR_DATA', 'bad')
    return { results: batch.map((text) => text.toUpperCase()), timing }
  }
  const scheduler = new Scheduler<string, string>('test', {}, execute, { ended: (facts) => outcomes.push(facts) }, new StillClock())
  const answers = await Promise.allSettled(['a', 'bad', 'c'].map((text) => scheduler.submit(text, 1, '')))
  assert.equal(
    answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : (answer.reason as WeftError).code)),
    ['A', 'ERR_DATA', 'C'],
  )
  assert.equal(outcomes.map(({ outcome }) => outcome).sort(), ['failure', 'success', 'success'])
  await scheduler.close()
})

/** Batches that are computed until their end is called. */
function endedByHand() {
  const ends: (() => void)[] = []
  const batches: string[][] = []
  const execute = (batch: readonly string[]): Promise<{ results: string[]; timing: Timing }> =>
    new Promise((resolve) => {
      batches.push([...batch])
      ends.push(() => resolve({ results: [...batch], timing }))
    })
  return { batches, ends, execute }
}

test('a whole batch goes while the one before it is computed elsewhere; what is no whole batch waits', async () => {
  const { batches, ends, execute } = endedByHand()
  let looks = 0
  const scheduler = new Scheduler<string, string>('test', { maxBatchSize: 2 }, execute, {}, new StillClock(), () => void looks++)
  const answers = [...'abc'].map((text) => scheduler.submit(text, 1, ''))
  await turn()
  assert.equal(batches, [['a', 'b']])
  answers.push(scheduler.submit('d', 1, ''))
  assert.equal(batches, [
    ['a', 'b'],
    ['c', 'd'],
  ])
  // no third one
  answers.push(scheduler.submit('e', 1, ''), scheduler.submit('f', 1, ''))
  assert.is(batches.length, 2)
  assert.is(scheduler.computing, 2)
  assert.ok(looks > 0)
  ends[0]!()
  await turn()
  assert.equal(batches.at(-1), ['e', 'f'])
  for (const end of ends.slice(1)) end()
  assert.equal(await Promise.all(answers), [...'abcdef'])
  // a request of another key is in the way: the head of the queue is no whole batch
  const others = [scheduler.submit('g', 2, '')]
  await turn()
  others.push(scheduler.submit('h', 1, 'x'), scheduler.submit('i', 1, 'y'))
  await turn()
  assert.equal(batches.at(-1), ['g'])
  for (let i = 3; i < 6; i++) {
    ends[i]!()
    await turn()
    await turn()
  }
  assert.equal(await Promise.all(others), ['g', 'h', 'i'])
  await scheduler.close()
})

test('half of what is in flight goes while the half before it is computed elsewhere', async () => {
  const ends: (() => void)[] = []
  const sizes: number[] = []
  const long: Timing = { inputMs: 0, inferMs: 10, outputMs: 0 }
  const execute = (batch: readonly string[]): Promise<{ results: string[]; timing: Timing }> =>
    new Promise((resolve) => {
      sizes.push(batch.length)
      ends.push(() => resolve({ results: [...batch], timing: long }))
    })
  const scheduler = new Scheduler<string, string>('test', { maxBatchSize: 64 }, execute, {}, new StillClock(), () => undefined)
  const asked: Promise<string>[] = []
  const ask = (count: number): void => {
    for (let i = 0; i < count; i++) asked.push(scheduler.submit('a', 1, ''))
  }
  ask(40)
  await turn()
  ends.shift()!()
  await turn()
  ask(16)
  assert.equal(sizes, [40, 16])
  ask(15)
  assert.equal(sizes, [40, 16])
  ask(1)
  assert.equal(sizes, [40, 16, 16])
  // no third one
  ask(20)
  await turn()
  assert.equal(sizes, [40, 16, 16])
  while (ends.length > 0) {
    ends.shift()!()
    await turn()
    await turn()
  }
  assert.is((await Promise.all(asked)).length, 92)
  await scheduler.close()
})

test('what waits when a batch ends goes with what its clients ask next, unless it is a whole batch', async () => {
  const later: (() => void)[] = []
  const { batches, ends, execute } = endedByHand()
  const clock = {
    now: () => 0,
    after: () => () => undefined,
    deadline: () => () => undefined,
    soon: (fn: () => void) => void later.push(fn),
  }
  const scheduler = new Scheduler<string, string>('test', { maxBatchSize: 3 }, execute, {}, clock)
  const submit = (text: string): Promise<string> => scheduler.submit(text, 1, '')
  /** A turn of the event loop ends. */
  const loop = (): void => {
    for (const fn of later.splice(0)) fn()
  }
  const answers = [submit('a')]
  loop()
  answers.push(submit('b'))
  ends[0]!()
  await turn()
  loop()
  answers.push(submit('c'))
  loop()
  assert.equal(batches, [['a'], ['b', 'c']])
  for (const text of ['d', 'e', 'f']) answers.push(submit(text))
  ends[1]!()
  await turn()
  assert.equal(batches.at(-1), ['d', 'e', 'f'])
  ends[2]!()
  assert.equal(await Promise.all(answers), ['a', 'b', 'c', 'd', 'e', 'f'])
})

test('no batch has more rows than maxBatchSize, and a request that has more is refused, not divided', async () => {
  const { batches, submit, finish } = setUp({ maxBatchSize: 4 })
  for (const [text, rows] of [
    ['a', 2],
    ['b', 1],
    ['c', 2],
    ['d', 1],
  ] as const)
    submit(text, { rows })
  await rejects('ERR_ARGUMENT', /5 rows, maxBatchSize is 4/, submit('e', { rows: 5 }))
  await turn()
  // d would fit to a and b, but does not overtake c
  assert.equal(batches, [['a', 'b']])
  await finish()
  assert.equal(batches.at(-1), ['c', 'd'])
})

test('maxBatchSize 1: each request alone', async () => {
  const { batches, submit, finish } = setUp({ maxBatchSize: 1, maxDelayMs: 5 })
  const all = ['a', 'b', 'c'].map((text) => submit(text))
  for (let i = 0; i < 3; i++) {
    await turn()
    await finish()
  }
  assert.equal(batches, [['a'], ['b'], ['c']])
  assert.equal(await Promise.all(all), ['A', 'B', 'C'])
})

test('maxDelayMs holds a batch back only while no request is older; a full batch goes at once', async () => {
  const { batches, clock, submit, finish } = setUp({ maxBatchSize: 3, maxDelayMs: 10 })
  submit('a')
  await turn()
  await clock.advance(6)
  submit('b')
  await turn()
  assert.equal(batches, [])
  // b came 4 ms ago, a 10
  await clock.advance(4)
  assert.equal(batches, [['a', 'b']])
  await finish()
  submit('c')
  submit('d')
  submit('e')
  await turn()
  assert.equal(batches.at(-1), ['c', 'd', 'e'])
  await finish()
  submit('f', { rows: 2 })
  submit('g', { rows: 2 })
  await turn()
  assert.equal(batches.at(-1), ['f'], 'nothing could be added to it')
})

test('requests of different keys never share a batch; those of one key may pass others, the oldest goes first', async () => {
  const { batches, submit, finish } = setUp()
  submit('a', { key: 'x' })
  submit('b', { key: 'y' })
  submit('c', { key: 'x' })
  submit('d', { key: 'y' })
  for (let i = 0; i < 2; i++) {
    await turn()
    await finish()
  }
  assert.equal(batches, [
    ['a', 'c'],
    ['b', 'd'],
  ])
})

test('higher priorities first, in order inside a priority; 0 is the default', async () => {
  const { batches, submit, finish, scheduler } = setUp({ maxBatchSize: 2, priorityLevels: 3, defaultPriority: 2 })
  const asked: [string, number][] = [
    ['a', 3],
    ['b', 0],
    ['c', 1],
    ['d', 2],
    ['e', 1],
    ['f', 3],
  ]
  for (const [text, priority] of asked) submit(text, { priority })
  for (let i = 0; i < 3; i++) {
    await turn()
    await finish()
  }
  assert.equal(batches, [
    ['c', 'e'],
    ['b', 'd'],
    ['a', 'f'],
  ])
  for (const priority of [-1, 4, 1.5, Number.NaN]) assert.is(await codeOfAsync(submit('x', { priority })), 'ERR_ARGUMENT', String(priority))
  assert.is(scheduler.waiting, 0)
})

test('instances: as many batches at once', async () => {
  const { batches, submit, finish, scheduler } = setUp({ maxBatchSize: 1, instances: 2 })
  for (const text of ['a', 'b', 'c']) submit(text)
  await turn()
  assert.equal(batches, [['a'], ['b']])
  assert.is(scheduler.computing, 2)
  await finish()
  assert.equal(batches.at(-1), ['c'])
})

test('a full queue refuses with ERR_OVERLOADED, and takes requests again when there is room', async () => {
  const { submit, finish, outcomes } = setUp({ maxBatchSize: 1, maxQueueSize: 2 })
  submit('a')
  await turn()
  submit('b')
  submit('c')
  await rejects('ERR_OVERLOADED', /2 requests are waiting/, submit('d'))
  await finish()
  submit('e')
  assert.equal(
    outcomes.map(({ outcome }) => outcome),
    ['rejected', 'success'],
  )
})

test('timeouts: answered at once, waiting or being computed; what is late is not computed', async () => {
  const { clock, batches, submit, finish, outcomes, scheduler } = setUp({ maxBatchSize: 1, timeoutMs: 100 })
  const running = submit('a')
  await turn()
  const waiting = submit('b', { timeoutMs: 30 })
  const patient = submit('c', { timeoutMs: 0 })
  await clock.advance(30)
  await rejects('ERR_TIMEOUT', /within 30 ms.*waiting/, waiting)
  await clock.advance(70)
  await rejects('ERR_TIMEOUT', /within 100 ms.*computed/, running)
  await finish()
  assert.equal(batches, [['a'], ['c']])
  await finish()
  assert.is(await patient, 'C')
  assert.equal(
    outcomes.map(({ outcome }) => outcome),
    ['timeout', 'timeout', 'success'],
  )
  assert.is(outcomes[2]!.queueMs, 100)
  assert.is(clock.armed, 0)
  assert.is(await codeOfAsync(scheduler.submit('x', 1, '', { timeoutMs: -1 })), 'ERR_ARGUMENT')
})

test('cancellation: before, in the queue, while it is computed; the others do not notice', async () => {
  const { batches, submit, finish, outcomes } = setUp({ maxBatchSize: 2 })
  const reason = new Error('gone')
  assert.is(await submit('x', { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error), reason)
  const [running, waiting] = [new AbortController(), new AbortController()]
  const all = [submit('a', { signal: running.signal }), submit('b'), submit('c', { signal: waiting.signal }), submit('d')]
  await turn()
  running.abort(reason)
  waiting.abort(reason)
  assert.is(await all[0]!.catch((error: unknown) => error), reason)
  assert.is(await all[2]!.catch((error: unknown) => error), reason)
  await finish()
  await finish()
  assert.is(await all[1], 'B')
  assert.is(await all[3], 'D')
  assert.equal(batches, [['a', 'b'], ['d']])
  assert.equal(
    outcomes.map(({ outcome }) => outcome),
    ['cancelled', 'cancelled', 'cancelled', 'success', 'success'],
  )
})

test('a request with bad data fails alone: the batch is run again without it, in halves', async () => {
  const { batches, submit, finish, outcomes, computed } = setUp({ maxBatchSize: 8 })
  const all = ['a', 'b', 'c', 'bad', 'd', 'e', 'f', 'g'].map((text) => submit(text))
  await turn()
  for (let i = 0; i < 7; i++) await finish()
  await rejects('ERR_DATA', /^bad$/, all[3]!)
  const rest = await Promise.all(all.filter((_, i) => i !== 3))
  assert.equal(rest, ['A', 'B', 'C', 'D', 'E', 'F', 'G'])
  assert.equal(
    batches.map(({ length }) => length),
    [8, 4, 2, 2, 1, 1, 4],
  )
  assert.is(outcomes.filter(({ outcome }) => outcome === 'failure').length, 1)
  assert.is(
    computed.reduce((sum, rows) => sum + rows),
    7,
  )
})

test('memory that a batch lacks may be enough for its halves; other faults are those of all', async () => {
  const { batches, submit, finish } = setUp({ maxBatchSize: 2 })
  const all = [submit('a'), submit('bad memory'), submit('b'), submit('bad device')]
  await turn()
  for (let i = 0; i < 4; i++) await finish()
  assert.is(await all[0], 'A')
  assert.is(await codeOfAsync(all[1]!), 'ERR_OUT_OF_MEMORY')
  assert.is(await codeOfAsync(all[2]!), 'ERR_CUDA')
  assert.is(await codeOfAsync(all[3]!), 'ERR_CUDA')
  assert.is(batches.length, 4)
})

test('close: what was accepted is answered, without delay; nothing more is taken', async () => {
  const { batches, submit, finish, scheduler } = setUp({ maxDelayMs: 1000 })
  const accepted = submit('a')
  await turn()
  assert.equal(batches, [])
  let closed = false
  const closing = scheduler.close().then(() => {
    closed = true
  })
  await rejects('ERR_UNAVAILABLE', /closed/, submit('b'))
  await turn()
  assert.equal(batches, [['a']])
  assert.is(closed, false)
  await finish()
  await closing
  assert.is(await accepted, 'A')
  await scheduler.close()
})

test('options out of range', () => {
  const wrong: SchedulerOptions[] = [
    { maxBatchSize: 0 },
    { maxBatchSize: 1.5 },
    { maxDelayMs: -1 },
    { maxDelayMs: Number.POSITIVE_INFINITY },
    { maxQueueSize: 0 },
    { timeoutMs: Number.NaN },
    { instances: 0 },
    { priorityLevels: 0 },
    { priorityLevels: 2, defaultPriority: 3 },
  ]
  for (const options of wrong) throws('ERR_ARGUMENT', new RegExp(Object.keys(options).at(-1)!), () => setUp(options))
})

test('random traffic: every request has one answer, its own, and order holds inside a priority', async () => {
  const random = generator(7)
  for (let round = 0; round < 50; round++) {
    const { batches, submit, finish, scheduler } = setUp({
      maxBatchSize: 1 + Math.floor(random() * 6),
      priorityLevels: 2,
      maxQueueSize: 20,
    })
    const asked: { text: string; answer: Promise<string> }[] = []
    for (let i = 0; i < 40; i++) {
      const text = `${random() < 0.1 ? 'bad' : ''}r${i}`
      asked.push({ text, answer: submit(text, { priority: 1 + Math.floor(random() * 2), key: random() < 0.5 ? 'x' : 'y' }) })
      if (random() < 0.3) {
        await turn()
        if (scheduler.computing > 0) await finish()
      }
    }
    const closing = scheduler.close()
    await turn()
    while (scheduler.computing > 0) await finish()
    await closing
    for (const { text, answer } of asked) {
      const found = await answer.catch((error: { code: string }) => error.code)
      assert.ok(found === (text.startsWith('bad') ? 'ERR_DATA' : text.toUpperCase()) || found === 'ERR_OVERLOADED', `${text}: ${found}`)
    }
    const computed = batches.flat()
    for (const { text } of asked) if (!text.startsWith('bad')) assert.ok(new Set(computed.filter((other) => other === text)).size <= 1)
  }
})

test('limits of one length share a timer: each ends in its turn, not early, and not where it was taken back', async () => {
  const order: string[] = []
  const begin = performance.now()
  await new Promise<void>((resolve) => {
    systemClock.deadline(7, () => order.push('first'))
    const cancel = systemClock.deadline(7, () => order.push('taken back'))
    setTimeout(() => {
      systemClock.deadline(7, () => {
        order.push('later')
        resolve()
      })
    }, 3)
    cancel()
    // limits do not keep the process alive
    const alive = setInterval(() => order.length === 2 && clearInterval(alive), 1)
  })
  assert.equal(order, ['first', 'later'])
  assert.ok(performance.now() - begin >= 10 - 1)
})

test('batches are padded to few sizes, none of which is much larger than the one before', () => {
  assert.equal(Executor.sizes(32), [1, 2, 4, 8, 12, 16, 24, 32])
  assert.equal(Executor.sizes(1), [1])
  assert.equal(Executor.sizes(10), [1, 2, 4, 8, 10])
  assert.equal(Executor.sizes(20), [1, 2, 4, 8, 12, 16, 20])
})

test.run()
