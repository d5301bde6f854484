// What is published stays as it is, and what cannot be published or verified is named: no call passes over it.
import { spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { callbacks, layers, loadModel, safetensors, type Sequential, sequential, tensor } from '../../lib/index.js'
import { linearRegression } from '../../lib/learn/index.js'
import { loadPublished, publish, serve } from '../../lib/serve/index.js'
import { codeOfAsync, HANG_MS, rejection, rejects } from '../expect.js'
import { fixture } from '../pretrained/fixtures.js'
import { scaling, scratch } from './models.js'

const { folder: base, remove } = scratch()
test.after(remove)
const at = (...names: string[]): string => path.join(base, ...names)
const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
const weftjs = (...args: string[]): { code: number | null; out: string; err: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', cwd: base, timeout: HANG_MS })
  return { code: status, out: stdout, err: stderr }
}

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const [sign, trust] = [
  privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  publicKey.export({ type: 'spki', format: 'pem' }) as string,
]
writeFileSync(at('model.key'), Buffer.alloc(32, 7))
const modelKey = `file:${at('model.key')}`

/** Every file with its checksum. */
const content = (root: string): [string, string][] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.join(parentPath, name))
    .sort()
    .map((file) => [path.relative(root, file), createHash('sha256').update(readFileSync(file)).digest('hex')])

/** Compiled, so that it can be trained. */
function trainable(): Sequential {
  const net = scaling(3)
  net.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
  return net
}

for (const [kind, options] of Object.entries({ plain: {}, signed: { sign }, encrypted: { modelKey } }))
  test(`nothing is written to a version that was published, ${kind}`, async () => {
    const root = at(`models-${kind}`)
    const { folder } = await publish(scaling(2), root, { name: 'm', ...options })
    const link = at(`link-${kind}`)
    symlinkSync(folder, link)
    const before = content(root)
    const net = trainable()
    const x = tensor([
      [1, 2],
      [3, 4],
    ])
    const fit = (callback: object): Promise<unknown> => net.fit(x, x, { epochs: 1, verbose: 0, callbacks: [callback as never] })
    const learned = await linearRegression().fit([[1], [2]], [1, 2])
    const writers: Record<string, (place: string) => Promise<unknown>> = {
      save: (place) => net.save(place),
      'save of weftjs/learn': (place) => learned.save(place),
      saveWeights: (place) => net.saveWeights(path.join(place, 'weights.safetensors')),
      'safetensors.save': (place) => safetensors.save(path.join(place, 'weights.safetensors'), { x }),
      exportOnnx: (place) => net.exportOnnx(path.join(place, 'model.onnx')),
      exportTfjs: (place) => net.exportTfjs(place),
      modelCheckpoint: (place) => fit(callbacks.modelCheckpoint({ path: place })),
      backupAndRestore: (place) => fit(callbacks.backupAndRestore({ dir: place })),
    }
    for (const [name, write] of Object.entries(writers))
      for (const place of [folder, link]) {
        const { code, message } = await rejection(write(place))
        // which finds no backup of a training there
        const isFound = name === 'backupAndRestore' && kind !== 'encrypted'
        assert.is(code, isFound ? 'ERR_FORMAT' : 'ERR_ARGUMENT', `${name}: ${message}`)
        if (!isFound) {
          assert.match(message, `${folder} is version 1 of 'm', which was published: it does not change`)
          assert.match(message, `npx weftjs publish <folder> ${root} --name m`)
        }
        assert.equal(content(root), before, name)
      }
    // the version beside it is free
    await net.save(path.join(root, 'm', '2'))
    net.dispose()
  })

test('a backup of a training that was published is neither gone on with nor removed', async () => {
  const net = trainable()
  const x = tensor([[1, 2]])
  const fit = (dir: string, epochs: number): Promise<unknown> =>
    net.fit(x, x, { epochs, verbose: 0, callbacks: [callbacks.backupAndRestore({ dir, everySteps: 1, deleteCheckpoint: false })] })
  await fit(at('backup'), 2)
  const { folder } = await publish(at('backup'), at('trained'), { name: 'm' })
  const before = content(folder)
  await rejects('ERR_ARGUMENT', /is version 1 of 'm', which was published/, fit(folder, 3))
  const done = callbacks.backupAndRestore({ dir: folder })
  await rejects('ERR_ARGUMENT', /remove: .* is version 1 of 'm'/, net.fit(x, x, { epochs: 2, verbose: 0, callbacks: [done] }))
  assert.equal(content(folder), before)
})

test('the commands do not write to one either', async () => {
  const root = at('commands')
  const { folder } = await publish(scaling(2), root, { name: 'm' })
  const before = content(root)
  await scaling(5).save(at('five'))
  for (const args of [
    ['convert', 'five', folder],
    ['compress', 'five', folder, '--quantize', 'int8'],
  ]) {
    const { code, err } = weftjs(...args)
    assert.is(code, 1, err)
    assert.match(err, /is version 1 of 'm', which was published/)
    assert.equal(content(root), before)
  }
})

test('a manifest.json of another program does not make a folder a version', async () => {
  await scaling(2).save(at('web'))
  writeFileSync(at('web', 'manifest.json'), '{"name":"a web page","icons":[]}')
  await scaling(3).save(at('web'))
  assert.equal((await (await loadModel(at('web'))).weights[0]!.array()) as unknown, [
    [3, 0],
    [0, 3],
  ])
})

test('sealed.json and manifest.sig of other programs do not either', async () => {
  const root = at('strangers')
  const files: Record<string, string>[] = [
    { 'sealed.json': '{"kind":"SealedSecret"}' },
    { 'manifest.sig': 'x' },
    { 'manifest.json': '{"a":1}', 'manifest.sig': '{"keyId":"release","signature":"x"}' },
  ]
  for (const [i, own] of files.entries()) {
    const place = path.join(root, `m${i}`)
    await scaling(2).save(place)
    for (const [name, text] of Object.entries(own)) writeFileSync(path.join(place, name), text)
    await scaling(3).save(place)
    await scaling(3).exportOnnx(path.join(place, 'net.onnx'))
    for (const [name, text] of Object.entries(own)) assert.is(readFileSync(path.join(place, name), 'utf8'), text)
    ;(await loadModel(place)).dispose()
    assert.is((await publish(place, at('from-strangers'))).version, 1)
  }
  mkdirSync(path.join(root, 'browser'))
  writeFileSync(path.join(root, 'browser', 'sealed.json'), '[]')
  await scaling(2).exportTfjs(path.join(root, 'browser'))
  assert.is((await publish(path.join(root, 'browser'), at('from-strangers'))).version, 1)
})

test('a signed version whose manifest is damaged is still one', async () => {
  const { folder } = await publish(scaling(2), at('damaged'), { name: 'm', sign })
  writeFileSync(path.join(folder, 'manifest.json'), '{"format":')
  await rejects('ERR_ARGUMENT', /is version 1 of 'm', which was published/, scaling(3).save(folder))
})

test('a copy of a version is a folder like others: what is saved there takes its manifest away', async () => {
  const { folder } = await publish(scaling(2), at('copied'), { name: 'm', sign })
  for (const copy of [at('work'), at('other', '1'), at('m', '2')]) {
    cpSync(folder, copy, { recursive: true })
    await scaling(3).saveWeights(path.join(copy, 'more.safetensors'))
    assert.ok(existsSync(path.join(copy, 'manifest.sig')))
    await scaling(3).save(copy)
    for (const name of ['manifest.json', 'manifest.sig']) assert.not(existsSync(path.join(copy, name)))
    assert.equal((await (await loadModel(copy)).weights[0]!.array()) as unknown, [
      [3, 0],
      [0, 3],
    ])
  }
  cpSync(folder, at('m', '1'), { recursive: true })
  await rejects('ERR_ARGUMENT', /is version 1 of 'm', which was published/, scaling(3).save(at('m', '1')))
})

test('a whole saved model is published, whatever lies beside it or is left to be moved', async () => {
  const root = at('whole')
  for (const name of ['half', 'beside', 'net.json']) await scaling(2).save(at('wholes', name))
  mkdirSync(at('wholes', 'half', '.weft-commit'))
  for (const name of ['model.json', 'training.json', 'optimizer.safetensors'])
    renameSync(at('wholes', 'half', name), at('wholes', 'half', '.weft-commit', name))
  writeFileSync(at('wholes', 'beside', 'saved_model.pb'), 'x')
  for (const name of ['half', 'beside', 'net.json']) {
    ;(await loadModel(at('wholes', name))).dispose()
    const published = await publish(at('wholes', name), root)
    assert.is(published.name, name)
    ;(await loadPublished(published.folder)).dispose()
  }
  // one that is not whole is still said to be that
  writeFileSync(at('wholes', 'beside', 'weights.safetensors'), 'x')
  await rejects('ERR_FORMAT', /weights\.safetensors is not as it was saved/, publish(at('wholes', 'beside'), root))
})

test('files that cannot be published are called what they are, with a way that works', async () => {
  const root = at('refused')
  mkdirSync(at('others'), { recursive: true })
  const files: [string, RegExp][] = [
    ['model.h5', /model\.h5 is a Keras model in HDF5.*save\('model\.keras'\).*weftjs publish/s],
    ['model.hdf5', /is a Keras model in HDF5/],
    ['model.weights.h5', /is a Keras file of weights alone.*model\.save\('model\.keras'\)/s],
    ['net.pt', /is a PyTorch file/],
    ['weights.safetensors', /is a safetensors file, which has weights but no structure/],
    ['trained.bin', /trained\.bin is no model in a format that is known/],
  ]
  for (const [name, message] of files) {
    writeFileSync(at('others', name), 'x')
    await rejects('ERR_FORMAT', message, publish(at('others', name), root, { name: 'm' }))
    const { code, err } = weftjs('publish', at('others', name), 'refused', '--name', 'm')
    assert.is(code, 1, err)
    assert.match(err, message)
    assert.not.match(err, /a part of the path is not a folder|\n {4}at /)
  }
  mkdirSync(at('two'))
  for (const name of ['a.onnx', 'b.keras']) writeFileSync(at('two', name), '')
  await rejects('ERR_FORMAT', /is a folder with 2 models in it: a\.onnx, b\.keras/, publish(at('two'), root, { name: 'm' }))
  mkdirSync(at('hdf5'))
  writeFileSync(at('hdf5', 'model.h5'), '')
  await rejects('ERR_FORMAT', /is a folder with a Keras model in HDF5 in it/, publish(at('hdf5'), root, { name: 'm' }))
  const { folder } = await publish(scaling(2), at('sealed'), { name: 'm', modelKey })
  await rejects('ERR_FORMAT', /is an encrypted model/, publish(folder, root, { name: 'm' }))
  assert.not(existsSync(root), 'nothing is left of any')
})

test('the model.json of a folder stands for the folder', async () => {
  await scaling(2).save(at('digits'))
  await scaling(3).exportTfjs(at('browser'))
  cpSync(at('browser'), at('renamed'), { recursive: true })
  renameSync(at('renamed', 'model.json'), at('renamed', 'letters.json'))
  const root = at('by-file')
  for (const [file, name] of [
    ['digits/model.json', 'digits'],
    ['browser/model.json', 'browser'],
    ['renamed/letters.json', 'letters'],
  ] as const) {
    const { code, out, err } = weftjs('publish', file, root)
    assert.equal([code, out], [0, `${name}/1 is published\n`], err)
    assert.ok(existsSync(path.join(root, name, '1', 'weights.safetensors')))
  }
  // and the number of a version is not the name of a model
  await rejects(
    'ERR_ARGUMENT',
    /has the name of a version, not of a model.*name: 'digits'/s,
    publish(path.join(root, 'digits', '1'), at('r')),
  )
  assert.is((await publish(path.join(root, 'digits', '1'), root, { name: 'copy' })).name, 'copy')
})

test('a label that the policy does not let go to the version is refused before there is one', async () => {
  const root = at('policy')
  await publish(scaling(2), root, { name: 'm' })
  const settings = path.join(root, 'm', 'serve.json')
  writeFileSync(settings, '{"versionPolicy":{"specific":[1]}}')
  await rejects(
    'ERR_STATE',
    /publish: the versionPolicy of 'm' does not pick version 2/,
    publish(scaling(3), root, { name: 'm', label: 'stable' }),
  )
  writeFileSync(settings, '{')
  await rejects('ERR_FORMAT', /serve\.json of model 'm'/, publish(scaling(3), root, { name: 'm', label: 'stable' }))
  assert.equal(readdirSync(path.join(root, 'm')).sort(), ['1', 'serve.json'])
  writeFileSync(settings, '{"versionPolicy":{"specific":[1,2]}}')
  assert.is((await publish(scaling(3), root, { name: 'm', label: 'stable' })).version, 2)
})

test('verify: models of other programs have no checksums, which is said; where a manifest lists their files, they are compared', async () => {
  const net = sequential([layers.dense({ units: 2, inputShape: [3], name: 'y' })])
  const places = { onnx: at('foreign', 'onnx', '1'), tfjs: at('foreign', 'tfjs', '1'), hugging: at('foreign', 'hugging', '1') }
  for (const place of Object.values(places)) mkdirSync(place, { recursive: true })
  await net.exportOnnx(path.join(places.onnx, 'model.onnx'))
  await net.exportTfjs(places.tfjs)
  cpSync(fixture('llama'), places.hugging, { recursive: true })
  for (const [name, place] of Object.entries(places)) {
    await rejects(
      'ERR_FORMAT',
      /is a model of another program, without checksums: it cannot be verified.*Publish it/s,
      loadPublished(place, { verify: true }),
    )
    for (const options of [{}, { verify: false }]) (await loadPublished(place, options)).dispose()
    const files = Object.fromEntries(
      readdirSync(place).map((file) => {
        const bytes = readFileSync(path.join(place, file))
        return [file, { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }]
      }),
    )
    const manifest = (listed: object): void =>
      writeFileSync(
        path.join(place, 'manifest.json'),
        JSON.stringify({ format: 'weft published version', formatVersion: 1, model: name, version: 1, files: listed }),
      )
    manifest(files)
    ;(await loadPublished(place, { verify: true })).dispose()
    const [first, ...rest] = Object.keys(files)
    manifest({ ...files, [first!]: { bytes: 1, sha256: '0'.repeat(64) } })
    await rejects('ERR_FORMAT', /is not as it was saved: its checksum differs/, loadPublished(place, { verify: true }))
    manifest(Object.fromEntries(rest.map((file) => [file, files[file]])))
    await rejects('ERR_FORMAT', /is not listed in manifest\.json/, loadPublished(place, { verify: true }))
    rmSync(path.join(place, 'manifest.json'))
  }
  // a server that is told to verify does not serve them, and says so
  const server = await serve({ repository: at('foreign'), http: { port: 0 }, loading: { verify: true } })
  try {
    const index = await fetch(`${server.address.http}/v2/repository/index`, { method: 'POST', body: '{}' })
    for (const { state, reason } of (await index.json()) as { state: string; reason: string }[]) {
      assert.is(state, 'UNAVAILABLE')
      assert.match(reason, /cannot be verified/)
    }
  } finally {
    await server.close()
  }
})

test('verify: a saved model of the format without checksums is refused as well', async () => {
  await scaling(2).save(at('old'))
  const file = at('old', 'model.json')
  const { sha256: _, files: __, ...rest } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  writeFileSync(file, JSON.stringify({ ...rest, version: 1 }))
  const code = (verify?: boolean): Promise<string | undefined> => codeOfAsync(loadModel(at('old'), verify === undefined ? {} : { verify }))
  assert.equal(await code(), await code(false))
  await rejects('ERR_FORMAT', /was saved without checksums, and verify asks for them/, loadModel(at('old'), { verify: true }))
})

test('loadPublished: a path that does not say which version it is; a link to one', async () => {
  const { folder } = await publish(scaling(2), at('named'), { name: 'm', sign, modelKey })
  symlinkSync(folder, at('current'))
  const options = { modelKeys: [modelKey], signedBy: [trust] }
  ;(await loadPublished(at('current'), options)).dispose()
  cpSync(folder, at('elsewhere'), { recursive: true })
  for (const given of [options, { modelKeys: [modelKey] }])
    await rejects('ERR_ARGUMENT', /does not end with the name and the number of a version/, loadPublished(at('elsewhere'), given))
})

test.run()
