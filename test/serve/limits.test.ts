// Time limits of the server, which share a timer.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { systemClock } from '../../lib/serve/clock.js'

const real = { now: performance.now.bind(performance), setTimeout: globalThis.setTimeout }
test.after(() => {
  performance.now = real.now
  globalThis.setTimeout = real.setTimeout
})

test('a limit that ends sets another one of its length, and those between are not late', () => {
  let now = 0
  const timers: { end: number; fn: () => void }[] = []
  performance.now = () => now
  globalThis.setTimeout = ((fn: () => void, ms: number) => {
    timers.push({ end: now + ms, fn })
    return { unref: () => undefined }
  }) as never
  /** Time goes on, and every timer is called when it ends. */
  const until = (time: number): void => {
    for (;;) {
      const next = timers.sort((a, b) => a.end - b.end)[0]
      if (next === undefined || next.end > time) break
      timers.shift()
      now = Math.max(now, next.end)
      next.fn()
    }
    now = time
  }
  const order: string[] = []
  const note = (what: string): void => void order.push(`${what} ${now}`)
  systemClock.deadline(100, () => {
    note('first')
    systemClock.deadline(100, () => note('later'))
  })
  until(30)
  systemClock.deadline(100, () => note('second'))
  until(170)
  assert.equal(order, ['first 100', 'second 130'])
  until(300)
  assert.equal(order, ['first 100', 'second 130', 'later 200'])
  assert.equal(timers, [])
})

test.run()
