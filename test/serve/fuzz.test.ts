// Random requests and files, from fixed seeds. bench/serve-fuzz.mjs sends as many as are asked for.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fuzzGrpc, fuzzRepository, fuzzRest } from './fuzz.js'

test('4,000 random requests over REST: answered as documented, none with a fault of the server', async () => {
  const seen = await fuzzRest(4000, 3)
  for (const status of [200, 400, 404, 409, 413]) assert.ok(seen.has(status), `${status} of ${[...seen]}`)
})

test('2,000 random messages over gRPC: none is a fault of the server', async () => {
  const seen = await fuzzGrpc(2000, 13)
  for (const status of ['OK', 'INVALID_ARGUMENT', 'NOT_FOUND']) assert.ok(seen.has(status), `${status} of ${[...seen]}`)
})

test('300 random changes of the files of a repository: loaded, or refused by what is wrong', async () => {
  const seen = await fuzzRepository(300, 23)
  for (const outcome of ['loaded', 'ERR_FORMAT']) assert.ok(seen.has(outcome), `${outcome} of ${[...seen]}`)
})

test.run()
