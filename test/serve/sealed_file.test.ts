// Sealed files: read as if they were what was sealed, at every size around a chunk; chunks that are moved are found.
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CHUNK_BYTES, SealedFile, writeSealed } from '../../lib/serve/publishing/sealed_file.js'
import { codeOfAsync, generator } from '../expect.js'
import { scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const dataKey = randomBytes(32)
let count = 0
async function sealed(bytes: Uint8Array, name = 'a', part = 100_003): Promise<string> {
  const file = path.join(folder, `${count++}`)
  await writeSealed(file, dataKey, name, async (sink) => {
    for (let at = 0; at < bytes.length; at += part) await sink.write(bytes.subarray(at, at + part))
  })
  return file
}
async function read(file: string, name = 'a', key: Uint8Array = dataKey): Promise<Buffer> {
  const opened = await SealedFile.unseal(file, key, name)
  try {
    const bytes = Buffer.alloc(opened.size)
    await opened.read(bytes, 0)
    return bytes
  } finally {
    await opened.close()
  }
}

test('every size around a chunk, written and read in parts', async () => {
  const random = generator(3)
  for (const size of [0, 1, 15, 16, 17, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 5]) {
    const bytes = randomBytes(size)
    const file = await sealed(bytes)
    assert.ok((await read(file)).equals(bytes), `${size}`)
    const opened = await SealedFile.unseal(file, dataKey, 'a')
    assert.is(opened.size, size)
    for (let i = 0; i < 20; i++) {
      const from = Math.floor(random() * (size + 1))
      const part = Buffer.alloc(Math.floor(random() * (size - from + 1)))
      await opened.read(part, from)
      assert.ok(part.equals(bytes.subarray(from, from + part.length)), `${size}: ${part.length} from ${from}`)
    }
    assert.is(await codeOfAsync(opened.read(Buffer.alloc(1), size)), 'ERR_FORMAT', 'past the end')
    await opened.close()
  }
})

test('chunks that are moved, taken out, doubled, or of another file; other names and keys', async () => {
  const bytes = randomBytes(4 * CHUNK_BYTES)
  const file = await sealed(bytes)
  const stored = readFileSync(file)
  const length = CHUNK_BYTES + 16
  const header = stored.subarray(0, stored.length - 4 * length)
  const chunks = [0, 1, 2, 3].map((i) => stored.subarray(header.length + i * length, header.length + (i + 1) * length))
  const other = readFileSync(await sealed(bytes))
  const foreign = other.subarray(header.length, header.length + length)
  const [a, b, c, d] = chunks as [Buffer, Buffer, Buffer, Buffer]
  const wrong: Buffer[][] = [
    [b, a, c, d],
    [a, b, d, c],
    [a, b, d],
    [a, b, c],
    [a, b],
    [b, c, d],
    [a, a, b, c, d],
    [a, b, c, d, d],
    [foreign, b, c, d],
    [a, b, c, d.subarray(1)],
    [a, b, c, d.subarray(0, -1)],
    [],
    [Buffer.alloc(15)],
  ]
  for (const parts of wrong) {
    writeFileSync(file, Buffer.concat([header, ...parts]))
    assert.is(await codeOfAsync(read(file)), 'ERR_FORMAT')
  }
  writeFileSync(file, Buffer.concat([other.subarray(0, header.length), a, b, c, d]))
  assert.is(await codeOfAsync(read(file)), 'ERR_FORMAT', "another file's header")
  writeFileSync(file, stored)
  assert.is(await codeOfAsync(read(file, 'b')), 'ERR_FORMAT')
  assert.is(await codeOfAsync(read(file, 'a', randomBytes(32))), 'ERR_FORMAT')
  assert.ok((await read(file)).equals(bytes))
})

test('the same bytes are sealed otherwise each time', async () => {
  const bytes = Buffer.alloc(2 * CHUNK_BYTES)
  const seen = new Set<string>()
  for (let i = 0; i < 8; i++) {
    const stored = readFileSync(await sealed(bytes))
    for (let at = 0; at + 16 <= stored.length; at += CHUNK_BYTES / 4)
      if (at > 0)
        seen.add(
          createHash('sha256')
            .update(stored.subarray(at, at + 16))
            .digest('hex'),
        )
  }
  assert.is(seen.size, 8 * 8)
})

test.run()
