// Places that cannot be saved to or loaded from: each a typed error with the path, no wait for pipes, no content of
// other files.
import { spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, loadModel, sequential, WeftError } from '../../lib/index.js'
import { systemError } from '../../lib/core/system_error.js'
import { codeOfAsync, rejection } from '../expect.js'
import { testWith } from '../skip.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
let count = 0
const fresh = (): string => path.join(folder, `place-${count++}`)
const make = (): ReturnType<typeof sequential> => sequential([layers.dense({ units: 2, inputShape: [3] })])
const FILES = ['model.json', 'optimizer.safetensors', 'training.json', 'weights.safetensors']

test('file URLs, paths with dots, and links', async () => {
  const net = make()
  const place = fresh()
  const url = pathToFileURL(`${place} ä`)
  await net.save(url)
  await loadModel(url)
  await loadModel(url.href)
  await loadModel(`${place} ä`)
  await net.save(url.href)
  const other = fresh()
  await net.save(`${other}/missing/../model`)
  await loadModel(`${other}/absent/../model`)
  // a link to a folder that is not there yet
  await symlink(`${other}/linked/deep`, `${other}/link`)
  await net.save(`${other}/link`)
  await loadModel(`${other}/linked/deep`)
  await net.save(`${other}/link`)
  await loadModel(`${other}/link`)
  for (const bad of [
    'http://example.com/model',
    new URL('https://example.com/model'),
    'file://host%2f/x',
    'a\0b',
    3,
    null,
    {},
    [],
    undefined,
  ]) {
    assert.is(await codeOfAsync(net.save(bad as never)), 'ERR_ARGUMENT', String(bad))
    assert.is(await codeOfAsync(loadModel(bad as never)), 'ERR_ARGUMENT', String(bad))
  }
})

test('surplus arguments, other options and values of another kind are refused', async () => {
  const net = make()
  const place = fresh()
  await net.save(place)
  const calls: (() => Promise<unknown>)[] = [
    () => net.save(place, 'x' as never),
    () => net.save(place, { asset: {} } as never),
    () => net.save(place, { assets: [] as never }),
    () => (net.save as (...args: unknown[]) => Promise<void>)(place, {}, 1),
    () => loadModel(place, 'cpu' as never),
    () => loadModel(place, { layer: {} } as never),
    () => loadModel(place, { verify: 0 as never }),
    () => loadModel(place, { losses: { mine: 3 } }),
    () => (loadModel as (...args: unknown[]) => Promise<unknown>)(place, {}, 1),
  ]
  for (const call of calls) assert.is(await codeOfAsync(call()), 'ERR_ARGUMENT', String(call))
  const loop: Record<string, unknown> = {}
  loop['self'] = loop
  let deep: unknown = 1
  for (let i = 0; i < 10_000; i++) deep = [deep]
  for (const assets of [loop, { deep }, { when: { toJSON: () => 1n } }])
    assert.is(await codeOfAsync(net.save(place, { assets })), 'ERR_ARGUMENT')
})

test('errors of the system are typed, and name the path and the cure', async () => {
  const net = make()
  const file = fresh()
  await writeFile(file, 'text')
  const check = async (place: string, save: string, load = 'ERR_FORMAT'): Promise<void> => {
    for (const [error, code] of [
      [await rejection(net.save(place)), save],
      [await rejection(loadModel(place)), load],
    ] as const) {
      assert.instance(error, WeftError)
      assert.is(error.code, code)
      assert.ok(error.message.includes(place.slice(0, 200)), error.message)
    }
  }
  await check(file, 'ERR_ARGUMENT')
  await check(`${file}/below`, 'ERR_ARGUMENT')
  await check(`${file}/below/model`, 'ERR_ARGUMENT')
  await check(path.join(folder, 'n'.repeat(300)), 'ERR_ARGUMENT')
  await check(path.join(folder, ...new Array<string>(30).fill('n'.repeat(200))), 'ERR_ARGUMENT')
  await symlink('circle', path.join(folder, 'circle'))
  await check(path.join(folder, 'circle'), 'ERR_ARGUMENT')
  // the longest name that there can be
  const long = path.join(folder, 'n'.repeat(255))
  await net.save(long)
  await net.save(long)
  await loadModel(long)
  const full = systemError(
    'save: /m cannot be written',
    Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' }),
    'ERR_ARGUMENT',
  )
  assert.instance(full, WeftError)
  assert.is((full as WeftError).code, 'ERR_STATE')
  assert.match((full as WeftError).message, '/m cannot be written: the disk is full')
  assert.is(((full as WeftError).cause as NodeJS.ErrnoException).code, 'ENOSPC')
})

const mounts = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 'none', folder]).status === 0

/** Runs a script where a disk of `options` is mounted on `place`; returns what it prints. */
function mounted(place: string, options: string, script: string): string {
  const lib = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)
  const code = `
    import { layers, loadModel, sequential } from ${lib}
    const place = ${JSON.stringify(place)}
    const net = sequential([layers.dense({ units: 2, inputShape: [3] })])
    const outcome = (promise) => promise.then(() => 'good', (error) => error.name + ' ' + error.code + ' ' + (error.cause?.code ?? '') + ' ' + error.message.includes(place))
    ${script}`
  const shell = `mount -t tmpfs -o ${options} none '${place}' && exec '${process.execPath}' --input-type=module -e "$SCRIPT"`
  const { stdout, stderr } = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', shell], {
    env: { ...process.env, SCRIPT: code },
    encoding: 'utf8',
  })
  return stdout.trim() || stderr
}

testWith(mounts, 'the right to mount', 'the folder may be a mount point; a full and a read-only disk leave the old model', async () => {
  const place = fresh()
  await mkdir(place)
  const save = `console.log(await outcome(net.save(place)), await outcome(net.save(place)), await outcome(loadModel(place)))`
  assert.is(mounted(place, 'size=16m', save), 'good good good')
  const full = `
    import { spawnSync } from 'node:child_process'
    import { writeFileSync, readdirSync } from 'node:fs'
    await net.save(place)
    const big = sequential([layers.dense({ units: 1000, inputShape: [2000] })])
    console.log(await outcome(big.save(place)), await outcome(loadModel(place)), readdirSync(place).length)
    spawnSync('mount', ['-o', 'remount,ro', place])
    console.log(await outcome(net.save(place)), await outcome(loadModel(place)))`
  assert.equal(mounted(place, 'size=2m', full).split('\n'), [
    'WeftError ERR_STATE ENOSPC true good 4',
    'WeftError ERR_STATE EROFS true good',
  ])
  const inodes = `
    await net.save(place)
    console.log(await outcome(net.save(place)), await outcome(loadModel(place)))`
  assert.is(mounted(place, 'size=2m,nr_inodes=7', inodes), 'WeftError ERR_STATE ENOSPC true good')
})

test('too many open files: a typed error, and the old model', async () => {
  const place = fresh()
  await make().save(place)
  const script = `
    import { layers, loadModel, sequential } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
    import { closeSync, openSync } from 'node:fs'
    const net = sequential([layers.dense({ units: 2, inputShape: [3] })])
    const held = []
    try { for (;;) held.push(openSync('/dev/null')) } catch {}
    const outcome = (promise) => promise.then(() => 'good', (error) => error.code + ' ' + error.cause?.code)
    const results = [await outcome(net.save(${JSON.stringify(place)})), await outcome(loadModel(${JSON.stringify(place)}))]
    for (const file of held) closeSync(file)
    console.log(results.join(', '), await outcome(loadModel(${JSON.stringify(place)})))`
  const child = spawnSync('sh', ['-c', `ulimit -n 1000; exec '${process.execPath}' --input-type=module -e "$SCRIPT"`], {
    env: { ...process.env, SCRIPT: script },
    encoding: 'utf8',
  })
  assert.is(child.stdout.trim() || child.stderr, 'ERR_STATE EMFILE, ERR_STATE EMFILE good')
})

test('pipes, devices and folders in the place of files are refused at once', async () => {
  const net = make()
  for (const name of FILES) {
    const place = fresh()
    await net.save(place)
    const file = path.join(place, name)
    await rm(file)
    assert.is(spawnSync('mkfifo', [file]).status, 0)
    assert.is(await codeOfAsync(loadModel(place)), 'ERR_FORMAT', `${name} is a pipe`)
    // a pipe with a writer gives bytes without an end
    const writer = spawn('sh', ['-c', `exec yes > '${file}'`])
    try {
      assert.is(await codeOfAsync(loadModel(place)), 'ERR_FORMAT', `${name} is a pipe that is written to`)
    } finally {
      writer.kill()
    }
    for (const target of ['/dev/zero', '/dev/null', '/']) {
      await rm(file)
      await symlink(target, file)
      const error = await rejection(loadModel(place))
      assert.is(error.code, 'ERR_FORMAT', `${name} is ${target}`)
      assert.match(error.message, 'not a regular file')
    }
  }
})

test('errors do not show what stands in other files', async () => {
  const net = make()
  const secret = fresh()
  await writeFile(secret, 'hunter2:x:0:0\n')
  for (const name of FILES) {
    const place = fresh()
    await net.save(place)
    await rm(path.join(place, name))
    await symlink(secret, path.join(place, name))
    for (const verify of [true, false]) {
      const error = await rejection(loadModel(place, { verify }))
      assert.is(error.code, 'ERR_FORMAT')
      for (let e: unknown = error; e instanceof Error; e = e.cause) assert.not.match(`${e.message} ${e.stack}`, 'hunter2')
    }
  }
})

test('models of other programs are called what they are', async () => {
  const check = async (name: string, files: Record<string, string>, place = ''): Promise<void> => {
    const at = fresh()
    await mkdir(at)
    for (const [file, text] of Object.entries(files)) await writeFile(path.join(at, file), text)
    const error = await rejection(loadModel(path.join(at, place)))
    assert.is(error.code, 'ERR_FORMAT')
    assert.match(error.message, name)
  }
  const tfjs = JSON.stringify({ format: 'layers-model', modelTopology: {}, weightsManifest: [] })
  await check('a TensorFlow.js model', { 'model.json': tfjs, 'group1-shard1of1.bin': '' })
  await check('a TensorFlow.js model', { 'model.json': tfjs }, 'model.json')
  await check('a Hugging Face model', { 'config.json': '{"model_type":"gpt2"}', 'model.safetensors': '' })
  await check('an ONNX model', { 'net.onnx': '' }, 'net.onnx')
  await check('a Keras model', { 'net.keras': '' }, 'net.keras')
  await check('a TensorFlow SavedModel', { 'saved_model.pb': '' })
  await check('cannot be read', { 'notes.txt': '' })
  const place = fresh()
  await make().save(place)
  const error = await rejection(loadModel(path.join(place, 'model.json')))
  assert.is(error.code, 'ERR_FORMAT')
  assert.match(error.message, `Write loadModel('${place}')`)
})

test('what was changed after the save is noticed: bits, bytes, files of another save', async () => {
  const net = make()
  net.compile({ optimizer: 'adam', loss: 'mse' })
  await net.fit([[1, 2, 3]], [[1, 2]], { verbose: 0 })
  const place = fresh()
  await net.save(place, { assets: { note: 'as it was' } })
  await net.fit([[1, 2, 3]], [[1, 2]], { verbose: 0 })
  const other = fresh()
  await net.save(other)
  for (const name of FILES) {
    const file = path.join(place, name)
    const whole = await readFile(file)
    for (let i = 0; i < 40; i++) {
      const bytes = Buffer.from(whole)
      const at = Math.floor((i / 40) * bytes.length)
      bytes[at] = bytes[at]! ^ (1 << (i % 8))
      await writeFile(file, bytes)
      const code = await codeOfAsync(loadModel(place))
      // in model.json a bit may change the space between values alone
      if (code !== undefined || name !== 'model.json') assert.is(code, 'ERR_FORMAT', `${name}: bit ${i % 8} of byte ${at}`)
      else assert.equal(JSON.parse(bytes.toString()), JSON.parse(whole.toString()))
    }
    for (const bytes of [Buffer.concat([whole, Buffer.of(0)]), Buffer.concat([whole, whole]), await readFile(path.join(other, name))]) {
      await writeFile(file, bytes)
      assert.is(await codeOfAsync(loadModel(place)), 'ERR_FORMAT', name)
    }
    await writeFile(file, whole)
    await loadModel(place)
  }
  // values alone, where nobody looks
  const weights = path.join(place, 'weights.safetensors')
  const bytes = await readFile(weights)
  bytes[bytes.length - 1]! ^= 1
  await writeFile(weights, bytes)
  assert.is(await codeOfAsync(loadModel(place)), 'ERR_FORMAT')
  assert.is(await codeOfAsync(loadModel(place, { verify: false })), undefined)
})

test.run()
