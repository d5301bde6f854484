// weftjs serve and weftjs key: the commands as users call them, in processes of their own.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../lib/serve/index.js'
import { codeOfAsync, until } from '../expect.js'
import { scaling, scratch } from './models.js'

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
const { folder, remove } = scratch()
test.after(remove)
const weftjs = (...args: string[]): { code: number | null; out: string; err: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', cwd: folder })
  return { code: status, out: stdout, err: stderr }
}

/** Starts a server; its addresses, as it prints them. */
async function start(...args: string[]): Promise<{ child: ChildProcess; urls: string[] }> {
  const child = spawn(process.execPath, [program, 'serve', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  for await (const chunk of child.stdout!) {
    text += String(chunk)
    if (/^ready .*\n/m.test(text)) break
  }
  const urls = text.match(/(http|grpc)s?:\/\/[^\s,]+/g)
  assert.ok(urls, text)
  assert.match(text, /^ready in \d+ ms: /)
  return { child, urls: urls! }
}

test('serve answers over REST and gRPC, and SIGTERM answers what is waiting before the end', async () => {
  await scaling(2).save(path.join(folder, 'models/double/1'))
  const { child, urls } = await start('models', '--http', '0', '--grpc', '0', '--max-delay-ms', '3600000', '--max-batch-size', '2')
  assert.is(urls.length, 2)
  for (const url of urls) {
    const client = await connect(url)
    const { outputs } = await client.infer('double', {
      inputs: {
        x: [
          [1, 2],
          [3, 4],
        ],
      },
    })
    assert.equal(await outputs['y']!.array(), [
      [2, 4],
      [6, 8],
    ])
    client.close()
  }
  const client = await connect(urls[0]!)
  await client.metadata('double')
  const waiting = client.infer('double', { inputs: { x: [[5, 6]] } })
  for (;;) {
    const text = await (await fetch(`${urls[0]}/metrics`)).text()
    if (/^nv_inference_pending_request_count\{.*\} 1$/m.test(text)) break
  }
  const end = once(child, 'exit')
  child.kill('SIGTERM')
  assert.equal(await (await waiting).outputs['y']!.array(), [[10, 12]])
  const [code] = (await end) as [number]
  assert.is(code, 0)
  client.close()
})

test('keys are made, kept as hashes, and asked for', async () => {
  const made = weftjs('key', 'ci', '--roles', 'predict', '--file', 'keys.json')
  assert.is(made.code, 0, made.err)
  const key = made.out.trim()
  assert.match(key, /^weft_[A-Za-z0-9_-]{43}$/)
  assert.is(statSync(path.join(folder, 'keys.json')).mode & 0o777, 0o600)
  assert.is(weftjs('key', 'ci', '--roles', 'read').code, 2, 'an id is there once')
  assert.is(weftjs('key', 'second', '--roles', 'read,admin', '--models', 'double', '--expires', '2999-01-01').code, 0)
  const { child, urls } = await start('models', '--http', '0', '--keys', 'keys.json')
  assert.is(await codeOfAsync(connect(urls[0]!)), 'ERR_UNAUTHENTICATED')
  const client = await connect(urls[0]!, { apiKey: key })
  assert.equal(await (await client.infer('double', { inputs: { x: [[1, 1]] } })).outputs['y']!.array(), [[2, 2]])
  client.close()
  const end = once(child, 'exit')
  child.kill('SIGINT')
  assert.equal((await end)[0], 0)
})

test('published, signed and encrypted, then served by those who have the keys', async () => {
  await scaling(3).save(path.join(folder, 'triple'))
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  writeFileSync(path.join(folder, 'signing.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(path.join(folder, 'signing.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  for (const name of ['old.key', 'new.key']) writeFileSync(path.join(folder, name), randomBytes(32).toString('base64'))
  const protection = ['--sign', 'signing.pem', '--model-key', 'file:old.key']
  const made = weftjs('publish', 'triple', 'published', ...protection, '--label', 'stable')
  assert.is(made.code, 0, made.err)
  assert.match(made.out, /^triple\/1 is published: signed by [0-9a-f]{16}, encrypted with [0-9a-f]{16}\n$/)
  const changed = weftjs('change-key', 'published', '--old', 'file:old.key', '--new', 'file:new.key')
  assert.equal([changed.code, changed.out], [0, '1 versions have the new key now, 0 had it before\n'], changed.err)
  const { child, urls } = await start('published', '--http', '0', '--signed-by', 'signing.pub', '--model-key', 'file:new.key')
  const client = await connect(urls[0]!)
  assert.equal(await (await client.infer('triple', { inputs: { x: [[1, 1]] } })).outputs['y']!.array(), [[3, 3]])
  client.close()
  const end = once(child, 'exit')
  child.kill('SIGTERM')
  await end
})

test('backup and restore: a snapshot, and the repository as it was', () => {
  const made = weftjs('backup', 'models', 'backups')
  assert.is(made.code, 0, made.err)
  assert.match(made.out, /^snapshot \S+: 4 files of \d+ bytes, \d+ of them new\n$/)
  const checked = weftjs('restore', 'backups', 'models', '--check')
  assert.match(checked.out, /^snapshot \S+: 4 files of \d+ bytes can be restored\n$/, checked.err)
  const restored = weftjs('restore', 'backups', 'models')
  assert.match(restored.out, /^snapshot \S+: 4 files of \d+ bytes are restored\nwhat was there before: .*models\.before-/, restored.err)
  writeFileSync(path.join(folder, 'models/double/1/weights.safetensors'), 'x')
  const damaged = weftjs('backup', 'models', 'backups')
  assert.equal([damaged.code, damaged.err], [1, 'damaged in the repository: double/1\n'])
  assert.is(weftjs('restore', 'backups', 'models', '--snapshot', made.out.split(' ')[1]!.slice(0, -1)).code, 0)
})

test('a label goes to another version, and back, under a server that follows the folder', async () => {
  await scaling(2).save(path.join(folder, 'labelled', 'm', '1'))
  await scaling(3).save(path.join(folder, 'labelled', 'm', '2'))
  assert.is(weftjs('label', 'labelled', 'm', 'stable', '2').code, 0)
  const { child, urls } = await start('labelled', '--http', '0', '--control', 'watch')
  const client = await connect(urls[0]!)
  const factor = async (): Promise<unknown> => (await client.infer('m', { inputs: { x: [[1, 1]] } })).outputs['y']!.array()
  assert.equal(await factor(), [[3, 3]])
  const moved = weftjs('label', 'labelled', 'm', 'stable', '1')
  assert.equal([moved.code, moved.out], [0, 'stable of m is version 1\n'], moved.err)
  await until(async () => JSON.stringify(await factor()) === '[[2,2]]', 'the server follows')
  client.close()
  const end = once(child, 'exit')
  child.kill('SIGTERM')
  await end
})

test('wrong usage: exit code 2; what cannot be served: 1; each says what is wrong', async () => {
  const usage: string[][] = [
    ['serve'],
    ['serve', 'a', 'b'],
    ['serve', 'models', '--http', 'x'],
    ['serve', 'models', '--port', '1'],
    ['serve', 'models', '--cert', 'a'],
    ['serve', 'models', '--ca', 'a'],
    ['serve', 'models', '--issuer', 'https://a'],
    ['serve', 'models', '--audit-key', 'a'],
    ['serve', 'models', '--rate', 'often'],
    ['key'],
    ['key', 'a'],
    ['publish', 'a'],
    ['publish', 'a', 'b', '--version', 'x'],
    ['backup', 'a'],
    ['restore', 'a'],
    ['change-key', 'a', '--new', 'file:a'],
    ['label', 'models', 'm', 'stable'],
    ['label', 'models', 'm', 'stable', 'x'],
  ]
  for (const args of usage) {
    const { code, err } = weftjs(...args)
    assert.is(code, 2, `${args}: ${err}`)
    assert.match(err, /^Usage: weftjs /m)
  }
  writeFileSync(path.join(folder, 'broken.json'), '{')
  await scaling(2).save(path.join(folder, 'policy', 'm', '1'))
  await scaling(2).save(path.join(folder, 'policy', 'm', '2'))
  writeFileSync(path.join(folder, 'policy', 'm', 'serve.json'), '{"versionPolicy":{"specific":[2]}}')
  const failures: [string[], RegExp][] = [
    [['serve', 'none', '--http', '0'], /there is no folder none/],
    [['serve', 'models', '--http', '0', '--host', '0.0.0.0'], /0\.0\.0\.0 is reached from other machines, without tls or auth/],
    [['serve', 'models', '--http', '0', '--keys', 'broken.json'], /broken\.json/],
    [['serve', 'models', '--http', '0', '--control', 'all'], /'all'/],
    [['serve', 'models', '--http', '0', '--signed-by', 'none.pub'], /the public key is neither PEM nor a file/],
    [['serve', 'models', '--http', '0', '--model-key', 'none'], /a model key is named by 'file:path'/],
    [['publish', 'none', 'models'], /there is no saved model at/],
    [['label', 'none', 'm', 'stable', '1'], /none/],
    [['label', 'policy', '../policy', 'stable', '1'], /has no model '\.\.\/policy'/],
    [['label', 'policy', 'm', 'stable', '3'], /'m' has no version 3.*It has 1, 2/s],
    [['label', 'policy', 'm', 'stable', '1'], /does not pick version 1/],
    [['label', 'policy', 'm', '1', '2'], /a label cannot be '1'/],
    [['key', 'a', '--roles', 'root', '--file', 'other.json'], /roles are some of/],
    [['key', 'a', '--roles', 'read', '--file', 'broken.json'], /broken\.json/],
  ]
  for (const [args, message] of failures) {
    const { code, err } = weftjs(...args)
    assert.is(code, 1, `${args}: ${err}`)
    assert.match(err, message)
    assert.not.match(err, /\n {4}at /)
  }
})

test.run()
