// Publishing: versions are put in place whole, signed and encrypted; what was edited, moved or cut off is refused, and
// the old version stays.
import { spawn, spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadModel } from '../../lib/index.js'
import { changeModelKey, loadPublished, publish } from '../../lib/serve/index.js'
import { ModelKeys, readModelKey } from '../../lib/serve/publishing/model_keys.js'
import { labelVersion } from '../../lib/serve/publishing/publish.js'
import { Trust } from '../../lib/serve/publishing/signed_manifest.js'
import { Repository } from '../../lib/serve/repository/repository.js'
import { codeOf, codeOfAsync, generator, rejects, throws } from '../expect.js'
import { testWith } from '../skip.js'
import { scaling, scratch } from './models.js'

const { folder: base, remove } = scratch()
test.after(remove)
let count = 0
const newRoot = (): string => path.join(base, `root${count++}`)
const pair = (): { sign: string; trust: string } => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    sign: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    trust: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  }
}
const [ours, theirs] = [pair(), pair()]
const keyFile = (name: string, key = randomBytes(32)): string => {
  writeFileSync(path.join(base, name), key.toString('base64'))
  return `file:${path.join(base, name)}`
}
const [key, otherKey] = [keyFile('model.key'), keyFile('other.key')]

async function saved(by: number): Promise<string> {
  const folder = path.join(base, `saved${by}`)
  const net = scaling(by)
  await net.save(folder)
  net.dispose()
  return folder
}
/** Publishes a model that multiplies by a number. */
const put = async (root: string, by: number, options: object = {}): Promise<string> =>
  (await publish(await saved(by), root, { name: 'm', ...options })).folder

const open = (root: string, { trust, keys = [] }: { trust?: string; keys?: string[] }): Promise<Repository> =>
  Repository.open(root, {
    batching: { maxBatchSize: 1 },
    load: {},
    protection: { keys: new ModelKeys(keys), trust: trust === undefined ? undefined : new Trust([trust]) },
  })
async function factor(repository: Repository, version = ''): Promise<number> {
  const { outputs } = await repository.resolve('m', version).infer({
    id: undefined,
    priority: 0,
    timeoutMs: undefined,
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], bytes: new Uint8Array(Float32Array.of(1, 0).buffer) }],
    outputs: undefined,
    binaryOutputs: true,
  })
  return new Float32Array(new Uint8Array(outputs[0]!.tensor.bytes).buffer)[0]!
}

test('a folder and a model of the program become versions, one after the other; each loads, and nothing else is left', async () => {
  const root = newRoot()
  assert.equal((await publish(await saved(2), root, { name: 'm' })).version, 1)
  const net = scaling(3)
  const second = await publish(net, root, { name: 'm' })
  assert.equal([second.name, second.version, second.folder], ['m', 2, path.join(root, 'm', '2')])
  assert.is((await publish(net, root, { name: 'm', version: 7, label: 'stable' })).version, 7)
  assert.equal(readdirSync(path.join(root, 'm')).sort(), ['1', '2', '7', 'serve.json'])
  assert.equal(readdirSync(second.folder).sort(), [
    'manifest.json',
    'model.json',
    'optimizer.safetensors',
    'training.json',
    'weights.safetensors',
  ])
  assert.equal(JSON.parse(readFileSync(path.join(root, 'm/serve.json'), 'utf8')), { labels: { stable: 7 } })
  const model = await loadModel(second.folder)
  assert.equal(await (await (model as typeof net).predict([[1, 1]])).array(), [[3, 3]])
  const repository = await open(root, {})
  await repository.load('m')
  assert.is(await factor(repository), 3)
  await repository.close()
})

test('versions do not change; publishers at the same time take different numbers', async () => {
  const root = newRoot()
  const folder = await put(root, 2)
  await rejects('ERR_STATE', /version 1 of 'm' is there already/, put(root, 3, { version: 1 }))
  assert.ok(readFileSync(path.join(folder, 'manifest.json')).length > 0)
  const source = await saved(4)
  const all = await Promise.all(Array.from({ length: 6 }, () => publish(source, root, { name: 'm' })))
  assert.equal(
    all.map(({ version }) => version).sort((a, b) => a - b),
    [2, 3, 4, 5, 6, 7],
  )
  for (const { folder: own, version } of all)
    assert.is((JSON.parse(readFileSync(path.join(own, 'manifest.json'), 'utf8')) as { version: number }).version, version)
})

test('what cannot be published is refused, and nothing is left of it', async () => {
  const root = newRoot()
  const source = await saved(2)
  for (const name of ['../m', '', '.m', 'a/b', 'a b']) assert.is(await codeOfAsync(publish(source, root, { name })), 'ERR_ARGUMENT', name)
  for (const options of [
    { version: 0 },
    { version: 1.5 },
    { label: '1' },
    { sign: 'none.pem' },
    { modelKey: 'none' },
    { sign: ours.trust },
    { nmae: 'm' },
  ])
    assert.is(await codeOfAsync(publish(source, root, { name: 'm', ...options })), 'ERR_ARGUMENT', JSON.stringify(options))
  assert.is(await codeOfAsync(publish(path.join(base, 'none'), root, { name: 'm' })), 'ERR_FORMAT')
  assert.is(await codeOfAsync(publish({} as never, root, { name: 'm' })), 'ERR_ARGUMENT')
  const broken = path.join(base, 'broken')
  cpSync(source, broken, { recursive: true })
  const bytes = readFileSync(path.join(broken, 'weights.safetensors'))
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(path.join(broken, 'weights.safetensors'), bytes)
  for (const options of [{}, { modelKey: key }]) {
    await rejects('ERR_FORMAT', /is not as it was saved/, publish(broken, root, { name: 'm', ...options }))
    assert.not(existsSync(root))
  }
  mkdirSync(path.join(root, 'right'), { recursive: true })
  cpSync(source, path.join(root, 'right'), { recursive: true })
  await rejects('ERR_STATE', /right in the folder/, publish(source, root, { name: 'right' }))
})

test('labels that are moved at once are all moved', async () => {
  const root = newRoot()
  await put(root, 1)
  await put(root, 2)
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  await Promise.all(names.map((name, i) => labelVersion(root, 'm', name, 1 + (i % 2))))
  assert.equal(JSON.parse(readFileSync(path.join(root, 'm/serve.json'), 'utf8')), {
    labels: { a: 1, b: 2, c: 1, d: 2, e: 1, f: 2 },
  })
  assert.not(readdirSync(path.join(root, 'm')).includes('serve.json.lock'))
})

test('a label moves to what is published; the version that another label names goes on, and moving it back is a rollback', async () => {
  const root = newRoot()
  await put(root, 2, { label: 'stable' })
  await put(root, 3, { label: 'canary' })
  const repository = await open(root, {})
  await repository.load('m')
  assert.equal([await factor(repository), await factor(repository, 'canary')], [2, 3])
  await put(root, 4, { label: 'stable' })
  await repository.load('m')
  assert.equal([await factor(repository), await factor(repository, 'canary'), await factor(repository, '3')], [4, 3, 4])
  writeFileSync(path.join(root, 'm/serve.json'), '{"labels":{"stable":1}}')
  await repository.load('m')
  assert.equal([await factor(repository), await factor(repository, '3')], [2, 4])
  await repository.close()
})

test('signed: what was edited, moved, unsigned or signed by others is refused, and the old version stays', async () => {
  const root = newRoot()
  await put(root, 2, { sign: ours.sign })
  const repository = await open(root, { trust: ours.trust })
  await repository.load('m')
  assert.is(await factor(repository), 2)
  const good = await put(root, 3, { sign: ours.sign })
  const kept = path.join(base, 'kept')
  renameSync(good, kept)
  const edit = (file: string, change: (bytes: Buffer) => Buffer) => (folder: string) =>
    writeFileSync(path.join(folder, file), change(readFileSync(path.join(folder, file))))
  const flip = (bytes: Buffer): Buffer => {
    bytes[bytes.length - 2]! ^= 1
    return bytes
  }
  /** A model of an attacker who keeps all of its checksums right. */
  const consistent = (folder: string): void => {
    for (const name of readdirSync(path.join(base, 'saved5'))) cpSync(path.join(base, 'saved5', name), path.join(folder, name))
  }
  const relisted = (folder: string): void => {
    consistent(folder)
    const manifest = JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8')) as { files: Record<string, object> }
    for (const name of Object.keys(manifest.files)) {
      const bytes = readFileSync(path.join(folder, name))
      manifest.files[name] = { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
    }
    writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify(manifest))
  }
  await saved(5)
  const attacks: [string, (folder: string) => void][] = [
    ['weights edited', edit('weights.safetensors', flip)],
    ['model.json edited', edit('model.json', flip)],
    ['training.json edited', edit('training.json', flip)],
    ['optimizer edited', edit('optimizer.safetensors', flip)],
    ['manifest edited', edit('manifest.json', (bytes) => Buffer.concat([bytes, Buffer.from(' ')]))],
    ['signature edited', edit('manifest.sig', (bytes) => Buffer.from(String(bytes).replace(/"signature":"./, '"signature":"/')))],
    ['signature empty', edit('manifest.sig', () => Buffer.from('{}'))],
    ['signature no JSON', edit('manifest.sig', () => Buffer.from('x'))],
    ['no signature', (folder) => rmSync(path.join(folder, 'manifest.sig'))],
    ['no manifest', (folder) => rmSync(path.join(folder, 'manifest.json'))],
    ['another model with good checksums', consistent],
    ['another model, and its manifest', relisted],
    [
      'version 1 as version 2',
      (folder) => {
        rmSync(folder, { recursive: true })
        cpSync(path.join(root, 'm/1'), folder, { recursive: true })
      },
    ],
  ]
  for (const [what, attack] of attacks) {
    cpSync(kept, good, { recursive: true })
    attack(good)
    assert.is(await codeOfAsync(repository.load('m')), 'ERR_FORMAT', what)
    assert.is(await factor(repository), 2, what)
    rmSync(good, { recursive: true })
  }
  await put(root, 4, { sign: theirs.sign, version: 2 })
  await rejects('ERR_FORMAT', /a key that is not trusted here/, repository.load('m'))
  rmSync(good, { recursive: true })
  await put(root, 4, { version: 2 })
  await rejects('ERR_FORMAT', /is not signed/, repository.load('m'))
  rmSync(good, { recursive: true })
  renameSync(kept, good)
  await repository.load('m')
  assert.is(await factor(repository), 3)
  const elsewhere = path.join(root, 'n')
  mkdirSync(elsewhere)
  cpSync(good, path.join(elsewhere, '2'), { recursive: true })
  await rejects('ERR_FORMAT', /the manifest is that of version 2 of 'm'/, repository.load('n'))
  await repository.close()
  for (const pem of ['none.pub', ours.sign, 'x-----BEGIN PUBLIC KEY-----', theirs.trust.replace(/A/g, 'B')])
    assert.is(
      codeOf(() => new Trust([pem])),
      'ERR_ARGUMENT',
    )
})

test('encrypted: nothing of the model is on the disk, and it answers as before', async () => {
  const root = newRoot()
  const net = scaling(1.2345678, 64)
  const folder = (await publish(net, root, { name: 'm', modelKey: key, sign: ours.sign })).folder
  const wanted = [Buffer.from(Float32Array.of(1.2345678).buffer), Buffer.from('Dense'), Buffer.from('float32'), Buffer.from('F32')]
  const files = readdirSync(folder)
  assert.equal(files.sort(), [
    'manifest.json',
    'manifest.sig',
    'model.json.sealed',
    'optimizer.safetensors.sealed',
    'sealed.json',
    'training.json.sealed',
    'weights.safetensors.sealed',
  ])
  for (const file of files) {
    const bytes = readFileSync(path.join(folder, file))
    for (const part of wanted) assert.not.ok(bytes.includes(part), `${file} has ${part}`)
  }
  const model = (await loadPublished(folder, { modelKeys: [key], signedBy: [ours.trust] })) as typeof net
  assert.equal(await model.weights[0]!.data(), await net.weights[0]!.data())
  await rejects('ERR_FORMAT', /is an encrypted model/, loadModel(folder))
})

test('encrypted: no key, another key: a clear error; the right one in the same place is found', async () => {
  const root = newRoot()
  await put(root, 2, { modelKey: key })
  for (const keys of [[], [otherKey]]) {
    const repository = await open(root, { keys })
    await rejects(
      'ERR_STATE',
      /the model is encrypted with the key [0-9a-f]{16}, and (no model key was given|the keys given are)/,
      repository.load('m'),
    )
    await repository.close()
  }
  const place = path.join(base, 'changing.key')
  cpSync(path.join(base, 'other.key'), place)
  const repository = await open(root, { keys: [`file:${place}`] })
  assert.is(await codeOfAsync(repository.load('m')), 'ERR_STATE')
  cpSync(path.join(base, 'model.key'), place)
  await repository.load('m')
  assert.is(await factor(repository), 2)
  await repository.close()
})

test('encrypted: a bit that is flipped anywhere is found, and the old version stays', async () => {
  const root = newRoot()
  await put(root, 2, { modelKey: key })
  const repository = await open(root, { keys: [key] })
  await repository.load('m')
  const folder = await put(root, 3, { modelKey: key })
  const random = generator(7)
  let tried = 0
  for (const name of readdirSync(folder).filter((file) => file.startsWith('sealed') || file.endsWith('.sealed'))) {
    const file = path.join(folder, name)
    const good = readFileSync(file)
    // sealed.json is text: what changes its values counts
    const places =
      name === 'sealed.json' ? [good.indexOf('wrapped') + 12, good.indexOf('nonce') + 10, good.indexOf('keyId') + 10] : [0, 8, 40, 72]
    for (let i = 0; i < 12; i++) if (name !== 'sealed.json') places.push(Math.floor(random() * good.length))
    places.push(...(name === 'sealed.json' ? [] : [good.length - 1]))
    for (const at of places) {
      const bytes = Buffer.from(good)
      bytes[at]! ^= 1 << Math.floor(random() * 3)
      if (bytes.equals(good)) continue
      writeFileSync(file, bytes)
      const code = await codeOfAsync(repository.load('m'))
      assert.ok(code === 'ERR_FORMAT' || code === 'ERR_STATE', `${name} at ${at}: ${code}`)
      assert.is(await factor(repository), 2)
      tried++
    }
    for (const bytes of [
      good.subarray(0, -3),
      good.subarray(0, 40),
      Buffer.alloc(0),
      Buffer.concat([good, Buffer.from('x')]),
      Buffer.concat([good, good]),
    ]) {
      writeFileSync(file, bytes)
      assert.is(await codeOfAsync(repository.load('m')), 'ERR_FORMAT', `${name}: ${bytes.length} bytes`)
    }
    writeFileSync(file, good)
  }
  assert.ok(tried >= 60, `${tried}`)
  // files of other versions with the same key, and of each other
  const swaps: [string, string][] = [
    ['m/1/weights.safetensors.sealed', 'weights.safetensors.sealed'],
    ['m/1/sealed.json', 'sealed.json'],
    ['m/2/optimizer.safetensors.sealed', 'weights.safetensors.sealed'],
  ]
  for (const [from, to] of swaps) {
    const good = readFileSync(path.join(folder, to))
    cpSync(path.join(root, from), path.join(folder, to))
    assert.is(await codeOfAsync(repository.load('m')), 'ERR_FORMAT', from)
    writeFileSync(path.join(folder, to), good)
  }
  cpSync(path.join(root, 'm/1'), path.join(root, 'm/3'), { recursive: true })
  await rejects('ERR_FORMAT', /belongs to another version/, repository.load('m'))
  assert.is(await factor(repository), 2)
  rmSync(path.join(root, 'm/3'), { recursive: true })
  await repository.load('m')
  assert.is(await factor(repository), 3)
  await repository.close()
})

test('keys: files, the environment and commands; 32 bytes, their hexadecimal or base64 text', () => {
  const bytes = randomBytes(32)
  const write = (name: string, content: string | Buffer): string => {
    writeFileSync(path.join(base, name), content)
    return `file:${path.join(base, name)}`
  }
  process.env['WEFT_TEST_KEY'] = bytes.toString('hex')
  const sources = [
    write('raw', bytes),
    write('hex', bytes.toString('hex')),
    write('base64', `${bytes.toString('base64')}\n`),
    write('base64url', bytes.toString('base64url')),
    'env:WEFT_TEST_KEY',
    `command:echo ${bytes.toString('base64')}`,
  ]
  for (const source of sources) assert.ok(readModelKey(source).key.equals(bytes), source)
  assert.is(new Set(sources.map((source) => readModelKey(source).id)).size, 1)
  const secret = 'c2VjcmV0'
  for (const source of [
    '',
    'model.key',
    'file:',
    'http://x',
    'env:WEFT_TEST_NONE',
    'command:exit 3',
    `command:echo ${secret}`,
    write('short', secret),
    write('half', randomBytes(16).toString('hex')),
    write('long', randomBytes(33)),
    'file:/none',
  ])
    throws('ERR_ARGUMENT', /model key/, () => readModelKey(source))
  try {
    readModelKey(write('short', secret))
  } catch (error) {
    assert.not.ok(String(error).includes(secret))
  }
})

test('another key: data keys are encrypted anew, files and signatures stay, and it can be interrupted', async () => {
  const root = newRoot()
  const options = { modelKey: key, sign: ours.sign }
  const folders = [await put(root, 2, options), await put(root, 3, options)]
  await put(root, 4, { sign: ours.sign })
  const before = folders.map((folder) => readFileSync(path.join(folder, 'weights.safetensors.sealed')))
  const repository = await open(root, { keys: [key, otherKey], trust: ours.trust })
  await repository.load('m')
  await changeModelKey(root, [key], otherKey)
  assert.equal(await changeModelKey(root, [key], otherKey), { changed: [], unchanged: ['m/1', 'm/2'] })
  folders.forEach((folder, i) => {
    assert.ok(readFileSync(path.join(folder, 'weights.safetensors.sealed')).equals(before[i]!))
    assert.equal(readdirSync(folder).length, 7)
  })
  await repository.load('m')
  await repository.close()
  assert.is(await codeOfAsync(loadPublished(folders[0]!, { modelKeys: [key] })), 'ERR_STATE')
  await loadPublished(folders[0]!, { modelKeys: [otherKey], signedBy: [ours.trust] })
  await rejects('ERR_STATE', /is encrypted with the key/, changeModelKey(root, [key], keyFile('third.key')))
  await loadPublished(folders[1]!, { modelKeys: [otherKey] })
  assert.is(await codeOfAsync(changeModelKey(path.join(root, 'none'), [key], otherKey)), 'ERR_ARGUMENT')
})

const program = new URL('../../lib/serve/index.js', import.meta.url).href
const script = `
  const { publish } = await import(process.argv[1])
  try {
    for (let i = 0; ; i++) {
      const { version } = await publish(process.argv[2], process.argv[3], { name: 'm', modelKey: process.argv[4] || undefined })
      console.log(version)
      if (process.argv[5] === 'once') break
    }
  } catch (error) { console.log(error.code, error.cause?.code) }`

test('a publisher that is killed leaves whole versions alone; the next one clears what is left', async () => {
  const root = newRoot()
  const source = await saved(2)
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, program, source, root, key], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await new Promise((resolve) => setTimeout(resolve, 3 + 5 * round))
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
  }
  const versions = readdirSync(path.join(root, 'm')).filter((name) => /^\d+$/.test(name))
  assert.ok(versions.length >= 3)
  for (const version of versions.slice(-20)) (await loadPublished(path.join(root, 'm', version), { modelKeys: [key] })).dispose()
  await put(root, 2)
  assert.equal(
    readdirSync(path.join(root, 'm')).filter((name) => !/^\d+$/.test(name)),
    [],
  )
})

const mounts = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 'none', base]).status === 0
testWith(
  mounts,
  'mounts without being root',
  'a full disk, a disk without room for more files, a read-only one: nothing is lost',
  async () => {
    const place = newRoot()
    mkdirSync(place)
    const net = scaling(2, 100)
    const source = path.join(base, 'large')
    await net.save(source)
    const mounted = (options: string, then = ''): string => {
      const node = `'${process.execPath}' --input-type=module -e "$SCRIPT" '${program}' '${source}' '${place}' ''`
      const shell = `mount -t tmpfs -o ${options} none '${place}' && ${node} ${then}; find '${place}' | sort`
      const { stdout, stderr } = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', shell], {
        encoding: 'utf8',
        env: { ...process.env, SCRIPT: script },
      })
      assert.is(stderr, '')
      return stdout.replaceAll(place, '')
    }
    // versions of 44 kB until the disk is full
    const full = mounted('size=200k', '')
    const versions = [...full.matchAll(/^(\d+)$/gm)].map(([version]) => version)
    assert.ok(versions.length >= 2, full)
    assert.match(full, /^ERR_STATE ENOSPC$/m)
    for (const version of versions) assert.match(full, new RegExp(`^/m/${version}/weights\\.safetensors$`, 'm'))
    assert.not.match(full, /weft-saving/)
    assert.not.match(full, new RegExp(`^/m/${versions.length + 1}$`, 'm'))
    assert.match(mounted('size=1m,nr_inodes=5'), /^ERR_STATE ENOSPC\n\/?$/m, 'also the folder of the model is taken away')
    const again = `'${process.execPath}' --input-type=module -e "$SCRIPT" '${program}' '${source}' '${place}' ''`
    const readOnly = mounted('size=1m', `once && mount -o remount,ro '${place}' && ${again}`)
    assert.match(readOnly, /^1\nERR_STATE EROFS$[\s\S]*\/m\/1\/weights\.safetensors/m)
  },
)

test.run()
