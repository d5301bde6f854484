// safetensors files: what is written is read back, byte for byte as the format says; anything else is ERR_FORMAT.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Tensor, tensor } from '../../lib/index.js'
import { parseSafetensors, readSafetensors, toTensor, writeSafetensors } from '../../lib/io/safetensors.js'
import { codeOf, generator } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))

const tensors = new Map<string, Tensor>([
  [
    'a',
    tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]),
  ],
  ['scalar', tensor(7, { dtype: 'int32' })],
  ['empty', tensor(new Float32Array(0), [0, 3])],
  ['flags', tensor([true, false, true])],
  ['bytes', tensor(Uint8Array.of(0, 128, 255))],
  ['half', tensor([0.5, -2], { dtype: 'float16' })],
  ['brain', tensor([1.5, 3], { dtype: 'bfloat16' })],
  ['long', tensor(BigInt64Array.of(-1n, 2n ** 40n))],
  ['double', tensor([Math.PI], { dtype: 'float64' })],
  ['large', tensor(Float32Array.from({ length: 1000 }, (_, i) => i))],
])

test('every dtype, scalars and empty tensors come back', async () => {
  const file = path.join(folder, 'all.safetensors')
  await writeSafetensors(file, tensors, { made: 'by a test' })
  const read = await readSafetensors(file)
  assert.equal([...read.keys()], [...tensors.keys()])
  for (const [name, t] of tensors) {
    const stored = read.get(name)!
    assert.is(stored.dtype, t.dtype)
    assert.equal(stored.shape, t.shape)
    assert.equal(await toTensor(stored).data(), await t.data(), name)
  }
})

test('the bytes are those of the format', async () => {
  const file = path.join(folder, 'one.safetensors')
  await writeSafetensors(file, new Map([['w', tensor([1, -2])]]))
  const bytes = await readFile(file)
  const length = Number(bytes.readBigUInt64LE(0))
  assert.is(length % 8, 0)
  assert.equal(JSON.parse(bytes.subarray(8, 8 + length).toString()), { w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } })
  assert.equal([bytes.readFloatLE(8 + length), bytes.readFloatLE(12 + length)], [1, -2])
  assert.is(bytes.length, 16 + length)
})

/** A file with this header and this many bytes of data. */
function made(header: unknown, size: number, declared?: bigint): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(declared ?? BigInt(json.length))
  return Buffer.concat([length, json, Buffer.alloc(size)])
}
const entry = (dtype: unknown, shape: unknown, offsets: unknown): object => ({ t: { dtype, shape, data_offsets: offsets } })

const corrupt: [string, Uint8Array][] = [
  ['empty file', new Uint8Array(0)],
  ['seven bytes', new Uint8Array(7)],
  ['header beyond the file', made({}, 0, 100n)],
  ['header of 2^63 bytes', made({}, 0, 2n ** 63n)],
  ['no JSON', made('{"t":', 0)],
  ['a list', made([], 0)],
  ['not UTF-8', Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0x7b, 0xff, 0xfe, 0x7d])])],
  ['unknown dtype', made(entry('F31', [1], [0, 4]), 4)],
  ['dtype of another type', made(entry(3, [1], [0, 4]), 4)],
  ['negative extent', made(entry('F32', [-1], [0, 4]), 4)],
  ['fractional extent', made(entry('F32', [1.5], [0, 6]), 6)],
  ['shape missing', made(entry('F32', undefined, [0, 4]), 4)],
  ['offsets that run back', made(entry('F32', [1], [4, 0]), 4)],
  ['offsets beyond the data', made(entry('F32', [2], [0, 8]), 4)],
  ['size that does not fit the shape', made(entry('F32', [2], [0, 4]), 4)],
  ['extents whose product overflows', made(entry('F32', [2 ** 40, 2 ** 40], [0, 4]), 4)],
  ['data left over', made(entry('F32', [1], [0, 4]), 5)],
  ['a gap', made({ a: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }, 8)],
  ['an overlap', made({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] }, b: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, 4)],
  ['an entry that is null', made({ a: null }, 0)],
]
for (const [name, bytes] of corrupt) {
  test(`corrupt: ${name}`, () => {
    assert.is(
      codeOf(() => parseSafetensors(bytes, 'file')),
      'ERR_FORMAT',
    )
  })
}

test('a file cut anywhere, or with a byte of its header changed, is refused or read without harm', async () => {
  const file = path.join(folder, 'cut.safetensors')
  await writeSafetensors(
    file,
    new Map<string, Tensor>([
      ['w', tensor([1, -2, 3])],
      ['b', tensor([1])],
    ]),
  )
  const bytes = await readFile(file)
  for (let n = 0; n < bytes.length; n++)
    assert.is(
      codeOf(() => parseSafetensors(bytes.subarray(0, n), 'file')),
      'ERR_FORMAT',
      `cut at ${n}`,
    )
  const random = generator(3)
  for (let round = 0; round < 500; round++) {
    const changed = Buffer.from(bytes)
    changed[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    const code = codeOf(() => {
      for (const stored of parseSafetensors(changed, 'file').values()) toTensor(stored)
    })
    assert.ok(code === undefined || code === 'ERR_FORMAT', code)
  }
  await writeFile(path.join(folder, 'not.safetensors'), 'hello there')
})

test.run()
