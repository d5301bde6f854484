// Files that are no regular ones: what writes a file leaves them where they are.
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, sequential, type WeftError } from '../../lib/index.js'

test('saveWeights does not replace a named pipe', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'weft-pipe-'))
  try {
    const pipe = path.join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const net = sequential([layers.dense({ units: 1, inputShape: [1] })])
    const error = await net.saveWeights(pipe).then(
      () => undefined,
      (e: unknown) => e as WeftError,
    )
    assert.is(error?.code, 'ERR_ARGUMENT')
    assert.ok((await stat(pipe)).isFIFO())
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test.run()
