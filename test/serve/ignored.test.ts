// What a command or a server is told and would ignore, or find out too late, is refused with its reason.
import { spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { backup, createApiKey, publish, restore, serve } from '../../lib/serve/index.js'
import { HANG_MS, rejects } from '../expect.js'
import { scaling, scratch } from './models.js'

const { folder: base, remove } = scratch()
test.after(remove)
const at = (...names: string[]): string => path.join(base, ...names)
const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
const weftjs = (...args: string[]): { code: number | null; err: string } => {
  const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', cwd: base, timeout: HANG_MS })
  return { code: status, err: stderr }
}
const trust = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string
writeFileSync(at('model.key'), Buffer.alloc(32, 7))
const modelKey = `file:${at('model.key')}`
await scaling(2).save(at('named', 'm', '1'))

test('empty values and options that are given twice are refused, and not left out', () => {
  for (const args of [
    ['serve', 'named', '--keys', ''],
    ['serve', 'named', '--audit='],
    ['serve', 'named', '--cert', '', '--key', ''],
    ['serve', 'named', '--keys', 'a.json', '--keys', 'b.json'],
    ['serve', 'named', '--drain-ms', '3600001'],
    ['serve', 'named', '--http', '0.5'],
    ['publish', '', 'named'],
    ['publish', 'digits', 'named', '--sign', ''],
    ['publish', 'digits', 'named', '--name', 'a', '--name', 'b'],
    ['restore', 'backups', ''],
    ['backup', 'named', 'backups', '--sign', ''],
    ['label', 'named', '', 'stable', '1'],
    ['audit', 'audit.jsonl', '--head', ''],
    ['key', 'a', '--roles', ''],
  ]) {
    const { code, err } = weftjs(...args)
    assert.is(code, 2, `${args.join(' ')}: ${err}`)
    assert.match(err, /is empty|has no value|is given twice|is at most|is a whole number/)
  }
})

test('what would be ignored, or break off in the middle, is said at the start', async () => {
  const failures: [string[], RegExp][] = [
    [['serve', 'named', '--http', '0', '--log', 'loud'], /log is one of trace, debug, .*'loud'/],
    [['audit', 'none.jsonl'], /audit: none\.jsonl cannot be read: it does not exist/],
    [['key', 'late', '--roles', 'read', '--expires', '2020-01-01', '--file', 'late.json'], /would have expired already: 2020-01-01/],
    [['key', 'all', '--roles', 'read', '--models', 'digits-*', '--file', 'late.json'], /models are names of models, without patterns/],
    [['key', 'none', '--roles', 'read', '--file', 'model.key/keys.json'], /key: model\.key\/keys\.json cannot be written/],
  ]
  for (const [args, message] of failures) {
    const { code, err } = weftjs(...args)
    assert.is(code, 1, `${args.join(' ')}: ${err}`)
    assert.match(err, message)
    assert.not.match(err, /\n {4}at /)
  }
  assert.not(existsSync(at('late.json')))
  const { code, err } = weftjs('key', 'typo', '--roles', 'read', '--file', 'typo/deep/keys.json')
  assert.is(code, 1)
  assert.match(err, /key: typo\/deep\/keys\.json cannot be written: it does not exist/)
  assert.not(existsSync(at('typo')))
  const models = { m: scaling(2) }
  const wrong: [object, RegExp][] = [
    [{ models, http: false }, /without REST and gRPC nobody can ask it/],
    [{ models, control: 'watch' }, /control: 'watch' is for the models of a repository/],
    [
      { models, signedBy: [trust], modelKeys: [modelKey], loading: {}, load: [] },
      /load, loading, modelKeys, signedBy is for the models of a repository/,
    ],
    [{ repository: at('named'), load: ['n'] }, /load names 'n', which the repository does not have.*It has m/s],
  ]
  for (const [options, message] of wrong) await rejects('ERR_ARGUMENT', message, serve({ http: { port: 0 }, ...options }))
})

test('a model, or the folder of its versions, in the place of a repository; a repository and its backups in each other', async () => {
  for (const name of ['trained', 'broken']) await scaling(2).save(at(name))
  writeFileSync(at('broken', 'model.json'), '{')
  await publish(scaling(2), at('models'), { name: 'm', modelKey, label: 'stable' })
  await backup(at('models'), at('backups'))
  mkdirSync(at('only'))
  await scaling(2).exportOnnx(at('only', 'net.onnx'))
  const isModel = /is a model, not a folder of models.*npx weftjs publish/s
  const hasVersions = /models\/m has the versions of one model, and is not a folder of models.*Name the folder above it/s
  const calls: [string[], RegExp][] = [
    [['serve', 'trained', '--http', '0'], isModel],
    [['serve', 'only', '--http', '0'], isModel],
    [['serve', 'broken', '--http', '0'], isModel],
    [['serve', 'models/m/1', '--http', '0'], isModel],
    [['serve', 'models/m', '--http', '0'], hasVersions],
    [['serve', 'only/net.onnx', '--http', '0'], /only\/net\.onnx cannot be read: a part of the path is not a folder/],
    [['publish', 'trained', 'models/m'], hasVersions],
    [['publish', 'trained', 'models/m/1'], isModel],
    [['change-key', 'models/m', '--old', modelKey, '--new', modelKey], hasVersions],
    [['restore', 'backups', 'backups'], /lie in each other, and the backups would give way/],
    [['restore', 'backups', 'backups/objects'], /lie in each other/],
    [['restore', 'backups', 'backups/snapshots/x'], /lie in each other/],
    [['restore', 'backups', '.'], /lie in each other/],
  ]
  for (const [args, message] of calls) {
    const { code, err } = weftjs(...args)
    assert.is(code, 1, `${args.join(' ')}: ${err}`)
    assert.match(err, message)
    assert.not.match(err, /\n {4}at /)
  }
  assert.equal(readdirSync(at('models')), ['m'])
  assert.equal(readdirSync(at('models', 'm')).sort(), ['1', 'serve.json'])
  // where nothing gives way
  for (const place of ['models', 'backups', 'backups/objects', '.'])
    assert.is((await restore(at('backups'), at(place), { check: true })).files, 7)
  assert.is((await restore(at('backups'), at('backups', 'restored'))).previous, undefined)
  assert.is((await backup(at('models'), at('backups'))).files, 7)
  assert.ok(existsSync(at('backups', 'restored', 'm', '1')))
})

test('a folder of models may have files of other programs in it, and the file of a model beside them', async () => {
  const files: Record<string, string>[] = [{ 'config.json': '{"port":80}' }, { 'serve.json': '{"public":"x"}' }, { 'model.json': '{}' }]
  for (const [i, own] of files.entries()) {
    const root = at(`mixed${i}`)
    mkdirSync(root)
    for (const [name, text] of Object.entries(own)) writeFileSync(path.join(root, name), text)
    assert.is((await publish(scaling(2), root, { name: 'a' })).version, 1)
    assert.is((await publish(scaling(2), root, { name: 'a' })).version, 2)
    await (await serve({ repository: root, http: { port: 0 } })).close()
  }
  // a saved model with models below it
  await scaling(2).save(at('above'))
  await scaling(2).save(at('above', 'a', '1'))
  await (await serve({ repository: at('above'), http: { port: 0 } })).close()
  mkdirSync(at('exported'))
  await scaling(2).exportOnnx(at('exported', 'digits.onnx'))
  const { status, stdout } = spawnSync(process.execPath, [program, 'publish', 'digits.onnx', '.'], {
    encoding: 'utf8',
    cwd: at('exported'),
    timeout: HANG_MS,
  })
  assert.equal([status, stdout], [0, 'digits/1 is published\n'])
})

test('models of the program may be named among those to load', async () => {
  const digits = scaling(2)
  const server = await serve({ models: { digits }, repository: at('named'), load: ['digits', 'm'], http: { port: 0 } })
  try {
    const index = await fetch(`${server.address.http}/v2/repository/index`, { method: 'POST', body: '{}' })
    const found = ((await index.json()) as { name: string; state: string }[]).map(({ name, state }) => `${name} ${state}`)
    assert.equal(found.sort(), ['digits READY', 'm READY'])
  } finally {
    await server.close()
    digits.dispose()
  }
})

test('a key that another process adds meanwhile is not lost', async () => {
  writeFileSync(at('many.json.lock'), '')
  const child = spawn(process.execPath, [program, 'key', 'mine', '--roles', 'read', '--file', 'many.json'], { cwd: base, stdio: 'ignore' })
  const end = once(child, 'exit') as Promise<[number]>
  // time to come to the file; where it takes longer, this finds nothing
  await pause(3000)
  assert.not(existsSync(at('many.json')))
  const { entry } = createApiKey({ id: 'other', roles: ['read'] })
  writeFileSync(at('many.json'), JSON.stringify({ keys: [entry] }))
  rmSync(at('many.json.lock'))
  assert.equal(await end, [0, null])
  const { keys } = JSON.parse(readFileSync(at('many.json'), 'utf8')) as { keys: { id: string }[] }
  assert.equal(
    keys.map(({ id }) => id),
    ['other', 'mine'],
  )
  assert.not(existsSync(at('many.json.lock')))
})

test.run()
