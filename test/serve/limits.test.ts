// Time limits of the server, which share a timer.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { systemClock } from '../../lib/serve/clock.js'

test('a limit that ends sets another one of its length, and those between are not late', async () => {
  const order: string[] = []
  systemClock.deadline(100, () => {
    order.push('first')
    systemClock.deadline(100, () => void order.push('later'))
  })
  await new Promise((resolve) => setTimeout(resolve, 30))
  systemClock.deadline(100, () => void order.push('second'))
  // timers are called in the order in which they end, however late
  await new Promise<void>((resolve) => setTimeout(resolve, 140))
  assert.equal(order, ['first', 'second'])
})

test.run()
