// Run by `npm test`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gradCheck, jit, tensor } from 'weftjs'
import { my_op } from './my_op.js'

test('values', async () => {
  assert.deepEqual(await my_op(tensor([1, -2, 3]), { scale: 2 }).array(), [2, -16, 54])
})

test('in a traced function', async () => {
  const total = jit((x) => my_op(x.add(1)).sum())
  assert.equal(await total(tensor([0, 1])).item(), 9)
})

test('the gradient is that of the values', async () => {
  const { ok, maxError } = await gradCheck((x) => my_op(x, { scale: 0.5 }).sum(), [tensor([0.3, -0.7, 1.1])])
  assert.ok(ok, `relative error ${maxError}`)
})
