// Loading a published model of 128 MiB, plain and encrypted, interleaved; beside it what decrypting alone takes here.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { layers, sequential } from '../dist/lib/index.js'
import { loadPublished, publish } from '../dist/lib/serve/index.js'
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

/** The cipher alone, over as many bytes in chunks as the file has, into one piece of memory. */
const decrypt = () => {
  const [secret, nonce, chunk] = [randomBytes(32), randomBytes(12), 256 << 10]
  const cipher = createCipheriv('aes-256-gcm', secret, nonce)
  const sealed = Buffer.concat([cipher.update(randomBytes(chunk)), cipher.final()])
  const tag = cipher.getAuthTag()
  const target = new Uint8Array(chunk)
  const begin = performance.now()
  for (let at = 0; at < mebibytes * 2 ** 20; at += chunk) {
    const decipher = createDecipheriv('aes-256-gcm', secret, nonce, { authTagLength: 16 })
    decipher.setAuthTag(tag)
    target.set(decipher.update(sealed))
    decipher.final()
  }
  return performance.now() - begin
}

const times = { plain: [], sealed: [], cipher: [] }
for (let round = -1; round < rounds; round++) {
  const [plain, sealed, cipher] = [await load('plain'), await load('sealed'), decrypt()]
  if (round < 0) continue
  times.plain.push(plain)
  times.sealed.push(sealed)
  times.cipher.push(cipher)
}
rmSync(folder, { recursive: true })
const [plain, sealed, cipher] = [median(times.plain), median(times.sealed), median(times.cipher)]
const what = `${mebibytes.toFixed(0)} MiB`
const speed = ((mebibytes * 2 ** 20) / cipher / 1e6).toFixed(2)
report.row({ name: `${what}: decrypting alone, node:crypto on one thread`, measured: cipher, unit: `ms, ${speed} GB a second` })
report.row({
  name: `${what}: loading an encrypted model`,
  measured: sealed,
  unit: 'ms',
  peer: plain,
  peerName: 'plain',
  value: sealed / plain,
  goal: 1.2,
  atMost: true,
  // read plain and decrypt, one after the other
  bound: (plain + cipher) / plain,
  raw: times,
})
report.finish()
