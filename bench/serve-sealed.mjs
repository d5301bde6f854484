// Loading a published model of 128 MiB, plain and encrypted, interleaved, as servers and programs load them: with
// checksums, with a signature, and without either. Beside it what reading and decrypting alone take here.
import { createCipheriv, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { layers, sequential } from '../dist/lib/index.js'
import { loadPublished, publish } from '../dist/lib/serve/index.js'
import { decryptHere, decryptInPool } from '../dist/lib/serve/publishing/decryption.js'
import { median } from './shared/measure.mjs'
import { Report, readOptions } from './shared/report.mjs'

const options = readOptions({ rounds: { type: 'string', default: '9' } })
const rounds = options.quick ? 3 : Number(options.rounds)
const report = new Report(`Encrypted models, median of ${rounds} interleaved rounds`, options)
const folder = mkdtempSync(join(tmpdir(), 'weft-bench-sealed-'))
const file = (name, content) => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}
const modelKey = `file:${file('model.key', randomBytes(32))}`
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const sign = file('signing.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }))
const signedBy = [file('signing.pub', publicKey.export({ type: 'spki', format: 'pem' }))]

const units = 2048
const net = sequential(Array.from({ length: 8 }, () => layers.dense({ units, inputShape: [units] })))
await publish(net, join(folder, 'plain'), { name: 'm', sign })
await publish(net, join(folder, 'sealed'), { name: 'm', sign, modelKey })
const bytes = 8 * units * (units + 1) * 4
net.dispose()

const load = async (kind, options) => {
  const model = await loadPublished(join(folder, kind, 'm', '1'), options)
  model.dispose()
}

// as many bytes in chunks as the weights have
const [threads, chunk, read] = [Math.min(4, availableParallelism()), 256 << 10, 8 << 20]
const [secret, nonce, header] = [randomBytes(32), randomBytes(12), randomBytes(72)]
const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(header)
const one = Buffer.concat([cipher.update(randomBytes(chunk)), cipher.final(), cipher.getAuthTag()])
const each = read / chunk
const reads = Math.ceil(bytes / read)
const stored = Buffer.concat(Array.from({ length: each }, () => one))
const chunks = { key: secret, associated: header, nonces: Buffer.concat(Array.from({ length: each }, () => nonce)), chunkBytes: chunk }
const target = Buffer.alloc(read)
const sealedBytes = file('chunks', Buffer.concat(Array.from({ length: reads }, () => stored)))
const plainBytes = await open(join(folder, 'plain', 'm', '1', 'weights.safetensors'))
const fd = openSync(sealedBytes)

const readings = async (decrypt) => {
  for (let at = 0; at < reads; at++)
    if ((await decrypt({ file: fd, position: at * stored.length })) !== each) throw new Error('not decrypted')
}
const reading = async () => {
  for (let at = 0; at < bytes; at += read) await plainBytes.read(target, 0, read, at)
}

const ways = {
  unchecked: () => load('plain', { verify: false }),
  checked: () => load('plain', {}),
  signed: () => load('plain', { signedBy }),
  sealed: () => load('sealed', { modelKeys: [modelKey] }),
  both: () => load('sealed', { modelKeys: [modelKey], signedBy }),
  reading,
  here: () => readings(() => decryptHere(chunks, stored, target)),
  cipher: () => readings(() => decryptInPool(chunks, stored, target, 1)),
  ciphers: () => readings(() => decryptInPool(chunks, stored, target, threads)),
  least: () => readings((place) => decryptInPool(chunks, place, target, threads)),
}
const times = Object.fromEntries(Object.keys(ways).map((key) => [key, []]))
for (let round = -1; round < rounds; round++)
  for (const [key, way] of Object.entries(ways)) {
    const begin = performance.now()
    await way()
    if (round >= 0) times[key].push(performance.now() - begin)
  }
await plainBytes.close()
rmSync(folder, { recursive: true })
const took = Object.fromEntries(Object.entries(times).map(([key, list]) => [key, median(list)]))
const what = `${(bytes / 2 ** 20).toFixed(0)} MiB`
const alone = (name, key) =>
  report.row({ name: `${what}: ${name}`, measured: took[key], unit: `ms, ${(bytes / took[key] / 1e6).toFixed(2)} GB a second` })
alone('reading alone', 'reading')
alone('decrypting alone, one thread', 'cipher')
alone(`decrypting alone, ${threads} threads`, 'ciphers')
alone('decrypting alone with node:crypto', 'here')
alone(`reading and decrypting, ${threads} threads`, 'least')
report.row({ name: `${what}: loading a plain model`, measured: took.checked, unit: 'ms' })
/**
 * The bound: all that loading the plain model takes but its reading, and reading and decrypting on all threads; where
 * checksums are made as well, the time that they add to the plain model, if all processors are busy all the time.
 */
const hashing = Math.max(took.signed - took.unchecked, 0)
const compare = (name, sealed, plain, peerName) => {
  const rest = took.unchecked - took.reading
  const work = sealed === 'both' ? took.least + hashing / threads : took.least
  report.row({
    name: `${what}: ${name}`,
    measured: took[sealed],
    unit: 'ms',
    peer: took[plain],
    peerName,
    value: took[sealed] / took[plain],
    goal: 1.2,
    atMost: true,
    bound: (rest + work) / took[plain],
    raw: times,
  })
}
compare('loading an encrypted model', 'sealed', 'checked', 'plain')
compare('loading one that is signed too', 'both', 'signed', 'plain, signed')
compare('loading an encrypted model', 'sealed', 'unchecked', 'plain, unchecked')
report.finish()
