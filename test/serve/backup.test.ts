// Backups: what is restored is byte for byte what was there; what was damaged, interrupted or edited is refused, and
// the repository that is there stays.
import { spawn, spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { backup, connect, publish, restore, serve, snapshotIds } from '../../lib/serve/index.js'
import { codeOfAsync, rejects } from '../expect.js'
import { testWith } from '../skip.js'
import { scaling, scratch } from './models.js'

const { folder: base, remove } = scratch()
test.after(remove)
let count = 0
const fresh = (): string => path.join(base, `folder${count++}`)

async function repositoryOf(...factors: number[]): Promise<string> {
  const root = fresh()
  for (const by of factors) {
    const net = scaling(by)
    await publish(net, root, { name: 'm' })
    net.dispose()
  }
  return root
}
const add = async (root: string, by: number): Promise<void> => void (await publish(scaling(by), root, { name: 'm' }))

/** Every file with its checksum. */
function content(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(
    files
      .map(({ parentPath, name }) => path.join(parentPath, name))
      .sort()
      .map((file) => [path.relative(root, file), createHash('sha256').update(readFileSync(file)).digest('hex')]),
  )
}
const objects = (backups: string): string[] => Object.keys(content(path.join(backups, 'objects')))

test('restored: byte for byte; a second snapshot stores what is new alone, and each can be restored', async () => {
  const [root, backups, place] = [await repositoryOf(2, 3), fresh(), fresh()]
  writeFileSync(path.join(root, 'm/serve.json'), '{"versionPolicy":"all","labels":{"stable":1}}')
  mkdirSync(path.join(root, 'direct'))
  await scaling(4).save(path.join(root, 'direct'))
  const first = content(root)
  const one = await backup(root, backups)
  assert.equal([one.files, one.damaged, one.skipped], [Object.keys(first).length, [], []])
  const before = objects(backups).length
  await add(root, 5)
  const two = await backup(root, backups)
  assert.ok(two.stored > 0 && two.stored < one.bytes, `${two.stored} of ${one.bytes}`)
  assert.ok(objects(backups).length - before <= 5)
  assert.is((await backup(root, backups)).stored, 0)
  assert.is((await snapshotIds(backups)).length, 3)
  const restored = await restore(backups, place)
  assert.is(restored.previous, undefined)
  assert.equal(content(place), content(root))
  const old = await restore(backups, place, { snapshot: one.snapshot })
  assert.equal(content(place), first)
  assert.equal(content(old.previous!), content(root), 'what was there is kept aside')
})

test('in place, under a server that follows the folder: requests go on, and then have the restored version', async () => {
  const [root, backups] = [await repositoryOf(2), fresh()]
  await backup(root, backups)
  await add(root, 3)
  const server = await serve({ repository: root, control: 'watch', http: { port: 0 } })
  const client = await connect(server.address.http!)
  const factor = async (): Promise<number> =>
    ((await (await client.infer('m', { inputs: { x: [[1, 0]] } })).outputs['y']!.array()) as number[][])[0]![0]!
  assert.is(await factor(), 3)
  let done = false
  const seen = new Set<number>()
  const load = (async () => {
    while (!done) seen.add(await factor())
  })()
  await restore(backups, root)
  await server.refresh()
  assert.is(await factor(), 2)
  done = true
  await load
  assert.ok([...seen].every((value) => value === 2 || value === 3))
  client.close()
  await server.close()
})

test('a link is replaced by one rename', async () => {
  const [root, backups, link] = [await repositoryOf(2), fresh(), fresh()]
  symlinkSync(root, link)
  await backup(link, backups)
  const first = content(root)
  await add(root, 3)
  const { previous } = await restore(backups, link)
  assert.equal(content(`${link}/`), first)
  assert.is(previous, root)
  assert.is(existsSync(path.join(root, 'm/2')), true)
})

test('check: everything is compared, and nothing is changed', async () => {
  const [root, backups] = [await repositoryOf(2), fresh()]
  await backup(root, backups)
  await add(root, 3)
  const before = content(root)
  const beside = readdirSync(base).length
  const { previous, files } = await restore(backups, root, { check: true })
  assert.equal([previous, files], [undefined, 5])
  assert.equal(content(root), before)
  assert.is(readdirSync(base).length, beside, 'nothing is left beside it')
})

test('damage in the backups is found, the repository stays, and a full backup repairs it', async () => {
  const [root, backups] = [await repositoryOf(2), fresh()]
  await backup(root, backups)
  const before = content(root)
  const object = path.join(backups, 'objects', objects(backups)[0]!)
  const good = readFileSync(object)
  const bad = Buffer.from(good)
  bad[bad.length >> 1]! ^= 1
  for (const damage of [() => writeFileSync(object, bad), () => truncateSync(object, 3), () => rmSync(object)]) {
    damage()
    for (const check of [true, false]) assert.is(await codeOfAsync(restore(backups, root, { check })), 'ERR_FORMAT')
    assert.equal(content(root), before)
    assert.ok((await backup(root, backups, { full: true })).stored > 0)
    assert.ok(readFileSync(object).equals(good))
    await restore(backups, root, { check: true })
  }
  assert.not.ok(
    readdirSync(base).some((name) => name.startsWith('.weft')),
    'what was prepared is gone',
  )
})

test('snapshots that are edited, unfinished or unsigned are refused', async () => {
  const [root, backups] = [await repositoryOf(2), fresh()]
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const [sign, trust] = [
    privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKey.export({ type: 'spki', format: 'pem' }) as string,
  ]
  const { snapshot } = await backup(root, backups)
  const file = path.join(backups, 'snapshots', `${snapshot}.json`)
  const good = readFileSync(file, 'utf8')
  const json = JSON.parse(good) as { files: Record<string, object> }
  const resealed = (files: Record<string, object>): string => {
    const facts = { ...json, files, sha256: undefined }
    return JSON.stringify({ ...facts, sha256: createHash('sha256').update(JSON.stringify(facts)).digest('hex') })
  }
  const [name, facts] = Object.entries(json.files)[0]!
  const texts = [
    '',
    '{}',
    'null',
    good.slice(0, -20),
    good.replace('m/1/model.json', 'm/2/model.json'),
    resealed({ ...json.files, 'm/1/x': {} }),
    resealed({ ...json.files, 'm/1/x': { ...facts, sha256: '../../../../etc/passwd' } }),
    ...['../x', '/etc/x', 'a//b', 'a/../../x', './x', 'a\\x', 'c:x', '', 'a/'].map((bad) => resealed({ [bad]: facts })),
  ]
  for (const text of texts) {
    writeFileSync(file, text)
    assert.is(await codeOfAsync(restore(backups, root)), 'ERR_FORMAT', text.slice(0, 300))
  }
  writeFileSync(file, resealed({ [name]: facts }))
  await restore(backups, fresh())
  writeFileSync(file, good)
  await rejects('ERR_FORMAT', /is not signed/, restore(backups, root, { signedBy: [trust] }))
  await new Promise((resolve) => setTimeout(resolve, 5))
  const signed = await backup(root, backups, { sign })
  await restore(backups, root, { signedBy: [trust], check: true })
  const last = path.join(backups, 'snapshots', `${signed.snapshot}.json`)
  writeFileSync(last, resealed({ [name]: facts }).replace(snapshot, signed.snapshot))
  await rejects('ERR_FORMAT', /it was edited/, restore(backups, root, { signedBy: [trust] }))
  for (const id of ['none', '../x', '']) assert.is(await codeOfAsync(restore(backups, root, { snapshot: id })), 'ERR_NOT_FOUND', id)
})

test('wrong folders, damaged versions, links: said, and not passed over', async () => {
  const [root, backups] = [await repositoryOf(2, 3), fresh()]
  await rejects('ERR_ARGUMENT', /lies in the repository/, backup(root, path.join(root, 'backups')))
  rmSync(path.join(root, 'backups'), { recursive: true })
  await rejects('ERR_ARGUMENT', /holds no backups/, backup(root, root))
  await rejects('ERR_ARGUMENT', /holds no backups/, restore(root, fresh()))
  assert.is(await codeOfAsync(backup(fresh(), backups)), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(restore(backups, root)), 'ERR_ARGUMENT')
  await backup(root, backups)
  symlinkSync('/etc/passwd', path.join(root, 'm/1/link'))
  const weights = path.join(root, 'm/2/weights.safetensors')
  const bytes = readFileSync(weights)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(weights, bytes)
  const { damaged, skipped } = await backup(root, backups)
  assert.equal([damaged, skipped], [['m/2'], ['m/1/link']])
  assert.equal((await restore(backups, fresh())).damaged, ['m/2'])
})

test('what other programs wrote has no checksums, and is not called damaged; a saved model beside them is', async () => {
  const [root, backups, place] = [fresh(), fresh(), fresh()]
  const net = scaling(2)
  await net.exportTfjs(path.join(root, 'browser', '1'))
  await net.save(path.join(root, 'saved', '1'))
  // a web page, say, has such a file
  for (const name of ['browser', 'saved']) writeFileSync(path.join(root, name, '1', 'manifest.json'), '{"name":"page"}')
  mkdirSync(path.join(root, 'onnx', '1'), { recursive: true })
  await net.exportOnnx(path.join(root, 'onnx', '1', 'model.onnx'))
  writeFileSync(path.join(root, 'onnx', '1', 'manifest.json'), '[1]')
  writeFileSync(path.join(root, 'browser', '1', 'manifest.sig'), '{"a":1}')
  const { files, damaged } = await backup(root, backups)
  assert.equal(damaged, [])
  assert.is(files, Object.keys(content(root)).length)
  assert.equal((await restore(backups, place)).damaged, [])
  assert.equal(content(place), content(root))
  const description = path.join(root, 'browser', '1', 'model.json')
  const good = readFileSync(description, 'utf8')
  writeFileSync(description, good.slice(0, -20))
  writeFileSync(path.join(root, 'saved', '1', 'weights.safetensors'), 'x')
  assert.equal((await backup(root, backups)).damaged, ['browser/1', 'saved/1'])
  const published = path.join((await publish(net, root, { name: 'm' })).folder, 'manifest.json')
  writeFileSync(published, readFileSync(published, 'utf8').slice(0, -20))
  assert.equal((await backup(root, backups)).damaged, ['browser/1', 'm/1', 'saved/1'])
})

const library = new URL('../../lib/serve/index.js', import.meta.url).href
const script = `
  const { backup, restore } = await import(process.argv[1])
  const [, , from, to, what] = process.argv
  try {
    console.log('begin')
    for (;;) {
      await (what === 'restore' ? restore(from, to) : backup(from, to, { full: true }))
      if (what !== 'backup') break
    }
    console.log('done')
  } catch (error) { console.log(error.code, error.cause?.code) }`

test('killed in the middle: no half snapshot counts, and the next backup and restore work', async () => {
  const [root, backups] = [await repositoryOf(2, 3, 4), fresh()]
  await backup(root, backups)
  const whole = content(root)
  for (let round = 0; round < 4; round++) {
    await add(root, 5 + round)
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, library, root, backups, 'backup'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await new Promise((resolve) => setTimeout(resolve, 4 * round))
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    const [oldest] = await snapshotIds(backups)
    for (const snapshot of await snapshotIds(backups)) await restore(backups, fresh(), { snapshot })
    const place = fresh()
    await restore(backups, place, { snapshot: oldest! })
    assert.equal(content(place), whole)
  }
  await backup(root, backups)
  const place = fresh()
  await restore(backups, place)
  assert.equal(content(place), content(root))
})

const mounts = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 'none', base]).status === 0
testWith(mounts, 'mounts without being root', 'full disks: the backups and the repository that there were stay', async () => {
  const [root, backups, place] = [await repositoryOf(2), fresh(), fresh()]
  // 40 kB each, and more than the disk in all
  for (let i = 0; i < 6; i++) await publish(scaling(2 + i, 100), root, { name: `large${i}` })
  await backup(root, backups)
  mkdirSync(place)
  const mounted = (shell: string): string => {
    const { stdout, stderr } = spawnSync(
      'unshare',
      ['--user', '--map-root-user', '--mount', 'sh', '-c', `mount -t tmpfs -o size=200k none '${place}' && ${shell}`],
      {
        encoding: 'utf8',
        env: { ...process.env, SCRIPT: script },
      },
    )
    return stdout + stderr
  }
  const node = (...args: string[]): string =>
    `'${process.execPath}' --input-type=module -e "$SCRIPT" '${library}' ${args.map((arg) => `'${arg}'`).join(' ')}`
  const out = mounted(
    `cp -r '${root}/m' '${place}/here' && ${node(backups, `${place}/here`, 'restore')}; find '${place}' -type f | wc -l; ls -A '${place}'`,
  )
  assert.equal(out, 'begin\nERR_STATE ENOSPC\n5\nhere\n')
  const stored = mounted(`${node(root, `${place}/b`, 'backup')}; ls '${place}/b/snapshots' | wc -l`)
  assert.match(stored, /^begin\nERR_STATE ENOSPC\n0\n$/)
})

test.run()
