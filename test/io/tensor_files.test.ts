// safetensors.open and save: every type, shards, large files that are opened at once, and what is refused.
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { safetensors, type Tensor, tensor, variable } from '../../lib/index.js'
import { codeOf, rejects, throws } from '../expect.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-tensor-files-'))
test.after(() => rm(folder, { recursive: true }))
const place = (name: string): string => path.join(folder, name)

/** The begin of a file with this header, and the number of bytes of its values. */
function headed(entries: Record<string, { dtype: string; shape: number[]; bytes: number }>): { begin: Buffer; bytes: number } {
  let at = 0
  const header = Object.fromEntries(
    Object.entries(entries).map(([name, { dtype, shape, bytes }]) => [name, { dtype, shape, data_offsets: [at, (at += bytes)] }]),
  )
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return { begin: Buffer.concat([length, json]), bytes: at }
}

test('every dtype is written and read, with metadata', async () => {
  const tensors: Record<string, Tensor> = {
    matrix: tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]),
    scalar: tensor(7, { dtype: 'int32' }),
    empty: tensor(new Float32Array(0), [0, 3]),
    flags: tensor([true, false, true]),
    bytes: tensor(Uint8Array.of(0, 128, 255)),
    small: tensor(Int8Array.of(-1, 2)),
    half: tensor([0.5, -2], { dtype: 'float16' }),
    brain: tensor([1.5, 3], { dtype: 'bfloat16' }),
    long: tensor(BigInt64Array.of(-1n, 2n ** 40n)),
    double: tensor([Math.PI], { dtype: 'float64' }),
    state: variable([1, 2]),
  }
  await safetensors.save(place('all.safetensors'), tensors, { metadata: { format: 'pt' } })
  const file = await safetensors.open(place('all.safetensors'))
  assert.equal(file.names, Object.keys(tensors))
  assert.equal(file.metadata, { format: 'pt' })
  for (const [name, t] of Object.entries(tensors)) {
    const found = file.get(name)
    assert.equal([found.dtype, found.shape], [t.dtype, t.shape])
    assert.equal(await found.data(), await t.data(), name)
  }
  assert.equal(file.info('brain'), { type: 'BF16', shape: [2], bytes: 4 })
  assert.is(file.has('matrix') && !file.has('other'), true)
  throws('ERR_ARGUMENT', /'matrx'.*Did you mean 'matrix'/, () => file.get('matrx'))
  await file.close()
  await file.close()
  assert.is(
    codeOf(() => file.get('matrix')),
    'ERR_STATE',
  )
})

test('types that no dtype has are widened', async () => {
  const { begin } = headed({
    i16: { dtype: 'I16', shape: [2], bytes: 4 },
    u16: { dtype: 'U16', shape: [1], bytes: 2 },
    u32: { dtype: 'U32', shape: [1], bytes: 4 },
    u64: { dtype: 'U64', shape: [1], bytes: 8 },
    large: { dtype: 'U64', shape: [1], bytes: 8 },
    e4m3: { dtype: 'F8_E4M3', shape: [6], bytes: 6 },
    e5m2: { dtype: 'F8_E5M2', shape: [5], bytes: 5 },
  })
  const data = Buffer.alloc(37)
  data.writeInt16LE(-300, 0)
  data.writeInt16LE(5, 2)
  data.writeUInt16LE(65_535, 4)
  data.writeUInt32LE(4_000_000_000, 6)
  data.writeBigUInt64LE(2n ** 62n, 10)
  data.writeBigUInt64LE(2n ** 63n, 18)
  // 1, -1.5, the largest, the smallest, zero, none
  data.set([0x38, 0xbc, 0x7e, 0x01, 0x80, 0x7f], 26)
  // 1, the largest, the smallest, infinity, none
  data.set([0x3c, 0x7b, 0x01, 0x7c, 0x7f], 32)
  await writeFile(place('foreign.safetensors'), Buffer.concat([begin, data]))
  const file = await safetensors.open(place('foreign.safetensors'))
  const read = async (name: string): Promise<unknown[]> => [file.get(name).dtype, ...(await file.get(name).data())]
  assert.equal(await read('i16'), ['int32', -300, 5])
  assert.equal(await read('u16'), ['int32', 65_535])
  assert.equal(await read('u32'), ['int64', 4_000_000_000n])
  assert.equal(await read('u64'), ['int64', 2n ** 62n])
  assert.is(
    codeOf(() => file.get('large')),
    'ERR_DATA',
  )
  assert.equal(await read('e4m3'), ['float32', 1, -1.5, 448, 2 ** -9, -0, Number.NaN])
  assert.equal(await read('e5m2'), ['float32', 1, 57_344, 2 ** -16, Number.POSITIVE_INFINITY, Number.NaN])
  await file.close()
})

test('a file of 2 GB is opened by its header, and one tensor is read alone', async () => {
  const rows = 1 << 19
  const { begin, bytes } = headed({
    large: { dtype: 'F32', shape: [rows, 1024], bytes: rows * 4096 },
    last: { dtype: 'F32', shape: [2], bytes: 8 },
  })
  const fd = openSync(place('large.safetensors'), 'w')
  writeSync(fd, begin)
  ftruncateSync(fd, begin.length + bytes)
  writeSync(fd, Buffer.from(Float32Array.of(3, 4).buffer), 0, 8, begin.length + bytes - 8)
  closeSync(fd)
  const before = process.memoryUsage().rss
  const file = await safetensors.open(place('large.safetensors'))
  assert.equal(file.info('large').bytes, 2 ** 31)
  assert.equal(Array.from(await file.get('last').data(), Number), [3, 4])
  assert.ok(process.memoryUsage().rss - before < 100 << 20)
  await file.close()
})

test('shards with an index', async () => {
  const tensors = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`w${i}`, tensor(new Float32Array(10).fill(i))]))
  const target = path.join(folder, 'sharded', 'model.safetensors')
  await safetensors.save(target, tensors, { maxShardBytes: 90 })
  const names = (await readdir(path.dirname(target))).sort()
  assert.equal(names, [1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`).concat('model.safetensors.index.json'))
  for (const form of [path.join(folder, 'sharded'), `${target}.index.json`]) {
    const file = await safetensors.open(form)
    assert.equal(file.names, Object.keys(tensors))
    assert.equal(await file.get('w4').data(), await tensors['w4']!.data())
    await file.close()
  }
  const index = JSON.parse(await readFile(`${target}.index.json`, 'utf8'))
  assert.equal(index.metadata, { total_size: 240 })
  const wrong = async (change: (map: Record<string, unknown>) => void, message: RegExp): Promise<void> => {
    const map = { ...index.weight_map }
    change(map)
    await writeFile(place('sharded/wrong.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    await rejects('ERR_FORMAT', message, safetensors.open(place('sharded/wrong.safetensors.index.json')))
  }
  await wrong((map) => void (map['w0'] = '../all.safetensors'), /a name in the same folder is expected/)
  await wrong((map) => void (map['w0'] = '..'), /a name in the same folder is expected/)
  await wrong((map) => void (map['w9'] = map['w0']), /has no 'w9'/)
  await wrong((map) => void delete map['w0'], /does not list there/)
})

test('what is no safetensors file, or no tensor, is refused', async () => {
  await writeFile(place('text.safetensors'), 'no tensors here')
  await rejects('ERR_FORMAT', /not a whole safetensors file/, safetensors.open(place('text.safetensors')))
  await rejects('ERR_FORMAT', /cannot be read/, safetensors.open(place('missing.safetensors')))
  await rejects('ERR_ARGUMENT', /expected the name of a file/, safetensors.open(7 as never))
  await rejects('ERR_ARGUMENT', /'a' is 7/, safetensors.save(place('x'), { a: 7 as never }))
  await rejects('ERR_ARGUMENT', /metadata are texts/, safetensors.save(place('x'), {}, { metadata: { a: 1 as never } }))
  await rejects('ERR_ARGUMENT', /maxShardBytes/, safetensors.save(place('x'), {}, { maxShardBytes: 0 }))
  await rejects('ERR_ARGUMENT', /unknown option/, safetensors.save(place('x'), {}, { shards: 2 } as never))
})

test.run()
