// Some mutated files of each format; bench/files-fuzz.mjs reads as many as one likes.
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fuzzFiles } from './mutated_files.js'

test('each loads, or is an error that says so', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
  const fixtures = path.join(import.meta.dirname, '..', '..', '..', 'test', 'io')
  const rounds = 400
  const loaded = await fuzzFiles(rounds, 5, folder, fixtures)
  const sum = [...loaded.values()].reduce((a, b) => a + b, 0)
  assert.ok(sum > 0 && sum < rounds, `${sum} of ${rounds} load`)
  await rm(folder, { recursive: true })
})

test.run()
