// Sealed files: read as if they were what was sealed, at every size around a chunk; chunks that are moved are found.
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { WeftError } from '../../lib/core/error.js'
import { canUsePool, type Decrypt, decryptHere, decryptInPool, type FilePlace } from '../../lib/serve/publishing/decryption.js'
import { CHUNK_BYTES, SealedFile, writeSealed } from '../../lib/serve/publishing/sealed_file.js'
import { codeOf, codeOfAsync, generator } from '../expect.js'
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

test('a part that was edited is named, wherever it lies among those that are read at once', async () => {
  const whole = 17
  const bytes = randomBytes(whole * CHUNK_BYTES + 5)
  const file = await sealed(bytes)
  assert.ok((await read(file)).equals(bytes))
  const stored = readFileSync(file)
  const header = stored.length - bytes.length - (whole + 1) * 16
  for (const part of [0, 3, 4, 9, 11, 12, 15, 16]) {
    const edited = Buffer.from(stored)
    edited[header + part * (CHUNK_BYTES + 16) + 1234]! ^= 4
    writeFileSync(file, edited)
    const opened = await SealedFile.unseal(file, dataKey, 'a')
    const target = Buffer.alloc(bytes.length, 1)
    const error = await opened.read(target, 0).then(
      () => undefined,
      (error: WeftError) => error,
    )
    assert.is(error?.code, 'ERR_FORMAT')
    assert.match(error!.message, `part ${part + 1} of ${whole + 1} was edited`)
    const found = target.subarray(part * CHUNK_BYTES, (part + 1) * CHUNK_BYTES)
    assert.ok(found.equals(Buffer.alloc(CHUNK_BYTES)), 'nobody sees what it holds')
    // what is not as it was sealed stays so; the rest can be read
    const rest = Buffer.alloc(bytes.length - whole * CHUNK_BYTES)
    await opened.read(rest, whole * CHUNK_BYTES)
    assert.ok(rest.equals(bytes.subarray(whole * CHUNK_BYTES)))
    await opened.close()
  }
})

/** Chunks as a sealed file has them. */
function chunksOf(plain: Buffer, chunkBytes: number) {
  const [key, associated] = [randomBytes(32), randomBytes(72)]
  const count = Math.max(1, Math.ceil(plain.length / chunkBytes))
  const nonces = randomBytes(12 * count)
  const stored = Buffer.concat(
    Array.from({ length: count }, (_, i) => {
      const cipher = createCipheriv('aes-256-gcm', key, nonces.subarray(12 * i, 12 * (i + 1))).setAAD(associated)
      return Buffer.concat([cipher.update(plain.subarray(i * chunkBytes, (i + 1) * chunkBytes)), cipher.final(), cipher.getAuthTag()])
    }),
  )
  return { count, stored, chunks: { key, associated, nonces, chunkBytes } }
}

/** The same from a file, between other bytes. */
const decryptFile =
  (threads: number): Decrypt =>
  async (chunks, stored, target) => {
    const name = path.join(folder, 'stored')
    writeFileSync(name, Buffer.concat([Buffer.alloc(13), stored, Buffer.alloc(5, 9)]))
    const file = openSync(name, 'r')
    try {
      return await decryptInPool(chunks, { file, position: 13 }, target, threads)
    } finally {
      closeSync(file)
    }
  }

const ways: [string, Decrypt][] = [['on the thread of JavaScript', decryptHere]]
if (canUsePool())
  ways.push(
    ['on a thread of the pool', (chunks, stored, target) => decryptInPool(chunks, stored, target, 1)],
    ['on threads of the pool', (chunks, stored, target) => decryptInPool(chunks, stored, target, 3)],
    ['from a file on a thread of the pool', decryptFile(1)],
    ['from a file on threads of the pool', decryptFile(3)],
  )
else console.log('skipped: decryption on a thread of the pool needs a Node.js that shows its libcrypto to addons')
for (const [where, decrypt] of ways)
  test(`chunks are decrypted ${where}, up to the first that is not as it was sealed`, async () => {
    for (const [size, chunkBytes] of [
      [0, 7],
      [1, 7],
      [7, 7],
      [8, 7],
      [40_000, 16_384],
      [100_000, 33_333],
    ] as [number, number][]) {
      const plain = randomBytes(size)
      const { count, stored: sealed, chunks } = chunksOf(plain, chunkBytes)
      const target = Buffer.alloc(size, 1)
      assert.is(await decrypt(chunks, sealed, target), count)
      assert.ok(target.equals(plain), `${size} in chunks of ${chunkBytes}`)
      for (let index = 0; index < count; index++) {
        const end = Math.min(size, (index + 1) * chunkBytes) + (index + 1) * 16
        for (const at of [end - 17, end - 1].filter((at) => at >= 0)) {
          const stored = Buffer.from(sealed)
          stored[at]! ^= 1
          target.fill(1)
          assert.is(await decrypt(chunks, stored, target), index)
          const [from, to] = [index * chunkBytes, Math.min(size, (index + 1) * chunkBytes)]
          assert.ok(target.subarray(0, from).equals(plain.subarray(0, from)))
          assert.ok(target.subarray(from, to).every((byte) => byte === 0))
          // other threads may have been further
          for (let next = to; next < size; next += chunkBytes) {
            const [found, right] = [target, plain].map((bytes) => bytes.subarray(next, next + chunkBytes)) as [Buffer, Buffer]
            assert.ok(found.equals(right) || found.every((byte) => byte === 1), 'what was sealed, or nothing')
          }
        }
      }
      for (const other of [{ key: randomBytes(32) }, { associated: randomBytes(72) }, { nonces: randomBytes(12 * count) }])
        assert.is(await decrypt({ ...chunks, ...other }, sealed, target), 0)
    }
  })

test('arrays that do not fit together are refused before anything is written', () => {
  const { chunks, stored } = chunksOf(randomBytes(20), 7)
  for (const [wrong, from, size, threads] of [
    [{ key: randomBytes(31) }, stored, 20, 1],
    [{ nonces: Buffer.alloc(35) }, stored, 20, 1],
    [{ nonces: Buffer.alloc(0) }, stored, 20, 1],
    [{ nonces: Buffer.alloc(24) }, stored, 20, 1],
    [{}, stored.subarray(1), 20, 1],
    [{ chunkBytes: 0 }, stored, 20, 1],
    [{ chunkBytes: 6 }, stored, 20, 1],
    [{ chunkBytes: 10 }, stored, 20, 1],
    [{ chunkBytes: -1 }, stored, 20, 1],
    [{ associated: Buffer.alloc(0) }, stored, 20, 1],
    [{}, new Float32Array(17) as unknown as Uint8Array, 20, 1],
    [{}, stored, 19, 1],
    [{}, stored, 21, 1],
    [{}, stored, 20, 0],
    [{}, stored, 20, 65],
    [{}, { file: -1, position: 0 }, 20, 1],
    [{}, { file: 0, position: -1 }, 20, 1],
    [{}, { file: 0, position: 0 }, 22, 1],
  ] as [Partial<typeof chunks>, Uint8Array | FilePlace, number, number][])
    assert.is(
      codeOf(() => void decryptInPool({ ...chunks, ...wrong }, from, Buffer.alloc(size), threads)),
      'ERR_ARGUMENT',
    )
})

test('a file that ends before its chunks do, or cannot be read', async () => {
  if (!canUsePool()) return
  const { chunks, stored } = chunksOf(randomBytes(40_000), 16_384)
  const name = path.join(folder, 'short')
  writeFileSync(name, stored.subarray(0, -1))
  const file = openSync(name, 'r')
  const target = Buffer.alloc(40_000, 1)
  assert.is(await decryptInPool(chunks, { file, position: 0 }, target, 2), 2)
  assert.ok(target.subarray(2 * 16_384).every((byte) => byte === 0))
  closeSync(file)
  assert.is(await decryptInPool(chunks, { file: 1_000_000, position: 0 }, target, 2), 0)
})

test('a file that becomes shorter while it is read is named, and why', async () => {
  const bytes = randomBytes(3 * CHUNK_BYTES + 5)
  const file = await sealed(bytes)
  const opened = await SealedFile.unseal(file, dataKey, 'a')
  truncateSync(file, statSync(file).size - 1_000)
  const target = Buffer.alloc(bytes.length)
  // the last part was read when the file was opened
  await opened.read(target.subarray(2 * CHUNK_BYTES, 3 * CHUNK_BYTES), 2 * CHUNK_BYTES).then(
    () => assert.unreachable(),
    (error: WeftError) => assert.match(error.message, 'became shorter while it was read'),
  )
  await opened.read(target.subarray(0, 2 * CHUNK_BYTES), 0)
  assert.ok(target.subarray(0, 2 * CHUNK_BYTES).equals(bytes.subarray(0, 2 * CHUNK_BYTES)))
  await opened.close()
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
