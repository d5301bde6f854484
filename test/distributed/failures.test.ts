// A training that fails on one rank, or that one rank breaks off: every rank learns it, and soon.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'
import { FAMILIES, launch } from './launch.js'

const [open] = FAMILIES as [(typeof FAMILIES)[number]]

for (const [end, own] of [
  ['throw', /undefined of the callback/],
  ['break', /no error/],
] as const)
  testWith(open.found, open.package, `every rank learns what one of them has met; at the end: ${end}`, async () => {
    const began = performance.now()
    const { said, output } = await launch(open.command, 2, 'failures', [end])
    assert.ok(performance.now() - began < 100_000, 'nobody waits for the timeout, which is 120,000 ms')
    assert.is(said.length, 2, output)
    const [zero, one] = said as unknown as [Record<string, string>, Record<string, string>]
    for (const hook of ['onTrainBegin', 'onTrainEnd']) {
      assert.match(zero[hook]!, /of the callback/, hook)
      assert.match(one[hook]!, /ERR_DISTRIBUTED .* failed on rank 0: of the callback/, hook)
    }
    for (const each of [zero, one]) {
      assert.match(each['classWeight']!, /classWeight is nothing on rank 0 and {"1":2} on rank 1/)
      assert.match(each['sampleWeight']!, /sampleWeight is "not given" on rank 0 and "given" on rank 1/)
      assert.match(each['validation']!, /validation is "not given" on rank 0/)
      assert.match(each['second']!, /ERR_STATE .*one after another/)
      assert.is(each['at once'], 'no error')
    }
    for (const hook of ['onEpochBegin', 'onEpochEnd', 'onBatchEnd']) {
      assert.is(zero[`abort ${hook}`], 'no error', hook)
      assert.match(one[`abort ${hook}`]!, /AbortError/, hook)
    }
    assert.equal(zero['warnings'], ['WEFT_SHARED_LOSS'])
    assert.match(zero['end']!, /ERR_DISTRIBUTED .*rank 1 has ended/)
    assert.match(one['end']!, own)
  })

test.run()
