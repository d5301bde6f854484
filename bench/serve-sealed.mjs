// Loading a published model of 128 MiB, plain and encrypted, interleaved; beside it what decrypting alone takes here.
import { createCipheriv, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { layers, sequential } from '../dist/lib/index.js'
import { loadPublished, publish } from '../dist/lib/serve/index.js'
import { decrypt, decryptHere } from '../dist/lib/serve/publishing/decryption.js'
import { median } from './shared/measure.mjs'
import { Report, readOptions } from './shared/report.mjs'

const options = readOptions({ rounds: { type: 'string', default: '9' } })
const rounds = options.quick ? 3 : Number(options.rounds)
const report = new Report(`Encrypted models, median of ${rounds} interleaved rounds`, options)
const folder = mkdtempSync(join(tmpdir(), 'weft-bench-sealed-'))
const key = join(folder, 'model.key')
writeFileSync(key, randomBytes(32))
const modelKey = `file:${key}`

const units = 2048
const net = sequential(Array.from({ length: 8 }, () => layers.dense({ units, inputShape: [units] })))
await publish(net, join(folder, 'plain'), { name: 'm' })
await publish(net, join(folder, 'sealed'), { name: 'm', modelKey })
const mebibytes = (8 * units * (units + 1) * 4) / 2 ** 20
net.dispose()

const load = async (kind) => {
  const begin = performance.now()
  const model = await loadPublished(join(folder, kind, 'm', '1'), kind === 'sealed' ? { modelKeys: [modelKey] } : { verify: false })
  const took = performance.now() - begin
  model.dispose()
  return took
}

/** The cipher alone, over as many bytes in chunks as the file has, one after the other. */
const chunk = 256 << 10
const [secret, nonce, header] = [randomBytes(32), randomBytes(12), randomBytes(72)]
const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(header)
const stored = Buffer.concat([cipher.update(randomBytes(chunk)), cipher.final(), cipher.getAuthTag()])
const target = new Uint8Array(chunk)
const decrypting = async (decrypt) => {
  const begin = performance.now()
  for (let at = 0; at < mebibytes * 2 ** 20; at += chunk)
    await decrypt({ key: secret, associated: header, nonces: nonce, chunkBytes: chunk, stored }, target)
  return performance.now() - begin
}

const ways = {
  plain: () => load('plain'),
  sealed: () => load('sealed'),
  pool: () => decrypting(decrypt),
  here: () => decrypting(decryptHere),
}
const times = Object.fromEntries(Object.keys(ways).map((key) => [key, []]))
for (let round = -1; round < rounds; round++)
  for (const [key, way] of Object.entries(ways)) {
    const took = await way()
    if (round >= 0) times[key].push(took)
  }
rmSync(folder, { recursive: true })
const [plain, sealed, pool, here] = Object.values(times).map(median)
const what = `${mebibytes.toFixed(0)} MiB`
const speed = (took) => `ms, ${((mebibytes * 2 ** 20) / took / 1e6).toFixed(2)} GB a second`
report.row({ name: `${what}: decrypting alone, one chunk at a time`, measured: pool, unit: speed(pool) })
report.row({ name: `${what}: the same with node:crypto`, measured: here, unit: speed(here) })
report.row({
  name: `${what}: loading an encrypted model`,
  measured: sealed,
  unit: 'ms',
  peer: plain,
  peerName: 'plain',
  value: sealed / plain,
  goal: 1.2,
  atMost: true,
  raw: times,
})
report.finish()
