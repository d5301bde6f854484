// The worker of the CPU asks for long slices, which threads that wake for a moment may interrupt.
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jit, type Tensor, tensor } from '../../lib/index.js'
import { testWith } from '../skip.js'

const USUAL = 'self'

/** Nanoseconds of the slice of a thread; undefined where the system does not say. */
function sliceOf(thread: string): number | undefined {
  try {
    const place = thread === USUAL ? '/proc/self/sched' : `/proc/self/task/${thread}/sched`
    const found = /^se\.slice\s*:\s*(\d+)/m.exec(readFileSync(place, 'utf8'))?.[1]
    return found === undefined ? undefined : Number(found)
  } catch {
    return undefined
  }
}

function hasSlices(): boolean {
  if (sliceOf(USUAL) === undefined) return false
  const [, major, minor] = /^Linux version (\d+)\.(\d+)/.exec(readFileSync('/proc/version', 'utf8')) ?? []
  return Number(major) * 1000 + Number(minor) >= 6012
}

testWith(
  hasSlices(),
  'Linux 6.12 that shows slices',
  'the worker has twice the slice of the thread of JavaScript, which has the usual one',
  async () => {
    const a = tensor(new Float32Array(160_000), [400, 400])
    const y = jit((x: Tensor) => x.matMul(x).matMul(x))(a)
    await y.data()
    const slices = readdirSync('/proc/self/task').map(sliceOf)
    const usual = sliceOf(USUAL)!
    // the threads that compute with the worker are its own
    assert.ok(slices.includes(2 * usual), `slices: ${slices}`)
    assert.ok(
      slices.every((slice) => slice === usual || slice === 2 * usual),
      `slices: ${slices}`,
    )
  },
)

test.run()
